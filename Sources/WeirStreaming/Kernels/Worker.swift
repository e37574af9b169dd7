// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// A thread that calls a step again and again, and sleeps while there is nothing to do.
// Safe: the semaphore lives as long as the object and is made for several threads; the thread's handle
// is written before the thread is known to anybody else.
final class Worker: @unchecked Sendable {
  /// What a step leaves to be done.
  enum Next {
    /// There is more to do now.
    case again
    /// Nothing before somebody calls `wake`, or so many nanoseconds have passed.
    case wait(nanoseconds: Int)
  }

  private let semaphore: UnsafeMutablePointer<sem_t>
  private let isStopped = Atomic(false)
  private let isAwake = Atomic(true)
  private let step: @Sendable () -> Next
  private var thread = pthread_t()
  private let joined = Mutex(false)

  /// Starts the thread.
  ///
  /// - Parameter step: must not block for long without a bound.
  init(_ step: @escaping @Sendable () -> Next) {
    self.step = step
    semaphore = .allocate(capacity: 1)
    sem_init(semaphore, 0, 0)
    let box = Unmanaged.passRetained(self)
    let result = pthread_create(
      &thread, nil,
      { argument in
        let worker = Unmanaged<Worker>.fromOpaque(argument!).takeRetainedValue()
        worker.run()
        return nil
      }, box.toOpaque())
    precondition(result == 0, "the system gives no more threads")
  }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  /// Has a step called soon.
  func wake() {
    if !isAwake.exchange(true, ordering: .acquiringAndReleasing) { sem_post(semaphore) }
  }

  /// Lets the step that runs end, and waits for it. Not to be called from the step.
  func stop() {
    isStopped.store(true, ordering: .releasing)
    sem_post(semaphore)
    joined.withLock { isJoined in
      if !isJoined { pthread_join(thread, nil) }
      isJoined = true
    }
  }

  private func run() {
    while !isStopped.load(ordering: .acquiring) {
      guard case .wait(let nanoseconds) = step() else { continue }
      isAwake.store(false, ordering: .sequentiallyConsistent)
      // What came while the step was on its way to sleep has not posted.
      guard case .wait(let left) = step(), nanoseconds > 0, left > 0 else {
        isAwake.store(true, ordering: .sequentiallyConsistent)
        continue
      }
      wait(min(nanoseconds, left))
      isAwake.store(true, ordering: .sequentiallyConsistent)
    }
  }

  private func wait(_ nanoseconds: Int) {
    var until = timespec()
    clock_gettime(CLOCK_REALTIME, &until)
    let sum = until.tv_nsec + nanoseconds % 1_000_000_000
    until.tv_sec += nanoseconds / 1_000_000_000 + sum / 1_000_000_000
    until.tv_nsec = sum % 1_000_000_000
    while sem_timedwait(semaphore, &until) != 0 && errno == EINTR {}
  }
}
