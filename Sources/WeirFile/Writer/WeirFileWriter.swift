// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirStorage

/// Writes record batches as one Weir file (docs/specs/weir-file.md).
///
/// Each column gathers rows until they make a page, which is then encoded and written; all that
/// stays in memory is where the pages are, dictionaries, and what `windowBytesMax` allows for
/// lists. After an error, or when dropped without `close()`, the sink is aborted: nothing becomes
/// visible. Not thread-safe.
public final class WeirFileWriter {
  public let schema: Schema
  private let sink: any ObjectWriter
  let pages: PageSink
  private let options: WeirFileWriteOptions
  private(set) var columns: [ColumnWriter] = []
  /// Positions of the columns in the order in which their pages lie in the file.
  private var layout: [Int] = []
  public private(set) var rowCount = 0
  private enum State { case open, closed, failed }
  private var state = State.open

  /// - Throws: `invalidArgument` for options that do not fit the schema, `storage`.
  public init(
    _ sink: any ObjectWriter, schema: Schema, options: WeirFileWriteOptions = .init()
  ) throws(WeirFileError) {
    self.sink = sink
    self.schema = schema
    self.options = options
    pages = PageSink(sink)
    do throws(WeirFileError) {
      try Self.check(schema)
      try Self.check(keys: options.keyColumns, schema)
      try Self.check(quantise: options.quantise, schema)
      let shared = options.sharesDictionaries ? SharedDictionaries() : nil
      columns = schema.fields.map { ColumnWriter($0, options, shared: shared) }
      layout = Self.layout(schema, options.layout)
      _ = try pages.write(Buffer(FileTail.magic))
    } catch {
      sink.abort()
      state = .failed
      throw error.adding(file: options.fileName)
    }
  }

  deinit { if state == .open { sink.abort() } }

  private static func check(_ schema: Schema) throws(WeirFileError) {
    for field in schema.fields { try check(field, column: field.name, depth: 0) }
    let ids = schema.fields.compactMap(\.id)
    guard Set(ids).count == ids.count else {
      throw WeirFileError(.invalidArgument, "two columns have the same field id")
    }
  }

  private static func layout(_ schema: Schema, _ names: [String]) -> [Int] {
    var ranks: [String: Int] = [:]
    for name in names where ranks[name] == nil { ranks[name] = ranks.count }
    return schema.fields.indices.sorted {
      let (a, b) = (ranks[schema.fields[$0].name], ranks[schema.fields[$1].name])
      return (a ?? .max, $0) < (b ?? .max, $1)
    }
  }

  private static func check(keys: [String], _ schema: Schema) throws(WeirFileError) {
    for name in keys {
      guard let field = schema[name] else {
        throw WeirFileError(.invalidArgument, "there is no such key column", column: name)
      }
      guard KeyHash.isSupported(field.type) else {
        throw WeirFileError(
          .invalidArgument,
          "a column of type \(field.type) cannot be a key: name one of integers, decimals, dates, times "
            + "or byte strings", column: name)
      }
    }
  }

  private static func check(
    quantise bounds: [String: Double], _ schema: Schema
  ) throws(WeirFileError) {
    for (name, bound) in bounds {
      guard let field = schema[name], Quantiser.isSupported(field.type), bound > 0 else {
        throw WeirFileError(
          .invalidArgument,
          "only columns of float32, or of lists of it, can be quantised, with a difference above 0 "
            + "that is allowed", column: name)
      }
    }
  }

  /// A node has at most 255 children, and types are nested as deeply as readers follow.
  private static func check(
    _ field: Field, column: String, depth: Int
  ) throws(WeirFileError) {
    guard depth < FieldRecord.depthMax, field.type.children.count <= Int(UInt8.max) else {
      throw WeirFileError(
        .unsupported,
        "a struct has at most 255 fields and types at most \(FieldRecord.depthMax) levels in a Weir "
          + "file; make columns of them", column: column)
    }
    for child in field.type.children { try check(child, column: column, depth: depth + 1) }
  }

  /// Bytes of rows that wait for their pages.
  private var bufferedByteCount: Int { columns.reduce(0) { $0 + $1.pendingBytes } }

  /// Adds the batch's rows. The batch's memory must not change afterwards.
  ///
  /// - Throws: `invalidArgument` when the batch's columns do not fit the schema, or a column that
  ///   allows no nulls has one; the writer is then of no more use.
  public func write(_ batch: RecordBatch) throws(WeirFileError) {
    try guarded { () throws(WeirFileError) in
      try check(batch)
      var waitingByteCount = 0
      for position in layout {
        try columns[position].append(batch.columns[position], pages)
        waitingByteCount += columns[position].waitingByteCount
        if waitingByteCount > Self.waitingBytesMax {
          try writeBuckets()
          waitingByteCount = 0
        }
      }
      rowCount += batch.rowCount
      // Many columns share the memory: all of them write what they have when it is too much.
      if bufferedByteCount > options.bufferBytesMax { try flushColumns() }
      if waitingByteCount > 0 { try writeBuckets() }
    }
  }

