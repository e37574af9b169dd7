// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Threads for calls that block, with a bound on how many calls wait for one.
///
/// Catalogs, databases and object stores block; on the threads of Swift concurrency they would stall
/// every other request.
final class WorkerPool: Sendable {
  private let threads: NIOThreadPool
  /// Calls that wait or run.
  private let callCount = Atomic<Int>(0)
  private let callCountMax: Int

  /// A call that was not started, and has no effect.
  enum Refusal: Error {
    case full
    case overdue
    case stopped
  }

  init(threadCount: Int, waitingCountMax: Int) {
    threads = NIOThreadPool(numberOfThreads: threadCount)
    callCountMax = threadCount + waitingCountMax
  }

  func start() { threads.start() }

  /// Calls that wait are refused, those that run are waited for.
  func stop() async { try? await threads.shutdownGracefully() }

  /// Runs `work` on one of the threads. `completion` gets its result, or why it was not started, on
  /// that thread or on this one.
  func submit<Result: Sendable>(
    deadline: NIODeadline, _ work: @escaping @Sendable () -> Result,
    completion: @escaping @Sendable (Swift.Result<Result, Refusal>) -> Void
  ) {
    guard callCount.add(1, ordering: .relaxed).newValue <= callCountMax else {
      callCount.subtract(1, ordering: .relaxed)
      completion(.failure(.full))
      return
    }
    threads.submit { state in
      defer { self.callCount.subtract(1, ordering: .relaxed) }
      switch state {
      case .cancelled: completion(.failure(.stopped))
      case .active:
        if deadline <= .now() {
          completion(.failure(.overdue))
        } else {
          completion(.success(work()))
        }
      }
    }
  }
}
