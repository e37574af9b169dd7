// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// Lines in which the writers of one process wait for their turn to commit to a table.
///
/// Commits are optimistic and right without it: this only spares the work of attempts that are bound
/// to lose, and lets nobody wait for ever while others overtake. Turns are given in the order in which
/// they were asked for. Who has waited too long goes on without one.
///
/// How it works: 1. the first to ask for a key has the turn at once; 2. others add a semaphore of
/// their own to the key's line and wait on it; 3. who ends a turn takes the first semaphore off the
/// line and posts it, which hands the turn over; 4. who times out takes its semaphore off the line,
/// and if it is no longer there, the turn has just been handed over and is passed on later as usual.
final class CommitTurns: Sendable {
  /// One for all catalogs of the process; keys hold the catalog's identity.
  static let shared = CommitTurns()

  private struct Line {
    var waiting: [Waiter] = []
    var firstWaiting = 0
  }

  private let lines = Mutex<[String: Line]>([:])

  /// Calls `body` when it is its turn, or `waitMillisecondsMax` later.
  func withTurn<R, E: Error>(
    _ key: String, waitMillisecondsMax: Int, _ body: () throws(E) -> R
  ) throws(E) -> R {
    let hasTurn = begin(key, waitMillisecondsMax)
    defer { if hasTurn { end(key) } }
    return try body()
  }

  private func begin(_ key: String, _ waitMillisecondsMax: Int) -> Bool {
    let waiter: Waiter? = lines.withLock { lines in
      guard lines[key] != nil else {
        lines[key] = Line()
        return nil
      }
      let waiter = Waiter()
      lines[key]!.waiting.append(waiter)
      return waiter
    }
    guard let waiter else { return true }
    if waiter.wait(milliseconds: waitMillisecondsMax) { return true }
    return lines.withLock { lines in
      guard let index = lines[key]?.waiting.firstIndex(where: { $0 === waiter }),
        index >= lines[key]!.firstWaiting
      else { return true }
      lines[key]!.waiting.remove(at: index)
      return false
    }
  }

  private func end(_ key: String) {
    let next: Waiter? = lines.withLock { lines in
      guard var line = lines[key] else { return nil }
      guard line.firstWaiting < line.waiting.count else {
        lines[key] = nil
        return nil
      }
      let waiter = line.waiting[line.firstWaiting]
      line.firstWaiting += 1
      if line.firstWaiting > 64 {
        line.waiting.removeFirst(line.firstWaiting)
        line.firstWaiting = 0
      }
      lines[key] = line
      return waiter
    }
    next?.post()
  }
}

/// A semaphore with a fixed address.
// Safe: the pointer is set once, lives as long as the object, and sem_t is made for several threads.
private final class Waiter: @unchecked Sendable {
  private let semaphore: UnsafeMutablePointer<sem_t>

  init() {
    semaphore = .allocate(capacity: 1)
    sem_init(semaphore, 0, 0)
  }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  func post() { sem_post(semaphore) }

  /// Whether it was posted within so many milliseconds.
  func wait(milliseconds: Int) -> Bool {
    var until = timespec()
    clock_gettime(CLOCK_REALTIME, &until)
    let nanoseconds = until.tv_nsec + milliseconds % 1_000 * 1_000_000
    until.tv_sec += milliseconds / 1_000 + nanoseconds / 1_000_000_000
    until.tv_nsec = nanoseconds % 1_000_000_000
    while sem_timedwait(semaphore, &until) != 0 {
      if errno != EINTR { return false }
    }
    return true
  }
}
