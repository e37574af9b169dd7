// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// The turn of one process to commit to a table, among the processes of one machine.
///
/// Like `CommitTurns`, it decides nothing: commits are optimistic, and who does not take part (another
/// library, another machine, somebody who waited too long) is noticed by them. Without it the writer
/// that committed last is the likeliest to commit next, because all others have just lost and wait:
/// of 16 processes one had 60 commits in ten seconds and another one had a single one.
///
/// A turn is a lock on one byte of a file, which the kernel gives back when its holder dies. Who waits
/// asks again and again, the more often the longer it has waited, so that the turn goes round.
final class ProcessTurn {
  private let descriptor: Int32

  /// Waits for the turn; `nil` when it takes too long, or the file cannot be made.
  ///
  /// - Parameters:
  ///   - file: On a disk of this machine. It is made when it is missing, and stays, empty.
  ///   - key: Which turn: each has a byte of its own, but for chance.
  init?(
    file: String, key: String, waitMillisecondsMax: Int, _ environment: TableEnvironment
  ) {
    let descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { return nil }
    // FNV-1a: the same in all processes.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in key.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let started = environment.now()
    while !Self.lock(descriptor, offset: Int(hash >> 34)) {
      let waitedMilliseconds = (environment.now() - started) / 1_000_000
      guard (0...waitMillisecondsMax).contains(waitedMilliseconds) else {
        close(descriptor)
        return nil
      }
      let mostMicroseconds = max(200, 4_000 / (1 + waitedMilliseconds / 25))
      let jitter = Int(environment.random() % UInt64(mostMicroseconds))
      environment.sleep((mostMicroseconds / 2 + jitter / 2) * 1_000)
    }
    self.descriptor = descriptor
  }

  /// The lock goes with the open file, so that threads of this process exclude each other, too.
  private static func lock(_ descriptor: Int32, offset: Int) -> Bool {
    let ownerIsOpenFile: Int32 = 37  // F_OFD_SETLK
    var range = flock()
    range.l_type = Int16(F_WRLCK)
    range.l_whence = Int16(SEEK_SET)
    range.l_start = offset
    range.l_len = 1
    while fcntl(descriptor, ownerIsOpenFile, &range) != 0 {
      // Where the kernel knows no such locks, everybody has the turn.
      if errno != EINTR { return errno != EAGAIN && errno != EACCES }
    }
    return true
  }

  deinit { close(descriptor) }
}
