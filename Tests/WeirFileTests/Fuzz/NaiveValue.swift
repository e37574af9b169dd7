// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

@testable internal import WeirFile

/// A value of a page as the specification speaks of it.
indirect enum NaiveValue: Hashable {
  case bit(Bool)
  /// Kinds 1...4.
  case number(UInt64)
  /// Kinds 5, 6, 7.
  case bytes([UInt8])
  /// Kinds 8, 9, 10.
  case many([NaiveValue])
  case null

  var number: UInt64 {
    guard case .number(let value) = self else { preconditionFailure("no number") }
    return value
  }

  var bytes: [UInt8] {
    guard case .bytes(let value) = self else { preconditionFailure("no bytes") }
    return value
  }

  var many: [NaiveValue] {
    guard case .many(let values) = self else { preconditionFailure("no list") }
    return values
  }
}

/// What a node holds: its kind, and of what its parts are.
indirect enum NaiveShape {
  case bits, one, two, four, eight, sixteen, strings, nulls
  case fixed(Int)
  case lists(NaiveShape, nullable: Bool)
  case fixedLists(NaiveShape, Int, nullable: Bool)
  case structs([NaiveShape], nullable: Bool)

  var kind: PageKind {
    switch self {
    case .bits: .bits
    case .one: .one
    case .two: .two
    case .four: .four
    case .eight: .eight
    case .sixteen: .sixteen
    case .strings: .bytes
    case .nulls: .nulls
    case .fixed: .fixed
    case .lists: .lists
    case .fixedLists: .fixedLists
    case .structs: .structs
    }
  }

  /// A type of columns with such values.
  var type: DataType {
    switch self {
    case .bits: .bool
    case .one: .uint8
    case .two: .uint16
    case .four: .uint32
    case .eight: .uint64
    case .sixteen: .decimal128(precision: 38, scale: 0)
    case .strings: .binary
    case .nulls: .null
    case .fixed(let width): .fixedSizeBinary(width)
    case .lists(let item, _): .largeList(Field("item", item.type))
    case .fixedLists(let item, let size, _): .fixedSizeList(Field("item", item.type), size: size)
    case .structs(let fields, _):
      .struct(fields.enumerated().map { Field("f\($0)", $1.type) })
    }
  }

  var bitWidth: Int { (kind.width ?? 0) * 8 }

  var fixedWidth: Int {
    if case .fixed(let width) = self { width } else { kind.width ?? 0 }
  }
}

extension NaiveValue {
  /// The rows of a decoded array.
  static func rows(_ array: ArrayData) -> [NaiveValue] {
    (0..<array.length).map { value(array.scalar(at: $0)) }
  }

  private static func value(_ scalar: Scalar) -> NaiveValue {
    switch scalar {
    case .null: .null
    case .bool(let bit): .bit(bit)
    case .uint(let number): .number(number)
    case .int(let number): .number(UInt64(bitPattern: number))
    case .binary(let bytes): .bytes(bytes)
    case .decimal(let number, _):
      .bytes((0..<16).map { UInt8(truncatingIfNeeded: number >> Int128(8 * $0)) })
    case .list(let items): .many(items.map(value))
    case .struct(let members): .many(members.map { value($0.value) })
    default: preconditionFailure("types of naive shapes have no other values: \(scalar)")
    }
  }
}
