// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// The columns of changes: those of the table that mean something to readers, and what became of the row.
struct ChangeColumns: Sendable {
  let names: [String]
  let fields: [TableField]
  let schema: Schema
  private let rowSchema: Schema
  private let places: [Int]
  /// Places of the key's columns, and what encodes them.
  private let keyPlaces: [Int]
  private let encoder: KeyEncoder
  let shardPlace: Int

  init(_ layout: StreamLayout) throws(StreamError) {
    let all = layout.fileSchema.fields
    let places = all.indices.filter { all[$0].name != StreamColumns.mergeState }
    self.places = places
    names = places.map { all[$0].name }
    fields = places.map { index in
      var field = layout.tableFields[index]
      field.required = false
      return field
    }
    rowSchema = Schema(fields.map(\.arrowField))
    schema = Schema(rowSchema.fields + [StreamColumns.changeTypeField])
    shardPlace = try StreamLayout.places([StreamColumns.shard], rowSchema, "stream")[0]
    let key =
      layout.definition.isKeyed
      ? layout.definition.primaryKey : [StreamColumns.shard, StreamColumns.offset]
    keyPlaces = try StreamLayout.places(key, rowSchema, "primary key")
    // Rows of others have neither shard nor offset.
    encoder = try KeyEncoder(
      rowSchema, columns: keyPlaces, nulls: layout.definition.isKeyed ? .refused : .first)
  }

  /// Rows of the file schema without what only merging needs.
  func projected(_ rows: RecordBatch) -> RecordBatch {
    RecordBatch(
      trusted: rowSchema, columns: places.map { rows.columns[$0] }, rowCount: rows.rowCount)
  }

  /// The keys of rows that have the key's columns.
  func keys(_ rows: RecordBatch) throws(StreamError) -> [[UInt8]] {
    var columns: [ArrayData] = []
    for place in keyPlaces {
      guard let column = rows[rowSchema.fields[place].name] else {
        throw StreamError(
          .table, "the rows have no such column", column: rowSchema.fields[place].name)
      }
      columns.append(column)
    }
    let encoded = try encoder.encode(columns, rowCount: rows.rowCount)
    return (0..<rows.rowCount).map { encoded.byteArray($0) }
  }

  /// Whether two of the rows hold the same; what lies under nulls, which files are free in, does not
  /// count.
  func areSame(_ a: Int, _ b: Int, of rows: RecordBatch) -> Bool {
    var options = EqualityOptions()
    options.signedZerosEqual = false
    return rows.columns.allSatisfy { column in
      column.slice(offset: a, length: 1).isEqual(
        to: column.slice(offset: b, length: 1), options: options)
    }
  }

  func batch(_ rows: RecordBatch, _ types: ArrayData) -> RecordBatch {
    RecordBatch(trusted: schema, columns: rows.columns + [types], rowCount: rows.rowCount)
  }
}

/// What is known of keys that rows of the log touch. Rows are kept in memory: as many as the log has
/// between a snapshot and a position.
struct ChangedKeys {
  /// A row of a key at one moment.
  private enum Known {
    case unknown
    /// A place in `rows`, or no row.
    case row(Int?)
  }

  private struct Key {
    var before = Known.unknown
    var inFirst = Known.unknown
    var inSecond = Known.unknown
    var behind = Known.unknown
    /// What the files say: the row that went, and the one that came.
    var isInFiles = false
    var gone: Int?
    var came: Int?
  }

  private let columns: ChangeColumns
  private var keys: [[UInt8]: Key] = [:]
  /// In the order in which they were found.
  private var order: [[UInt8]] = []
  private var parts: [RecordBatch] = []
  private var rowCount = 0

  init(_ columns: ChangeColumns) { self.columns = columns }

  var isEmpty: Bool { keys.isEmpty }

  private mutating func add(_ rows: RecordBatch) -> Int {
    defer { rowCount += rows.rowCount }
    parts.append(rows)
    return rowCount
  }

  private mutating func change(_ key: [UInt8], _ body: (inout Key) -> Void) {
    if keys[key] == nil { order.append(key) }
    body(&keys[key, default: Key()])
  }

  /// Rows of the log on the first snapshot.
  mutating func addStart(_ found: ResolvedRows) {
    let start = add(columns.projected(found.rows))
    for (place, key) in found.keys.enumerated() {
      change(key) { known in
        known.inFirst = .row(found.base[place].map { $0 + start })
        known.before = .row(found.result[place].map { $0 + start })
      }
    }
  }

