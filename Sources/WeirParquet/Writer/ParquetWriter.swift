// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirStorage

/// Writes record batches as one Parquet file.
///
/// Batches are kept (without a copy) until they make a row group; then its columns are encoded one
/// after the other. Memory: `rowGroupBytesMax` of batches plus the largest encoded column chunk.
///
/// After an error, or when dropped without `close()`, the sink is aborted: nothing becomes visible.
/// Not thread-safe.
public final class ParquetWriter {
  public let schema: Schema
  private let sink: any ObjectWriter
  private let options: ParquetWriteOptions
  private let parquetSchema: WriteSchema
  private let scratch = WriteScratch()
  private var writers: [ChunkWriter] = []
  private var sorting: [SortingColumn] = []

  private var pending: [RecordBatch] = []
  private var pendingRows = 0
  private var pendingBytes = 0
  /// Rows in finished row groups.
  private var writtenRows = 0
  private var rowGroups: [RowGroupMetaData] = []
  private var indexes: [[(column: ColumnIndex?, offset: OffsetIndex)]] = []
  private enum State { case open, closed, failed }
  private var state = State.open

  /// - Throws: `unsupported` for types that Parquet cannot hold, `invalidArgument` for options that
  ///   do not fit, `storage`.
  public init(
    _ sink: any ObjectWriter, schema: Schema, options: ParquetWriteOptions = .init()
  ) throws(ParquetError) {
    self.sink = sink
    self.schema = schema
    self.options = options
    do {
      parquetSchema = try WriteSchema(schema)
      for leaf in parquetSchema.leaves {
        writers.append(try ChunkWriter(leaf, options: options, scratch: scratch))
      }
      try Self.checkNames(options.columns.keys, parquetSchema.leaves)
      sorting = try Self.sortingColumns(options.sorting, parquetSchema.leaves)
      try Self.put(Buffer(Array("PAR1".utf8)), sink)
    } catch {
      sink.abort()
      state = .failed
      throw error.adding(file: options.fileName)
    }
  }

  deinit { if state == .open { sink.abort() } }

  /// Settings for a column that is not there are a mistake, not a wish.
  private static func checkNames(
    _ names: some Sequence<String>, _ leaves: [LeafPlan]
  ) throws(ParquetError) {
    for name in names {
      guard leaves.contains(where: { $0.path[0] == name || $0.path.joined(separator: ".") == name })
      else {
        throw ParquetError(
          .invalidArgument, "the options name a column that the schema does not have",
          column: name)
      }
    }
  }

  private static func sortingColumns(
    _ wanted: [ParquetWriteOptions.Sorting], _ leaves: [LeafPlan]
  ) throws(ParquetError) -> [SortingColumn] {
    var result: [SortingColumn] = []
    for sorting in wanted {
      let found = leaves.firstIndex { $0.path.joined(separator: ".") == sorting.column }
      guard let found else {
        throw ParquetError(
          .invalidArgument, "the sorting names a column that is no leaf of the schema",
          column: sorting.column)
      }
      result.append(
        SortingColumn(
          columnIndex: Int32(found), descending: sorting.descending,
          nullsFirst: sorting.nullsFirst))
    }
    return result
  }

  /// Rows written so far, buffered ones included.
  public var rowCount: Int { writtenRows + pendingRows }
  /// Bytes of batches that wait for their row group to be written.
  package var bufferedByteCount: Int { pendingBytes }
  /// Bytes of the file so far.
  package var writtenByteCount: Int { sink.byteCount }

