// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// How rows of a source become rows of a stream.
struct ImportShape {
  /// The stream's column, and the source's.
  private let columns: [(name: String, source: String)]
  private let sets: [(name: String, text: String)]
  private let time: String?

  /// Rows that are in memory to be sorted, at most.
  static let sortedRowCountMax = 50_000_000

  init(
    from source: Schema, to stream: [String], maps: [(String, String)], sets: [(String, String)],
    time: String?, name: String
  ) throws {
    let known = source.fields.map(\.name)
    for (column, _) in maps + sets where !stream.contains(column) {
      let close = NameSuggestion.closest(to: column, stream)
      throw CommandFailure(
        "the stream has no column '\(column)'",
        hint: close.map { "Did you mean '\($0)'?" } ?? "It has: \(stream.joined(separator: ", ")).")
    }
    let mapped = Dictionary(maps, uniquingKeysWith: { $1 })
    for wanted in maps.map(\.1).filter({ !$0.isEmpty }) + (time.map { [$0] } ?? [])
    where source[wanted] == nil {
      throw InputFile.missingColumn(wanted, known: known, name)
    }
    let set = Set(sets.map(\.0))
    var columns: [(String, String)] = []
    for column in stream where !set.contains(column) {
      let from = mapped[column] ?? column
      if column == StreamColumns.knownAt && mapped[column] == nil { continue }
      if source[from] != nil { columns.append((column, from)) }
    }
    guard !columns.isEmpty else {
      throw CommandFailure(
        "no column of \(name) has the name of a column of the stream",
        hint: "Say which is which with --map; the source has: \(known.joined(separator: ", ")).")
    }
    if let time {
      guard case .timestamp = source[time]?.type else {
        throw CommandFailure("the column '\(time)' of \(name) holds no timestamps")
      }
      if mapped[StreamColumns.knownAt] == nil, stream.contains(StreamColumns.knownAt) {
        columns.append((StreamColumns.knownAt, time))
      }
    }
    self.columns = columns.map { (name: $0.0, source: $0.1) }
    self.sets = sets.map { (name: $0.0, text: $0.1) }
    self.time = time
  }

  /// The same for the same import: what was sent already is known to the service.
  func producer(
    _ source: String, _ part: String, _ range: ImportRange, _ limit: Int?, _ batchRows: Int
  ) -> String {
    let shape = columns.map { "\($0.name)=\($0.source)" } + sets.map { "\($0.name)='\($0.text)'" }
    let options = "\(source) \(part) \(range.text) \(limit ?? 0) \(batchRows)"
    let text = "\(options) \(shape.joined(separator: " "))"
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return "weir-import-\(String(hash, radix: 16))"
  }

  /// All rows of the range in the order of time, with the source's columns that are needed.
  func read(
    _ reader: any RecordBatchReader, _ range: ImportRange, _ onward: (Int) -> Void
  ) throws -> RecordBatch {
    var names: [String] = []
    for name in columns.map(\.source) + (time.map { [$0] } ?? []) where !names.contains(name) {
      names.append(name)
    }
    let schema = Schema(names.compactMap { reader.schema[$0] })
    var batches: [RecordBatch] = []
    var count = 0
    while let batch = try reader.next() {
      let batch = try range.filter.map { try batch.filter($0) } ?? batch
      var part = try RecordBatch(
        schema: schema, columns: names.compactMap { batch[$0] }, rowCount: batch.rowCount)
      if let time, range.after != nil || range.before != nil {
        part = try part.take(rows(part, time, range))
      }
      count += part.rowCount
      guard count <= Self.sortedRowCountMax else {
        throw CommandFailure(
          "there are more than \(Self.sortedRowCountMax) rows",
          hint: "Import pieces of time, with --after and --before.")
      }
      if part.rowCount > 0 { batches.append(part) }
      onward(count)
    }
    guard !batches.isEmpty else { throw CommandFailure("no row of the source is in the range") }
    let all = try RecordBatch.concatenate(batches)
    guard let time, let column = all[time] else { return all }
    return try all.take(column.sortIndices())
  }

  private func rows(_ batch: RecordBatch, _ time: String, _ range: ImportRange) -> [Int] {
    guard let column = batch[time] else { return [] }
    let scale = Self.microsecondsPerUnit(column.type)
    return (0..<batch.rowCount).filter { row in
      guard case .int(let value) = column.scalar(at: row) else { return false }
      let at = scale.microseconds(value)
      return at >= range.after ?? .min && at < range.before ?? .max
    }
  }

  /// Rows for the stream, with times that are moved.
  func batch(
    _ all: RecordBatch, _ rows: Range<Int>, _ range: ImportRange
  ) throws -> RecordBatch {
    let part = try all.take(Array(rows))
    let shift = try shift(all, range)
    var fields: [Field] = []
    var arrays: [ArrayData] = []
    for (name, source) in columns {
      guard let array = part[source], let field = all.schema[source] else { continue }
      let moved = shift == 0 || source != time ? array : try Self.moved(array, shift)
      fields.append(Field(name, moved.type, nullable: field.nullable))
      arrays.append(moved)
    }
    for (name, text) in sets {
      fields.append(Field(name, .utf8))
      let builder = RecordBatchBuilder(Schema([fields[fields.count - 1]]))
      for _ in rows { try builder.append(row: [.string(text)]) }
      arrays.append(try builder.finish().columns[0])
    }
    if let knownAt = range.knownAt {
      fields.append(Field(StreamColumns.knownAt, .timestamp(.microsecond, timeZone: "UTC")))
      let builder = RecordBatchBuilder(Schema([fields[fields.count - 1]]))
      for _ in rows { try builder.append(row: [.int(knownAt)]) }
      arrays.append(try builder.finish().columns[0])
    }
    return try RecordBatch(schema: Schema(fields), columns: arrays, rowCount: part.rowCount)
  }

  /// Microseconds by which times are moved.
  private func shift(_ all: RecordBatch, _ range: ImportRange) throws -> Int64 {
    guard let end = range.end, let time, let column = all[time], all.rowCount > 0 else { return 0 }
    if let before = range.before { return end - before }
    guard case .int(let last) = column.scalar(at: all.rowCount - 1) else { return 0 }
    return end - Self.microsecondsPerUnit(column.type).microseconds(last)
  }

  private static func moved(_ array: ArrayData, _ shift: Int64) throws -> ArrayData {
    let scale = microsecondsPerUnit(array.type)
    let field = Field("time", .timestamp(.microsecond, timeZone: "UTC"))
    let builder = RecordBatchBuilder(Schema([field]))
    for row in 0..<array.length {
      if case .int(let value) = array.scalar(at: row) {
        try builder.append(row: [.int(scale.microseconds(value) + shift)])
      } else {
        try builder.append(row: [.null])
      }
    }
    return try builder.finish().columns[0]
  }

  private struct Scale {
    let factor: Int64
    let divisor: Int64
    func microseconds(_ value: Int64) -> Int64 { value / divisor &* factor }
  }

  private static func microsecondsPerUnit(_ type: DataType) -> Scale {
    guard case .timestamp(let unit, _) = type else { return Scale(factor: 1, divisor: 1) }
    return switch unit {
    case .second: Scale(factor: 1_000_000, divisor: 1)
    case .millisecond: Scale(factor: 1_000, divisor: 1)
    case .microsecond: Scale(factor: 1, divisor: 1)
    case .nanosecond: Scale(factor: 1, divisor: 1_000)
    }
  }
}
