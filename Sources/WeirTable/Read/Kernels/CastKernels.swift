// SPDX-License-Identifier: Apache-2.0
// Safe: loops run over the values of an array that the caller holds, and fill buffers of that count.

internal import WeirColumnar

/// Scales integers and changes their width.
struct IntegerCast {
  var factor: Int64
  var divisor: Int64
  /// A remainder of the division is an error.
  var exact: Bool

  func apply(
    _ array: ArrayData, _ from: ValueCast.IntegerForm, _ to: ValueCast.IntegerForm,
    _ type: DataType
  ) throws(TableError) -> ArrayData {
    switch from {
    case .int8: try apply(array, Int8.self, to, type)
    case .int16: try apply(array, Int16.self, to, type)
    case .int32: try apply(array, Int32.self, to, type)
    case .int64: try apply(array, Int64.self, to, type)
    case .uint8: try apply(array, UInt8.self, to, type)
    case .uint16: try apply(array, UInt16.self, to, type)
    case .uint32: try apply(array, UInt32.self, to, type)
    case .uint64: try apply(array, UInt64.self, to, type)
    }
  }

  @inline(__always)
  private func apply<S: FixedWidthInteger & BitwiseCopyable>(
    _ array: ArrayData, _ from: S.Type, _ to: ValueCast.IntegerForm, _ type: DataType
  ) throws(TableError) -> ArrayData {
    to == .int32
      ? try convert(array, from, Int32.self, type) : try convert(array, from, Int64.self, type)
  }

  /// The result's rows start at 0.
  @inline(__always)
  private func convert<
    S: FixedWidthInteger & BitwiseCopyable, T: FixedWidthInteger & BitwiseCopyable
  >(
    _ array: ArrayData, _ from: S.Type, _ to: T.Type, _ type: DataType
  ) throws(TableError) -> ArrayData {
    defer { withExtendedLifetime(array) {} }
    let source = array.values(as: S.self)
    let byteCount = source.count * MemoryLayout<T>.stride
    let out = MutableBuffer(capacity: byteCount)
    let target = out.reserveTail(byteCount).assumingMemoryBound(to: T.self)
    // The row that does not fit; null rows may hold anything.
    var failed = -1
    for row in 0..<source.count {
      guard let wide = Int64(exactly: source[row]) else {
        target[row] = 0
        if failed < 0 && array.isValid(row) { failed = row }
        continue
      }
      var (value, overflow) = wide.multipliedReportingOverflow(by: factor)
      if divisor != 1 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        overflow = overflow || (exact && remainder != 0)
        value = remainder < 0 ? quotient - 1 : quotient
      }
      target[row] = T(truncatingIfNeeded: value)
      if (overflow || Int64(target[row]) != value) && failed < 0 && array.isValid(row) {
        failed = row
      }
    }
    if failed >= 0 {
      throw TableError(
        .invalidArgument,
        "the value \(array.scalar(at: failed).text(as: array.type)) does not fit \(type)")
    }
    out.advance(by: byteCount)
    return ArrayData(
      type: type, length: array.length, nullCount: array.nullCount,
      validity: Realigned.validity(array), buffers: [out.finish()])
  }
}

/// Widens floating point numbers, exactly.
enum FloatCast {
  static func apply(_ array: ArrayData, _ from: Int, _ to: Int, _ type: DataType) -> ArrayData {
    switch (from, to) {
    case (2, 4): convert(array, Float16.self, Float.self, type)
    case (2, _): convert(array, Float16.self, Double.self, type)
    default: convert(array, Float.self, Double.self, type)
    }
  }

