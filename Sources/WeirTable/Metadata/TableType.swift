// SPDX-License-Identifier: Apache-2.0

/// A type of Iceberg.
public enum TableType: Hashable, Sendable {
  case boolean, int, long, float, double
  case decimal(precision: Int, scale: Int)
  case date
  /// Microseconds since midnight.
  case time
  /// Microseconds since 1970-01-01T00:00:00, as a clock on the wall shows them.
  case timestamp
  /// Microseconds since 1970-01-01T00:00:00 in UTC.
  case timestamptz
  /// The same in nanoseconds (v3).
  case timestampNs, timestamptzNs
  case string, uuid
  case fixed(Int)
  case binary
  /// Only null (v3).
  case unknown
  /// v3; kept in schemas, but its data is not read.
  case variant
  /// v3; kept in schemas, but their data is not read. `nil`: the default `OGC:CRS84`.
  case geometry(crs: String?)
  case geography(crs: String?, algorithm: String?)
  case `struct`(StructType)
  indirect case list(ListType)
  indirect case map(MapType)

  public var isPrimitive: Bool {
    switch self {
    case .struct, .list, .map, .variant: false
    default: true
    }
  }

  /// Struct, list or map.
  public var isNested: Bool {
    switch self {
    case .struct, .list, .map: true
    default: false
    }
  }

  /// The first format version that has the type.
  public var formatVersionMin: Int {
    switch self {
    case .timestampNs, .timestamptzNs, .unknown, .variant, .geometry, .geography: 3
    default: 1
    }
  }
}

extension TableType: CustomStringConvertible {
  /// As metadata writes it (`decimal(9, 2)`, `fixed[16]`); nested types as `struct<1: a: int>`.
  public var description: String {
    switch self {
    case .boolean: "boolean"
    case .int: "int"
    case .long: "long"
    case .float: "float"
    case .double: "double"
    case .decimal(let precision, let scale): "decimal(\(precision), \(scale))"
    case .date: "date"
    case .time: "time"
    case .timestamp: "timestamp"
    case .timestamptz: "timestamptz"
    case .timestampNs: "timestamp_ns"
    case .timestamptzNs: "timestamptz_ns"
    case .string: "string"
    case .uuid: "uuid"
    case .fixed(let size): "fixed[\(size)]"
    case .binary: "binary"
    case .unknown: "unknown"
    case .variant: "variant"
    case .geometry(let crs): crs.map { "geometry(\($0))" } ?? "geometry"
    case .geography(nil, nil): "geography"
    case .geography(let crs, let algorithm):
      "geography(\(crs ?? "OGC:CRS84")\(algorithm.map { ", \($0)" } ?? ""))"
    case .struct(let type): "struct<\(type.fields.map(\.description).joined(separator: ", "))>"
    case .list(let type): "list<\(type.element)>"
    case .map(let type): "map<\(type.key), \(type.value)>"
    }
  }

  private static let named: [String: TableType] = [
    "boolean": .boolean, "int": .int, "long": .long, "float": .float, "double": .double,
    "date": .date, "time": .time, "timestamp": .timestamp, "timestamptz": .timestamptz,
    "timestamp_ns": .timestampNs, "timestamptz_ns": .timestamptzNs, "string": .string,
    "uuid": .uuid, "binary": .binary, "unknown": .unknown, "variant": .variant,
    "geometry": .geometry(crs: nil), "geography": .geography(crs: nil, algorithm: nil),
  ]

  /// A type that is not nested, by its name in any case: `long`, `decimal(9,2)`, `fixed[16]`.
  /// `nil` when there is no such type or its numbers are out of range.
  public init?(named text: String) {
    if let type = Self.named[text] ?? Self.named[text.lowercased()] {
      self = type
      return
    }
    guard let (name, arguments) = Self.split(text) else { return nil }
    switch (name, arguments.count) {
    case ("decimal", 2):
      guard let precision = Int(arguments[0]), let scale = Int(arguments[1]),
        (1...38).contains(precision), (0...precision).contains(scale)
      else { return nil }
      self = .decimal(precision: precision, scale: scale)
    case ("fixed", 1):
      guard let size = Int(arguments[0]), size >= 0, size <= Int(Int32.max) else { return nil }
      self = .fixed(size)
    case ("geometry", 1): self = .geometry(crs: arguments[0])
    case ("geography", 1): self = .geography(crs: arguments[0], algorithm: nil)
    case ("geography", 2): self = .geography(crs: arguments[0], algorithm: arguments[1])
    default: return nil
    }
  }

  /// `name(a, b)` or `name[a]`, in parts without white space around them.
  static func split(_ text: String) -> (name: String, arguments: [String])? {
    guard let open = text.firstIndex(where: { $0 == "(" || $0 == "[" }),
      text.last == (text[open] == "(" ? ")" : "]")
    else { return nil }
    func trimmed(_ part: Substring) -> String {
      var part = part
      while part.first?.isWhitespace == true { part.removeFirst() }
      while part.last?.isWhitespace == true { part.removeLast() }
      return String(part)
    }
    let inner = text[text.index(after: open)...].dropLast()
    let arguments = inner.split(separator: ",", omittingEmptySubsequences: false).map(trimmed)
    return (trimmed(text[..<open]).lowercased(), arguments)
  }
}
