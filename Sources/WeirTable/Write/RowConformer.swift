// SPDX-License-Identifier: Apache-2.0

package import WeirColumnar
internal import WeirParquet

/// Brings batches of a caller into the form of a table's columns.
package struct RowConformer {
  private let fields: [TableField]
  private let schema: Schema
  private var plan: (source: Schema, children: [ColumnPlan.Child])?

  package init(_ fields: [TableField]) {
    self.fields = fields
    schema = Schema(fields.map(\.arrowField))
  }

  /// The batch with the table's columns and types.
  /// - Throws: `invalidArgument` with the column's name.
  package mutating func conformed(_ batch: RecordBatch) throws(TableError) -> RecordBatch {
    if plan?.source != batch.schema {
      plan = (
        batch.schema,
        try ColumnPlanner(matching: .names)
          .children(fields, in: batch.schema.fields, path: "")
      )
    }
    var columns: [ArrayData] = []
    for (field, child) in zip(fields, plan?.children ?? []) {
      do throws(TableError) {
        let column = try child.apply(batch.columns, rows: batch.rowCount)
        guard !field.required || column.nullCount == 0 else {
          throw TableError(.invalidArgument, "the column is required, and the data hold nulls")
        }
        columns.append(column)
      } catch { throw error.adding(column: field.name) }
    }
    return RecordBatch(trusted: schema, columns: columns, rowCount: batch.rowCount)
  }
}

/// What rows take in memory, without what slices share with others.
enum RowBytes {
  static func count(_ batch: RecordBatch) -> Int {
    batch.columns.reduce(0) { $0 + RowGroupSize.byteCount($1) }
  }
}

/// Fields that have a place in files: all but those of the type `unknown`, which hold only nulls.
enum StoredFields {
  static func of(_ fields: [TableField]) throws(TableError) -> [TableField] {
    var result: [TableField] = []
    for field in fields {
      if field.type == .unknown { continue }
      var stored = field
      switch field.type {
      case .struct(var type):
        type.fields = try of(type.fields)
        guard !type.fields.isEmpty else {
          throw TableError(
            .unsupported, "a struct without fields that hold values cannot be written",
            column: field.name)
        }
        stored.type = .struct(type)
      case .list(var type):
        guard let element = try of([type.elementField]).first else { throw unsupported(field) }
        type.element = element.type
        stored.type = .list(type)
      case .map(var type):
        guard let key = try of([type.keyField]).first, let value = try of([type.valueField]).first
        else { throw unsupported(field) }
        type.key = key.type
        type.value = value.type
        stored.type = .map(type)
      case .variant, .geometry, .geography: throw unsupported(field)
      default: break
      }
      result.append(stored)
    }
    return result
  }

  private static func unsupported(_ field: TableField) -> TableError {
    TableError(
      .unsupported, "columns of type \(field.type) cannot be written", column: field.name)
  }
}
