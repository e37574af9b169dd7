// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// What is to be read of a data file, whatever its format.
struct StoredRequest {
  /// The columns, of structs the fields, that are wanted where the file has them.
  var fields: [TableField]
  var batchRowsMax: Int
  var nameMapping: NameMapping?
  /// The part of the file, in bytes, whose rows are wanted: those of the row groups that begin in it,
  /// or of a format without row groups the same share of the rows.
  var range: Range<Int64>?
  /// Other rows need not come.
  var wanted: DeletedRows?
  /// Rows that it is not true for need not come.
  var filter: BoundPredicate?
  /// Columns whose values are elsewhere: what the file has there says nothing about rows.
  var replacedIDs: Set<Int32> = []

  init(fields: [TableField], batchRowsMax: Int) {
    self.fields = fields
    self.batchRowsMax = batchRowsMax
  }

  /// Begins to read.
  ///
  /// - Throws: `unsupported` for a format that cannot be read.
  func open(
    _ file: DataFile, _ stores: ObjectStores
  ) throws(TableError) -> any StoredRows {
    switch file.format {
    case .parquet: return try ParquetRows(file.path, self, stores)
    case .weir: return try WeirRows(file.path, self, stores)
    case .avro, .orc, .puffin, .other:
      throw TableError(
        .unsupported,
        "data files of format \(file.format) cannot be read, only PARQUET and WEIR; rewrite them "
          + "as Parquet files with the engine that wrote them")
    }
  }
}

/// Rows of a data file in batches, in the form in which they are stored.
protocol StoredRows: AnyObject {
  /// The columns of every batch, with field ids where the file or the name mapping gives them.
  var fields: [Field] { get }
  /// The next rows, at least one, with columns in the order of `fields`; `nil` at the end.
  func next() throws(TableError) -> (batch: RecordBatch, places: RowPlaces)?
}

/// Where the rows of a batch are in their file.
struct RowPlaces {
  let count: Int
  /// The first of them, when they follow each other.
  private let first: Int
  /// All of them, ascending, when they do not.
  private let rows: [Int]?

  init(first: Int, count: Int) {
    self.first = first
    self.count = count
    rows = nil
  }

  init(ascending rows: [Int]) {
    let first = rows.first ?? 0
    self.first = first
    count = rows.count
    self.rows = rows.isEmpty || rows[rows.count - 1] - first + 1 == rows.count ? nil : rows
  }

  /// All of them where they follow each other.
  var range: Range<Int> { first..<first + count }
  /// All of them where they do not.
  var list: [Int]? { rows }

  /// Behind the last of them.
  var end: Int { rows.map { ($0.last ?? -1) + 1 } ?? first + count }

  /// The positions as numbers, counted from `start`; the sums must fit.
  func positions(from start: Int64) -> ArrayData {
    guard let rows else { return Lineage.sequence(from: start + Int64(first), count: count) }
    return ArrayData(
      type: .int64, length: count, buffers: [Buffer(rows.map { start + Int64($0) })])
  }

  /// True where the row is among the others (or, `negated`, where it is not); `nil` when none is.
  func mask(of others: DeletedRows, negated: Bool) -> ArrayData? {
    guard let rows else { return others.mask(first: first, count: count, negated: negated) }
    return others.mask(rows: rows, negated: negated)
  }
}
