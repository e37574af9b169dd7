// SPDX-License-Identifier: Apache-2.0

/// Resolution of times, timestamps and durations.
public enum TimeUnit: String, Hashable, Sendable, CaseIterable {
  case second = "s"
  case millisecond = "ms"
  case microsecond = "us"
  case nanosecond = "ns"

  /// Units in one second.
  public var perSecond: Int64 {
    switch self {
    case .second: 1
    case .millisecond: 1_000
    case .microsecond: 1_000_000
    case .nanosecond: 1_000_000_000
    }
  }
}

/// A logical type of Apache Arrow. Its memory layout is Arrow's (see `ArrayData`).
public indirect enum DataType: Hashable, Sendable {
  case null
  case bool
  case int8, int16, int32, int64
  case uint8, uint16, uint32, uint64
  case float16, float32, float64
  /// A 128-bit two's-complement number times 10^-scale; 1...38 digits.
  case decimal128(precision: Int, scale: Int)
  /// Days since 1970-01-01.
  case date32
  /// Milliseconds since 1970-01-01.
  case date64
  /// Time of day in seconds or milliseconds, 32 bits.
  case time32(TimeUnit)
  /// Time of day in microseconds or nanoseconds, 64 bits.
  case time64(TimeUnit)
  /// Units since 1970-01-01T00:00:00, in UTC when there is a zone, local ("wall clock") without.
  case timestamp(TimeUnit, timeZone: String?)
  case duration(TimeUnit)
  case utf8, largeUtf8
  case binary, largeBinary
  case fixedSizeBinary(Int)
  /// 32-bit offsets.
  case list(Field)
  /// 64-bit offsets.
  case largeList(Field)
  case fixedSizeList(Field, size: Int)
  case `struct`([Field])
  /// A list of `entries`, a non-null struct of exactly two fields: key (not null) and value.
  case map(entries: Field, keysSorted: Bool)
  /// Indices of an integer type into a dictionary of values.
  case dictionary(index: DataType, value: DataType, ordered: Bool)

  /// A map of `key` to `value` with Arrow's usual field names.
  public static func map(key: DataType, value: DataType, valueNullable: Bool = true) -> DataType {
    .map(
      entries: Field(
        "entries",
        .struct([
          Field("key", key, nullable: false), Field("value", value, nullable: valueNullable),
        ]),
        nullable: false),
      keysSorted: false)
  }

  /// A list whose items are called "item", as most Arrow implementations name them.
  public static func list(of item: DataType, nullable: Bool = true) -> DataType {
    .list(Field("item", item, nullable: nullable))
  }
}

/// How the bytes of an array of some type are laid out; switch on it once per batch.
public enum PhysicalLayout: Hashable, Sendable {
  /// No buffers, only a length.
  case null
  /// One bit each.
  case bits
  /// `byteWidth` bytes each (1, 2, 4, 8 or 16, or any for fixed-size binary).
  case fixedWidth(Int)
  /// Offsets of 4 or 8 bytes, then the bytes.
  case variableBinary(offsetWidth: Int)
  /// Offsets of 4 or 8 bytes, one child.
  case list(offsetWidth: Int)
  /// One child with `size` items per row.
  case fixedSizeList(Int)
  /// Children as long as the array.
  case `struct`
  /// Indices of `indexWidth` bytes, and a dictionary.
  case dictionary(indexWidth: Int)
}

extension DataType {
  public var layout: PhysicalLayout {
    switch self {
    case .null: .null
    case .bool: .bits
    case .int8, .uint8: .fixedWidth(1)
    case .int16, .uint16, .float16: .fixedWidth(2)
    case .int32, .uint32, .float32, .date32, .time32: .fixedWidth(4)
    case .int64, .uint64, .float64, .date64, .time64, .timestamp, .duration: .fixedWidth(8)
    case .decimal128: .fixedWidth(16)
    case .fixedSizeBinary(let width): .fixedWidth(width)
    case .utf8, .binary: .variableBinary(offsetWidth: 4)
    case .largeUtf8, .largeBinary: .variableBinary(offsetWidth: 8)
    case .list, .map: .list(offsetWidth: 4)
    case .largeList: .list(offsetWidth: 8)
    case .fixedSizeList(_, let size): .fixedSizeList(size)
    case .struct: .struct
    case .dictionary(let index, _, _): .dictionary(indexWidth: index.byteWidth ?? 4)
    }
  }

  /// Bytes per value of fixed-width types; `nil` for the others.
  public var byteWidth: Int? {
    if case .fixedWidth(let width) = layout { width } else { nil }
  }

  /// The fields of nested types: a list's item, a struct's fields, a map's entries.
  public var children: [Field] {
    switch self {
    case .list(let item), .largeList(let item), .fixedSizeList(let item, _): [item]
    case .struct(let fields): fields
    case .map(let entries, _): [entries]
    default: []
    }
  }

  public var isInteger: Bool {
    switch self {
    case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64: true
    default: false
    }
  }

  public var isSignedInteger: Bool {
    switch self {
    case .int8, .int16, .int32, .int64: true
    default: false
    }
  }

  public var isFloatingPoint: Bool {
    switch self {
    case .float16, .float32, .float64: true
    default: false
    }
  }

  /// True for utf8 and binary with either offset width.
  public var isVariableBinary: Bool {
    if case .variableBinary = layout { true } else { false }
  }
}

extension DataType: CustomStringConvertible {
  /// The name as Arrow's documentation writes it: `list<item: int64>`, `timestamp[us, tz=UTC]`.
  public var description: String {
    switch self {
    case .null: "null"
    case .bool: "bool"
    case .int8: "int8"
    case .int16: "int16"
    case .int32: "int32"
    case .int64: "int64"
    case .uint8: "uint8"
    case .uint16: "uint16"
    case .uint32: "uint32"
    case .uint64: "uint64"
    case .float16: "float16"
    case .float32: "float32"
    case .float64: "float64"
    case .decimal128(let precision, let scale): "decimal128(\(precision), \(scale))"
    case .date32: "date32"
    case .date64: "date64"
    case .time32(let unit): "time32[\(unit.rawValue)]"
    case .time64(let unit): "time64[\(unit.rawValue)]"
    case .timestamp(let unit, let zone):
      if let zone {
        "timestamp[\(unit.rawValue), tz=\(zone)]"
      } else {
        "timestamp[\(unit.rawValue)]"
      }
    case .duration(let unit): "duration[\(unit.rawValue)]"
    case .utf8: "utf8"
    case .largeUtf8: "large_utf8"
    case .binary: "binary"
    case .largeBinary: "large_binary"
    case .fixedSizeBinary(let width): "fixed_size_binary[\(width)]"
    case .list(let item): "list<\(item)>"
    case .largeList(let item): "large_list<\(item)>"
    case .fixedSizeList(let item, let size): "fixed_size_list<\(item)>[\(size)]"
    case .struct(let fields): "struct<\(fields.map(\.description).joined(separator: ", "))>"
    case .map(let entries, let sorted):
      "map<\(entries.type.children.map(\.description).joined(separator: ", "))"
        + (sorted ? ", keys_sorted>" : ">")
    case .dictionary(let index, let value, let ordered):
      "dictionary<\(index), \(value)\(ordered ? ", ordered" : "")>"
    }
  }
}
