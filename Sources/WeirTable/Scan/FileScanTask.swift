// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// A data file to read, or a part of one, with the deletes that apply to it and what is left of the
/// scan's filter. What all tasks of a scan share (schema, projection, specs) is the scan's.
public struct FileScanTask: Sendable {
  public var dataFile: DataFile
  /// The spec by which `dataFile.partition` is ordered.
  public var spec: PartitionSpec
  /// The data sequence number, inherited already; `_last_updated_sequence_number` of rows that do
  /// not store their own is the file sequence number's.
  public var sequenceNumber: Int64
  /// The sequence number of the snapshot that added the file.
  public var fileSequenceNumber: Int64
  /// The deletes that apply.
  public var deletes: TaskDeletes
  /// What rows of this file still have to be tested for, bound to the Arrow schema of the scan's
  /// table schema. Always true where metrics and partition have decided everything.
  public var residual: BoundPredicate
  /// The bytes of the file in which row groups to read begin; the whole file when `nil`.
  public var range: Range<Int64>?
  /// Columns whose values are not those in the data file.
  public var columnFiles: [ColumnFile] = []

  public init(
    dataFile: DataFile, spec: PartitionSpec, sequenceNumber: Int64, fileSequenceNumber: Int64,
    deletes: TaskDeletes = TaskDeletes(), residual: BoundPredicate, range: Range<Int64>? = nil
  ) {
    self.dataFile = dataFile
    self.spec = spec
    self.sequenceNumber = sequenceNumber
    self.fileSequenceNumber = fileSequenceNumber
    self.deletes = deletes
    self.residual = residual
    self.range = range
  }
}

/// Delete files that apply to one data file, by their kind.
public struct TaskDeletes: Sendable {
  /// The deletion vector, of which a data file has one at most (v3). It takes the place of position
  /// delete files: `positionDeletes` is empty then.
  public var deletionVector: DataFile?
  /// Parquet files of (file, position).
  public var positionDeletes: [DataFile]
  /// Files of rows; what equals one of them in `equalityIDs` is deleted.
  public var equalityDeletes: [DataFile]
  /// Positions of rows that are deleted, though no file says so yet.
  public var otherPositions: RoaringBitmap64?

  public init(
    deletionVector: DataFile? = nil, positionDeletes: [DataFile] = [],
    equalityDeletes: [DataFile] = [], otherPositions: RoaringBitmap64? = nil
  ) {
    self.deletionVector = deletionVector
    self.positionDeletes = positionDeletes
    self.equalityDeletes = equalityDeletes
    self.otherPositions = otherPositions
  }

  public var isEmpty: Bool {
    deletionVector == nil && positionDeletes.isEmpty && equalityDeletes.isEmpty
      && otherPositions == nil
  }
}
