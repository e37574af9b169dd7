// SPDX-License-Identifier: Apache-2.0

/// What a manifest list says about the values of one partition field in a manifest.
/// Source: Iceberg table specification, "Manifest Lists", `field_summary`.
public struct FieldSummary: Hashable, Sendable {
  public var containsNull: Bool
  /// `nil` when the writer did not say.
  public var containsNaN: Bool?
  /// In single-value serialization (`SingleValue`); `nil` when all values are null or NaN, or when
  /// the writer did not say.
  public var lowerBound: [UInt8]?
  public var upperBound: [UInt8]?

  public init(
    containsNull: Bool, containsNaN: Bool? = nil, lowerBound: [UInt8]? = nil,
    upperBound: [UInt8]? = nil
  ) {
    self.containsNull = containsNull
    self.containsNaN = containsNaN
    self.lowerBound = lowerBound
    self.upperBound = upperBound
  }
}

/// One entry of a manifest list: a manifest and what is known about it without reading it.
/// Source: Iceberg table specification, "Manifest Lists".
public struct ManifestFile: Hashable, Sendable {
  /// What the manifest's files are.
  public enum Content: Int32, Hashable, Sendable {
    case data = 0
    case deletes = 1
  }

  /// A sequence number that the commit is going to assign.
  public static let unassignedSequenceNumber: Int64 = -1

  /// Location of the manifest.
  public var path: String
  /// Bytes.
  public var length: Int
  public var partitionSpecID: Int
  public var content: Content
  /// When the manifest was added; `unassignedSequenceNumber` before the commit; 0 in v1.
  public var sequenceNumber: Int64
  /// The lowest data sequence number of a live file; as above.
  public var minSequenceNumber: Int64
  /// The snapshot that added the manifest.
  public var addedSnapshotID: Int64
  /// Counts of entries and rows are `nil` when a v1 writer left them out: assume some.
  public var addedFilesCount: Int?
  public var existingFilesCount: Int?
  public var deletedFilesCount: Int?
  public var addedRowsCount: Int?
  public var existingRowsCount: Int?
  public var deletedRowsCount: Int?
  /// One for each field of the partition spec; `nil` when the writer left them out.
  public var partitions: [FieldSummary]?
  public var keyMetadata: [UInt8]?
  /// The `_row_id` of the first row of the files that have none of their own (v3, data only).
  public var firstRowID: Int64?

  public init(
    path: String, length: Int, partitionSpecID: Int, content: Content = .data,
    sequenceNumber: Int64 = unassignedSequenceNumber,
    minSequenceNumber: Int64 = unassignedSequenceNumber, addedSnapshotID: Int64,
    addedFilesCount: Int? = nil, existingFilesCount: Int? = nil, deletedFilesCount: Int? = nil,
    addedRowsCount: Int? = nil, existingRowsCount: Int? = nil, deletedRowsCount: Int? = nil,
    partitions: [FieldSummary]? = nil, keyMetadata: [UInt8]? = nil, firstRowID: Int64? = nil
  ) {
    self.path = path
    self.length = length
    self.partitionSpecID = partitionSpecID
    self.content = content
    self.sequenceNumber = sequenceNumber
    self.minSequenceNumber = minSequenceNumber
    self.addedSnapshotID = addedSnapshotID
    self.addedFilesCount = addedFilesCount
    self.existingFilesCount = existingFilesCount
    self.deletedFilesCount = deletedFilesCount
    self.addedRowsCount = addedRowsCount
    self.existingRowsCount = existingRowsCount
    self.deletedRowsCount = deletedRowsCount
    self.partitions = partitions
    self.keyMetadata = keyMetadata
    self.firstRowID = firstRowID
  }

  /// Whether it may hold entries with status added; true when the writer did not say.
  public var hasAddedFiles: Bool { addedFilesCount != 0 }
  /// Whether it may hold entries with status existing; true when the writer did not say.
  public var hasExistingFiles: Bool { existingFilesCount != 0 }
  /// Whether it may hold entries with status deleted; true when the writer did not say.
  public var hasDeletedFiles: Bool { deletedFilesCount != 0 }
  /// Whether it may hold files of the snapshot.
  public var hasLiveFiles: Bool { hasAddedFiles || hasExistingFiles }
}
