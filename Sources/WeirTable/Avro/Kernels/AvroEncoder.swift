// SPDX-License-Identifier: Apache-2.0
// Safe: bytes are written within what was reserved just before.

internal import WeirColumnar

/// Writes Avro's binary encoding. One thread at a time.
final class AvroEncoder {
  private let buffer = MutableBuffer()

  var count: Int { buffer.count }

  /// Takes back what was written behind `count` bytes.
  func truncate(to count: Int) { buffer.truncate(to: count) }

  /// The bytes so far; the encoder starts again empty.
  func finish() -> Buffer { buffer.finish() }

  func long(_ value: Int64) {
    var rest = UInt64(bitPattern: (value << 1) ^ (value >> 63))
    let start = buffer.reserveTail(10)
    var count = 0
    while rest >= 0x80 {
      start.storeBytes(
        of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: count, as: UInt8.self)
      rest >>= 7
      count += 1
    }
    start.storeBytes(of: UInt8(rest), toByteOffset: count, as: UInt8.self)
    buffer.advance(by: count + 1)
  }

  func long(_ value: Int) { long(Int64(value)) }
  func int(_ value: Int32) { long(Int64(value)) }

  func boolean(_ value: Bool) { buffer.append(value ? 1 as UInt8 : 0) }
  func float(_ value: Float) { buffer.append(value.bitPattern.littleEndian) }
  func double(_ value: Double) { buffer.append(value.bitPattern.littleEndian) }

  /// Bytes with their length.
  func bytes(_ value: [UInt8]) {
    long(value.count)
    value.withUnsafeBytes { buffer.append($0) }
  }

  func bytes(_ value: UnsafeRawBufferPointer) {
    long(value.count)
    buffer.append(value)
  }

  func string(_ value: String) {
    var value = value
    value.withUTF8 {
      long($0.count)
      buffer.append(UnsafeRawBufferPointer($0))
    }
  }

  /// Bytes without their length.
  func raw(_ value: UnsafeRawBufferPointer) { buffer.append(value) }
  func raw(_ value: [UInt8]) { value.withUnsafeBytes { buffer.append($0) } }
  func raw(_ value: Buffer) { buffer.append(value) }

  /// A union of null and something else, in that order.
  func optional<T>(_ value: T?, _ write: (T) -> Void) {
    guard let value else { return long(0 as Int) }
    long(1 as Int)
    write(value)
  }

  /// An array or a map: one block that says how many bytes it takes, so that readers can pass over it
  /// at once. `scratch` is another encoder, empty.
  func block(_ itemCount: Int, _ scratch: AvroEncoder, _ write: (AvroEncoder) -> Void) {
    if itemCount > 0 {
      write(scratch)
      let items = scratch.finish()
      long(-itemCount)
      long(items.count)
      raw(items)
    }
    long(0 as Int)
  }
}
