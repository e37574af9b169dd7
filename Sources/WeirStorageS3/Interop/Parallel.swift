// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
internal import WeirColumnar
internal import WeirStorage

/// Requests side by side, each in a thread: they mostly wait.
enum Parallel {
  private final class Work: Sendable {
    struct State {
      var next = 0
      var results: [Buffer]
      var failure: StorageError?
    }

    let count: Int
    let body: @Sendable (Int) throws(StorageError) -> Buffer
    let state: Mutex<State>

    init(_ count: Int, _ body: @escaping @Sendable (Int) throws(StorageError) -> Buffer) {
      self.count = count
      self.body = body
      state = Mutex(State(results: Array(repeating: Buffer(), count: count)))
    }

    /// Takes what nobody has taken, until nothing is left or something failed.
    func run() {
      while true {
        let index = state.withLock { state -> Int? in
          guard state.failure == nil, state.next < count else { return nil }
          state.next += 1
          return state.next - 1
        }
        guard let index else { return }
        do throws(StorageError) {
          let result = try body(index)
          state.withLock { $0.results[index] = result }
        } catch {
          state.withLock { $0.failure = $0.failure ?? error }
        }
      }
    }
  }

  /// `body` of 0 ..< `count`, in at most so many threads, this one among them. Throws the first failure,
  /// when the others have ended. Threads that cannot be started are done without.
  static func map(
    _ count: Int, threadCountMax: Int,
    _ body: @escaping @Sendable (Int) throws(StorageError) -> Buffer
  ) throws(StorageError) -> [Buffer] {
    let work = Work(count, body)
    var threads: [pthread_t] = []
    for _ in 1..<max(1, min(count, threadCountMax)) {
      var thread = pthread_t()
      let context = Unmanaged.passRetained(work)
      // Safe: the thread takes the one reference that `context` holds.
      let status = pthread_create(
        &thread, nil,
        { context in
          Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().run()
          return nil
        }, context.toOpaque())
      guard status == 0 else {
        context.release()
        break
      }
      threads.append(thread)
    }
    work.run()
    for thread in threads { pthread_join(thread, nil) }
    let (results, failure) = work.state.withLock { ($0.results, $0.failure) }
    if let failure { throw failure }
    return results
  }
}
