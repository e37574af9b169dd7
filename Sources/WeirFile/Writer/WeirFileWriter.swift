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
      columns = schema.fields.map { ColumnWriter($0, options) }
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
      for (writer, column) in zip(columns, batch.columns) { try writer.append(column, pages) }
      rowCount += batch.rowCount
      // Many columns share the memory: all of them write what they have when it is too much.
      if bufferedByteCount > options.bufferBytesMax {
        for writer in columns { try writer.flush(pages) }
      }
    }
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
      for writer in columns { try writer.finish(pages) }
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
    var tail = FileTail()
    tail.rowCount = rowCount
    tail.columnCount = columns.count
    // Columns without field ids get their places; a schema with some ids only is numbered anew.
    let hasIDs = schema.fields.allSatisfy { $0.id != nil }
    var order: [(id: UInt32, position: Int)] = schema.fields.enumerated().map { position, field in
      (hasIDs ? UInt32(bitPattern: field.id ?? 0) : UInt32(position + 1), position)
    }
    order.sort { $0.id < $1.id }
    tail.firstID = order.first?.id ?? 0
    tail.isDense = order.enumerated().allSatisfy { $1.id == tail.firstID &+ UInt32($0) }

    var records: [Record] = []
    for (_, position) in order {
      let field = MutableBuffer()
      FieldRecord.encode(columns[position].field, into: field)
      let statistics = try columns[position].encodedStatistics().map {
        (bytes) throws(WeirFileError) in try pages.write(bytes)
      }
      records.append(
        Record(
          field: field.finish(), descriptor: try columns[position].descriptor(pages).encoded(),
          statistics: statistics ?? DirectoryEntry.Part()))
    }
    tail.stride = Self.stride(records)
    let directory = try directory(order, records, tail.stride)
    tail.directoryOffset = try pages.write(directory).offset

    let numbers = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1.position, $0) })
    let names = schema.fields.enumerated().map { (name: $1.name, entry: numbers[$0]!) }
    let table = try pages.write(NameTable.encoded(names))
    tail.namesOffset = table.offset
    tail.nameSlots = NameTable.slotCount(names.count)

    let metadata = MutableBuffer()
    FieldRecord.encode(
      Metadata(schema.metadata.entries + options.metadata.entries), into: metadata)
    let part = try pages.write(metadata.finish())
    (tail.metadataOffset, tail.metadataSize, tail.metadataCRC) = (part.offset, part.size, part.crc)
    _ = try pages.write(tail.encoded())
  }

  /// What describes a column: bytes, and where its statistics are.
  private struct Record {
    var field: Buffer
    var descriptor: Buffer
    var statistics: DirectoryEntry.Part
  }

  /// Room for an entry with its records behind it, as long as that is not much.
  private static func stride(_ records: [Record]) -> Int {
    let largest = records.map { ($0.field.count + 7) & ~7 + $0.descriptor.count }.max() ?? 0
    let wanted = DirectoryEntry.byteCount + (largest + 7) & ~7
    return wanted <= strideMax ? wanted : DirectoryEntry.byteCount
  }

  private static let strideMax = 512

  private func directory(
    _ order: [(id: UInt32, position: Int)], _ records: [Record], _ stride: Int
  ) throws(WeirFileError) -> Buffer {
    let isInline = stride > DirectoryEntry.byteCount
    var entries: [DirectoryEntry] = []
    for (place, (id, position)) in order.enumerated() {
      var entry = DirectoryEntry()
      entry.fieldID = id
      entry.position = position
      let (field, descriptor) = (records[place].field, records[place].descriptor)
      entry.statistics = records[place].statistics
      if !isInline {
        entry.field = try pages.write(field)
        entry.descriptor = try pages.write(descriptor)
      }
      entries.append(entry)
    }
    let out = MutableBuffer(capacity: entries.count * stride)
    let start = (pages.offset + 7) & ~7
    for (index, entry) in entries.enumerated() {
      var entry = entry
      let (field, descriptor) = (records[index].field, records[index].descriptor)
      if isInline {
        let at = start + index * stride + DirectoryEntry.byteCount
        entry.field = DirectoryEntry.Part(offset: at, size: field.count, crc: field.crc32c)
        entry.descriptor = DirectoryEntry.Part(
          offset: at + (field.count + 7) & ~7, size: descriptor.count, crc: descriptor.crc32c)
      }
      entry.encode(into: out)
      if isInline {
        out.append(field)
        out.align()
        out.append(descriptor)
        out.appendZeros((index + 1) * stride - out.count)
      }
    }
    return out.finish()
  }
}