  /// Rows of the log on the second snapshot.
  mutating func addEnd(_ found: ResolvedRows) {
    let start = add(columns.projected(found.rows))
    for (place, key) in found.keys.enumerated() {
      change(key) { known in
        known.inSecond = .row(found.base[place].map { $0 + start })
        known.behind = .row(found.result[place].map { $0 + start })
      }
    }
  }

  /// Takes rows of these keys out of changes between the snapshots.
  ///
  /// - Returns: the changes that are left.
  mutating func take(
    _ rows: RecordBatch, _ types: ArrayData
  ) throws(StreamError) -> RecordBatch? {
    guard !keys.isEmpty else { return columns.batch(rows, types) }
    let found = try columns.keys(rows)
    var left: [Int] = []
    var kept: [Int] = []
    // A row of somebody else is no version of its key, and tells of itself alone.
    var isAlone = Set<Int>()
    let shards = rows.columns[columns.shardPlace]
    for (row, key) in found.enumerated() {
      guard keys[key] != nil else {
        left.append(row)
        continue
      }
      if shards.isValid(row) {
        kept.append(row)
      } else {
        isAlone.insert(row)
        left.append(row)
      }
    }
    guard !kept.isEmpty || !isAlone.isEmpty else { return columns.batch(rows, types) }
    let keptRows = kept
    let start = add(
      try columnar { () throws(ColumnarError) in try rows.take(keptRows) })
    for (place, row) in kept.enumerated() {
      change(found[row]) { known in
        known.isInFiles = true
        switch types.scalar(at: row) {
        case .string(ChangeType.delete.rawValue), .string(ChangeType.updateBefore.rawValue):
          known.gone = start + place
        default: known.came = start + place
        }
      }
    }
    guard !left.isEmpty else { return nil }
    let texts = BinaryBuilder(.utf8)
    for row in left {
      guard case .string(var text) = types.scalar(at: row) else { continue }
      if isAlone.contains(row) {
        let went =
          text == ChangeType.delete.rawValue || text == ChangeType.updateBefore.rawValue
        text = (went ? ChangeType.delete : .insert).rawValue
      }
      try columnar { () throws(ColumnarError) in try texts.append(.string(text)) }
    }
    let leftRows = left
    return columns.batch(
      try columnar { () throws(ColumnarError) in try rows.take(leftRows) }, texts.finish())
  }

  /// The changes of these keys.
  func changes() throws(StreamError) -> RecordBatch? {
    guard !parts.isEmpty else { return nil }
    let all = try columnar { () throws(ColumnarError) in try RecordBatch.concatenate(parts) }
    var rows: [Int] = []
    let types = BinaryBuilder(.utf8)
    func tell(_ row: Int, _ type: ChangeType) throws(StreamError) {
      rows.append(row)
      try columnar { () throws(ColumnarError) in try types.append(.string(type.rawValue)) }
    }
    for bytes in order {
      guard let key = keys[bytes] else { continue }
      switch (Self.before(key), Self.behind(key)) {
      case (nil, nil): continue
      case (let row?, nil): try tell(row, .delete)
      case (nil, let row?): try tell(row, .insert)
      case (let old?, let new?):
        guard old != new, !columns.areSame(old, new, of: all) else { continue }
        try tell(old, .updateBefore)
        try tell(new, .updateAfter)
      }
    }
    guard !rows.isEmpty else { return nil }
    let told = rows
    return columns.batch(
      try columnar { () throws(ColumnarError) in try all.take(told) }, types.finish())
  }

  private static func before(_ key: Key) -> Int? {
    if case .row(let row) = key.before { return row }
    if key.isInFiles { return key.gone }
    if case .row(let row) = key.inSecond { return row }
    return nil
  }

  private static func behind(_ key: Key) -> Int? {
    if case .row(let row) = key.behind { return row }
    if key.isInFiles { return key.came }
    if case .row(let row) = key.inFirst { return row }
    return nil
  }
}

/// The changes, batch after batch.
final class StreamChangeBatches: StreamChangeReader {
  let from: StreamPosition
  let to: StreamPosition
  private let columns: ChangeColumns
  private var keys: ChangedKeys
  private var files: TableChangeRows?
  private var isDone = false

  init(
    from: StreamPosition, to: StreamPosition, _ columns: ChangeColumns, _ keys: ChangedKeys,
    _ files: TableChangeRows?
  ) {
    self.from = from
    self.to = to
    self.columns = columns
    self.keys = keys
    self.files = files
  }

  var schema: Schema { columns.schema }

  func next() throws -> RecordBatch? {
    while let files {
      guard let (rows, types) = try files.next() else {
        self.files = nil
        break
      }
      if let batch = try keys.take(rows, types) { return batch }
    }
    guard !isDone else { return nil }
    isDone = true
    return try keys.changes()
  }
}