  /// Adds the batch's rows. The batch's memory must not change afterwards.
  ///
  /// - Throws: `invalidArgument` when the batch's columns do not fit the schema, or a column that
  ///   allows no nulls has one; the writer is then of no more use.
  public func write(_ batch: RecordBatch) throws(ParquetError) {
    try guarded { () throws(ParquetError) in
      try check(batch)
      var rest = batch
      while rest.rowCount > 0 {
        let byteCount = rest.columns.reduce(0) { $0 + RowGroupSize.byteCount($1) }
        let room = min(
          rowsThatFit(rest.rowCount, byteCount),
          max(options.rowGroupRowsMax, 1) - pendingRows)
        let rows = min(rest.rowCount, max(room, pendingRows == 0 ? 1 : 0))
        if rows > 0 {
          let part = rest.slice(offset: 0, length: rows)
          pending.append(part)
          pendingRows += rows
          pendingBytes += Int(Double(byteCount) / Double(rest.rowCount) * Double(rows))
          rest = rest.slice(offset: rows, length: rest.rowCount - rows)
        }
        if rest.rowCount > 0 || pendingBytes >= options.rowGroupBytesMax
          || pendingRows >= options.rowGroupRowsMax
        {
          try flush()
        }
      }
    }
  }

  /// Ends the row group, if it has rows: what follows goes to a new one.
  public func endRowGroup() throws(ParquetError) {
    try guarded { () throws(ParquetError) in try flush() }
  }

  private func rowsThatFit(_ rows: Int, _ byteCount: Int) -> Int {
    let room = options.rowGroupBytesMax - pendingBytes
    if byteCount <= room { return rows }
    return max(0, Int(Double(room) / Double(byteCount) * Double(rows)))
  }

  private func check(_ batch: RecordBatch) throws(ParquetError) {
    guard batch.columns.count == schema.fields.count else {
      throw ParquetError(
        .invalidArgument,
        "the batch has \(batch.columns.count) columns, the file \(schema.fields.count)")
    }
    for (field, column) in zip(schema.fields, batch.columns) where column.type != field.type {
      throw ParquetError(
        .invalidArgument, "the file's type is \(field.type), the batch's \(column.type)",
        column: field.name)
    }
  }

  /// Runs `body`; on an error nothing of the file stays.
  private func guarded<T>(_ body: () throws(ParquetError) -> T) throws(ParquetError) -> T {
    guard state == .open else {
      throw ParquetError(
        .invalidArgument,
        state == .closed ? "the writer is closed" : "the writer failed before; begin a new file",
        file: options.fileName)
    }
    do {
      return try body()
    } catch {
      state = .failed
      pending = []
      sink.abort()
      throw error.adding(file: options.fileName)
    }
  }

  private static func put(_ buffer: Buffer, _ sink: any ObjectWriter) throws(ParquetError) {
    do throws(StorageError) {
      try sink.append(buffer)
    } catch {
      throw ParquetError(.storage, error.description)
    }
  }

  private func flush() throws(ParquetError) {
    if pendingRows == 0 { return }
    let batches = pending
    var rowGroup = RowGroupMetaData(
      columns: [], totalByteSize: 0, rowCount: pendingRows, sortingColumns: sorting,
      fileOffset: sink.byteCount, totalCompressedSize: 0,
      ordinal: Int16(exactly: rowGroups.count))
    var groupIndexes: [(ColumnIndex?, OffsetIndex)] = []
    var groupFilters: [[UInt8]?] = []
    for writer in writers {
      do {
        let column = ColumnLevels(writer.plan)
        var row = writtenRows
        for batch in batches {
          try column.add(batch.columns[writer.plan.column], firstRow: row)
          row += batch.rowCount
        }
        let chunk = try writer.write(column)
        groupFilters.append(chunk.bloomFilter)
        groupIndexes.append(try append(chunk, &rowGroup))
      } catch {
        throw error.adding(rowGroup: rowGroups.count)
      }
    }
    try write(groupFilters, &rowGroup)
    rowGroups.append(rowGroup)
    indexes.append(groupIndexes)
    writtenRows += pendingRows
    pending = []
    pendingRows = 0
    pendingBytes = 0
  }

