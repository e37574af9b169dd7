// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A place in a page's bytes that only moves forward and never beyond their end.
///
/// Safe: the pointers are valid as long as `buffer`, which the cursor holds.
struct ByteCursor {
  private let buffer: Buffer
  private(set) var next: UnsafePointer<UInt8>
  let end: UnsafePointer<UInt8>

  init(_ buffer: Buffer) {
    self.buffer = buffer
    next = buffer.base.assumingMemoryBound(to: UInt8.self)
    end = next + buffer.count
  }

  var left: Int { end - next }

  /// The bytes from here on, with their own cursor.
  func rest() -> Buffer { buffer.slice(offset: buffer.count - left, count: left) }

  @inline(never)
  static func truncated(_ what: String) -> ParquetError {
    ParquetError(.damaged, "the page ends in the middle of \(what)")
  }

  /// Passes over `count` bytes and returns where they start.
  mutating func take(_ count: Int, _ what: @autoclosure () -> String) throws(ParquetError)
    -> UnsafePointer<UInt8>
  {
    guard count >= 0 && count <= left else { throw Self.truncated(what()) }
    defer { next += count }
    return next
  }

  /// An unsigned LEB128 number of at most 64 bits.
  mutating func varint(_ what: @autoclosure () -> String) throws(ParquetError) -> UInt64 {
    var result: UInt64 = 0
    var shift: UInt64 = 0
    while next < end {
      let byte = next.pointee
      next += 1
      if shift == 63 && byte > 1 { break }
      result |= UInt64(byte & 0x7f) << shift
      if byte & 0x80 == 0 { return result }
      shift += 7
      if shift > 63 { break }
    }
    throw Self.truncated(what())
  }

  mutating func zigzag(_ what: @autoclosure () -> String) throws(ParquetError) -> Int64 {
    let raw = try varint(what())
    return Int64(bitPattern: (raw >> 1) ^ (0 &- (raw & 1)))
  }

  mutating func uint32(_ what: @autoclosure () -> String) throws(ParquetError) -> UInt32 {
    let start = try take(4, what())
    return UInt32(littleEndian: UnsafeRawPointer(start).loadUnaligned(as: UInt32.self))
  }

  /// Passes over bytes that were checked to be there.
  mutating func skipChecked(_ count: Int) {
    precondition(count >= 0 && count <= left, "skip beyond the page")
    next += count
  }
}
