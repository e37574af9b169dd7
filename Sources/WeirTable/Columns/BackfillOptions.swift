// SPDX-License-Identifier: Apache-2.0

/// Which column gets its values from where.
public struct BackfillOptions: Hashable, Sendable {
  /// A column of the table; it is added, of the values' type, where the table has none of this name.
  public var column: String
  /// What the source calls the values, or an expression of its columns (`clicks / views`, see
  /// `ScalarExpression`); as the column when `nil`.
  public var value: String?
  /// Columns by which the source's rows and the table's are the same, of the same names in both, or
  /// `_row_id` alone; the schema's identifier fields when `nil`.
  public var keys: [String]?
  /// Bytes of keys and values that are held in memory at most.
  public var sourceBytesMax = 1 << 30
  /// How often it begins anew where others rewrote files in a way that cannot be followed.
  public var attemptsMax = 5
  /// The share of the table's rows that is filled; all when `nil`.
  public var part: BackfillPart?

  public init(column: String, keys: [String]? = nil) {
    self.column = column
    self.keys = keys
  }
}

/// What a backfill did.
public struct BackfillResult: Hashable, Sendable {
  /// `nil` when nothing had to change.
  public var snapshotID: Int64?
  /// Whether the table did not have the column before.
  public var addedColumn = false
  /// Keys of the source.
  public var sourceRowCount = 0
  /// Data files that got a column file, their rows (without deleted ones), and those that the source has
  /// no value for: they keep what they had, null in a new column.
  public var fileCount = 0
  public var rowCount = 0
  public var missingRowCount = 0
  /// Bytes of the column files.
  public var writtenByteCount = 0
  /// Column files that were made again for files that others wrote meanwhile.
  public var movedFileCount = 0

  public init() {}

  /// Counts of what a commit did, in its summary.
  private static let rows = "weir.backfilled-rows"
  private static let missingRows = "weir.backfilled-rows-without-value"
  private static let files = "weir.backfilled-files"
  private static let bytes = "weir.backfilled-bytes"

  var summary: [(name: String, value: String)] {
    [
      (Self.rows, rowCount), (Self.missingRows, missingRowCount), (Self.files, fileCount),
      (Self.bytes, writtenByteCount),
    ].map { ($0.0, String($0.1)) }
  }

  /// Takes over what somebody else's commit did.
  mutating func adopt(_ snapshot: Snapshot) {
    func count(_ name: String) -> Int { snapshot.summary?.int(name) ?? 0 }
    snapshotID = snapshot.snapshotID
    (rowCount, missingRowCount) = (count(Self.rows), count(Self.missingRows))
    (fileCount, writtenByteCount) = (count(Self.files), count(Self.bytes))
    movedFileCount = 0
  }
}
