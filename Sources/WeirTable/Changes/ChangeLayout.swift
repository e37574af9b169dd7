// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The columns of a scan of changes: which come from files, and where those of the change go.
struct ChangeLayout {
  private enum Column {
    /// A column of the file's batches, by its place.
    case read(Int)
    case change(ChangeColumn)
  }

  let schema: Schema
  private let columns: [Column]
  /// Names of what is read from files; `nil` for all columns of the schema.
  private let names: [String]?

  /// - Throws: `notFound` for a name that is no column, `invalidArgument` for a table that has a column
  ///   of a name that the scan adds.
  init(
    _ names: [String]?, _ schema: TableSchema, _ partitionType: StructType, _ caseSensitive: Bool
  ) throws(TableError) {
    func changeColumn(_ name: String) -> ChangeColumn? {
      ChangeColumn(rawValue: caseSensitive ? name : name.lowercased())
    }
    let own = names?.filter { changeColumn($0) == nil }
    self.names = own
    let read = try ColumnSelection(
      own, schema: schema, partitionType: partitionType, caseSensitive: caseSensitive
    ).fields
    var columns: [Column] = []
    if let names, own?.count != names.count {
      var used: Set<Int> = []
      for name in names {
        if let change = changeColumn(name) {
          columns.append(.change(change))
        } else if let place = try Self.place(
          of: name, read, schema, partitionType, caseSensitive), used.insert(place).inserted
        {
          columns.append(.read(place))
        }
      }
    } else {
      columns = read.indices.map { .read($0) } + ChangeColumn.allCases.map { .change($0) }
    }
    self.columns = columns
    for field in read {
      if field.id == MetadataColumn.deleted.fieldID {
        throw TableError(
          .invalidArgument, "a scan of changes tells what was deleted by _change_type",
          column: field.name)
      }
      if ChangeColumn(rawValue: field.name) != nil {
        throw TableError(
          .invalidArgument,
          "the table has a column of the name that a scan of changes adds; name the columns to read, "
            + "or rename it", column: field.name)
      }
    }
    self.schema = Schema(
      columns.map { column in
        switch column {
        case .read(let index): read[index].arrowField
        case .change(let column): column.arrowField
        }
      })
  }

  private static func place(
    of name: String, _ read: [TableField], _ schema: TableSchema, _ partitionType: StructType,
    _ caseSensitive: Bool
  ) throws(TableError) -> Int? {
    let one = try ColumnSelection(
      [name], schema: schema, partitionType: partitionType, caseSensitive: caseSensitive)
    return read.firstIndex { $0.id == one.fields.first?.id }
  }

  /// Names of what is read from files.
  func readColumns(_ schema: TableSchema) -> [String] {
    names ?? schema.fields.map { schema.path(ofFieldID: $0.id) ?? $0.name }
  }

  /// A batch of the output.
  ///
  /// - Parameter read: the columns of `readColumns`, and then whether rows are updates.
  func batch(_ read: RecordBatch, _ task: ChangeTask) throws(TableError) -> RecordBatch {
    let rows = read.rowCount
    var arrays: [ArrayData] = []
    for column in columns {
      switch column {
      case .read(let index): arrays.append(read.columns[index])
      case .change(.type):
        arrays.append(try Self.types(read.columns[read.columns.count - 1], task.type))
      case .change(.ordinal):
        arrays.append(
          try ArrayData.constant(.int(Int64(task.ordinal)), type: .int32, length: rows))
      case .change(.snapshotID):
        arrays.append(try ArrayData.constant(.int(task.snapshotID), type: .int64, length: rows))
      }
    }
    return RecordBatch(trusted: schema, columns: arrays, rowCount: rows)
  }

  private static func types(
    _ updates: ArrayData, _ type: ChangeType
  ) throws(TableError) -> ArrayData {
    let update = type == .insert ? ChangeType.updateAfter : .updateBefore
    let isUpdate = (0..<updates.length).map { updates.scalar(at: $0) == .bool(true) }
    guard isUpdate.contains(true) else {
      return try ArrayData.constant(.string(type.rawValue), type: .utf8, length: updates.length)
    }
    let builder = BinaryBuilder(.utf8)
    do throws(ColumnarError) {
      for isUpdate in isUpdate { try builder.append(isUpdate ? update.rawValue : type.rawValue) }
    } catch { throw TableError(error) }
    return builder.finish()
  }
}
