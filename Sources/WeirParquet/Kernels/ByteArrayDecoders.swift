// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar

/// Where the bytes of byte arrays go: a sink of byte arrays, or of numbers made from them.
///
/// Safe: `bytes` points to `count` bytes of the page; the targets are rooms that the sink reserved.
struct ByteArrayTarget {
  /// For decimals stored as byte arrays, and for fixed-length byte arrays in a byte array's encoding.
  enum Form: Equatable {
    case bytes
    case decimal
    case fixed(width: Int)
  }

  let form: Form

  func append(
    _ bytes: UnsafePointer<UInt8>, _ count: Int, to sink: LeafSink
  ) throws(ParquetError) {
    switch form {
    case .bytes:
      let target = try sink.reserveBytes(count)
      target.copyMemory(from: bytes, byteCount: count)
      sink.commitBytes(count)
      let end = try sink.reserveEnds(1)
      if sink.endWidth == 4 {
        end.storeBytes(of: Int32(sink.data.count), as: Int32.self)
      } else {
        end.storeBytes(of: Int64(sink.data.count), as: Int64.self)
      }
      sink.commitEnds(1)
    case .decimal:
      guard count <= 16 else {
        throw ParquetError(.damaged, "a decimal of \(count) bytes does not fit 128 bits")
      }
      let target = try sink.reserveFixed(1, width: 16)
      target.storeBytes(of: ValueConversion.bigEndian(bytes, count), as: Int128.self)
      sink.commitFixed(16)
    case .fixed(let width):
      guard count == width else {
        throw ParquetError(
          .damaged, "a value of \(count) bytes in a column of \(width)-byte values")
      }
      let target = try sink.reserveFixed(1, width: width)
      target.copyMemory(from: bytes, byteCount: count)
      sink.commitFixed(width)
    }
  }
}

/// PLAIN byte arrays: a 4-byte length before each.
final class PlainByteArrayDecoder: ValueDecoder {
  private var cursor: ByteCursor
  private let target: ByteArrayTarget

  init(_ bytes: Buffer, form: ByteArrayTarget.Form) {
    cursor = ByteCursor(bytes)
    target = ByteArrayTarget(form: form)
  }

  func decode(_ count: Int, into sink: LeafSink) throws(ParquetError) {
    guard count <= cursor.left / 4 else { throw tooFewValues() }
    if target.form != .bytes {
      for _ in 0..<count {
        let length = Int(try cursor.uint32("a byte array's length"))
        try target.append(try cursor.take(length, "a byte array"), length, to: sink)
      }
      return
    }
    // The lengths first: they say how much room the bytes need, so that the copies check nothing.
    let mark = sink.mark
    let total = try measure(count)
    let bytes = try sink.reserveBytes(total)
    let ends = try sink.reserveEnds(count)
    let written =
      sink.endWidth == 4
      ? copy(count, bytes, ends.assumingMemoryBound(to: Int32.self), Int32(sink.data.count))
      : copy(count, bytes, ends.assumingMemoryBound(to: Int64.self), Int64(sink.data.count))
    sink.commitBytes(written)
    sink.commitEnds(count)
    try sink.checkText(since: mark)
  }

  /// The bytes of the next `count` values, checked to lie within the page.
  private func measure(_ count: Int) throws(ParquetError) -> Int {
    var position = UnsafeRawPointer(cursor.next)
    let end = UnsafeRawPointer(cursor.end)
    var total = 0
    for _ in 0..<count {
      guard end - position >= 4 else { throw ByteCursor.truncated("a byte array's length") }
      let length = Int(UInt32(littleEndian: position.loadUnaligned(as: UInt32.self)))
      guard length <= end - position - 4 else { throw ByteCursor.truncated("a byte array") }
      total += length
      position += 4 + length
    }
    return total
  }

