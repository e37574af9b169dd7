// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirTable

/// A bounded number of connections that threads take in turn, first come, first served.
///
/// A connection given back goes straight to the thread that has waited longest, so that nobody
/// starves. In a forked child every call fails: connections and locks are the parent's.
final class ConnectionPool<Connection: AnyObject>: @unchecked Sendable {
  /// A thread that waits. Its condition is used under the pool's lock only.
  private final class Waiter {
    // Safe: allocated and initialised here, destroyed in deinit, and not moved in between.
    let condition: UnsafeMutablePointer<pthread_cond_t>
    var connection: Connection?
    /// A connection was closed: open one in its place.
    var mayOpen = false

    init() {
      condition = .allocate(capacity: 1)
      var attributes = pthread_condattr_t()
      pthread_condattr_init(&attributes)
      pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
      pthread_cond_init(condition, &attributes)
      pthread_condattr_destroy(&attributes)
    }

    deinit {
      pthread_cond_destroy(condition)
      condition.deallocate()
    }
  }

  private let countMax: Int
  private let waitMillisecondsMax: Int
  /// What is pooled, for messages.
  private let what: String
  private let process = getpid()
  private let open: @Sendable () throws(SQLFailure) -> Connection
  // Safe: allocated and initialised in init, destroyed in deinit. All variables below are read and
  // written under this lock, which makes the class `Sendable`.
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private var idle: [Connection] = []
  private var openCount = 0
  private var waiters: [Waiter] = []
  private var isClosed = false

  /// - Parameters:
  ///   - what: the database, for messages.
  ///   - open: makes a connection; called without the lock.
  init(
    countMax: Int, waitMillisecondsMax: Int, what: String,
    open: @escaping @Sendable () throws(SQLFailure) -> Connection
  ) {
    self.countMax = max(1, countMax)
    self.waitMillisecondsMax = waitMillisecondsMax
    self.what = what
    self.open = open
    lock = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
  }

  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  /// A connection, an idle one, a new one or the next that is given back.
  func take() throws(SQLFailure) -> Connection {
    guard getpid() == process else { throw SQLFailure(forkedError) }
    pthread_mutex_lock(lock)
    if isClosed {
      pthread_mutex_unlock(lock)
      throw SQLFailure(TableError(.catalog, "the catalog on \(what) was closed"))
    }
    if let connection = idle.popLast() {
      pthread_mutex_unlock(lock)
      return connection
    }
    if openCount < countMax {
      openCount += 1
      pthread_mutex_unlock(lock)
      return try opened()
    }
    let waiter = Waiter()
    waiters.append(waiter)
    var deadline = timespec()
    clock_gettime(CLOCK_MONOTONIC, &deadline)
    let nanoseconds = deadline.tv_nsec + waitMillisecondsMax % 1_000 * 1_000_000
    deadline.tv_sec += waitMillisecondsMax / 1_000 + nanoseconds / 1_000_000_000
    deadline.tv_nsec = nanoseconds % 1_000_000_000
    while waiter.connection == nil && !waiter.mayOpen {
      if pthread_cond_timedwait(waiter.condition, lock, &deadline) == ETIMEDOUT { break }
    }
    let connection = waiter.connection
    let mayOpen = waiter.mayOpen
    if connection == nil && !mayOpen { waiters.removeAll { $0 === waiter } }
    pthread_mutex_unlock(lock)
    if let connection { return connection }
    if mayOpen { return try opened() }
    throw SQLFailure(
      TableError(
        .catalog,
        "all \(countMax) connections to \(what) were in use for \(waitMillisecondsMax) ms; nothing "
          + "was changed; try again or allow more connections"))
  }

  private func opened() throws(SQLFailure) -> Connection {
    do throws(SQLFailure) {
      return try open()
    } catch {
      closed()
      throw error
    }
  }

  /// Takes a connection back, or forgets it when it is broken.
  func give(_ connection: Connection, isBroken: Bool) {
    guard getpid() == process else { return }
    if isBroken { return closed() }
    pthread_mutex_lock(lock)
    if !waiters.isEmpty {
      let waiter = waiters.removeFirst()
      waiter.connection = connection
      pthread_cond_signal(waiter.condition)
    } else if isClosed {
      openCount -= 1
    } else {
      idle.append(connection)
    }
    pthread_mutex_unlock(lock)
  }

  /// One connection less; whoever waits may open another.
  private func closed() {
    pthread_mutex_lock(lock)
    if waiters.isEmpty {
      openCount -= 1
    } else {
      let waiter = waiters.removeFirst()
      waiter.mayOpen = true
      pthread_cond_signal(waiter.condition)
    }
    pthread_mutex_unlock(lock)
  }

  /// Lets go of idle connections and refuses new work; work under way ends as it would.
  func close() {
    guard getpid() == process else { return }
    pthread_mutex_lock(lock)
    isClosed = true
    let connections = idle
    openCount -= connections.count
    idle = []
    pthread_mutex_unlock(lock)
    withExtendedLifetime(connections) {}
  }

  private var forkedError: TableError {
    TableError(
      .catalog,
      "the catalog on \(what) was opened before this process was forked; open it in the child, or "
        + "start workers with 'spawn' or 'forkserver'")
  }
}

/// Time and waiting.
enum SQLClock {
  /// Milliseconds of a clock that never goes back.
  static func monotonicMilliseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
  }

  static func sleep(microseconds: Int) {
    var time = timespec(
      tv_sec: microseconds / 1_000_000, tv_nsec: microseconds % 1_000_000 * 1_000)
    var left = timespec()
    while nanosleep(&time, &left) != 0 && errno == EINTR { time = left }
  }

  /// Waits before attempt number `attempt` + 1: some 1 ms, doubling up to 100 ms, half of it by chance.
  static func waitBeforeRetry(_ attempt: Int) {
    let most = min(100_000, 1_000 << min(attempt, 7))
    sleep(microseconds: most / 2 + Int.random(in: 0...(most / 2)))
  }
}
