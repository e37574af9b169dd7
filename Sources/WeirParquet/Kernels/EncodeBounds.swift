// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  internal import Glibc
#endif

/// Smallest and largest of some values, each by its type's order.
///
/// Safe: every function reads `count` values.
enum EncodeBounds {
  static func int32(_ v: UnsafePointer<Int32>, _ count: Int) -> (Int32, Int32)? { ends(v, count) }
  static func uint32(_ v: UnsafePointer<UInt32>, _ count: Int) -> (UInt32, UInt32)? {
    ends(v, count)
  }
  static func int64(_ v: UnsafePointer<Int64>, _ count: Int) -> (Int64, Int64)? { ends(v, count) }
  static func uint64(_ v: UnsafePointer<UInt64>, _ count: Int) -> (UInt64, UInt64)? {
    ends(v, count)
  }

  @inline(__always)
  private static func ends<T: FixedWidthInteger>(_ v: UnsafePointer<T>, _ count: Int) -> (T, T)? {
    count == 0 ? nil : ends(v, count, least: v[0], most: v[0])
  }

  /// Two independent pairs: the comparisons overlap. NaNs compare false and so never replace a bound.
  @inline(__always)
  private static func ends<T: Comparable>(
    _ v: UnsafePointer<T>, _ count: Int, least: T, most: T
  ) -> (T, T) {
    var (least, most, least2, most2) = (least, most, least, most)
    var index = 0
    while index + 1 < count {
      let a = v[index]
      let b = v[index + 1]
      least = a < least ? a : least
      most = a > most ? a : most
      least2 = b < least2 ? b : least2
      most2 = b > most2 ? b : most2
      index += 2
    }
    if index < count {
      least = v[index] < least ? v[index] : least
      most = v[index] > most ? v[index] : most
    }
    return (least2 < least ? least2 : least, most2 > most ? most2 : most)
  }

  static func float(_ v: UnsafePointer<Float>, _ count: Int) -> (Float, Float)? {
    floatEnds(v, count)
  }
  static func double(_ v: UnsafePointer<Double>, _ count: Int) -> (Double, Double)? {
    floatEnds(v, count)
  }
  /// Safe: 2-byte values at any address; loaded unaligned.
  static func float16(_ v: UnsafeRawPointer, _ count: Int) -> (Float, Float)? {
    var least = Float.infinity
    var most = -Float.infinity
    var seen = false
    for index in 0..<count {
      let bits = v.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)
      let value = Float(Float16(bitPattern: bits))
      if value.isNaN { continue }
      seen = true
      least = min(least, value)
      most = max(most, value)
    }
    return seen ? signedZeros(least, most) : nil
  }

  @inline(__always)
  private static func floatEnds<T: BinaryFloatingPoint>(
    _ v: UnsafePointer<T>, _ count: Int
  ) -> (T, T)? {
    let (least, most) = ends(v, count, least: T.infinity, most: -T.infinity)
    // Nothing but NaNs, or no values.
    if least > most { return nil }
    return signedZeros(least, most)
  }

  /// A reader cannot know which zero was seen: the bounds allow both.
  @inline(__always)
  private static func signedZeros<T: BinaryFloatingPoint>(_ least: T, _ most: T) -> (T, T) {
    (least == 0 ? -T.zero : least, most == 0 ? T.zero : most)
  }

  /// Positions of the smallest and the largest, in unsigned lexicographic order.
  static func bytes(_ v: UnsafePointer<ByteView>, _ count: Int) -> (Int, Int)? {
    if count == 0 { return nil }
    var least = 0
    var most = 0
    var leastKey = prefix(v[0])
    var mostKey = leastKey
    for index in 1..<max(count, 1) {
      let key = prefix(v[index])
      if key < leastKey || (key == leastKey && v[index].isLess(than: v[least])) {
        least = index
        leastKey = key
      } else if key > mostKey || (key == mostKey && v[most].isLess(than: v[index])) {
        most = index
        mostKey = key
      }
    }
    return (least, most)
  }

  /// The first 8 bytes as a big-endian number, shorter values padded with zeros.
  @inline(__always)
  private static func prefix(_ view: ByteView) -> UInt64 {
    if view.count >= 8 {
      return view.base.loadUnaligned(as: UInt64.self).bigEndian
    }
    var key: UInt64 = 0
    for index in 0..<view.count {
      key |= UInt64(view.base.load(fromByteOffset: index, as: UInt8.self)) << UInt64(56 - 8 * index)
    }
    return key
  }

  /// Positions of the smallest and the largest of big-endian two's-complement numbers.
  static func signedBytes(_ v: UnsafeRawPointer, width: Int, _ count: Int) -> (Int, Int)? {
    if count == 0 || width == 0 { return nil }
    var least = 0
    var most = 0
    for index in 1..<max(count, 1) {
      let value = v + index * width
      if signedLess(value, v + least * width, width) { least = index }
      if signedLess(v + most * width, value, width) { most = index }
    }
    return (least, most)
  }

  @inline(__always)
  static func signedLess(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ width: Int) -> Bool {
    let first = a.load(as: Int8.self)
    let second = b.load(as: Int8.self)
    if first != second { return first < second }
    for index in 1..<max(width, 1) {
      let x = a.load(fromByteOffset: index, as: UInt8.self)
      let y = b.load(fromByteOffset: index, as: UInt8.self)
      if x != y { return x < y }
    }
    return false
  }

  /// Positions of the smallest and the largest of fixed-length byte strings.
  static func fixedBytes(_ v: UnsafeRawPointer, width: Int, _ count: Int) -> (Int, Int)? {
    if count == 0 { return nil }
    var least = 0
    var most = 0
    for index in 1..<max(count, 1) {
      let value = v + index * width
      if memcmp(value, v + least * width, width) < 0 { least = index }
      if memcmp(value, v + most * width, width) > 0 { most = index }
    }
    return (least, most)
  }
}
