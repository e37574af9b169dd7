// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Divides batches by partition.
struct PartitionGrouper: Sendable {
  let spec: PartitionSpec
  private let schema: TableSchema

  /// The rows of one partition.
  struct Group {
    var partition: [Scalar]
    var batch: RecordBatch
    /// Which rows of the batch they are; `nil` for those from `firstRow` on.
    var rows: [Int]?
    var firstRow = 0
  }

  /// - Throws: `unsupported` for a spec with transforms that cannot be computed, `notFound` when a
  ///   column of it is gone.
  init(_ spec: PartitionSpec, _ schema: TableSchema) throws(TableError) {
    self.spec = spec
    self.schema = schema
    for field in spec.fields where field.transform != .void {
      guard field.sourceIDs.count == 1 else {
        throw TableError(
          .unsupported, "the partition field \(field.name) has several source columns")
      }
      guard let source = schema.field(id: field.sourceID) else {
        throw TableError(
          .notFound,
          "the partition field \(field.name) is made of a column that the table has no more")
      }
      do throws(TableError) {
        try field.transform.check(source.type)
      } catch { throw error.adding(column: source.name) }
    }
  }

  /// The batch's rows by partition, in the order of their first rows.
  func groups(_ batch: RecordBatch) throws(TableError) -> [Group] {
    var keys: [ArrayData?] = []
    for field in spec.fields {
      guard field.transform != .void, let source = schema.field(id: field.sourceID) else {
        keys.append(nil)
        continue
      }
      guard let column = EqualityDeleteSet.column(field.sourceID, batch) else {
        throw TableError(
          .unsupported, "the partition field \(field.name) is made of a column within a list or map"
        )
      }
      keys.append(try field.transform.apply(column, source.type))
    }
    let present = keys.compactMap { $0 }
    func partition(_ row: Int) -> [Scalar] { keys.map { $0?.scalar(at: row) ?? .null } }
    let numbers = RowGroups.numbers(present, rows: batch.rowCount)
    if numbers.firstRows.count <= 1 { return [Group(partition: partition(0), batch: batch)] }
    var result: [Group] = []
    do throws(ColumnarError) {
      for (first, rows) in zip(numbers.firstRows, numbers.rows) {
        let isRun = rows[rows.count - 1] - rows[0] == rows.count - 1
        result.append(
          isRun
            ? Group(
              partition: partition(first),
              batch: batch.slice(offset: rows[0], length: rows.count), firstRow: rows[0])
            : Group(partition: partition(first), batch: try batch.take(rows), rows: rows))
      }
    } catch { throw TableError(error) }
    return result
  }
}
