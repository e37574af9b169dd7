// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Which Arrow type a leaf is read as, and how its bytes become that type's.
enum LeafTypes {
  /// The Arrow type that a leaf's annotations ask for; annotations that do not fit the physical type
  /// are passed over, as the specification demands of unknown ones.
  static func arrowType(of element: SchemaElement, int96Unit: TimeUnit) -> DataType {
    if let logical = element.logicalType, let type = fromLogical(logical, element) { return type }
    if let converted = element.convertedType, let type = fromConverted(converted, element) {
      return type
    }
    switch element.type ?? .byteArray {
    case .boolean: return .bool
    case .int32: return .int32
    case .int64: return .int64
    case .int96: return .timestamp(int96Unit, timeZone: nil)
    case .float: return .float32
    case .double: return .float64
    case .byteArray: return .binary
    case .fixedLenByteArray: return .fixedSizeBinary(Int(element.typeLength ?? 0))
    }
  }

  private static func fromLogical(_ logical: LogicalType, _ element: SchemaElement) -> DataType? {
    switch (logical, element.type) {
    case (.string, .byteArray), (.json, .byteArray): return .utf8
    case (.decimal(let precision, let scale), _):
      return decimal(precision: precision, scale: scale, element)
    case (.date, .int32): return .date32
    case (.time(.millisecond, _), .int32): return .time32(.millisecond)
    case (.time(.microsecond, _), .int64): return .time64(.microsecond)
    case (.time(.nanosecond, _), .int64): return .time64(.nanosecond)
    case (.timestamp(let unit, let isUTC), .int64):
      return .timestamp(unit, timeZone: isUTC ? "UTC" : nil)
    case (.integer(let width, let isSigned), .int32):
      switch (width, isSigned) {
      case (8, true): return .int8
      case (16, true): return .int16
      case (32, true): return .int32
      case (8, false): return .uint8
      case (16, false): return .uint16
      case (32, false): return .uint32
      default: return nil
      }
    case (.integer(64, let isSigned), .int64): return isSigned ? .int64 : .uint64
    case (.unknown, _): return .null
    case (.float16, .fixedLenByteArray): return element.typeLength == 2 ? .float16 : nil
    default: return nil
    }
  }

  private static func fromConverted(
    _ converted: ConvertedType, _ element: SchemaElement
  ) -> DataType? {
    switch (converted, element.type) {
    case (.utf8, .byteArray), (.json, .byteArray): return .utf8
    case (.decimal, _):
      return decimal(
        precision: Int(element.precision ?? 0), scale: Int(element.scale ?? 0), element)
    case (.date, .int32): return .date32
    case (.timeMillis, .int32): return .time32(.millisecond)
    case (.timeMicros, .int64): return .time64(.microsecond)
    case (.timestampMillis, .int64): return .timestamp(.millisecond, timeZone: "UTC")
    case (.timestampMicros, .int64): return .timestamp(.microsecond, timeZone: "UTC")
    case (.int8, .int32): return .int8
    case (.int16, .int32): return .int16
    case (.uint8, .int32): return .uint8
    case (.uint16, .int32): return .uint16
    case (.uint32, .int32): return .uint32
    case (.uint64, .int64): return .uint64
    default: return nil
    }
  }

  /// Precision beyond 38 digits has no type here: the bytes are read as they are.
  private static func decimal(precision: Int, scale: Int, _ element: SchemaElement) -> DataType? {
    guard precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision else { return nil }
    switch element.type {
    case .int32, .int64, .byteArray: return .decimal128(precision: precision, scale: scale)
    case .fixedLenByteArray:
      let width = element.typeLength ?? 0
      return width >= 1 && width <= 16 ? .decimal128(precision: precision, scale: scale) : nil
    default: return nil
    }
  }

  /// How a column of this physical type is decoded to `type`.
  struct Plan {
    var layout: SinkLayout
    /// For the fixed-width physical types.
    var conversion: ValueConversion
    /// For byte arrays, and for fixed-length ones in a byte array's encoding.
    var form: ByteArrayTarget.Form
    /// Strings, which must be UTF-8.
    var isText = false
  }

  static func plan(_ leaf: LeafColumn, type: DataType, int96Unit: TimeUnit) -> Plan {
    switch leaf.physicalType {
    case .boolean:
      return Plan(layout: .bool, conversion: .none(width: 1), form: .bytes)
    case .int32, .int64:
      let conversion = integerConversion(
        width: leaf.physicalType == .int32 ? 4 : 8, type: type)
      return Plan(
        layout: .fixed(width: conversion.outputWidth), conversion: conversion, form: .bytes)
    case .int96:
      return Plan(layout: .fixed(width: 8), conversion: .int96(int96Unit), form: .bytes)
    case .float: return Plan(layout: .fixed(width: 4), conversion: .none(width: 4), form: .bytes)
    case .double: return Plan(layout: .fixed(width: 8), conversion: .none(width: 8), form: .bytes)
    case .byteArray:
      if case .decimal128 = type {
        return Plan(layout: .fixed(width: 16), conversion: .none(width: 16), form: .decimal)
      }
      if case .variableBinary(let offsetWidth) = type.layout {
        return Plan(
          layout: .binary(offsetWidth: offsetWidth), conversion: .none(width: 1), form: .bytes,
          isText: type == .utf8 || type == .largeUtf8)
      }
      return Plan(layout: .binary(offsetWidth: 4), conversion: .none(width: 1), form: .bytes)
    case .fixedLenByteArray:
      if case .decimal128 = type {
        return Plan(
          layout: .fixed(width: 16), conversion: .decimalFromFixed(width: leaf.typeLength),
          form: .decimal)
      }
      return Plan(
        layout: .fixed(width: leaf.typeLength), conversion: .none(width: leaf.typeLength),
        form: .fixed(width: leaf.typeLength))
    }
  }

  private static func integerConversion(width: Int, type: DataType) -> ValueConversion {
    switch type {
    case .int8, .uint8: .narrow(width: 1)
    case .int16, .uint16: .narrow(width: 2)
    case .decimal128: .decimalFromInteger(width: width)
    case .date64 where width == 4: .daysToMilliseconds
    case .timestamp(.second, _) where width == 8: .millisecondsToSeconds
    default: .none(width: width)
    }
  }
}
