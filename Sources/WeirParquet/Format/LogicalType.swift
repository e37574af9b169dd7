// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// What a column's values mean.
public enum LogicalType: Hashable, Sendable {
  case string
  case map
  case list
  case enumeration
  case decimal(precision: Int, scale: Int)
  case date
  case time(TimeUnit, isAdjustedToUTC: Bool)
  case timestamp(TimeUnit, isAdjustedToUTC: Bool)
  case integer(bitWidth: Int, isSigned: Bool)
  /// Only nulls.
  case unknown
  case json
  case bson
  case uuid
  case float16
  case variant
  case geometry(crs: String?)
  case geography(crs: String?)
  /// One that this version does not know, by its number in the specification; read as its physical
  /// type.
  case other(Int)
}

extension LogicalType {
  package init?(_ reader: inout ThriftReader) throws(ParquetError) {
    var result: LogicalType?
    try reader.structure { (reader, id, type) throws(ParquetError) in
      guard type == .structure else { return false }
      switch id {
      case 5: result = try Self.decimal(&reader)
      case 7, 8: result = try Self.temporal(&reader, isTimestamp: id == 8)
      case 10: result = try Self.integer(&reader)
      case 17, 18: result = try Self.geospatial(&reader, isGeography: id == 18)
      default:
        result = Self.plain(id)
        return false
      }
      return true
    }
    guard let result else { return nil }
    self = result
  }

  private static func plain(_ id: Int) -> LogicalType {
    switch id {
    case 1: .string
    case 2: .map
    case 3: .list
    case 4: .enumeration
    case 6: .date
    case 11: .unknown
    case 12: .json
    case 13: .bson
    case 14: .uuid
    case 15: .float16
    case 16: .variant
    default: .other(id)
    }
  }

  private static func decimal(_ reader: inout ThriftReader) throws(ParquetError) -> LogicalType {
    var precision = 0
    var scale = 0
    try reader.structure { (reader, id, _) throws(ParquetError) in
      switch id {
      case 1: scale = Int(try reader.int32())
      case 2: precision = Int(try reader.int32())
      default: return false
      }
      return true
    }
    return .decimal(precision: precision, scale: scale)
  }

  private static func temporal(
    _ reader: inout ThriftReader, isTimestamp: Bool
  ) throws(ParquetError) -> LogicalType {
    var isUTC = false
    var unit = TimeUnit.microsecond
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch id {
      case 1: isUTC = reader.bool(type)
      case 2:
        guard type == .structure else { return false }
        try reader.structure { (reader, id, _) throws(ParquetError) in
          switch id {
          case 1: unit = .millisecond
          case 2: unit = .microsecond
          case 3: unit = .nanosecond
          default: throw reader.damaged("unknown time unit \(id)")
          }
          return false
        }
      default: return false
      }
      return true
    }
    return isTimestamp
      ? .timestamp(unit, isAdjustedToUTC: isUTC) : .time(unit, isAdjustedToUTC: isUTC)
  }

  private static func integer(_ reader: inout ThriftReader) throws(ParquetError) -> LogicalType {
    var width = 0
    var isSigned = true
    try reader.structure { (reader, id, type) throws(ParquetError) in
      switch id {
      case 1: width = Int(try reader.byte())
      case 2: isSigned = reader.bool(type)
      default: return false
      }
      return true
    }
    return .integer(bitWidth: width, isSigned: isSigned)
  }

  private static func geospatial(
    _ reader: inout ThriftReader, isGeography: Bool
  ) throws(ParquetError) -> LogicalType {
    var crs: String?
    try reader.structure { (reader, id, _) throws(ParquetError) in
      guard id == 1 else { return false }
      crs = try reader.string()
      return true
    }
    return isGeography ? .geography(crs: crs) : .geometry(crs: crs)
  }

  package func write(_ writer: inout ThriftWriter) {
    switch self {
    case .string: writer.structure(1) { _ in }
    case .map: writer.structure(2) { _ in }
    case .list: writer.structure(3) { _ in }
    case .enumeration: writer.structure(4) { _ in }
    case .decimal(let precision, let scale):
      writer.structure(5) {
        $0.int32(1, Int32(scale))
        $0.int32(2, Int32(precision))
      }
    case .date: writer.structure(6) { _ in }
    case .time(let unit, let isUTC): Self.writeTemporal(&writer, 7, unit, isUTC)
    case .timestamp(let unit, let isUTC): Self.writeTemporal(&writer, 8, unit, isUTC)
    case .integer(let width, let isSigned):
      writer.structure(10) {
        $0.byte(1, Int8(width))
        $0.bool(2, isSigned)
      }
    case .unknown: writer.structure(11) { _ in }
    case .json: writer.structure(12) { _ in }
    case .bson: writer.structure(13) { _ in }
    case .uuid: writer.structure(14) { _ in }
    case .float16: writer.structure(15) { _ in }
    case .variant: writer.structure(16) { _ in }
    case .geometry(let crs): writer.structure(17) { $0.string(1, crs) }
    case .geography(let crs): writer.structure(18) { $0.string(1, crs) }
    case .other(let id): writer.structure(id) { _ in }
    }
  }

  private static func writeTemporal(
    _ writer: inout ThriftWriter, _ id: Int, _ unit: TimeUnit, _ isUTC: Bool
  ) {
    let unitID =
      switch unit {
      case .second: preconditionFailure("Parquet has no seconds: write milliseconds")
      case .millisecond: 1
      case .microsecond: 2
      case .nanosecond: 3
      }
    writer.structure(id) {
      $0.bool(1, isUTC)
      $0.structure(2) { $0.structure(unitID) { _ in } }
    }
  }
}
