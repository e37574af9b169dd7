// SPDX-License-Identifier: Apache-2.0
// Safe: reads the `length` rows of arrays, whose buffers their owner keeps alive.

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Counts and bounds of a page's values.
struct PageMeasure {
  private let array: ArrayData
  private let rows: ValidRows?

  /// Statistics of an array that is no dictionary array.
  static func of(_ array: ArrayData) -> PageStatistics {
    let nullCount = array.type == .null ? array.length : array.nullCount
    var result = PageStatistics(nullCount: nullCount)
    if array.type.isFloatingPoint { result.nanCount = 0 }
    if array.length == nullCount || !PageStatistics.hasBounds(array.type) { return result }
    var rows: ValidRows?
    if nullCount > 0, let validity = array.validity {
      rows = ValidRows(validity: validity, offset: array.offset, count: array.length)
    }
    let measure = PageMeasure(array: array, rows: rows)
    switch array.type {
    case .float16: measure.floats(Int16.self, infinity: 0x7c00, &result)
    case .float32: measure.floats(Int32.self, infinity: 0x7f80_0000, &result)
    case .float64: measure.floats(Int64.self, infinity: 0x7ff0_0000_0000_0000, &result)
    case .utf8, .largeUtf8: result.bounds = measure.strings(isText: true)
    case .binary, .largeBinary, .fixedSizeBinary: result.bounds = measure.strings(isText: false)
    default: result.bounds = measure.integers()
    }
    return result
  }

  /// Calls `body(first, count)` for the runs of rows that are not null.
  @inline(__always)
  private func forRuns(_ body: (Int, Int) -> Void) {
    guard let rows else { return body(0, array.length) }
    let base = rows.validity.base
    var row = 0
    while row < rows.count {
      if rows.contains(row) {
        let end = Bitmap.endOfRun(
          base, offset: rows.offset, from: row, count: rows.count, true)
        body(row, end - row)
        row = end
      } else {
        row = Bitmap.endOfRun(base, offset: rows.offset, from: row, count: rows.count, false)
      }
    }
  }

  private func integers() -> PageStatistics.Bounds? {
    switch array.type {
    case .bool: bits()
    case .int8: integers(Int8.self, UInt8.self)
    case .int16: integers(Int16.self, UInt16.self)
    case .int32, .date32, .time32: integers(Int32.self, UInt32.self)
    case .int64, .date64, .time64, .timestamp, .duration: integers(Int64.self, UInt64.self)
    case .uint8: integers(UInt8.self, UInt8.self)
    case .uint16: integers(UInt16.self, UInt16.self)
    case .uint32: integers(UInt32.self, UInt32.self)
    case .uint64: integers(UInt64.self, UInt64.self)
    case .decimal128: integers(Int128.self, UInt128.self)
    default: nil
    }
  }

  /// - Parameter Bits: as wide, without a sign: what is written.
  @inline(__always)
  private func integers<T: FixedWidthInteger & BitwiseCopyable, Bits: FixedWidthInteger>(
    _ type: T.Type, _ bits: Bits.Type
  ) -> PageStatistics.Bounds? {
    let values = array.buffers[0].base + array.offset * MemoryLayout<T>.size
    var (least, most) = (T.max, T.min)
    forRuns { first, count in
      for row in first..<first + count {
        let value = values.loadUnaligned(fromByteOffset: row * MemoryLayout<T>.size, as: T.self)
        least = value < least ? value : least
        most = value > most ? value : most
      }
    }
    return least > most
      ? nil
      : PageStatistics.Bounds(
        lower: UInt128(Bits(truncatingIfNeeded: least)),
        upper: UInt128(Bits(truncatingIfNeeded: most)))
  }

  private func bits() -> PageStatistics.Bounds? {
    var (ones, all) = (0, 0)
    forRuns { first, count in
      ones += Bitmap.countOnes(array.buffers[0].base, offset: array.offset + first, count: count)
      all += count
    }
    return all == 0
      ? nil : PageStatistics.Bounds(lower: ones == all ? 1 : 0, upper: ones > 0 ? 1 : 0)
  }

