// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// A data or delete file as manifests describe it.
/// Source: Iceberg table specification, "Data File Fields".
public struct DataFile: Hashable, Sendable {
  public enum Content: Int32, Hashable, Sendable {
    case data = 0
    /// Position deletes: rows of a file, or a deletion vector when the format is Puffin.
    case positionDeletes = 1
    case equalityDeletes = 2
  }

  public var content: Content
  /// Location of the file.
  public var path: String
  public var format: FileFormat
  /// The spec by whose fields `partition` is ordered.
  public var specID: Int
  /// One value for each field of the partition spec, in its order; `.null` for null.
  public var partition: [Scalar]
  /// Rows, or the cardinality of a deletion vector.
  public var recordCount: Int
  public var fileSizeInBytes: Int
  /// Counts and bounds by field id.
  public var metrics: FileMetrics
  public var keyMetadata: [UInt8]?
  /// Where row groups start, ascending.
  public var splitOffsets: [Int64]?
  /// For equality deletes: the fields by which rows are equal.
  public var equalityIDs: [Int32]?
  public var sortOrderID: Int?
  /// The `_row_id` of the first row (v3). A reader that was given the manifest's list entry has
  /// resolved it; `nil` for delete files and for tables without row lineage.
  public var firstRowID: Int64?
  /// The one data file that all deletes refer to; always there for deletion vectors.
  public var referencedDataFile: String?
  /// Where a deletion vector's blob lies in its Puffin file.
  public var contentOffset: Int64?
  public var contentSizeInBytes: Int64?

  public init(
    content: Content = .data, path: String, format: FileFormat = .parquet, specID: Int = 0,
    partition: [Scalar] = [], recordCount: Int, fileSizeInBytes: Int,
    metrics: FileMetrics = FileMetrics(), keyMetadata: [UInt8]? = nil,
    splitOffsets: [Int64]? = nil, equalityIDs: [Int32]? = nil, sortOrderID: Int? = nil,
    firstRowID: Int64? = nil, referencedDataFile: String? = nil, contentOffset: Int64? = nil,
    contentSizeInBytes: Int64? = nil
  ) {
    self.content = content
    self.path = path
    self.format = format
    self.specID = specID
    self.partition = partition
    self.recordCount = recordCount
    self.fileSizeInBytes = fileSizeInBytes
    self.metrics = metrics
    self.keyMetadata = keyMetadata
    self.splitOffsets = splitOffsets
    self.equalityIDs = equalityIDs
    self.sortOrderID = sortOrderID
    self.firstRowID = firstRowID
    self.referencedDataFile = referencedDataFile
    self.contentOffset = contentOffset
    self.contentSizeInBytes = contentSizeInBytes
  }

  /// A deletion vector: position deletes of one data file as a blob of a Puffin file.
  public var isDeletionVector: Bool { content == .positionDeletes && format == .puffin }
}
