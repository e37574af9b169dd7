// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// A thread that calls a step again and again, and sleeps while there is nothing to do.
// Safe: lock and condition live as long as the object and are made for several threads; `isPosted` is
// used under the lock; the thread's handle is written before the thread is known to anybody else.
package final class Worker: @unchecked Sendable {
  /// What a step leaves to be done.
  package enum Next {
    /// There is more to do now.
    case again
    /// Nothing before somebody calls `wake`, or so many nanoseconds have passed.
    case wait(nanoseconds: Int)
  }

  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var isPosted = false
  private let isStopped = Atomic(false)
  private let isAwake = Atomic(true)
  private let step: @Sendable () -> Next
  private let isBackground: Bool
  private var thread = pthread_t()
  private static let backgroundNiceness: Int32 = 10
  private let joined = Mutex(false)

  /// Starts the thread.
  ///
  /// - Parameters:
  ///   - isBackground: leaves the processors to other threads where there are too few. Such a thread
  ///     should hold locks that others wait for only for moments.
  ///   - step: must not block for long without a bound.
  package init(isBackground: Bool = false, _ step: @escaping @Sendable () -> Next) {
    self.step = step
    self.isBackground = isBackground
    lock = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
    condition = .allocate(capacity: 1)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // A clock that nobody sets: with one that is set back a wait would last longer.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
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
    pthread_cond_destroy(condition)
    condition.deallocate()
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  /// Has a step called soon.
  package func wake() {
    if !isAwake.exchange(true, ordering: .acquiringAndReleasing) { post() }
  }

  /// Lets the step that runs end, and waits for it. Not to be called from the step.
  package func stop() {
    isStopped.store(true, ordering: .releasing)
    post()
    joined.withLock { isJoined in
      if !isJoined { pthread_join(thread, nil) }
      isJoined = true
    }
  }

  private func run() {
    // On Linux a thread has a niceness of its own; 0 is the thread that calls.
    if isBackground { _ = setpriority(Int32(PRIO_PROCESS.rawValue), 0, Self.backgroundNiceness) }
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

  private func post() {
    pthread_mutex_lock(lock)
    isPosted = true
    pthread_cond_signal(condition)
    pthread_mutex_unlock(lock)
  }

  private func wait(_ nanoseconds: Int) {
    var until = timespec()
    clock_gettime(CLOCK_MONOTONIC, &until)
    let sum = until.tv_nsec + nanoseconds % 1_000_000_000
    until.tv_sec += nanoseconds / 1_000_000_000 + sum / 1_000_000_000
    until.tv_nsec = sum % 1_000_000_000
    pthread_mutex_lock(lock)
    while !isPosted && pthread_cond_timedwait(condition, lock, &until) != ETIMEDOUT {}
    isPosted = false
    pthread_mutex_unlock(lock)
  }
}
