// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// Names of files that are being written.
///
/// `.weir-tmp-<process>-<count>-<random>`, all in hexadecimal: unique among the files that this
/// process writes and, but for a chance of 2^-64, among those of others that share the folder, on
/// other machines, too. Its writer holds a lock (flock(2)) on it, which the kernel gives back when the process
/// dies: what a killed process leaves is recognised by the name, and by a lock that is to be had.
enum TemporaryName {
  static let prefix = ObjectPath.temporaryPrefix

  private static let counter = Atomic<UInt64>(0)

  private static func next() -> String {
    let count = counter.add(1, ordering: .relaxed).newValue
    let process = String(SystemCalls.processID, radix: 16)
    let random = String(UInt64.random(in: 0 ... .max), radix: 16)
    return "\(prefix)\(process)-\(String(count, radix: 16))-\(random)"
  }

  static func isTemporary(_ name: [UInt8]) -> Bool { name.starts(with: prefix.utf8) }

  /// Makes a file in the folder, with its lock.
  static func create(in folder: String) throws(SystemError) -> (file: Int32, path: String) {
    while true {
      let path = "\(folder)/\(next())"
      let file = try SystemCalls.createExclusively(path)
      do throws(SystemError) {
        try SystemCalls.tryLock(file)
        if try SystemCalls.statusIfPresent(path) != nil { return (file, path) }
      } catch {
        // A file system without locks: what is left there goes by its age.
        if error.number != EWOULDBLOCK { return (file, path) }
      }
      // Somebody swept it before it had its lock.
      SystemCalls.close(file)
    }
  }

  /// Removes a file whose writer is gone.
  ///
  /// - Returns: whether it did.
  static func removeIfLeft(_ path: String) throws(SystemError) -> Bool {
    let file: Int32
    do throws(SystemError) { file = try SystemCalls.openToLock(path) } catch { return false }
    defer { SystemCalls.close(file) }
    do throws(SystemError) { try SystemCalls.tryLock(file) } catch { return false }
    try SystemCalls.unlink(path)
    return true
  }
}
