// SPDX-License-Identifier: Apache-2.0

/// In which order the columns of Weir files lie in them: those that are read together next to each
/// other. A table's property (`property`) says it, by field ids, which names may change around.
public struct ColumnLayout: Hashable, Sendable {
  /// The property of a table: field ids and ranges of them, as `12,5,7-9`. Columns that are not among
  /// them follow.
  public static let property = "weir.file.layout"

  /// Columns, those that are read most first.
  public var fieldIDs: [Int32]

  public init(_ fieldIDs: [Int32]) { self.fieldIDs = fieldIDs }

  /// Field ids that a layout has at most.
  private static let countMax = 1 << 20

  /// `nil` for text that is no layout.
  public init?(_ text: some StringProtocol) {
    fieldIDs = []
    for part in text.split(separator: ",") {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int32($0) }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
        first > 0, first <= last, Int(last) - Int(first) < Self.countMax - fieldIDs.count
      else { return nil }
      fieldIDs += first...last
    }
  }

  /// As the property has it.
  public var text: String {
    var parts: [String] = []
    var index = 0
    while index < fieldIDs.count {
      var end = index + 1
      while end < fieldIDs.count, fieldIDs[end - 1] < .max, fieldIDs[end] == fieldIDs[end - 1] + 1 {
        end += 1
      }
      parts.append(
        end - index > 1 ? "\(fieldIDs[index])-\(fieldIDs[end - 1])" : "\(fieldIDs[index])")
      index = end
    }
    return parts.joined(separator: ",")
  }
}

/// Which columns were read together, how many times.
public struct ColumnReads: Hashable, Sendable {
  /// Ascending.
  public var fieldIDs: [Int32]
  public var count: Int

  public init(_ fieldIDs: [Int32], count: Int) {
    self.fieldIDs = fieldIDs
    self.count = count
  }
}

extension ColumnLayout {
  /// Kinds of reads that a layout is made of, the most frequent ones.
  private static let readsMax = 64

  /// The layout for such reads: the columns of the most frequent kind of read first and next to each
  /// other, among them those that the second kind reads, too, and so on; columns that nobody reads are
  /// left out.
  public init(learning reads: [ColumnReads]) {
    var counts: [[Int32]: Int] = [:]
    for read in reads {
      counts[read.fieldIDs, default: 0] &+= max(0, min(read.count, 1 << 32))
    }
    let kinds = counts.sorted { a, b in
      a.value != b.value ? a.value > b.value : a.key.lexicographicallyPrecedes(b.key)
    }
    // Bit 63 stands for the most frequent kind.
    var marks: [Int32: UInt64] = [:]
    for (rank, kind) in kinds.prefix(Self.readsMax).enumerated() {
      for id in kind.key { marks[id, default: 0] |= 1 << UInt64(63 - rank) }
    }
    self.init(
      marks.sorted { a, b in a.value != b.value ? a.value > b.value : a.key < b.key }.map(\.key))
  }
}
