// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A partition of a spec.
struct PartitionKey: Hashable {
  var specID: Int
  var values: [Scalar]

  init(specID: Int, values: [Scalar]) {
    self.specID = specID
    self.values = values
  }

  init(_ file: DataFile) { self.init(specID: file.specID, values: file.partition) }
}

/// Counts what a snapshot adds and removes, in the words of Iceberg's snapshot summaries.
struct SnapshotSummaryBuilder {
  private var addedDataFiles = 0
  private var deletedDataFiles = 0
  private var addedEqualityDeleteFiles = 0
  private var removedEqualityDeleteFiles = 0
  private var addedPositionDeleteFiles = 0
  private var removedPositionDeleteFiles = 0
  private var addedVectors = 0
  private var removedVectors = 0
  private var addedDeleteFiles = 0
  private var removedDeleteFiles = 0
  private var addedRecords = 0
  private var deletedRecords = 0
  private var addedPositionDeletes = 0
  private var removedPositionDeletes = 0
  private var addedEqualityDeletes = 0
  private var removedEqualityDeletes = 0
  private var addedSize = 0
  private var removedSize = 0
  private var partitions: Set<PartitionKey> = []

  mutating func add(_ file: DataFile) {
    partitions.insert(PartitionKey(file))
    addedSize += Self.size(file)
    switch file.content {
    case .data:
      addedDataFiles += 1
      addedRecords += file.recordCount
    case .positionDeletes:
      addedDeleteFiles += 1
      if file.isDeletionVector { addedVectors += 1 } else { addedPositionDeleteFiles += 1 }
      addedPositionDeletes += file.recordCount
    case .equalityDeletes:
      addedDeleteFiles += 1
      addedEqualityDeleteFiles += 1
      addedEqualityDeletes += file.recordCount
    }
  }

  mutating func remove(_ file: DataFile) {
    partitions.insert(PartitionKey(file))
    removedSize += Self.size(file)
    switch file.content {
    case .data:
      deletedDataFiles += 1
      deletedRecords += file.recordCount
    case .positionDeletes:
      removedDeleteFiles += 1
      if file.isDeletionVector { removedVectors += 1 } else { removedPositionDeleteFiles += 1 }
      removedPositionDeletes += file.recordCount
    case .equalityDeletes:
      removedDeleteFiles += 1
      removedEqualityDeleteFiles += 1
      removedEqualityDeletes += file.recordCount
    }
  }

  /// A deletion vector is a part of its file.
  private static func size(_ file: DataFile) -> Int {
    file.isDeletionVector
      ? file.contentSizeInBytes.map { Int($0) } ?? file.fileSizeInBytes : file.fileSizeInBytes
  }

  /// - Parameters:
  ///   - extra: what the producer and the caller say beside.
  ///   - previous: the parent's summary; `nil` without a parent.
  func build(
    _ operation: Snapshot.Operation, _ extra: StringMap, previous: StringMap?
  ) -> StringMap {
    var summary: StringMap = ["operation": operation.rawValue]
    summary.merge(extra)
    func set(_ name: String, _ value: Int) { if value > 0 { summary[name] = String(value) } }
    set("added-data-files", addedDataFiles)
    set("deleted-data-files", deletedDataFiles)
    set("added-equality-delete-files", addedEqualityDeleteFiles)
    set("removed-equality-delete-files", removedEqualityDeleteFiles)
    set("added-position-delete-files", addedPositionDeleteFiles)
    set("removed-position-delete-files", removedPositionDeleteFiles)
    set("added-delete-files", addedDeleteFiles)
    set("removed-delete-files", removedDeleteFiles)
    set("added-dvs", addedVectors)
    set("removed-dvs", removedVectors)
    set("added-records", addedRecords)
    set("deleted-records", deletedRecords)
    set("added-files-size", addedSize)
    set("removed-files-size", removedSize)
    set("added-position-deletes", addedPositionDeletes)
    set("removed-position-deletes", removedPositionDeletes)
    set("added-equality-deletes", addedEqualityDeletes)
    set("removed-equality-deletes", removedEqualityDeletes)
    summary["changed-partition-count"] = String(partitions.count)
    func total(_ name: String, _ added: Int, _ removed: Int) {
      let key = "total-" + name
      let before = previous == nil ? 0 : previous?.int(key)
      // A total that nobody knew stays unknown.
      guard let before, before >= 0, before + added - removed >= 0 else { return }
      summary[key] = String(before + added - removed)
    }
    total("records", addedRecords, deletedRecords)
    total("files-size", addedSize, removedSize)
    total("data-files", addedDataFiles, deletedDataFiles)
    total("delete-files", addedDeleteFiles, removedDeleteFiles)
    total("position-deletes", addedPositionDeletes, removedPositionDeletes)
    total("equality-deletes", addedEqualityDeletes, removedEqualityDeletes)
    if summary["engine-name"] == nil { summary["engine-name"] = "weir" }
    return summary
  }
}
