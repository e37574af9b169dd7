// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A type of an Avro schema, with the attributes that Iceberg adds: field ids above all.
/// Source: Apache Avro specification, "Schema Declaration"; Iceberg specification, appendix A, "Avro".
final class AvroType: Sendable {
  enum Kind: Sendable {
    case null
    case boolean
    case int
    case long
    case float
    case double
    case bytes
    case string
    case fixed(Int)
    case enumeration([String])
    case array(AvroType)
    case map(AvroType)
    case record([AvroField])
    case union([AvroType])
  }

  /// How values are passed over; the shapes that manifests are full of have ways of their own.
  enum Skip: Sendable {
    case nothing
    case boolean
    /// `int`, `long` or `enum`.
    case number
    case bytes
    case fixed(Int)
    /// A union of null at branch `null` and a number.
    case optionalNumber(null: Int64)
    case optionalBytes(null: Int64)
    /// A union of null and an array of records of two numbers.
    case optionalCounts(null: Int64)
    /// A union of null and an array of records of a number and bytes.
    case optionalBounds(null: Int64)
    case general
  }

  let kind: Kind
  /// The full name of a record, enum or fixed.
  let name: String?
  let logicalType: String?
  let precision: Int?
  let scale: Int?
  /// The fewest bytes that a value takes.
  let byteCountMin: Int
  /// Types within this one, each as often as it is used: the work for a value that takes no bytes.
  let weight: Int
  let skip: Skip

  /// Types within a type at most; a manifest needs about a hundred.
  static let weightMax = 100_000

  init(
    _ kind: Kind, name: String? = nil, logicalType: String? = nil, precision: Int? = nil,
    scale: Int? = nil
  ) {
    self.kind = kind
    self.name = name
    self.logicalType = logicalType
    self.precision = precision
    self.scale = scale
    var weight = 1
    switch kind {
    case .null: byteCountMin = 0
    case .boolean, .int, .long, .bytes, .string, .enumeration: byteCountMin = 1
    case .float: byteCountMin = 4
    case .double: byteCountMin = 8
    case .fixed(let count): byteCountMin = count
    case .array(let item), .map(let item):
      byteCountMin = 1
      weight = AvroType.sum(weight, item.weight)
    case .record(let fields):
      weight = fields.reduce(1) { AvroType.sum($0, $1.type.weight) }
      byteCountMin = fields.reduce(0) { AvroType.sum($0, $1.type.byteCountMin) }
    case .union(let branches):
      weight = branches.reduce(1) { AvroType.sum($0, $1.weight) }
      byteCountMin = 1
    }
    self.weight = weight
    skip = AvroType.skip(kind)
  }

  private static func sum(_ a: Int, _ b: Int) -> Int {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? Int.max : sum
  }

  private static func skip(_ kind: Kind) -> Skip {
    switch kind {
    case .null: return .nothing
    case .boolean: return .boolean
    case .int, .long, .enumeration: return .number
    case .bytes, .string: return .bytes
    case .float: return .fixed(4)
    case .double: return .fixed(8)
    case .fixed(let count): return .fixed(count)
    case .array, .map, .record: return .general
    case .union(let branches):
      guard branches.count == 2, let null = branches.firstIndex(where: \.isNull) else {
        return .general
      }
      let branch = Int64(null)
      let other = branches[1 - null]
      switch other.skip {
      case .number: return .optionalNumber(null: branch)
      case .bytes: return .optionalBytes(null: branch)
      case .general:
        guard let (key, value) = other.pair, case .number = key.skip else { return .general }
        switch value.skip {
        case .number: return .optionalCounts(null: branch)
        case .bytes: return .optionalBounds(null: branch)
        default: return .general
        }
      default: return .general
      }
    }
  }

  var isNull: Bool { if case .null = kind { true } else { false } }

  /// The fields of a record.
  var fields: [AvroField]? { if case .record(let fields) = kind { fields } else { nil } }

  /// The types of key and value when this is an array of records of two fields, as maps whose keys
  /// are no strings are written.
  var pair: (AvroType, AvroType)? {
    guard case .array(let item) = kind, let fields = item.fields, fields.count == 2 else {
      return nil
    }
    return (fields[0].type, fields[1].type)
  }

  /// What is left of a union of null and one other type; the type itself when it is no union.
  /// `null` is the branch that null has, -1 without a union.
  var optional: (type: AvroType, null: Int64)? {
    guard case .union(let branches) = kind else { return (self, -1) }
    guard branches.count == 2, let null = branches.firstIndex(where: \.isNull) else { return nil }
    return (branches[1 - null], Int64(null))
  }

  /// For messages.
  var description: String {
    switch kind {
    case .null: "null"
    case .boolean: "boolean"
    case .int: "int"
    case .long: "long"
    case .float: "float"
    case .double: "double"
    case .bytes: "bytes"
    case .string: "string"
    case .fixed(let count): "fixed(\(count))"
    case .enumeration: "enum"
    case .array(let item): "array of \(item.description)"
    case .map(let value): "map of \(value.description)"
    case .record: "record \(name ?? "")"
    case .union(let branches): "union of \(branches.map(\.description).joined(separator: ", "))"
    }
  }
}

/// A field of an Avro record.
struct AvroField: Sendable {
  var name: String
  /// Iceberg's `field-id`.
  var fieldID: Int32?
  var type: AvroType
}
