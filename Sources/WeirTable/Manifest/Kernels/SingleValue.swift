// SPDX-License-Identifier: Apache-2.0
// Safe: loads stay within the views that callers pass, after their size was checked.

public import WeirColumnar

/// Iceberg's binary serialization of single values, in which manifests keep bounds.
///
/// Scalars have the form of Arrow: dates, times and timestamps are `int` in the unit of the type,
/// UUIDs and fixed `binary`. Source: Iceberg table specification, appendix D, "Binary single-value
/// serialization".
public enum SingleValue {
  /// The bytes of a value, which must be of `type` and not null.
  /// - Throws: `invalidArgument` when it is not, and for nested types, which have no serialization.
  public static func encode(_ value: Scalar, as type: TableType) throws(TableError) -> [UInt8] {
    switch (type, value) {
    case (.boolean, .bool(let value)): return [value ? 1 : 0]
    case (.int, .int(let value)), (.date, .int(let value)):
      guard let narrow = Int32(exactly: value) else { break }
      return littleEndian(narrow)
    case (.long, .int(let value)), (.time, .int(let value)), (.timestamp, .int(let value)),
      (.timestamptz, .int(let value)), (.timestampNs, .int(let value)),
      (.timestamptzNs, .int(let value)):
      return littleEndian(value)
    case (.float, .float32(let value)): return littleEndian(value.bitPattern)
    case (.double, .float64(let value)): return littleEndian(value.bitPattern)
    case (.double, .float32(let value)): return littleEndian(Double(value).bitPattern)
    case (.decimal(_, let wanted), .decimal(let value, let scale)):
      guard wanted == scale else { break }
      return bigEndianMinimal(value)
    case (.string, .string(let value)): return [UInt8](value.utf8)
    case (.uuid, .binary(let value)):
      guard value.count == 16 else { break }
      return value
    case (.fixed(let count), .binary(let value)):
      guard value.count == count else { break }
      return value
    case (.binary, .binary(let value)), (.geometry, .binary(let value)),
      (.geography, .binary(let value)):
      return value
    default: break
    }
    throw TableError(
      .invalidArgument, "the value \(value.text(as: type.arrowType)) cannot be stored as \(type)")
  }

  /// The value of `type` that the bytes hold. Values written before their column was promoted
  /// (`int` to `long`, `float` to `double`, `date` to `timestamp`) give values of the new type.
  /// - Throws: `damaged` when the bytes cannot be a value of the type.
  public static func decode(_ bytes: [UInt8], as type: TableType) throws(TableError) -> Scalar {
    try bytes.withUnsafeBufferPointer { bytes throws(TableError) in
      try decode(UnsafeRawBufferPointer(bytes), as: type)
    }
  }

  /// As above.
  package static func decode(
    _ bytes: UnsafeRawBufferPointer, as type: TableType
  ) throws(TableError) -> Scalar {
    switch type {
    case .boolean: if bytes.count == 1 { return .bool(bytes[0] != 0) }
    case .int, .date: if let value = int32(bytes) { return .int(Int64(value)) }
    case .long, .time: if let value = int64(bytes) ?? widened(bytes) { return .int(value) }
    case .timestamp, .timestamptz:
      if let value = int64(bytes) { return .int(value) }
      if let days = int32(bytes) { return .int(Int64(days) * 86_400_000_000) }
    case .timestampNs, .timestamptzNs:
      if let value = int64(bytes) { return .int(value) }
      if let days = int32(bytes) {
        let (value, overflow) = Int64(days).multipliedReportingOverflow(by: 86_400_000_000_000)
        if !overflow { return .int(value) }
      }
    case .float: if let bits = int32(bytes) { return .float32(float(bits)) }
    case .double:
      if let bits = int64(bytes) {
        return .float64(Double(bitPattern: UInt64(bitPattern: bits)))
      }
      if let bits = int32(bytes) { return .float64(Double(float(bits))) }
    case .decimal(_, let scale):
      if let value = Int128(bigEndianBytes: bytes), bytes.count > 0 {
        return .decimal(value, scale: scale)
      }
    case .string:
      if let text = String(validating: bytes, as: UTF8.self) { return .string(text) }
    case .uuid: if bytes.count == 16 { return .binary([UInt8](bytes)) }
    case .fixed(let count): if bytes.count == count { return .binary([UInt8](bytes)) }
    case .binary, .geometry, .geography: return .binary([UInt8](bytes))
    case .unknown, .variant, .struct, .list, .map: break
    }
    throw TableError(.damaged, "\(bytes.count) bytes cannot be a value of the type \(type)")
  }

  private static func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) }
  }

  private static func int32(_ bytes: UnsafeRawBufferPointer) -> Int32? {
    bytes.count == 4 ? Int32(littleEndian: bytes.loadUnaligned(as: Int32.self)) : nil
  }

  private static func int64(_ bytes: UnsafeRawBufferPointer) -> Int64? {
    bytes.count == 8 ? Int64(littleEndian: bytes.loadUnaligned(as: Int64.self)) : nil
  }

  private static func widened(_ bytes: UnsafeRawBufferPointer) -> Int64? {
    int32(bytes).map { Int64($0) }
  }

  private static func float(_ bits: Int32) -> Float { Float(bitPattern: UInt32(bitPattern: bits)) }

  /// Two's complement, most significant byte first, in as few bytes as hold it.
  static func bigEndianMinimal(_ value: Int128) -> [UInt8] {
    let bytes = bigEndian(value, byteCount: 16)
    let sign: UInt8 = value < 0 ? 0xff : 0
    var start = 0
    while start < 15 && bytes[start] == sign && bytes[start + 1] >> 7 == sign >> 7 { start += 1 }
    return Array(bytes[start...])
  }

  /// Two's complement, most significant byte first, in `byteCount` bytes, which must hold it.
  static func bigEndian(_ value: Int128, byteCount: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: value < 0 ? 0xff : 0, count: byteCount)
    var rest = value
    for index in stride(from: byteCount - 1, through: max(0, byteCount - 16), by: -1) {
      bytes[index] = UInt8(truncatingIfNeeded: rest)
      rest >>= 8
    }
    return bytes
  }

  /// The bytes that hold every decimal of a precision (1 ... 38), as Java's writer sizes them.
  static func decimalByteCount(precision: Int) -> Int {
    var limit: Int128 = 1
    for _ in 0..<precision { limit *= 10 }
    var count = 1
    while count < 16 && limit - 1 > (Int128(1) << Int128(8 * count - 1)) - 1 { count += 1 }
    return count
  }
}