  /// Floats by their bits, which are brought into the order of numbers: those with a sign are
  /// turned around. NaNs lie outside of the infinities.
  @inline(__always)
  private func floats<T: FixedWidthInteger & SignedInteger & BitwiseCopyable>(
    _ type: T.Type, infinity: T, _ result: inout PageStatistics
  ) {
    let values = array.buffers[0].base + array.offset * MemoryLayout<T>.size
    var (least, most, nans) = (T.max, T.min, 0)
    let shift = T(T.bitWidth - 1)
    forRuns { first, count in
      for row in first..<first + count {
        let bits = values.loadUnaligned(fromByteOffset: row * MemoryLayout<T>.size, as: T.self)
        let isNaN = bits & T.max > infinity
        let key = bits ^ ((bits &>> shift) & T.max)
        nans &+= isNaN ? 1 : 0
        let low = isNaN ? T.max : key
        let high = isNaN ? T.min : key
        least = low < least ? low : least
        most = high > most ? high : most
      }
    }
    result.nanCount = nans
    if least > most { return }
    // A reader cannot know which zero was seen: -0 (whose key is -1) is the lower bound of both.
    if least == 0 { least = -1 }
    if most == -1 { most = 0 }
    result.bounds = PageStatistics.Bounds(
      lower: Self.bits(ofKey: least), upper: Self.bits(ofKey: most))
  }

  private static func bits<T: FixedWidthInteger & SignedInteger>(ofKey key: T) -> UInt128 {
    let bits = key ^ ((key &>> T(T.bitWidth - 1)) & T.max)
    return UInt128(UInt64(truncatingIfNeeded: bits))
      & (UInt128(1) << UInt128(T.bitWidth) &- 1)
  }

  private func strings(isText: Bool) -> PageStatistics.Bounds? {
    var ends: (least: Int, most: Int)?
    var (leastKey, mostKey): (UInt64, UInt64) = (0, 0)
    forRuns { first, count in
      for row in first..<first + count {
        let key = array.withBytes(row, Self.key)
        guard let found = ends else {
          ends = (row, row)
          (leastKey, mostKey) = (key, key)
          continue
        }
        if key < leastKey || key == leastKey && isLess(row, found.least) {
          ends = (row, found.most)
          leastKey = key
        } else if key > mostKey || key == mostKey && isLess(found.most, row) {
          ends = (found.least, row)
          mostKey = key
        }
      }
    }
    guard let ends else { return nil }
    let limit = PageStatistics.prefixByteCountMax
    let lower = BoundsCut.lower(
      array.withBytes(ends.least) { [UInt8]($0) }, max: limit, isText: isText)
    let upper = BoundsCut.upper(
      array.withBytes(ends.most) { [UInt8]($0) }, max: limit, isText: isText)
    guard upper.bytes.count <= limit else { return nil }
    return PageStatistics.Bounds(
      lower: PageStatistics.bound(lower.bytes), upper: PageStatistics.bound(upper.bytes),
      isLowerExact: lower.exact, isUpperExact: upper.exact)
  }

  /// The first eight bytes as a number in their order; zeros behind shorter strings.
  private static func key(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    if bytes.count >= 8 { return bytes.loadUnaligned(as: UInt64.self).bigEndian }
    var key: UInt64 = 0
    for (index, byte) in bytes.enumerated() { key |= UInt64(byte) << UInt64(56 - 8 * index) }
    return key
  }

  private func isLess(_ a: Int, _ b: Int) -> Bool {
    array.withBytes(a) { first in
      array.withBytes(b) { second in
        let both = min(first.count, second.count)
        let order = both == 0 ? 0 : memcmp(first.baseAddress!, second.baseAddress!, both)
        return order < 0 || order == 0 && first.count < second.count
      }
    }
  }
}
