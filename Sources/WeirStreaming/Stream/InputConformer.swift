// SPDX-License-Identifier: Apache-2.0

package import WeirColumnar
internal import WeirTable

/// Brings batches of clients into the columns of a schema: by name, in any order, with types that fit.
package struct InputConformer {
  private let schema: Schema
  private var rows: RowConformer

  /// - Throws: an error with the name of a column that the schema does not have.
  package init(
    _ schema: Schema, defaults: [String: Scalar] = [:], source: Schema
  ) throws(StreamError) {
    self.schema = schema
    for field in source.fields where schema[field.name] == nil {
      let close = NameSuggestion.closest(to: field.name, schema.fields.map(\.name))
      throw StreamError(
        .invalidArgument,
        "there is no column '\(field.name)'" + (close.map { "; did you mean '\($0)'?" } ?? ""))
    }
    do throws(TableError) {
      var fields = try TableSchema(arrow: schema).fields
      for index in fields.indices {
        fields[index].initialDefault = defaults[fields[index].name]
      }
      rows = RowConformer(fields)
    } catch { throw StreamError(error) }
  }

  /// - Throws: `invalidArgument` with the column's name.
  package mutating func conformed(_ batch: RecordBatch) throws(StreamError) -> RecordBatch {
    let result: RecordBatch
    do throws(TableError) { result = try rows.conformed(batch) } catch { throw StreamError(error) }
    let columns = zip(result.columns, schema.fields).map { Self.retyped($0, as: $1.type) }
    do throws(ColumnarError) {
      return try RecordBatch(schema: schema, columns: columns, rowCount: batch.rowCount)
    } catch { throw StreamError(error) }
  }

  /// The same values under a type that differs in the names and ids of nested fields alone.
  private static func retyped(_ array: ArrayData, as type: DataType) -> ArrayData {
    if array.type == type { return array }
    return ArrayData(
      type: type, length: array.length, offset: array.offset, nullCount: array.nullCount,
      validity: array.validity, buffers: array.buffers,
      children: zip(array.children, type.children).map { retyped($0, as: $1.type) },
      dictionary: array.dictionary)
  }
}
