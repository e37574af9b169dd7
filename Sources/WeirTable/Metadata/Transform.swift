// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// How a partition's or sort order's value comes from a column (Iceberg, "Partition Transforms").
public enum Transform: Hashable, Sendable, CustomStringConvertible {
  case identity
  /// The hash modulo this many buckets.
  case bucket(Int)
  /// Numbers down to a multiple, strings and bytes to their first characters or bytes.
  case truncate(Int)
  case year, month, day, hour
  /// Always null.
  case void
  /// One that this version does not know: kept, never computed, never written with.
  case unknown(String)

  /// By the name in metadata, in any case. A known name with impossible numbers is `nil`.
  public init?(named text: String) {
    switch text.lowercased() {
    case "identity": self = .identity
    case "year": self = .year
    case "month": self = .month
    case "day": self = .day
    case "hour": self = .hour
    case "void": self = .void
    default:
      guard let (name, arguments) = TableType.split(text), name == "bucket" || name == "truncate",
        arguments.count == 1
      else {
        self = .unknown(text)
        return
      }
      guard let number = Int32(arguments[0]), number > 0 else { return nil }
      self = name == "bucket" ? .bucket(Int(number)) : .truncate(Int(number))
    }
  }

  /// As metadata writes it: `bucket[16]`.
  public var description: String {
    switch self {
    case .identity: "identity"
    case .bucket(let count): "bucket[\(count)]"
    case .truncate(let width): "truncate[\(width)]"
    case .year: "year"
    case .month: "month"
    case .day: "day"
    case .hour: "hour"
    case .void: "void"
    case .unknown(let name): name
    }
  }

  /// The type of the result; `nil` when the transform does not take such values.
  public func resultType(of source: TableType) -> TableType? {
    switch self {
    case .identity:
      switch source {
      case .struct, .list, .map, .variant, .geometry, .geography: nil
      default: source
      }
    case .bucket:
      switch source {
      case .int, .long, .decimal, .date, .time, .timestamp, .timestamptz, .timestampNs,
        .timestamptzNs, .string, .uuid, .fixed, .binary:
        .int
      default: nil
      }
    case .truncate:
      switch source {
      case .int, .long, .decimal, .string, .binary: source
      default: nil
      }
    case .year, .month:
      switch source {
      case .date, .timestamp, .timestamptz, .timestampNs, .timestamptzNs: .int
      default: nil
      }
    case .day:
      switch source {
      case .date, .timestamp, .timestamptz, .timestampNs, .timestamptzNs: .date
      default: nil
      }
    case .hour:
      switch source {
      case .timestamp, .timestamptz, .timestampNs, .timestamptzNs: .int
      default: nil
      }
    case .void: source
    case .unknown: .string
    }
  }

  /// Whether results keep the order of their sources: pruning by ranges works.
  public var preservesOrder: Bool {
    switch self {
    case .identity, .truncate, .year, .month, .day, .hour: true
    case .bucket, .void, .unknown: false
    }
  }
}

extension Transform: JSONConvertible {
  public init(json: JSONValue) throws(JSONError) {
    let text = try json.asString()
    guard let transform = Transform(named: text) else {
      throw JSONError(.invalidValue, "'\(text)' is no transform: its number must be positive")
    }
    self = transform
  }

  public func json() -> JSONValue { .string(description) }
}
