// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Turns gathered Arrow values into Parquet's physical values.
///
/// Safe: reads `count` values behind `source` and writes as many to room that was reserved.
enum EncodeConvert {
  enum Failure: Error { case overflow(Int) }

  static func widen(
    _ source: UnsafeRawPointer, count: Int, from width: Int, signed: Bool, into out: MutableBuffer
  ) {
    switch (width, signed) {
    case (1, true): map(source, count, out) { (v: Int8) in Int32(v) }
    case (1, false): map(source, count, out) { (v: UInt8) in Int32(v) }
    case (2, true): map(source, count, out) { (v: Int16) in Int32(v) }
    default: map(source, count, out) { (v: UInt16) in Int32(v) }
    }
  }

  /// Seconds to milliseconds.
  static func thousandfold(
    _ source: UnsafeRawPointer, count: Int, width: Int, into out: MutableBuffer
  ) throws(Failure) {
    if width == 4 {
      try scale(source.assumingMemoryBound(to: Int32.self), count, out)
    } else {
      try scale(source.assumingMemoryBound(to: Int64.self), count, out)
    }
  }

  @inline(__always)
  private static func scale<T: FixedWidthInteger>(
    _ source: UnsafePointer<T>, _ count: Int, _ out: MutableBuffer
  ) throws(Failure) {
    let target = out.reserveTail(count * MemoryLayout<T>.size).assumingMemoryBound(to: T.self)
    for index in 0..<count {
      let (product, overflow) = source[index].multipliedReportingOverflow(by: 1_000)
      if overflow { throw .overflow(index) }
      target[index] = product
    }
    out.advance(by: count * MemoryLayout<T>.size)
  }

  static func days(
    ofMilliseconds source: UnsafeRawPointer, count: Int, into out: MutableBuffer
  ) throws(Failure) {
    let values = source.assumingMemoryBound(to: Int64.self)
    let target = out.reserveTail(count * 4).assumingMemoryBound(to: Int32.self)
    for index in 0..<count {
      let (days, rest) = values[index].quotientAndRemainder(dividingBy: 86_400_000)
      guard let narrow = Int32(exactly: rest < 0 ? days - 1 : days) else { throw .overflow(index) }
      target[index] = narrow
    }
    out.advance(by: count * 4)
  }

  /// 16-byte decimals to 4, 8 or big-endian `width` bytes.
  static func decimal(
    _ source: UnsafeRawPointer, count: Int, to width: Int, bigEndian: Bool,
    into out: MutableBuffer
  ) throws(Failure) {
    let target = out.reserveTail(count * width)
    for index in 0..<count {
      let value = source.loadUnaligned(fromByteOffset: index * 16, as: Int128.self)
      let shift = 128 - width * 8
      guard (value << Int128(shift)) >> Int128(shift) == value else { throw .overflow(index) }
      if bigEndian {
        let ordered = value.bigEndian
        withUnsafeBytes(of: ordered) {
          (target + index * width).copyMemory(
            from: $0.baseAddress! + (16 - width), byteCount: width)
        }
      } else if width == 4 {
        target.storeBytes(
          of: Int32(truncatingIfNeeded: value), toByteOffset: index * 4, as: Int32.self)
      } else {
        target.storeBytes(
          of: Int64(truncatingIfNeeded: value), toByteOffset: index * 8, as: Int64.self)
      }
    }
    out.advance(by: count * width)
  }

  @inline(__always)
  private static func map<S: BitwiseCopyable>(
    _ source: UnsafeRawPointer, _ count: Int, _ out: MutableBuffer, _ body: (S) -> Int32
  ) {
    let values = source.assumingMemoryBound(to: S.self)
    let target = out.reserveTail(count * 4).assumingMemoryBound(to: Int32.self)
    for index in 0..<count { target[index] = body(values[index]) }
    out.advance(by: count * 4)
  }
}
