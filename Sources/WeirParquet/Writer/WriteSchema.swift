// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// How a leaf's Arrow values become Parquet's physical values.
enum LeafConversion: Hashable {
  /// The bytes are the same.
  case same(width: Int)
  case bits
  /// To INT32 from 1 or 2 bytes.
  case widen(from: Int, signed: Bool)
  /// Seconds to milliseconds, 4 or 8 bytes.
  case thousandfold(width: Int)
  /// Milliseconds to days.
  case daysOfMilliseconds
  /// A 16-byte decimal to 4 or 8 bytes.
  case narrowDecimal(to: Int)
  /// A 16-byte decimal to big-endian bytes.
  case bigEndianDecimal(width: Int)
  case variableBytes(offsetWidth: Int)
  case nulls
}

/// The order that a leaf's statistics follow.
enum BoundsOrder: Hashable {
  case none, bool
  case int32, uint32, int64, uint64
  case float16, float, double
  case bytes, fixedBytes, signedBytes
}

/// One level between a top-level column and a leaf.
struct PathStep {
  enum Kind {
    case list
    case child(Int)
    case leaf
  }
  var kind: Kind
  var nullable: Bool
  /// Arrow name, for errors.
  var name: String
  /// A null of it has a place in Arrow's values below it: structs, fixed-size lists.
  var nullsHavePlaces = false
}

/// One Parquet leaf column: where its values come from and how they are stored.
struct LeafPlan {
  /// Top-level column.
  var column: Int
  var steps: [PathStep]
  var path: [String]
  var type: DataType
  /// The Arrow array is dictionary-encoded.
  var isDictionary: Bool
  var physicalType: PhysicalType
  /// Bytes of one physical value; 0 for byte arrays and booleans.
  var width: Int
  var conversion: LeafConversion
  var order: BoundsOrder
  var maxDefinition: Int
  var maxRepetition: Int

  /// A leaf that allows no nulls, under a struct or fixed-size list that does: Polars (2.1) fails on
  /// several pages of it in the delta encodings and BYTE_STREAM_SPLIT, whoever wrote them.
  var hasOnlyNullsFromAbove: Bool {
    guard let leaf = steps.last, !leaf.nullable else { return false }
    return steps.dropLast().contains { $0.nullable && $0.nullsHavePlaces }
  }
}

/// The Parquet schema of an Arrow schema, and the plans of its leaves.
struct WriteSchema {
  private(set) var elements: [SchemaElement] = []
  private(set) var leaves: [LeafPlan] = []
  private var column = 0

  init(_ schema: Schema) throws(ParquetError) {
    elements.append(
      SchemaElement(name: "schema", childCount: Int32(schema.fields.count)))
    for (index, field) in schema.fields.enumerated() {
      column = index
      do {
        try add(field, name: field.name, steps: [], path: [], definition: 0, repetition: 0)
      } catch {
        throw error.adding(column: field.name)
      }
    }
  }

  private mutating func add(
    _ field: Field, name: String, steps: [PathStep], path: [String], definition: Int,
    repetition: Int
  ) throws(ParquetError) {
    guard path.count < 100 else {
      throw ParquetError(.unsupported, "columns nested more than 100 levels deep")
    }
    let nullable = field.nullable
    let level = definition + (nullable ? 1 : 0)
    var element = SchemaElement(
      name: name, repetition: nullable ? .optional : .required, fieldID: field.id)
    func step(_ kind: PathStep.Kind) -> [PathStep] {
      let hasPlaces =
        switch field.type {
        case .struct, .fixedSizeList: true
        default: false
        }
      return steps
        + [PathStep(kind: kind, nullable: nullable, name: field.name, nullsHavePlaces: hasPlaces)]
    }
    switch field.type {
    case .struct(let fields):
      guard !fields.isEmpty else {
        throw ParquetError(
          .unsupported, "Parquet cannot hold a struct without fields; leave the column out")
      }
      element.childCount = Int32(fields.count)
      elements.append(element)
      for (index, child) in fields.enumerated() {
        try add(
          child, name: child.name, steps: step(.child(index)), path: path + [name],
          definition: level, repetition: repetition)
      }
    case .list(let item), .largeList(let item), .fixedSizeList(let item, _):
      element.childCount = 1
      element.convertedType = .list
      element.logicalType = .list
      elements.append(element)
      elements.append(SchemaElement(name: "list", repetition: .repeated, childCount: 1))
      try add(
        item, name: "element", steps: step(.list), path: path + [name, "list"],
        definition: level + 1, repetition: repetition + 1)
    case .map(let entries, _):
      try addMap(
        entries, element, steps: step(.list), path: path + [name], definition: level + 1,
        repetition: repetition + 1)
    default:
      try addLeaf(
        field, element, steps: step(.leaf), path: path + [name], definition: level,
        repetition: repetition)
    }
  }

  private mutating func addMap(
    _ entries: Field, _ element: SchemaElement, steps: [PathStep], path: [String],
    definition: Int, repetition: Int
  ) throws(ParquetError) {
    let fields = entries.type.children
    guard fields.count == 2 else {
      throw ParquetError(.invalidArgument, "a map's entries must be a key and a value")
    }
    var group = element
    group.childCount = 1
    group.convertedType = .map
    group.logicalType = .map
    elements.append(group)
    elements.append(SchemaElement(name: "key_value", repetition: .repeated, childCount: 2))
    for (index, name) in ["key", "value"].enumerated() {
      var field = fields[index]
      if index == 0 { field.nullable = false }
      let entry = PathStep(kind: .child(index), nullable: false, name: entries.name)
      try add(
        field, name: name, steps: steps + [entry], path: path + ["key_value"],
        definition: definition, repetition: repetition)
    }
  }

  private mutating func addLeaf(
    _ field: Field, _ element: SchemaElement, steps: [PathStep], path: [String],
    definition: Int, repetition: Int
  ) throws(ParquetError) {
    var type = field.type
    var isDictionary = false
    if case .dictionary(_, let value, _) = type {
      type = value
      isDictionary = true
    }
    guard let storage = LeafStorage(type) else {
      throw ParquetError(.unsupported, "columns of type \(field.type) cannot be written")
    }
    if type == .null && !field.nullable {
      throw ParquetError(.invalidArgument, "a column of the null type must be nullable")
    }
    var leaf = element
    leaf.type = storage.physicalType
    if storage.physicalType == .fixedLenByteArray { leaf.typeLength = Int32(storage.width) }
    leaf.convertedType = storage.convertedType
    leaf.logicalType = storage.logicalType
    if type == .fixedSizeBinary(16), field.metadata["ARROW:extension:name"] == "arrow.uuid" {
      leaf.logicalType = .uuid
    }
    if case .decimal(let precision, let scale)? = storage.logicalType {
      leaf.precision = Int32(precision)
      leaf.scale = Int32(scale)
    }
    elements.append(leaf)
    leaves.append(
      LeafPlan(
        column: column, steps: steps, path: path, type: type, isDictionary: isDictionary,
        physicalType: storage.physicalType, width: storage.width, conversion: storage.conversion,
        order: storage.order, maxDefinition: definition, maxRepetition: repetition))
  }
}