  private func copy<T: FixedWidthInteger>(
    _ count: Int, _ target: UnsafeMutableRawPointer, _ ends: UnsafeMutablePointer<T>, _ start: T
  ) -> Int {
    var source = UnsafeRawPointer(cursor.next)
    let wideEnd = UnsafeRawPointer(cursor.end) - 20
    var written = 0
    for index in 0..<count {
      let length = Int(UInt32(littleEndian: source.loadUnaligned(as: UInt32.self)))
      if length <= 16 && source <= wideEnd {
        // The sink keeps 16 bytes of slack behind the room it gives.
        (target + written).copyMemory(from: source + 4, byteCount: 16)
      } else {
        (target + written).copyMemory(from: source + 4, byteCount: length)
      }
      written += length
      ends[index] = start + T(truncatingIfNeeded: written)
      source += 4 + length
    }
    cursor.skipChecked(source - UnsafeRawPointer(cursor.next))
    return written
  }
}

/// DELTA_LENGTH_BYTE_ARRAY: all lengths, delta-encoded, then all bytes.
final class DeltaLengthByteArrayDecoder: ValueDecoder {
  private var lengths: DeltaDecoder
  private var cursor: ByteCursor
  private let target: ByteArrayTarget
  private var batch: [Int64] = []

  init(_ bytes: Buffer, form: ByteArrayTarget.Form) throws(ParquetError) {
    lengths = try DeltaDecoder(bytes)
    cursor = ByteCursor(try lengths.rest())
    target = ByteArrayTarget(form: form)
  }

  func decode(_ count: Int, into sink: LeafSink) throws(ParquetError) {
    let mark = sink.mark
    try decodeLengths(&lengths, count, into: &batch)
    for index in 0..<count {
      let length = Int(batch[index])
      try target.append(try cursor.take(length, "a byte array"), length, to: sink)
    }
    try sink.checkText(since: mark)
  }
}

/// Decodes `count` numbers into `batch`, which is resized.
func decodeLengths(
  _ lengths: inout DeltaDecoder, _ count: Int, into batch: inout [Int64]
) throws(ParquetError) {
  guard count <= lengths.left else { throw tooFewValues() }
  if batch.count < count { batch = [Int64](repeating: 0, count: count) }
  var failure: ParquetError?
  batch.withUnsafeMutableBufferPointer { out in
    guard count > 0 else { return }
    do throws(ParquetError) {
      try lengths.decode(out.baseAddress!, count: count)
    } catch {
      failure = error
    }
  }
  if let failure { throw failure }
}

/// DELTA_BYTE_ARRAY: how many bytes are shared with the value before, then the rest of each value.
final class DeltaByteArrayDecoder: ValueDecoder {
  private var prefixes: DeltaDecoder
  private var suffixes: DeltaDecoder
  private var cursor: ByteCursor
  private let target: ByteArrayTarget
  private let last = MutableBuffer(capacity: 256)
  private var prefixBatch: [Int64] = []
  private var suffixBatch: [Int64] = []

  init(_ bytes: Buffer, form: ByteArrayTarget.Form) throws(ParquetError) {
    prefixes = try DeltaDecoder(bytes)
    let rest = try prefixes.rest()
    suffixes = try DeltaDecoder(rest)
    cursor = ByteCursor(try suffixes.rest())
    target = ByteArrayTarget(form: form)
  }

  func decode(_ count: Int, into sink: LeafSink) throws(ParquetError) {
    let mark = sink.mark
    try decodeLengths(&prefixes, count, into: &prefixBatch)
    try decodeLengths(&suffixes, count, into: &suffixBatch)
    for index in 0..<count {
      let prefix = Int(prefixBatch[index])
      let suffix = Int(suffixBatch[index])
      guard prefix >= 0 && prefix <= last.count else {
        throw ParquetError(
          .damaged, "a value shares \(prefix) bytes with one of \(last.count) bytes before it")
      }
      let bytes = try cursor.take(suffix, "a byte array's rest")
      last.truncate(to: prefix)
      last.append(UnsafeRawBufferPointer(start: bytes, count: suffix))
      try target.append(
        UnsafePointer(last.base.assumingMemoryBound(to: UInt8.self)), last.count, to: sink)
    }
    try sink.checkText(since: mark)
  }
}
