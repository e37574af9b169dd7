// SPDX-License-Identifier: Apache-2.0
// Safe: the thread takes the one reference that it is given; its handle is used by one of `wait` and
// `deinit`, once.

internal import Glibc
internal import Synchronization
internal import WeirColumnar
internal import WeirStorage

/// Ranges of an object that a thread of its own reads while something else goes on.
final class Prefetch {
  private final class Work: Sendable {
    let file: any ObjectReader
    let ranges: [Range<Int>]
    let result = Mutex<Result<[Buffer], StorageError>?>(nil)

    init(_ file: any ObjectReader, _ ranges: [Range<Int>]) {
      self.file = file
      self.ranges = ranges
    }

    func run() {
      let outcome: Result<[Buffer], StorageError>
      do throws(StorageError) {
        outcome = .success(try file.read(ranges))
      } catch {
        outcome = .failure(error)
      }
      result.withLock { $0 = outcome }
    }
  }

  private let work: Work
  private var thread: pthread_t?
  private let process = getpid()

  /// Begins to read; `nil` when the system gives no thread.
  init?(_ file: any ObjectReader, _ ranges: [Range<Int>]) {
    work = Work(file, ranges)
    var thread = pthread_t()
    let context = Unmanaged.passRetained(work)
    let status = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().run()
        return nil
      }, context.toOpaque())
    guard status == 0 else {
      context.release()
      return nil
    }
    self.thread = thread
  }

  deinit { if let thread, process == getpid() { pthread_detach(thread) } }

  /// The bytes, when they are there; `nil` when they could not be read.
  func wait() -> [Buffer]? {
    // A forked child has the object and not the thread.
    guard process == getpid() else { return nil }
    if let thread { pthread_join(thread, nil) }
    thread = nil
    guard case .success(let bytes)? = work.result.withLock({ $0 }) else { return nil }
    return bytes
  }
}
