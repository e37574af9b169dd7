// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Makes column files of a table.
struct ColumnFileWriter {
  private let stores: ObjectStores
  private let properties: WriteProperties
  private let metadata: TableMetadata
  private let environment: TableEnvironment

  /// - Parameter metadata: says where files go, and how they are written.
  init(
    _ metadata: TableMetadata, stores: ObjectStores, environment: TableEnvironment
  ) throws(TableError) {
    self.metadata = metadata
    self.stores = stores
    self.environment = environment
    var properties = try WriteProperties(
      metadata.properties, schema: metadata.currentSchema, sortOrder: metadata.defaultSortOrder)
    properties.format = .weir
    properties.metrics = MetricsModes(.none, of: [])
    self.properties = properties
  }

  /// A column file that is being written. It is aborted when it is dropped before `close()`.
  struct Open {
    fileprivate let file: OpenDataFile
    fileprivate let field: TableField
    fileprivate let schema: Schema
    private var byteCount = 0

    fileprivate init(_ file: OpenDataFile, _ field: TableField) {
      self.file = file
      self.field = field
      schema = Schema([field.arrowField])
    }

    var path: String { file.path }

    func write(_ values: ArrayData) throws(TableError) {
      do throws(TableError) {
        try file.write(
          RecordBatch(trusted: schema, columns: [values], rowCount: values.length))
      } catch { throw error.adding(column: field.name) }
    }

    func close() throws(TableError) -> ColumnFile {
      let written = try file.close(spec: .unpartitioned, partition: [], sortOrderID: nil)
      return ColumnFile(
        path: written.path, fieldID: field.id, rowCount: written.recordCount,
        byteCount: written.fileSizeInBytes)
    }
  }

  /// A new file for a column.
  func open(_ field: TableField) throws(TableError) -> Open {
    // What deleted rows have there nobody asks.
    var field = field
    field.required = false
    var locations = DataLocations(metadata, writerID: environment.uuid())
    let path = locations.next(
      partitionPath: "", suffix: "-column-\(field.id)", fileExtension: "weir")
    return Open(
      try OpenDataFile(
        path, fields: try StoredFields.of([field]), properties: properties, stores: stores), field)
  }
}