  /// Bytes of small pages that wait for others, at most.
  private static let waitingBytesMax = 64 << 20

  /// Writes the rows that wait as pages.
  func flushColumns() throws(WeirFileError) {
    for position in layout { try columns[position].flush(pages) }
    try writeBuckets()
  }

  /// Writes the small pages that wait: for each range of rows those of all columns, one behind the
  /// other, those of columns that can be in a bucket first.
  private func writeBuckets() throws(WeirFileError) {
    while let row = columns.compactMap(\.firstWaitingRow).min() {
      let waiting = layout.filter { columns[$0].firstWaitingRow == row }
      for isNarrow in [true, false] {
        for position in waiting where columns[position].isNarrow == isNarrow {
          try columns[position].writeWaiting(pages)
        }
      }
    }
  }

  /// Bytes of pages that narrow columns of a bucket have for a range of rows, roughly.
  private static let bucketByteCount = 256 << 10

  /// The bucket of each column: narrow columns that follow each other.
  private func buckets() -> [UInt32] {
    var result = [UInt32](repeating: 0, count: columns.count)
    var number: UInt32 = 0
    var members: [Int] = []
    var byteCount = 0
    func end() {
      if members.count > 1 {
        number += 1
        for position in members { result[position] = number }
      }
      members = []
      byteCount = 0
    }
    guard options.bucketPageBytesMax > 0, rowCount > 0 else { return result }
    for position in layout where columns[position].isNarrow {
      members.append(position)
      byteCount += columns[position].averagePageByteCount
      if byteCount >= Self.bucketByteCount { end() }
    }
    end()
    return result
  }

  private func check(_ batch: RecordBatch) throws(WeirFileError) {
    guard batch.columns.count == columns.count else {
      throw WeirFileError(
        .invalidArgument,
        "the batch has \(batch.columns.count) columns, the file \(columns.count)")
    }
    for (field, column) in zip(schema.fields, batch.columns) {
      guard column.type == field.type else {
        throw WeirFileError(
          .invalidArgument, "the file's type is \(field.type), the batch's \(column.type)",
          column: field.name)
      }
      guard field.nullable || column.nullCount == 0 || field.type == .null else {
        throw WeirFileError(
          .invalidArgument, "\(column.nullCount) nulls in a column that allows none",
          column: field.name)
      }
    }
  }

  /// Runs `body`; on an error nothing of the file stays.
  func guarded<T>(_ body: () throws(WeirFileError) -> T) throws(WeirFileError) -> T {
    guard state == .open else {
      throw WeirFileError(
        .invalidArgument,
        state == .closed ? "the writer is closed" : "the writer failed before; begin a new file",
        file: options.fileName)
    }
    do throws(WeirFileError) {
      return try body()
    } catch {
      state = .failed
      sink.abort()
      throw error.adding(file: options.fileName)
    }
  }

  /// Writes what is left and the directory, and makes the file visible.
  @discardableResult
  public func close() throws(WeirFileError) -> ObjectMetadata {
    try guarded { () throws(WeirFileError) in
      for position in layout { try columns[position].finishPages(pages) }
      try writeBuckets()
      for position in layout { try columns[position].finish(pages) }
      try writeDirectory()
      let metadata: ObjectMetadata
      do throws(StorageError) {
        metadata = try sink.finish()
      } catch {
        throw WeirFileError(.storage, error.description)
      }
      state = .closed
      return metadata
    }
  }

  /// What is known of each column's values, in the order of the schema: that of a file's metrics in
  /// a manifest. Bounds of byte strings are prefixes (`binary`); nested columns have none. For a
  /// closed writer.
  package var columnMetrics: [ColumnMetrics] { columns.map(\.metrics) }

  /// Bytes of each column's data pages, in the order of the schema.
  package var columnByteCounts: [Int] { columns.map(\.dataByteCount) }

  private func writeDirectory() throws(WeirFileError) {
    // Columns without field ids get their places; a schema with some ids only is numbered anew.
    let hasIDs = schema.fields.allSatisfy { $0.id != nil }
    var written: [DirectoryWriter.Column] = []
    let buckets = buckets()
    for (position, writer) in columns.enumerated() {
      let id = hasIDs ? UInt32(bitPattern: writer.field.id ?? 0) : UInt32(position + 1)
      var column = try writer.written(id: id, pages)
      column.bucket = buckets[position]
      written.append(column)
    }
    let metadata = MutableBuffer()
    FieldRecord.encode(
      Metadata(schema.metadata.entries + options.metadata.entries), into: metadata)
    try DirectoryWriter(pages: pages).write(
      written, rowCount: rowCount, metadata: metadata.finish())
  }
}