  @inline(__always)
  private static func convert<
    S: BinaryFloatingPoint & BitwiseCopyable, T: BinaryFloatingPoint & BitwiseCopyable
  >(
    _ array: ArrayData, _ from: S.Type, _ to: T.Type, _ type: DataType
  ) -> ArrayData {
    defer { withExtendedLifetime(array) {} }
    let source = array.values(as: S.self)
    let byteCount = source.count * MemoryLayout<T>.stride
    let out = MutableBuffer(capacity: byteCount)
    let target = out.reserveTail(byteCount).assumingMemoryBound(to: T.self)
    for row in 0..<source.count { target[row] = T(source[row]) }
    out.advance(by: byteCount)
    return ArrayData(
      type: type, length: array.length, nullCount: array.nullCount,
      validity: Realigned.validity(array), buffers: [out.finish()])
  }
}

/// Bitmaps that count from row 0.
enum Realigned {
  static func validity(_ array: ArrayData) -> Buffer? {
    guard let validity = array.validity else { return nil }
    if array.offset == 0 { return validity }
    let byteCount = Bitmap.byteCount(array.length)
    let out = MutableBuffer(capacity: byteCount)
    let target = out.reserveTail(byteCount)
    target.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    for row in 0..<array.length where Bitmap.get(validity.base, array.offset + row) {
      Bitmap.set(target, row)
    }
    out.advance(by: byteCount)
    return out.finish()
  }
}

/// Offsets of 64 bits as such of 32.
enum OffsetCast {
  /// Text or bytes with small offsets. The bytes are shared where they are few enough.
  static func narrow(_ array: ArrayData, to type: DataType) throws(TableError) -> ArrayData {
    let (offsets, range) = try small(array)
    let bytes =
      array.length == 0
      ? Buffer() : array.buffers[1].slice(offset: range.lowerBound, count: range.count)
    return ArrayData(
      type: type, length: array.length, nullCount: array.nullCount,
      validity: Realigned.validity(array), buffers: [offsets, bytes])
  }

  /// The offsets from 0 on, and the items that they cover.
  static func small(_ array: ArrayData) throws(TableError) -> (Buffer, Range<Int>) {
    defer { withExtendedLifetime(array) {} }
    guard array.length > 0 else { return (Buffer([Int32(0)]), 0..<0) }
    let source = array.offsets(as: Int64.self)
    let first = source[0]
    let last = source[array.length]
    guard last - first <= Int64(Int32.max) else {
      throw TableError(
        .limit, "the batch's values take more than 2 GiB; use smaller batches")
    }
    let byteCount = source.count * 4
    let out = MutableBuffer(capacity: byteCount)
    let target = out.reserveTail(byteCount).assumingMemoryBound(to: Int32.self)
    for row in 0..<source.count { target[row] = Int32(truncatingIfNeeded: source[row] - first) }
    out.advance(by: byteCount)
    return (out.finish(), Int(first)..<Int(last))
  }

  /// Throws `damaged` when the bytes are not UTF-8.
  static func checkText(_ array: ArrayData) throws(TableError) {
    for row in 0..<array.length where array.isValid(row) {
      guard array.withBytes(row, { isValidUTF8($0) }) else {
        throw TableError(.damaged, "the bytes of a text are not UTF-8")
      }
    }
  }
}

/// Lists of any form as lists with offsets of 32 bits.
enum ListForm {
  static func withSmallOffsets(_ array: ArrayData) throws(TableError) -> ArrayData {
    switch array.type {
    case .largeList(let item):
      let (offsets, range) = try OffsetCast.small(array)
      return ArrayData(
        type: .list(item), length: array.length, nullCount: array.nullCount,
        validity: Realigned.validity(array), buffers: [offsets],
        children: [array.children[0].slice(offset: range.lowerBound, length: range.count)])
    case .fixedSizeList(let item, let size):
      let (end, overflow) = (array.offset + array.length).multipliedReportingOverflow(by: size)
      guard !overflow, end <= Int(Int32.max) else {
        throw TableError(.limit, "the batch's lists have too many items; use smaller batches")
      }
      let offsets = (0...array.offset + array.length).map { Int32($0 * size) }
      return ArrayData(
        type: .list(item), length: array.length, offset: array.offset,
        nullCount: array.nullCount, validity: array.validity, buffers: [Buffer(offsets)],
        children: array.children)
    default: return array
    }
  }
}
