// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirStorage

/// How the rows of a table are read.
public struct TableReadOptions: Sendable {
  /// Columns, dotted paths of fields within structs, and metadata columns (`MetadataColumn`), in the
  /// order wanted; all columns of the schema when `nil`.
  public var columns: [String]?
  /// The most rows to give.
  public var limit: Int?
  public var caseSensitive = true
  /// Rows of a batch at most.
  public var batchRowsMax = 65_536
  /// Bytes that delete files may take in memory.
  public var deleteBytesMax = 512 << 20

  public init() {}
}

/// The rows of a table's files, as scan tasks name them, in the form of one schema.
///
/// Columns are found by field id, whatever they were called when a file was written; types that have
/// been widened since are converted, columns that a file lacks are filled with their partition value,
/// their default or null. Deletes and residual filters are applied exactly.
///
/// Memory: a batch of one file, and the delete files that apply to it. One thread at a time may use
/// a reader.
public final class TableReader: RecordBatchReader {
  /// The columns of every batch, with field ids.
  public let schema: Schema

  private let context: ReadContext
  private let nextTask: () throws(TableError) -> FileScanTask?
  private var file: DataFileReader?
  private var left: Int
  private var failed: TableError?

  /// - Parameters:
  ///   - schema: the one to read with, such as that of an older snapshot; the current one when `nil`.
  ///   - nextTask: the next file to read, `nil` after the last. Residuals are bound to `schema`.
  /// - Throws: `notFound` for a column that is not there, `damaged` for a name mapping that is none.
  public init(
    _ metadata: TableMetadata, schema: TableSchema? = nil, stores: ObjectStores,
    options: TableReadOptions = TableReadOptions(),
    nextTask: @escaping () throws(TableError) -> FileScanTask?
  ) throws(TableError) {
    context = try ReadContext(metadata, schema: schema, stores: stores, options: options)
    self.schema = Schema(context.output.fields.map(\.arrowField))
    self.nextTask = nextTask
    if options.columns != nil, let uuid = metadata.uuid, let log = ReadLog.shared {
      log.add(
        uuid,
        context.output.fields.map(\.id).filter { MetadataColumn(fieldID: $0) == nil })
    }
    left = max(0, options.limit ?? .max)
  }

  /// Reads the files of `tasks` in their order.
  public convenience init(
    _ metadata: TableMetadata, schema: TableSchema? = nil, stores: ObjectStores,
    options: TableReadOptions = TableReadOptions(), tasks: [FileScanTask]
  ) throws(TableError) {
    var rest = tasks.makeIterator()
    try self.init(metadata, schema: schema, stores: stores, options: options) {
      () throws(TableError) in rest.next()
    }
  }

  /// The next rows, at least one; `nil` at the end. After an error every call throws it again.
  public func next() throws(TableError) -> RecordBatch? {
    if let failed { throw failed }
    do throws(TableError) {
      while left > 0 {
        if let batch = try file?.next() {
          let rows = min(batch.rowCount, left)
          left -= rows
          return rows == batch.rowCount ? batch : batch.slice(offset: 0, length: rows)
        }
        guard let task = try nextTask() else { break }
        file = try DataFileReader(task, context)
      }
      file = nil
      return nil
    } catch {
      failed = error
      file = nil
      throw error
    }
  }
}

extension ReadContext {
  init(
    _ metadata: TableMetadata, schema: TableSchema?, stores: ObjectStores,
    options: TableReadOptions
  ) throws(TableError) {
    let schema = schema ?? metadata.currentSchema
    guard options.batchRowsMax > 0 else {
      throw TableError(.invalidArgument, "batchRowsMax must be positive")
    }
    let mapping: NameMapping? =
      if let text = metadata.properties[NameMapping.property] {
        try NameMapping(parsing: text)
      } else { nil }
    let output = try ColumnSelection(
      options.columns, schema: schema, partitionType: metadata.allPartitionFields,
      caseSensitive: options.caseSensitive)
    self.init(
      schema: schema, output: output, nameMapping: mapping, stores: stores,
      deletes: DeleteLoader(
        stores: stores, nameMapping: mapping, byteCountMax: options.deleteBytesMax),
      batchRowsMax: options.batchRowsMax,
      keepsDeleted: output.fields.contains { $0.id == MetadataColumn.deleted.fieldID })
  }
}
