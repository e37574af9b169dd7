// SPDX-License-Identifier: Apache-2.0

extension ArrayData {
  /// The rows of all `arrays`, one after the other.
  ///
  /// The result has the first array's type; the others' must mean the same (names of list items and
  /// metadata may differ). Dictionary arrays that share their dictionary keep it, others get one of
  /// all distinct values. A single array is returned as it is. Cost: one copy of each buffer.
  ///
  /// - Throws: `invalidArgument` without arrays or for different types, `overflow` when strings or
  ///   lists outgrow 32-bit offsets, or distinct values the dictionary's index.
  public static func concatenate(_ arrays: [ArrayData]) throws(ColumnarError) -> ArrayData {
    guard let first = arrays.first else {
      throw ColumnarError(.invalidArgument, "no arrays to concatenate")
    }
    for array in arrays where !array.type.isEquivalent(to: first.type) {
      throw ColumnarError(
        .invalidArgument, "\(array.type) cannot be concatenated to \(first.type)")
    }
    if arrays.count == 1 { return first }
    let assembler = try Assembler.make(first.type, arrays)
    try assembler.reserve(
      arrays.enumerated().map { Assembler.Piece(source: $0.offset, range: 0..<$0.element.length) })
    for (source, array) in arrays.enumerated() { try assembler.append(source, 0..<array.length) }
    return assembler.finish()
  }
}

extension RecordBatch {
  /// The rows of all `batches`, under the first one's schema; see `ArrayData.concatenate`.
  public static func concatenate(_ batches: [RecordBatch]) throws(ColumnarError) -> RecordBatch {
    guard let first = batches.first else {
      throw ColumnarError(.invalidArgument, "no batches to concatenate")
    }
    for batch in batches where batch.columns.count != first.columns.count {
      throw ColumnarError(
        .invalidArgument,
        "a batch of \(batch.columns.count) columns cannot follow one of \(first.columns.count)")
    }
    var columns: [ArrayData] = []
    for (index, field) in first.schema.fields.enumerated() {
      do throws(ColumnarError) {
        columns.append(try ArrayData.concatenate(batches.map { $0.columns[index] }))
      } catch { throw error.inColumn(field.name) }
    }
    return RecordBatch(
      trusted: first.schema, columns: columns, rowCount: batches.reduce(0) { $0 + $1.rowCount })
  }
}
