// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// How Parquet stores an Arrow type that is no nested type and no dictionary.
struct LeafStorage {
  var physicalType: PhysicalType
  /// Bytes of one physical value; 0 for byte arrays and booleans.
  var width: Int
  var conversion: LeafConversion
  var order: BoundsOrder
  var logicalType: LogicalType?
  var convertedType: ConvertedType?

  private init(
    _ physicalType: PhysicalType, _ width: Int, _ conversion: LeafConversion, _ order: BoundsOrder,
    _ logicalType: LogicalType? = nil, _ convertedType: ConvertedType? = nil
  ) {
    self.physicalType = physicalType
    self.width = width
    self.conversion = conversion
    self.order = order
    self.logicalType = logicalType
    self.convertedType = convertedType
  }

  /// `nil` for types that cannot be a leaf.
  init?(_ type: DataType) {
    switch type {
    case .null: self.init(.int32, 4, .nulls, .none, .unknown)
    case .bool: self.init(.boolean, 0, .bits, .bool)
    case .float16: self.init(.fixedLenByteArray, 2, .same(width: 2), .float16, .float16)
    case .float32: self.init(.float, 4, .same(width: 4), .float)
    case .float64: self.init(.double, 8, .same(width: 8), .double)
    case .utf8: self.init(.byteArray, 0, .variableBytes(offsetWidth: 4), .bytes, .string, .utf8)
    case .largeUtf8:
      self.init(.byteArray, 0, .variableBytes(offsetWidth: 8), .bytes, .string, .utf8)
    case .binary: self.init(.byteArray, 0, .variableBytes(offsetWidth: 4), .bytes)
    case .largeBinary: self.init(.byteArray, 0, .variableBytes(offsetWidth: 8), .bytes)
    case .fixedSizeBinary(let width):
      // Parquet has no zero-length fixed arrays.
      if width <= 0 { return nil }
      self.init(.fixedLenByteArray, width, .same(width: width), .fixedBytes)
    case .decimal128(let precision, let scale):
      guard scale >= 0 && scale <= precision else { return nil }
      self = .decimal(precision, scale)
    default:
      guard let storage = Self.integer(type) ?? Self.temporal(type) else { return nil }
      self = storage
    }
  }

  private static func integer(_ type: DataType) -> LeafStorage? {
    func small(_ bits: Int, signed: Bool, _ converted: ConvertedType) -> LeafStorage {
      LeafStorage(
        .int32, 4, .widen(from: bits / 8, signed: signed), signed ? .int32 : .uint32,
        .integer(bitWidth: bits, isSigned: signed), converted)
    }
    switch type {
    case .int8: return small(8, signed: true, .int8)
    case .int16: return small(16, signed: true, .int16)
    case .uint8: return small(8, signed: false, .uint8)
    case .uint16: return small(16, signed: false, .uint16)
    case .int32: return LeafStorage(.int32, 4, .same(width: 4), .int32)
    case .int64: return LeafStorage(.int64, 8, .same(width: 8), .int64)
    case .uint32:
      return LeafStorage(
        .int32, 4, .same(width: 4), .uint32, .integer(bitWidth: 32, isSigned: false), .uint32)
    case .uint64:
      return LeafStorage(
        .int64, 8, .same(width: 8), .uint64, .integer(bitWidth: 64, isSigned: false), .uint64)
    default: return nil
    }
  }

  private static func temporal(_ type: DataType) -> LeafStorage? {
    switch type {
    case .date32: return LeafStorage(.int32, 4, .same(width: 4), .int32, .date, .date)
    case .date64: return LeafStorage(.int32, 4, .daysOfMilliseconds, .int32, .date, .date)
    case .time32(let unit):
      // A time of day has no zone; the old annotations mean UTC and are left out.
      return LeafStorage(
        .int32, 4, unit == .second ? .thousandfold(width: 4) : .same(width: 4), .int32,
        .time(.millisecond, isAdjustedToUTC: false))
    case .time64(let unit):
      return LeafStorage(
        .int64, 8, .same(width: 8), .int64, .time(unit, isAdjustedToUTC: false))
    case .timestamp(let unit, let zone):
      let stored = unit == .second ? TimeUnit.millisecond : unit
      let converted: ConvertedType? =
        switch stored {
        case .millisecond where zone != nil: .timestampMillis
        case .microsecond where zone != nil: .timestampMicros
        default: nil
        }
      return LeafStorage(
        .int64, 8, unit == .second ? .thousandfold(width: 8) : .same(width: 8), .int64,
        .timestamp(stored, isAdjustedToUTC: zone != nil), converted)
    case .duration: return LeafStorage(.int64, 8, .same(width: 8), .int64)
    default: return nil
    }
  }

  private static func decimal(_ precision: Int, _ scale: Int) -> LeafStorage {
    let logical = LogicalType.decimal(precision: precision, scale: scale)
    if precision <= 9 {
      return LeafStorage(.int32, 4, .narrowDecimal(to: 4), .int32, logical, .decimal)
    }
    if precision <= 18 {
      return LeafStorage(.int64, 8, .narrowDecimal(to: 8), .int64, logical, .decimal)
    }
    let width = fixedWidth(ofDigits: precision)
    return LeafStorage(
      .fixedLenByteArray, width, .bigEndianDecimal(width: width), .signedBytes, logical, .decimal)
  }

  /// Fewest bytes whose two's complement holds every number of so many digits.
  static func fixedWidth(ofDigits digits: Int) -> Int {
    var largest: UInt128 = 1
    for _ in 0..<min(digits, 38) { largest *= 10 }
    let bits = 128 - (largest - 1).leadingZeroBitCount + 1
    return (bits + 7) / 8
  }
}
