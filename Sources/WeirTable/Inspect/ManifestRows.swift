// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The rows of `manifests` and `all_manifests`.
struct ManifestRows {
  let schema: Schema
  private let metadata: TableMetadata
  private let files: ManifestFiles
  private let isOfAll: Bool

  private static let fields = [
    Field("content", .int8, nullable: false),
    Field("path", .utf8, nullable: false),
    Field("length", .int64, nullable: false),
    Field("partition_spec_id", .int32, nullable: false),
    Field("added_snapshot_id", .int64, nullable: false),
    Field("added_data_files_count", .int32),
    Field("existing_data_files_count", .int32),
    Field("deleted_data_files_count", .int32),
    Field("added_delete_files_count", .int32),
    Field("existing_delete_files_count", .int32),
    Field("deleted_delete_files_count", .int32),
    Field(
      "partition_summaries",
      InspectColumns.list(
        .struct([
          Field("contains_null", .bool, nullable: false), Field("contains_nan", .bool),
          Field("lower_bound", .utf8), Field("upper_bound", .utf8),
        ])), nullable: false),
  ]

  init(_ metadata: TableMetadata, _ files: ManifestFiles, isOfAll: Bool) {
    self.metadata = metadata
    self.files = files
    self.isOfAll = isOfAll
    schema = Schema(
      Self.fields
        + (isOfAll
          ? [
            Field("reference_snapshot_id", .int64, nullable: false),
            Field("key_metadata", .binary),
          ] : []))
  }

  func rows(_ snapshots: [Snapshot]) -> () throws(TableError) -> [Scalar]? {
    var snapshots = snapshots[...]
    var manifests: ArraySlice<ManifestFile> = []
    var snapshotID: Int64 = 0
    return { () throws(TableError) in
      while manifests.isEmpty {
        guard let snapshot = snapshots.popFirst() else { return nil }
        snapshotID = snapshot.snapshotID
        manifests = try files.manifests(of: snapshot)[...]
      }
      return row(manifests.removeFirst(), snapshotID)
    }
  }

  private func row(_ manifest: ManifestFile, _ snapshotID: Int64) -> [Scalar] {
    let isData = manifest.content == .data
    let counts = [
      manifest.addedFilesCount, manifest.existingFilesCount, manifest.deletedFilesCount,
    ].map { Scalar($0) }
    let none = [Scalar](repeating: .int(0), count: 3)
    var row: [Scalar] = [
      .int(Int64(manifest.content.rawValue)), .string(manifest.path),
      .int(Int64(manifest.length)), .int(Int64(manifest.partitionSpecID)),
      .int(manifest.addedSnapshotID),
    ]
    row += isData ? counts + none : none + counts
    row.append(summaries(manifest))
    if isOfAll { row += [.int(snapshotID), Scalar(manifest.keyMetadata)] }
    return row
  }

  private func summaries(_ manifest: ManifestFile) -> Scalar {
    let spec = metadata.spec(id: manifest.partitionSpecID)
    let schema = metadata.currentSchema
    return .list(
      (manifest.partitions ?? []).enumerated().map { index, summary in
        func text(_ bytes: [UInt8]?) -> Scalar {
          guard let bytes, let field = spec?.fields[index, default: nil],
            let source = schema.field(id: field.sourceID)?.type,
            let type = field.transform.resultType(of: source),
            let value = try? SingleValue.decode(bytes, as: type)
          else { return .null }
          return .string(field.transform.text(value, source: source))
        }
        return .struct([
          Scalar.Member("contains_null", .bool(summary.containsNull)),
          Scalar.Member("contains_nan", Scalar(summary.containsNaN)),
          Scalar.Member("lower_bound", text(summary.lowerBound)),
          Scalar.Member("upper_bound", text(summary.upperBound)),
        ])
      })
  }
}

extension Array {
  /// The element, or `fallback` behind the end.
  subscript(index: Int, default fallback: Element?) -> Element? {
    index < count ? self[index] : fallback
  }
}
