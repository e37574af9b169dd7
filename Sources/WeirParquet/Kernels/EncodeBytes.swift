// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// One byte-array value: where it is and how long it is.
///
/// Safe: made from arrays that the row group keeps alive until its column is written.
struct ByteView {
  var base: UnsafeRawPointer
  var count: Int

  @inline(__always)
  func isEqual(to other: ByteView) -> Bool {
    count == other.count && memcmp(base, other.base, count) == 0
  }

  /// Unsigned lexicographic order.
  @inline(__always)
  func isLess(than other: ByteView) -> Bool {
    let order = memcmp(base, other.base, min(count, other.count))
    return order < 0 || (order == 0 && count < other.count)
  }

  var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: base, count: count)) }
}

/// The encodings of byte arrays. Safe: as `ByteView`; output goes to room that was reserved.
enum EncodeBytes {
  /// Sum of the lengths.
  static func totalBytes(_ views: UnsafePointer<ByteView>, count: Int) -> Int {
    var total = 0
    for index in 0..<count { total += views[index].count }
    return total
  }

  /// PLAIN: each value behind its 4-byte length.
  static func plain(_ views: UnsafePointer<ByteView>, count: Int, into out: MutableBuffer) {
    let total = totalBytes(views, count: count) + 4 * count
    // 16 bytes of slack, so that short values can be copied in one store.
    var target = out.reserveTail(total + 16)
    for index in 0..<count {
      let view = views[index]
      target.storeBytes(of: UInt32(truncatingIfNeeded: view.count).littleEndian, as: UInt32.self)
      memcpy(target + 4, view.base, view.count)
      target += 4 + view.count
    }
    out.advance(by: total)
  }

  /// The values one after the other: PLAIN of fixed-length ones, the tail of DELTA_LENGTH.
  static func joined(_ views: UnsafePointer<ByteView>, count: Int, into out: MutableBuffer) {
    let total = totalBytes(views, count: count)
    var target = out.reserveTail(total)
    var index = 0
    while index < count {
      // Neighbours in memory (a string array without nulls) go as one copy.
      let start = views[index].base
      var length = views[index].count
      index += 1
      while index < count && views[index].base == start + length {
        length += views[index].count
        index += 1
      }
      memcpy(target, start, length)
      target += length
    }
    out.advance(by: total)
  }

  /// DELTA_LENGTH_BYTE_ARRAY.
  static func deltaLength(_ views: UnsafePointer<ByteView>, count: Int, into out: MutableBuffer) {
    withLengths(count) { lengths in
      for index in 0..<count { lengths[index] = Int32(truncatingIfNeeded: views[index].count) }
      EncodeDelta.encode(UnsafePointer(lengths), count: count, into: out)
    }
    joined(views, count: count, into: out)
  }

  /// DELTA_BYTE_ARRAY: lengths of the prefix shared with the value before, then the suffixes.
  static func deltaBytes(_ views: UnsafePointer<ByteView>, count: Int, into out: MutableBuffer) {
    let suffixes = UnsafeMutablePointer<ByteView>.allocate(capacity: max(count, 1))
    defer { suffixes.deallocate() }
    withLengths(count) { prefixes in
      for index in 0..<count {
        let view = views[index]
        let shared = index == 0 ? 0 : commonPrefix(views[index - 1], view)
        prefixes[index] = Int32(truncatingIfNeeded: shared)
        suffixes[index] = ByteView(base: view.base + shared, count: view.count - shared)
      }
      EncodeDelta.encode(UnsafePointer(prefixes), count: count, into: out)
    }
    deltaLength(suffixes, count: count, into: out)
  }

  @inline(__always)
  static func commonPrefix(_ a: ByteView, _ b: ByteView) -> Int {
    let limit = min(a.count, b.count)
    var shared = 0
    while limit - shared >= 8 {
      let difference =
        a.base.loadUnaligned(fromByteOffset: shared, as: UInt64.self)
        ^ b.base.loadUnaligned(fromByteOffset: shared, as: UInt64.self)
      if difference != 0 { return shared + (difference.trailingZeroBitCount >> 3) }
      shared += 8
    }
    while shared < limit
      && a.base.load(fromByteOffset: shared, as: UInt8.self)
        == b.base.load(fromByteOffset: shared, as: UInt8.self)
    { shared += 1 }
    return shared
  }

  private static func withLengths(_ count: Int, _ body: (UnsafeMutablePointer<Int32>) -> Void) {
    let lengths = UnsafeMutablePointer<Int32>.allocate(capacity: max(count, 1))
    defer { lengths.deallocate() }
    body(lengths)
  }
}
