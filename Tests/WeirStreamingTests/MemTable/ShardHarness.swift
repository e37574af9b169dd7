// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirStreaming

/// One row that a producer sends: values by column, and whether it deletes.
struct SentRow: Sendable {
  var values: [String: Scalar]
  var isDelete = false
}

/// A shard with its memory, its key index and a table that is only lists of rows: data files, and which
/// of their rows are deleted.
final class ShardHarness {
  let layout: StreamLayout
  private(set) var index: any KeyIndex
  private(set) var memory: MemTable
  private(set) var files: [String: RecordBatch] = [:]
  private(set) var deleted: [String: Set<UInt32>] = [:]
  private(set) var snapshotID: Int64 = 0
  /// All entries since the beginning.
  private(set) var log: [LogEntry] = []
  private var covered: Int64 = 0
  static let shard = 3

  init(_ layout: StreamLayout, index: any KeyIndex = MemoryKeyIndex()) {
    self.layout = layout
    self.index = index
    memory = MemTable(
      layout, shard: Self.shard, index: layout.definition.isKeyed ? index : nil, from: 0)
  }

  var end: Int64 { log.last?.offsets.upperBound ?? 0 }

  /// Appends one entry; `_op` is sent in one of its forms when a row deletes.
  func append(_ rows: [SentRow], random: inout SeededRandom) throws {
    var fields = layout.definition.columns.fields
    var columns: [[Scalar]] = fields.map { field in rows.map { $0.values[field.name] ?? .null } }
    if rows.contains(where: \.isDelete) || random.chance(0.1) {
      if random.chance(0.5) {
        fields.append(Field("_op", .utf8))
        columns.append(
          rows.map {
            $0.isDelete ? .string("delete") : random.chance(0.5) ? .null : .string("upsert")
          })
      } else {
        fields.append(Field("_op", .int32))
        columns.append(rows.map { .int($0.isDelete ? 1 : 0) })
      }
    }
    if rows.contains(where: { $0.values["_known_at"] != nil }) {
      fields.append(Field("_known_at", StreamColumns.timeType))
      columns.append(rows.map { $0.values["_known_at"] ?? .null })
    }
    let batch = try RecordBatch(
      schema: Schema(fields), columns: zip(fields, columns).map { try array($0.type, $1) })
    try memory.check(batch)
    let entry = LogEntry(
      offsets: end..<end + Int64(rows.count), ingestTime: Self.ingestTime(log.count), producer: nil,
      batch: batch)
    log.append(entry)
    try memory.apply(entry)
  }

  static func ingestTime(_ entry: Int) -> Int64 { 1_000_000 + Int64(entry) * 1_000 }

  /// Freezes and writes to files, over several of them.
  func flush(random: inout SeededRandom, appendingBetween: (() throws -> Void)? = nil) throws {
    guard memory.freeze() != nil else { return }
    try appendingBetween?()
    guard let rows = try memory.flushRows() else { return }
    snapshotID += 1
    for part in rows.replaced {
      for row in part.rows { deleted[part.path, default: []].insert(row) }
    }
    // Rows go to files in any distribution, in any order within a file.
    var written: [WrittenRows] = []
    let tombstones = Set(rows.tombstones)
    let fileCount = rows.batch.rowCount == 0 ? 0 : random.int(1...3)
    for number in 0..<fileCount {
      let members = (0..<rows.batch.rowCount).filter { $0 * 7 % fileCount == number }
      if members.isEmpty { continue }
      let path = "file-\(snapshotID)-\(number)"
      files[path] = try rows.batch.take(members)
      for (place, row) in members.enumerated() where tombstones.contains(row) {
        deleted[path, default: []].insert(UInt32(place))
      }
      written.append(WrittenRows(path: path, rows: members))
    }
    let staged = try memory.stage(rows, files: written, snapshotID: snapshotID)
    try memory.finishFlush(staged)
    covered = rows.offsets.upperBound
    if layout.definition.isKeyed {
      #expect(index.position == IndexPosition(snapshotID: snapshotID, offset: covered))
    }
  }

  /// Memory is lost: the log is replayed from what the table covers, or from a little before.
  func restart(index newIndex: (any KeyIndex)? = nil) throws {
    if let newIndex { index = newIndex }
    memory = MemTable(
      layout, shard: Self.shard, index: layout.definition.isKeyed ? index : nil, from: covered)
    for entry in log where entry.offsets.upperBound > covered - 5 {
      if entry.offsets.lowerBound < covered, entry.offsets.upperBound <= covered {
        try memory.apply(entry)
        continue
      }
      try memory.apply(entry)
    }
  }

  /// The rows that readers of the table see.
  func tableRows(hiding hidden: [HiddenRows] = []) -> [[Scalar]] {
    var without = deleted
    for part in hidden {
      for row in part.rows {
        let isNew = without[part.path, default: []].insert(row).inserted
        #expect(isNew, "a row that is hidden was visible")
      }
    }
    var result: [[Scalar]] = []
    for (path, batch) in files.sorted(by: { $0.key < $1.key }) {
      for (row, values) in rows(batch).enumerated()
      where !(without[path]?.contains(UInt32(row)) ?? false) {
        result.append(values)
      }
    }
    return result
  }

  /// A live scan.
  func liveRows() throws -> [[Scalar]] {
    let view = try memory.view()
    #expect(view.offsets.upperBound == end)
    if layout.definition.isKeyed, snapshotID > 0 {
      #expect(view.position?.snapshotID == snapshotID)
    }
    return tableRows(hiding: view.hidden) + rows(view.rows)
  }

  /// A batch of keys for lookups, in the table's types.
  func keyBatch(_ keys: [[Scalar]]) throws -> RecordBatch {
    let fields = layout.keyColumns.map { layout.fileSchema.fields[$0] }
    return try RecordBatch(
      schema: Schema(fields),
      columns: fields.enumerated().map { place, field in
        try array(field.type, keys.map { $0[place] })
      }, rowCount: keys.count)
  }
}
