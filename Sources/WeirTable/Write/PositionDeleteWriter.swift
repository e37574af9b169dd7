// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirParquet
internal import WeirStorage

/// Writes position delete files of format version 2, one for each data file, so that a conflict with
/// a rewrite of the file is seen. (In version 3 deletion vectors take their place.)
struct PositionDeleteWriter {
  private let stores: ObjectStores
  private let properties: WriteProperties
  private let schema: TableSchema
  private let fields: [TableField]
  private var locations: DataLocations
  private(set) var files: [DataFile] = []

  init(
    _ metadata: TableMetadata, stores: ObjectStores, environment: TableEnvironment
  ) throws(TableError) {
    self.stores = stores
    schema = metadata.currentSchema
    fields = [
      TableField(MetadataColumn.deleteFilePathID, "file_path", .string, required: true),
      TableField(MetadataColumn.deletePositionID, "pos", .long, required: true),
    ]
    var properties = try WriteProperties(
      metadata.properties, schema: schema, sortOrder: .unsorted)
    // Delete files are for every reader of the table.
    properties.format = .parquet
    properties.metrics = MetricsModes(.full, of: fields.map(\.id))
    properties.parquet.columns = [:]
    properties.parquet.boundsBytesMax = properties.metrics.boundsBytesMax
    // PyIceberg reads the paths as a dictionary, which Arrow cannot make of the delta encodings.
    properties.parquet.encodings = .widest
    self.properties = properties
    locations = DataLocations(metadata, writerID: environment.uuid())
  }

  /// Writes the deletes of rows of `file`.
  mutating func write(
    _ positions: RoaringBitmap64, of file: DataFile, spec: PartitionSpec
  ) throws(TableError) {
    let path = locations.next(
      partitionPath: spec.path(file.partition, schema), suffix: "-deletes",
      fileExtension: "parquet")
    let open = try OpenDataFile(path, fields: fields, properties: properties, stores: stores)
    let rows = positions.positions
    for start in stride(from: 0, to: rows.count, by: 1 << 16) {
      let part = Array(rows[start..<min(start + 1 << 16, rows.count)])
      let batch = RecordBatch(
        trusted: Schema(fields.map(\.arrowField)),
        columns: [
          try ArrayData.constant(.string(file.path), type: .utf8, length: part.count),
          ArrayData(type: .int64, length: part.count, buffers: [Buffer(part)]),
        ], rowCount: part.count)
      try open.write(batch)
    }
    var deletes = try open.close(
      spec: spec, partition: file.partition, sortOrderID: nil,
      content: .positionDeletes)
    deletes.referencedDataFile = file.path
    files.append(deletes)
  }
}
