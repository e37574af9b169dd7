// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Sorts rows by a table's sort order.
struct RowSorter: Sendable {
  let orderID: Int
  private let fields: [SortField]
  private let schema: TableSchema

  /// - Throws: `unsupported` for an order that cannot be computed, `notFound` when a column of it is
  ///   gone.
  init(_ order: SortOrder, _ schema: TableSchema) throws(TableError) {
    orderID = order.orderID
    fields = order.fields
    self.schema = schema
    for field in fields {
      guard let source = schema.field(id: field.sourceID) else {
        throw TableError(
          .notFound, "the sort order names the field \(field.sourceID), which the table has no more"
        )
      }
      guard field.sourceIDs.count == 1 else {
        throw TableError(.unsupported, "a sort key has several source columns")
      }
      do throws(TableError) {
        try field.transform.check(source.type)
      } catch { throw error.adding(column: source.name) }
    }
  }

  /// How the columns of `keys` are compared.
  var sortKeys: [SortKey] {
    fields.enumerated().map { place, field in
      SortKey(
        place, descending: field.direction == .descending, nullsFirst: field.nullOrder == .first)
    }
  }

  /// What the rows are ordered by, a column for each field of the order.
  func keys(_ rows: RecordBatch) throws(TableError) -> RecordBatch {
    var keys: [ArrayData] = []
    for field in fields {
      guard let source = schema.field(id: field.sourceID),
        let column = EqualityDeleteSet.column(field.sourceID, rows)
      else {
        throw TableError(.invalidArgument, "the rows lack the field \(field.sourceID)")
      }
      do throws(TableError) {
        keys.append(try field.transform.apply(column, source.type))
      } catch { throw error.adding(column: source.name) }
    }
    let names = keys.enumerated().map { Field("key\($0.offset)", $0.element.type) }
    return RecordBatch(trusted: Schema(names), columns: keys, rowCount: rows.rowCount)
  }

  /// All rows in order. Memory: the rows once more.
  func inOrder(_ batches: [RecordBatch]) throws(TableError) -> RowsInOrder {
    let all: RecordBatch
    do throws(ColumnarError) {
      all = try RecordBatch.concatenate(batches)
    } catch { throw TableError(error) }
    let keys = try keys(all)
    do throws(ColumnarError) {
      return RowsInOrder(all, try keys.sortIndices(by: sortKeys))
    } catch { throw TableError(error) }
  }
}

/// Rows that are put in order as they are asked for.
final class RowsInOrder {
  private let rows: RecordBatch
  private let order: [Int]
  private var given = 0

  init(_ rows: RecordBatch, _ order: [Int]) {
    self.rows = rows
    self.order = order
  }

  /// The next rows; `nil` at the end.
  func next(_ rowsMax: Int = 1 << 16) throws(TableError) -> RecordBatch? {
    guard given < order.count else { return nil }
    let end = min(given + rowsMax, order.count)
    defer { given = end }
    do throws(ColumnarError) {
      return try rows.take(Array(order[given..<end]))
    } catch { throw TableError(error) }
  }
}
