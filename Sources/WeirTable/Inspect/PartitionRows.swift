// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The rows of `partitions`: sums over the files of each partition of a snapshot.
struct PartitionRows {
  let schema: Schema
  private let metadata: TableMetadata
  private let files: ManifestFiles
  private let partitionFields: [TableField]

  /// The most partitions that are summed up: a few GB of memory.
  static let countMax = 4_000_000

  private struct Key: Hashable {
    var specID: Int
    var values: [Scalar]
  }

  fileprivate struct Sums {
    var tuple: Scalar
    var records = 0
    var files = 0
    var bytes = 0
    var positionDeletes = (records: 0, files: 0)
    var equalityDeletes = (records: 0, files: 0)
    var updated: (at: Int64, snapshotID: Int64)?
  }

  init(_ metadata: TableMetadata, _ files: ManifestFiles) {
    self.metadata = metadata
    self.files = files
    partitionFields = metadata.allPartitionFields.fields
    let partition = [
      Field("partition", .struct(partitionFields.map(\.arrowField)), nullable: false),
      Field("spec_id", .int32, nullable: false),
    ]
    schema = Schema(
      (partitionFields.isEmpty ? [] : partition) + [
        Field("record_count", .int64, nullable: false),
        Field("file_count", .int32, nullable: false),
        Field("total_data_file_size_in_bytes", .int64, nullable: false),
        Field("position_delete_record_count", .int64, nullable: false),
        Field("position_delete_file_count", .int32, nullable: false),
        Field("equality_delete_record_count", .int64, nullable: false),
        Field("equality_delete_file_count", .int32, nullable: false),
        Field("last_updated_at", InspectColumns.time),
        Field("last_updated_snapshot_id", .int64),
      ])
  }

  /// The values of a partition as a struct of the fields of all specs.
  static func tuple(
    _ fields: [TableField], _ values: [Scalar], _ spec: PartitionSpec
  ) -> Scalar {
    .struct(
      fields.map { field in
        let index = spec.fields.firstIndex { $0.fieldID == field.id }
        return Scalar.Member(field.name, index.flatMap { values[$0, default: nil] } ?? .null)
      })
  }

  /// Partitions in the order in which the manifests name them first.
  func rows(_ snapshot: Snapshot?) -> () throws(TableError) -> [Scalar]? {
    var order: ArraySlice<[Scalar]>?
    return { () throws(TableError) in
      if order == nil { order = try summed(snapshot)[...] }
      return order?.popFirst()
    }
  }

  private func summed(_ snapshot: Snapshot?) throws(TableError) -> [[Scalar]] {
    guard let snapshot else { return [] }
    var times: [Int64: Int64] = [:]
    for snapshot in metadata.snapshots {
      times[snapshot.snapshotID] = snapshot.timestampMilliseconds
    }
    var indices: [Key: Int] = [:]
    var sums: [(specID: Int, Sums)] = []
    for manifest in try files.manifests(of: snapshot) {
      let spec = try files.spec(of: manifest, in: metadata)
      let reader = try files.open(manifest, spec, metadata.currentSchema)
      while try reader.advance() {
        guard reader.isLive else { continue }
        let key = Key(specID: spec.specID, values: try reader.partition())
        let index = indices[key] ?? sums.count
        if index == sums.count {
          guard sums.count < Self.countMax else {
            throw TableError(.limit, "the snapshot has more than \(Self.countMax) partitions")
          }
          indices[key] = index
          sums.append((spec.specID, Sums(tuple: Self.tuple(partitionFields, key.values, spec))))
        }
        try sums[index].1.add(reader, times)
      }
    }
    return sums.map { specID, sums in
      var row: [Scalar] = partitionFields.isEmpty ? [] : [sums.tuple, .int(Int64(specID))]
      row += [
        sums.records, sums.files, sums.bytes, sums.positionDeletes.records,
        sums.positionDeletes.files, sums.equalityDeletes.records, sums.equalityDeletes.files,
      ].map { .int(Int64($0)) }
      return row + [Scalar(sums.updated?.at), Scalar(sums.updated?.snapshotID)]
    }
  }
}

extension PartitionRows.Sums {
  fileprivate mutating func add(
    _ reader: ManifestReader, _ times: [Int64: Int64]
  ) throws(TableError) {
    let count = try reader.recordCount()
    switch try reader.content() {
    case .data:
      records &+= count
      files += 1
      bytes &+= try reader.fileSizeInBytes()
    case .positionDeletes:
      positionDeletes.records &+= count
      positionDeletes.files += 1
    case .equalityDeletes:
      equalityDeletes.records &+= count
      equalityDeletes.files += 1
    }
    if let id = try reader.snapshotID(), let time = times[id], time > updated?.at ?? .min {
      updated = (time, id)
    }
  }
}
