// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A change of representation that keeps every value.
enum ValueCast: Hashable, Sendable {
  /// The memory is the same.
  case retype
  /// Integers, dates, times and timestamps: `value * factor / divisor`. What does not fit the target
  /// is an error; a remainder is cut off (towards minus infinity) when reading and an error when
  /// writing.
  case integers(from: IntegerForm, to: IntegerForm, factor: Int64, divisor: Int64, exact: Bool)
  case floats(from: Int, to: Int)
  /// Offsets from 64 to 32 bits; bytes that become text are checked.
  case text(isLarge: Bool, validates: Bool)
  case nulls

  /// The memory of integers.
  enum IntegerForm: Hashable, Sendable {
    case int8, int16, int32, int64, uint8, uint16, uint32, uint64
  }

  /// `nil` when values of `source` cannot become those of `target`.
  init?(from source: DataType, to target: DataType, type: TableType, isWriting: Bool) {
    if source == .null {
      self = .nulls
      return
    }
    if let number = Self.numbers(source, target, type, isWriting) {
      self = number
      return
    }
    switch (source, target) {
    case (.float16, .float32): self = .floats(from: 2, to: 4)
    case (.float16, .float64): self = .floats(from: 2, to: 8)
    case (.float32, .float64): self = .floats(from: 4, to: 8)
    case (.decimal128(let precision, let scale), .decimal128(let wanted, let wantedScale))
    where precision <= wanted && scale == wantedScale:
      self = .retype
    case (.largeUtf8, .utf8), (.largeBinary, .binary), (.largeUtf8, .binary):
      self = .text(isLarge: true, validates: false)
    case (.utf8, .binary) where !isWriting: self = .retype
    // Old writers left out that bytes are text.
    case (.binary, .utf8) where !isWriting: self = .text(isLarge: false, validates: true)
    case (.largeBinary, .utf8) where !isWriting: self = .text(isLarge: true, validates: true)
    default: return nil
    }
    if case .text = self, source == .largeUtf8, target == .binary, isWriting { return nil }
  }

  private static func numbers(
    _ source: DataType, _ target: DataType, _ type: TableType, _ isWriting: Bool
  ) -> ValueCast? {
    func integers(
      _ from: IntegerForm, _ to: IntegerForm, _ factor: Int64 = 1, _ divisor: Int64 = 1
    ) -> ValueCast {
      if from == to && factor == 1 && divisor == 1 { return .retype }
      return .integers(from: from, to: to, factor: factor, divisor: divisor, exact: isWriting)
    }
    func units(_ from: TimeUnit, _ to: TimeUnit, _ form: IntegerForm) -> ValueCast {
      from.perSecond <= to.perSecond
        ? integers(form, .int64, to.perSecond / from.perSecond)
        : integers(form, .int64, 1, from.perSecond / to.perSecond)
    }
    switch (source, target) {
    case (let source, .int32) where source.isInteger, (let source, .int64) where source.isInteger:
      guard let form = IntegerForm(source) else { return nil }
      let to: IntegerForm = target == .int32 ? .int32 : .int64
      // A file's column never becomes narrower.
      if !isWriting, form == .int64 || form == .uint64 || (form == .uint32 && to == .int32) {
        return nil
      }
      return integers(form, to)
    case (.time32(let unit), .time64(let wanted)): return units(unit, wanted, .int32)
    case (.time64(let unit), .time64(let wanted)): return units(unit, wanted, .int64)
    case (.timestamp(let unit, let zone), .timestamp(let wanted, let wantedZone)):
      // Written values keep their meaning; files that leave the zone out are old or from INT96.
      if isWriting && (zone == nil) != (wantedZone == nil) { return nil }
      return units(unit, wanted, .int64)
    case (.date32, .timestamp(let unit, nil)) where !isWriting:
      return integers(.int32, .int64, 86_400 * unit.perSecond)
    case (.date64, .date32) where isWriting: return integers(.int64, .int32, 1, 86_400_000)
    default: return nil
    }
  }

  /// The array under `type`.
  func apply(_ array: ArrayData, to type: DataType) throws(TableError) -> ArrayData {
    switch self {
    case .retype: return array.reinterpreted(as: type)
    case .nulls: return try ArrayData.constant(.null, type: type, length: array.length)
    case .integers(let from, let to, let factor, let divisor, let exact):
      return try IntegerCast(factor: factor, divisor: divisor, exact: exact)
        .apply(array, from, to, type)
    case .floats(let from, let to): return FloatCast.apply(array, from, to, type)
    case .text(let isLarge, let validates):
      let small = isLarge ? try OffsetCast.narrow(array, to: type) : array.reinterpreted(as: type)
      if validates { try OffsetCast.checkText(small) }
      return small
    }
  }
}

extension ValueCast.IntegerForm {
  init?(_ type: DataType) {
    switch type {
    case .int8: self = .int8
    case .int16: self = .int16
    case .int32: self = .int32
    case .int64: self = .int64
    case .uint8: self = .uint8
    case .uint16: self = .uint16
    case .uint32: self = .uint32
    case .uint64: self = .uint64
    default: return nil
    }
  }
}
