// SPDX-License-Identifier: Apache-2.0

internal import WeirStreaming

/// A row that was sent.
struct SentRow: Hashable, Sendable {
  var key: Int
  var sequence: Int
  /// Different for every row that is ever sent.
  var value: Int
  var isDelete: Bool
}

/// What should be there, worked out row by row from what was acknowledged.
struct StreamOracle {
  let definition: StreamDefinition
  /// Acknowledged rows by shard and offset.
  private(set) var rows: [[Int64: SentRow]]

  init(_ definition: StreamDefinition) {
    self.definition = definition
    rows = Array(repeating: [:], count: definition.shardCount)
  }

  mutating func acknowledge(_ row: SentRow, shard: Int, offset: Int64) -> Bool {
    if let known = rows[shard][offset] { return known == row }
    rows[shard][offset] = row
    return true
  }

  /// Key, sequence and value of each row, as text, of rows below `ends`; of all with `nil`.
  func state(below ends: [Int64]?) -> [String] {
    var result: [String] = []
    for (shard, rows) in rows.enumerated() {
      let visible = rows.filter { ends == nil || $0.key < ends![shard] }
        .sorted { $0.key < $1.key }.map(\.value)
      guard definition.isKeyed else {
        result += visible.map(Self.text)
        continue
      }
      var best: [Int: SentRow] = [:]
      for row in visible {
        guard let known = best[row.key] else {
          best[row.key] = row
          continue
        }
        switch definition.merge {
        case .firstRow(let sequence):
          if !sequence.isEmpty && row.sequence < known.sequence { best[row.key] = row }
        case .lastWrite(let sequence):
          if sequence.isEmpty || row.sequence >= known.sequence { best[row.key] = row }
        default: break
        }
      }
      result += best.values.filter { !$0.isDelete }.map(Self.text)
    }
    return result.sorted()
  }

  static func text(_ row: SentRow) -> String { "\(row.key) \(row.sequence) \(row.value)" }
}
