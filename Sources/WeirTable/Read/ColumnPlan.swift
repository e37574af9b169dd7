// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// How an array of a file (or of a caller's batch) becomes one of a table's column: children found by
/// id or name, types promoted, missing ones filled in. Made once for a file, applied to each batch.
indirect enum ColumnPlan: Sendable {
  case same
  /// The same memory under another type.
  case retyped(DataType)
  case cast(ValueCast, DataType)
  /// Indices are looked up, then the values go on.
  case dictionary(ColumnPlan)
  case structure([Child], DataType)
  case list(ColumnPlan, DataType)
  case map(key: ColumnPlan, value: ColumnPlan, DataType)

  /// Where a struct's field comes from.
  enum Child: Sendable {
    case field(Int, ColumnPlan)
    case constant(Scalar, DataType)
  }
}

/// Makes column plans. Fields are matched as `matching` says.
struct ColumnPlanner {
  enum Matching {
    /// By field id: files of the table.
    case ids
    /// By name: data that is written. Ids that a caller's data carry are those of where it came from.
    case names
  }

  var matching: Matching
  /// Values of columns that are constant in the whole file and not stored in it, by id.
  var constants: [Int32: Scalar] = [:]
  /// Name of the file, for errors.
  var file: String?

  private var isWriting: Bool { matching == .names }

  /// The position of the field that `target` is, among the source's.
  func index(of target: TableField, in fields: [Field]) -> Int? {
    switch matching {
    case .ids: return fields.firstIndex { $0.id == target.id }
    case .names: return fields.firstIndex { $0.name == target.name }
    }
  }

  /// The plan of a struct's fields or of a batch's columns, in the order of `targets`.
  /// - Throws: `invalidArgument` (writing) or `damaged` (reading) for a required field that is
  ///   missing and has no default, and for types that cannot be converted; writing, also for
  ///   fields that the table does not have.
  func children(
    _ targets: [TableField], in fields: [Field], path: String
  ) throws(TableError) -> [ColumnPlan.Child] {
    var result: [ColumnPlan.Child] = []
    var used: Set<Int> = []
    for target in targets {
      let name = path.isEmpty ? target.name : path + "." + target.name
      if let index = index(of: target, in: fields) {
        used.insert(index)
        result.append(.field(index, try plan(fields[index].type, to: target, path: name)))
      } else {
        result.append(.constant(try missing(target, name), target.type.arrowType))
      }
    }
    if isWriting, let extra = fields.indices.first(where: { !used.contains($0) }) {
      throw TableError(
        .invalidArgument,
        "the table has no such column; add it to the schema first, or leave it out of the data",
        column: path.isEmpty ? fields[extra].name : path + "." + fields[extra].name)
    }
    return result
  }

  private func missing(_ target: TableField, _ path: String) throws(TableError) -> Scalar {
    if let value = constants[target.id] { return value }
    if let value = isWriting ? target.writeDefault : target.initialDefault { return value }
    if target.required {
      throw isWriting
        ? TableError(.invalidArgument, "the column is required, and the data lack it", column: path)
        : TableError(
          .damaged, "the column is required and has no default, and the file lacks it",
          file: file, column: path)
    }
    return .null
  }

  /// The plan from an array of `source` to a table's field.
  func plan(
    _ source: DataType, to target: TableField, path: String
  ) throws(TableError) -> ColumnPlan {
    let wanted = target.type.arrowType
    if case .dictionary(_, let value, _) = source {
      return .dictionary(try plan(value, to: target, path: path))
    }
    switch (target.type, source) {
    case (.variant, _), (.geometry, _), (.geography, _):
      throw TableError(
        .unsupported, "data of type \(target.type) are not supported; leave the column out",
        file: file, column: path)
    case (.struct(let type), .struct(let fields)):
      return .structure(try children(type.fields, in: fields, path: path), wanted)
    case (.list(let type), .list(let item)), (.list(let type), .largeList(let item)),
      (.list(let type), .fixedSizeList(let item, _)):
      let element = type.elementField
      return .list(try plan(item.type, to: element, path: path + ".element"), wanted)
    case (.map(let type), .map(let entries, _)) where entries.type.children.count == 2:
      let children = entries.type.children
      return .map(
        key: try plan(children[0].type, to: type.keyField, path: path + ".key"),
        value: try plan(children[1].type, to: type.valueField, path: path + ".value"), wanted)
    default: break
    }
    if source == wanted { return .same }
    guard
      let cast = ValueCast(from: source, to: wanted, type: target.type, isWriting: isWriting)
    else {
      throw TableError(
        isWriting ? .invalidArgument : .damaged,
        isWriting
          ? "the table's type is \(target.type), values of type \(source) do not fit it without "
            + "loss; cast them before"
          : "the file holds \(source), which cannot be read as \(target.type)",
        file: file, column: path)
    }
    return .cast(cast, wanted)
  }
}

