// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The rows of `files`, its narrower kinds, and `entries`.
struct FileRows {
  let schema: Schema
  private let kind: MetadataTable
  private let metadata: TableMetadata
  private let files: ManifestFiles
  private let partitionFields: [TableField]
  /// The columns that have metrics of their own, with their paths.
  private let measured: [(path: String, field: TableField)]

  init(_ metadata: TableMetadata, _ files: ManifestFiles, _ kind: MetadataTable) {
    self.metadata = metadata
    self.files = files
    self.kind = kind
    partitionFields = metadata.allPartitionFields.fields
    let current = metadata.currentSchema
    measured = current.allFieldIDs.compactMap { id in
      guard let field = current.field(id: id), !field.type.isNested,
        let path = current.path(ofFieldID: id)
      else { return nil }
      return (path, field)
    }
    let metrics = Field(
      "readable_metrics",
      .struct(measured.map { Field($0.path, Self.metrics($0.field), nullable: false) }))
    let file = Self.fileFields(partitionFields)
    schema = Schema(
      kind == .entries
        ? [
          Field("status", .int8, nullable: false), Field("snapshot_id", .int64),
          Field("sequence_number", .int64), Field("file_sequence_number", .int64),
          Field("data_file", .struct(file), nullable: false), metrics,
        ] : file + [metrics])
  }

  private static func metrics(_ field: TableField) -> DataType {
    .struct([
      Field("column_size", .int64), Field("value_count", .int64),
      Field("null_value_count", .int64), Field("nan_value_count", .int64),
      Field("lower_bound", field.type.arrowType), Field("upper_bound", field.type.arrowType),
    ])
  }

  private static func fileFields(_ partitionFields: [TableField]) -> [Field] {
    let counts = InspectColumns.map(.int32, .int64)
    let bounds = InspectColumns.map(.int32, .binary)
    return [
      Field("content", .int8, nullable: false),
      Field("file_path", .utf8, nullable: false),
      Field("file_format", .utf8, nullable: false),
      Field("spec_id", .int32, nullable: false),
      Field("partition", .struct(partitionFields.map(\.arrowField)), nullable: false),
      Field("record_count", .int64, nullable: false),
      Field("file_size_in_bytes", .int64, nullable: false),
      Field("column_sizes", counts),
      Field("value_counts", counts),
      Field("null_value_counts", counts),
      Field("nan_value_counts", counts),
      Field("lower_bounds", bounds),
      Field("upper_bounds", bounds),
      Field("key_metadata", .binary),
      Field("split_offsets", InspectColumns.list(.int64)),
      Field("equality_ids", InspectColumns.list(.int32)),
      Field("sort_order_id", .int32),
      Field("first_row_id", .int64),
      Field("referenced_data_file", .utf8),
      Field("content_offset", .int64),
      Field("content_size_in_bytes", .int64),
    ]
  }

  func rows(_ snapshots: [Snapshot]) -> () throws(TableError) -> [Scalar]? {
    var snapshots = snapshots[...]
    var manifests: ArraySlice<ManifestFile> = []
    var seen: Set<String> = []
    var open: (reader: ManifestReader, spec: PartitionSpec)?
    return { () throws(TableError) in
      while true {
        while let (reader, spec) = open {
          guard try reader.advance() else {
            open = nil
            break
          }
          guard kind == .entries || reader.isLive else { continue }
          return row(try reader.entry(), spec)
        }
        if let manifest = manifests.popFirst() {
          guard isWanted(manifest), seen.insert(manifest.path).inserted else { continue }
          let spec = try files.spec(of: manifest, in: metadata)
          open = (try files.open(manifest, spec, metadata.currentSchema), spec)
        } else {
          guard let snapshot = snapshots.popFirst() else { return nil }
          manifests = try files.manifests(of: snapshot)[...]
        }
      }
    }
  }

  private func isWanted(_ manifest: ManifestFile) -> Bool {
    switch kind {
    case .dataFiles: manifest.content == .data
    case .deleteFiles: manifest.content == .deletes
    default: true
    }
  }

  private func row(_ entry: ManifestEntry, _ spec: PartitionSpec) -> [Scalar] {
    let file = entry.dataFile
    let values = values(file, spec)
    guard kind == .entries else { return values + [readable(file.metrics)] }
    let names = Self.fileFields(partitionFields).map(\.name)
    return [
      .int(Int64(entry.status.rawValue)), Scalar(entry.snapshotID), Scalar(entry.sequenceNumber),
      Scalar(entry.fileSequenceNumber),
      .struct(zip(names, values).map { Scalar.Member($0, $1) }), readable(file.metrics),
    ]
  }

  private func values(_ file: DataFile, _ spec: PartitionSpec) -> [Scalar] {
    let metrics = file.metrics
    return [
      .int(Int64(file.content.rawValue)), .string(file.path), .string(file.format.description),
      .int(Int64(file.specID)),
      PartitionRows.tuple(partitionFields, file.partition, spec),
      .int(Int64(file.recordCount)), .int(Int64(file.fileSizeInBytes)),
      Self.map(metrics.columnSizes), Self.map(metrics.valueCounts),
      Self.map(metrics.nullValueCounts), Self.map(metrics.nanValueCounts),
      Self.map(metrics.lowerBounds), Self.map(metrics.upperBounds), Scalar(file.keyMetadata),
      file.splitOffsets.map { .list($0.map { .int($0) }) } ?? .null,
      file.equalityIDs.map { .list($0.map { .int(Int64($0)) }) } ?? .null,
      Scalar(file.sortOrderID), Scalar(file.firstRowID), Scalar(file.referencedDataFile),
      Scalar(file.contentOffset), Scalar(file.contentSizeInBytes),
    ]
  }

  private static func map(_ counts: [Int32: Int64]?) -> Scalar {
    guard let counts else { return .null }
    return .map(
      counts.sorted { $0.key < $1.key }.map { Scalar.Entry(.int(Int64($0)), .int($1)) })
  }

  private static func map(_ bounds: [Int32: [UInt8]]?) -> Scalar {
    guard let bounds else { return .null }
    return .map(
      bounds.sorted { $0.key < $1.key }.map { Scalar.Entry(.int(Int64($0)), .binary($1)) })
  }

  /// Bounds as values; what does not decode is left out.
  private func readable(_ metrics: FileMetrics) -> Scalar {
    .struct(
      measured.map { path, field in
        func bound(_ bytes: [UInt8]?) -> Scalar {
          bytes.flatMap { try? SingleValue.decode($0, as: field.type) } ?? .null
        }
        return Scalar.Member(
          path,
          .struct([
            Scalar.Member("column_size", Scalar(metrics.columnSize(of: field.id))),
            Scalar.Member("value_count", Scalar(metrics.valueCount(of: field.id))),
            Scalar.Member("null_value_count", Scalar(metrics.nullValueCount(of: field.id))),
            Scalar.Member("nan_value_count", Scalar(metrics.nanValueCount(of: field.id))),
            Scalar.Member("lower_bound", bound(metrics.lowerBound(of: field.id))),
            Scalar.Member("upper_bound", bound(metrics.upperBound(of: field.id))),
          ]))
      })
  }
}
