// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Names of files that are being written.
///
/// `.weir-tmp-<process>-<count>-<random>`, all in hexadecimal: unique among the files that this
/// process writes and, but for a chance of 2^-64, among those of others that share the folder, on
/// other machines, too. What a killed process leaves is recognised by the name.
enum TemporaryName {
  static let prefix = ObjectPath.temporaryPrefix

  private static let counter = Atomic<UInt64>(0)

  static func next() -> String {
    let count = counter.add(1, ordering: .relaxed).newValue
    let process = String(SystemCalls.processID, radix: 16)
    let random = String(UInt64.random(in: 0 ... .max), radix: 16)
    return "\(prefix)\(process)-\(String(count, radix: 16))-\(random)"
  }

  static func isTemporary(_ name: [UInt8]) -> Bool { name.starts(with: prefix.utf8) }
}
