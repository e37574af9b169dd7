// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The schemas that were read last: the manifests of a table share one, whose text takes longer to read
/// than a small manifest's entries. Threads may use it at once.
enum AvroSchemaCache {
  private struct Entry {
    var text: [UInt8]
    var type: AvroType
  }

  /// Schemas kept, and the largest text of one.
  private static let countMax = 16
  private static let textByteCountMax = 64 << 10

  /// The entry used last is first.
  private static let entries = Mutex<[Entry]>([])

  static func type(_ text: [UInt8]) throws(TableError) -> AvroType {
    let known = entries.withLock { entries -> AvroType? in
      guard let index = entries.firstIndex(where: { $0.text == text }) else { return nil }
      if index > 0 { entries.swapAt(index, 0) }
      return entries[0].type
    }
    if let known { return known }
    let type = try AvroType(schema: text)
    guard text.count <= textByteCountMax else { return type }
    entries.withLock { entries in
      if entries.count >= countMax { entries.removeLast() }
      entries.insert(Entry(text: text, type: type), at: 0)
    }
    return type
  }
}