  /// Writes a chunk and makes its offsets the file's.
  private func append(
    _ chunk: EncodedChunk, _ rowGroup: inout RowGroupMetaData
  ) throws(ParquetError) -> (ColumnIndex?, OffsetIndex) {
    let start = sink.byteCount
    var metaData = chunk.metaData
    metaData.dataPageOffset += start
    if metaData.dictionaryPageOffset != nil { metaData.dictionaryPageOffset = start }
    var offsetIndex = chunk.offsetIndex
    for page in offsetIndex.pages.indices { offsetIndex.pages[page].offset += start }
    rowGroup.totalByteSize += metaData.totalUncompressedSize
    rowGroup.totalCompressedSize = rowGroup.totalCompressedSize! + metaData.totalCompressedSize
    rowGroup.columns.append(ColumnChunk(metaData: metaData))
    try Self.put(chunk.bytes, sink)
    return (chunk.columnIndex, offsetIndex)
  }

  /// Writes what is buffered and the footer, and makes the file visible.
  public func close() throws(ParquetError) -> FileMetaData {
    try guarded { () throws(ParquetError) in
      try flush()
      if options.pageIndex { try writeIndexes() }
      let metaData = FileMetaData(
        version: 2, schema: parquetSchema.elements, rowCount: writtenRows, rowGroups: rowGroups,
        keyValues: try keyValues(), createdBy: Self.createdBy,
        hasTypeDefinedOrder: parquetSchema.leaves.map { _ in true })
      var footer = metaData.encoded()
      guard let length = UInt32(exactly: footer.count) else {
        throw ParquetError(.limitExceeded, "the footer would take \(footer.count) bytes")
      }
      withUnsafeBytes(of: length.littleEndian) { footer.append(contentsOf: $0) }
      footer.append(contentsOf: "PAR1".utf8)
      try Self.put(Buffer(footer), sink)
      do throws(StorageError) {
        _ = try sink.finish()
      } catch {
        throw ParquetError(.storage, error.description)
      }
      state = .closed
      return metaData
    }
  }

  /// What the footer says of its writer, in the form that readers parse for known faults.
  static let createdBy = "weir version 0.1.0"

  private func keyValues() throws(ParquetError) -> [KeyValue] {
    var result = (schema.metadata.entries + options.metadata.entries)
      .filter { $0.key != ArrowSchemaValue.key }
      .map { KeyValue(key: $0.key, value: $0.value) }
    if options.arrowSchema {
      result.append(
        KeyValue(key: ArrowSchemaValue.key, value: try ArrowSchemaValue.encode(schema)))
    }
    return result
  }

  /// Bloom filters go behind their row group, so that they need not be kept.
  private func write(
    _ filters: [[UInt8]?], _ rowGroup: inout RowGroupMetaData
  ) throws(ParquetError) {
    for (column, filter) in filters.enumerated() {
      guard let filter else { continue }
      let bytes = BloomFilterHeader(byteCount: filter.count).encoded() + filter
      rowGroup.columns[column].metaData.bloomFilterOffset = sink.byteCount
      rowGroup.columns[column].metaData.bloomFilterLength = bytes.count
      try Self.put(Buffer(bytes), sink)
    }
  }

  /// All column indexes, then all offset indexes: readers fetch either in one request.
  private func writeIndexes() throws(ParquetError) {
    for group in rowGroups.indices {
      for (column, index) in indexes[group].enumerated() {
        guard let columnIndex = index.column else { continue }
        let bytes = columnIndex.encoded()
        rowGroups[group].columns[column].columnIndexOffset = sink.byteCount
        rowGroups[group].columns[column].columnIndexLength = bytes.count
        try Self.put(Buffer(bytes), sink)
      }
    }
    for group in rowGroups.indices {
      for (column, index) in indexes[group].enumerated() {
        let bytes = index.offset.encoded()
        rowGroups[group].columns[column].offsetIndexOffset = sink.byteCount
        rowGroups[group].columns[column].offsetIndexLength = bytes.count
        try Self.put(Buffer(bytes), sink)
      }
    }
  }
}
