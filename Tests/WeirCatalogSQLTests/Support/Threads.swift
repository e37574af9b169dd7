// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Calls `body` on so many threads at once, with their numbers, and waits for all.
func inThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  final class Work {
    let number: Int
    let body: @Sendable (Int) -> Void
    init(_ number: Int, _ body: @escaping @Sendable (Int) -> Void) {
      self.number = number
      self.body = body
    }
  }
  var threads = [pthread_t](repeating: 0, count: count)
  for number in 0..<count {
    // Safe: the thread takes the reference that is retained here.
    let work = Unmanaged.passRetained(Work(number, body)).toOpaque()
    let status = pthread_create(
      &threads[number], nil,
      { argument in
        let work = Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue()
        work.body(work.number)
        return nil
      }, work)
    precondition(status == 0, "a thread can be made")
  }
  for thread in threads { pthread_join(thread, nil) }
}