extension ColumnPlan {
  /// Applies the plan to an array.
  /// - Throws: `invalidArgument` for a value that does not fit, `limit` where offsets of 32 bits do
  ///   not suffice; without the column's name.
  func apply(_ array: ArrayData) throws(TableError) -> ArrayData {
    switch self {
    case .same: return array
    case .retyped(let type): return array.reinterpreted(as: type)
    case .cast(let cast, let type): return try cast.apply(array, to: type)
    case .dictionary(let values): return try values.apply(try Self.decoded(array))
    case .structure(let children, let type):
      // Children count from the struct's offset.
      let rows = array.offset + array.length
      var columns: [ArrayData] = []
      for child in children { columns.append(try child.apply(array.children, rows: rows)) }
      return ArrayData(
        type: type, length: array.length, offset: array.offset, nullCount: array.nullCount,
        validity: array.validity, children: columns)
    case .list(let element, let type):
      let lists = try ListForm.withSmallOffsets(array)
      return ArrayData(
        type: type, length: lists.length, offset: lists.offset, nullCount: lists.nullCount,
        validity: lists.validity, buffers: lists.buffers,
        children: [try element.apply(lists.children[0])])
    case .map(let key, let value, let type):
      let entries = array.children[0]
      guard case .map(let entriesField, _) = type else { preconditionFailure("a map's plan") }
      let pairs = ArrayData(
        type: entriesField.type, length: entries.length, offset: entries.offset,
        nullCount: entries.nullCount, validity: entries.validity,
        children: [try key.apply(entries.children[0]), try value.apply(entries.children[1])])
      return ArrayData(
        type: type, length: array.length, offset: array.offset, nullCount: array.nullCount,
        validity: array.validity, buffers: array.buffers, children: [pairs])
    }
  }

  /// A dictionary array's values, row by row.
  private static func decoded(_ array: ArrayData) throws(TableError) -> ArrayData {
    guard case .dictionary(let index, _, _) = array.type, let values = array.dictionary else {
      preconditionFailure("the plan of a dictionary array")
    }
    let indices = ArrayData(
      type: index, length: array.length, offset: array.offset, nullCount: array.nullCount,
      validity: array.validity, buffers: [array.buffers[0]])
    do throws(ColumnarError) { return try values.take(indices) } catch { throw TableError(error) }
  }
}

extension ColumnPlan.Child {
  /// The array of `rows` rows, from a struct's children or a batch's columns.
  func apply(_ columns: [ArrayData], rows: Int) throws(TableError) -> ArrayData {
    switch self {
    case .field(let index, let plan): return try plan.apply(columns[index])
    case .constant(let value, let type):
      return try ArrayData.constant(value, type: type, length: rows)
    }
  }
}

extension ArrayData {
  /// One value, many times. Cost: one gather.
  static func constant(
    _ value: Scalar, type: DataType, length: Int
  ) throws(TableError) -> ArrayData {
    do throws(ColumnarError) {
      let builder = makeBuilder(for: type)
      if length == 0 { return builder.finish() }
      try builder.append(value)
      if length == 1 { return builder.finish() }
      return try builder.finish().take([Int](repeating: 0, count: length))
    } catch { throw TableError(error) }
  }
}
