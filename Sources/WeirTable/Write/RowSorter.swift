// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Sorts rows by a table's sort order.
struct RowSorter: Sendable {
  let orderID: Int
  private let fields: [SortField]
  private let schema: TableSchema

  /// Rows of the batches that are given out.
  private static let batchRows = 1 << 16

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

  /// All rows in order, in batches.
  func sorted(_ batches: [RecordBatch]) throws(TableError) -> [RecordBatch] {
    do throws(ColumnarError) {
      let all = try RecordBatch.concatenate(batches)
      var keys: [ArrayData] = []
      var sortKeys: [SortKey] = []
      for field in fields {
        guard let source = schema.field(id: field.sourceID),
          let column = EqualityDeleteSet.column(field.sourceID, all)
        else { continue }
        let key: ArrayData
        do throws(TableError) {
          key = try field.transform.apply(column, source.type)
        } catch { throw ColumnarError(.invalidArgument, error.message, column: source.name) }
        sortKeys.append(
          SortKey(
            keys.count, descending: field.direction == .descending,
            nullsFirst: field.nullOrder == .first))
        keys.append(key)
      }
      let names = keys.enumerated().map { Field("key\($0.offset)", $0.element.type) }
      let order = try RecordBatch(
        schema: Schema(names), columns: keys, rowCount: all.rowCount
      ).sortIndices(by: sortKeys)
      var result: [RecordBatch] = []
      for start in stride(from: 0, to: order.count, by: Self.batchRows) {
        result.append(
          try all.take(Array(order[start..<min(start + Self.batchRows, order.count)])))
      }
      return result
    } catch { throw TableError(error) }
  }
}
