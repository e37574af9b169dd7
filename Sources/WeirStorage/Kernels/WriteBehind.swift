// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Brings a file to the disk while it grows.
///
/// A file that is written as a whole and then synced leaves all of it to the sync: the disk has a queue
/// of tens of megabytes then, and every other sync, the one of a log for example, waits behind it. Here
/// each step is handed to the disk when it is complete, and the step before is waited for: no more than
/// two steps are ever on their way. It makes nothing durable; the sync at the end still does that.
///
/// Cost: the writer is held to the speed of the disk, which the sync would have done at the end.
package struct WriteBehind: Sendable {
  package static let stepBytes = 1 << 20

  /// Where the steps end that were handed to the disk, and those that were waited for.
  private var started = 0
  private var waited = 0

  package init() {}

  /// - Parameters:
  ///   - file: open for writing.
  ///   - end: how long it is by now; it only grows.
  /// - Returns: the number of an error of the disk, which a later sync of the same open file may not
  ///   tell again; `nil` when there was none.
  package mutating func advance(_ file: Int32, to end: Int) -> Int32? {
    guard end - started >= Self.stepBytes, let call = Self.call else { return nil }
    let step = started..<end
    started = end
    if let error = Self.result(call(file, Int64(step.lowerBound), Int64(step.count), Self.write)) {
      return error
    }
    let before = waited..<step.lowerBound
    waited = step.lowerBound
    guard !before.isEmpty else { return nil }
    return Self.result(
      call(
        file, Int64(before.lowerBound), Int64(before.count),
        Self.waitBefore | Self.write | Self.waitAfter))
  }

  private static func result(_ status: Int32) -> Int32? {
    guard status != 0 else { return nil }
    // What is no error of the disk: the file system does not know the call.
    return [EIO, ENOSPC, EDQUOT].contains(errno) ? errno : nil
  }

  // Linux's sync_file_range, which Swift's view of the C library lacks.
  private typealias Call = @convention(c) (Int32, Int64, Int64, UInt32) -> Int32
  private static let (waitBefore, write, waitAfter): (UInt32, UInt32, UInt32) = (1, 2, 4)
  private static let call: Call? = {
    // Safe: the C library's function of this name has this type; it is there as long as the process.
    dlsym(nil, "sync_file_range").map { unsafeBitCast($0, to: Call.self) }
  }()
}
