// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar

/// Decodes the values of one data page, in order; one class an encoding.
///
/// Every decoder checks that the page holds what is asked for. Safe: pointers go into buffers that the
/// decoder holds, or into room that the sink reserved for them.
protocol ValueDecoder: AnyObject {
  /// Appends the next `count` values to the sink.
  func decode(_ count: Int, into sink: LeafSink) throws(ParquetError)
}

@inline(never)
func tooFewValues() -> ParquetError {
  ParquetError(.damaged, "the page holds fewer values than its levels say")
}

/// PLAIN numbers and fixed-length byte arrays.
final class PlainFixedDecoder: ValueDecoder {
  private var cursor: ByteCursor
  private let conversion: ValueConversion

  init(_ bytes: Buffer, conversion: ValueConversion) {
    cursor = ByteCursor(bytes)
    self.conversion = conversion
  }

  func decode(_ count: Int, into sink: LeafSink) throws(ParquetError) {
    let width = conversion.inputWidth
    guard count <= cursor.left / max(width, 1) else { throw tooFewValues() }
    let source = try cursor.take(count * width, "plain values")
    let target = try sink.reserveFixed(count, width: conversion.outputWidth)
    try conversion.apply(source, to: target, count: count)
    sink.commitFixed(count * conversion.outputWidth)
  }
}

/// PLAIN booleans, a bit each.
final class PlainBooleanDecoder: ValueDecoder {
  private let bytes: Buffer
  private var index = 0

  init(_ bytes: Buffer) { self.bytes = bytes }

  func decode(_ count: Int, into sink: LeafSink) throws(ParquetError) {
    guard count <= bytes.count * 8 - index else { throw tooFewValues() }
    let target = try sink.reserveFixed(count, width: 1)
    for position in 0..<count {
      target.storeBytes(
        of: Bitmap.get(bytes.base, index + position) ? 1 : 0, toByteOffset: position, as: UInt8.self
      )
    }
    index += count
    sink.commitFixed(count)
  }
}

/// Booleans in RLE.
final class RLEBooleanDecoder: ValueDecoder {
  private var hybrid: HybridDecoder

  /// - Parameter hasLength: a 4-byte length comes first, as always in data pages.
  init(_ bytes: Buffer) throws(ParquetError) {
    var cursor = ByteCursor(bytes)
    let count = Int(try cursor.uint32("the length of RLE booleans"))
    guard count <= cursor.left else { throw ByteCursor.truncated("RLE booleans") }
    hybrid = HybridDecoder(cursor.rest().slice(offset: 0, count: count), bitWidth: 1)
  }

  func decode(_ count: Int, into sink: LeafSink) throws(ParquetError) {
    let target = try sink.reserveFixed(count, width: 1)
    try hybrid.decodeLevels(target.assumingMemoryBound(to: UInt8.self), count: count)
    sink.commitFixed(count)
  }
}

/// BYTE_STREAM_SPLIT of any fixed width.
final class ByteStreamSplitDecoder: ValueDecoder {
  private let bytes: Buffer
  private let conversion: ValueConversion
  private let valueCount: Int
  private var index = 0
  private let scratch = MutableBuffer()

  init(_ bytes: Buffer, conversion: ValueConversion) throws(ParquetError) {
    let width = conversion.inputWidth
    guard width > 0, bytes.count % width == 0 else {
      throw ParquetError(
        .damaged, "\(bytes.count) bytes are no whole number of \(width)-byte values")
    }
    self.bytes = bytes
    self.conversion = conversion
    valueCount = bytes.count / width
  }

  func decode(_ count: Int, into sink: LeafSink) throws(ParquetError) {
    guard count <= valueCount - index else { throw tooFewValues() }
    let width = conversion.inputWidth
    let target = try sink.reserveFixed(count, width: conversion.outputWidth)
    if case .none = conversion {
      join(to: target, count: count)
    } else {
      scratch.reserve(count * width)
      join(to: scratch.base, count: count)
      try conversion.apply(scratch.base, to: target, count: count)
    }
    index += count
    sink.commitFixed(count * conversion.outputWidth)
  }

  private func join(to target: UnsafeMutableRawPointer, count: Int) {
    weir_byte_stream_join(
      bytes.base.assumingMemoryBound(to: UInt8.self), valueCount, index,
      Int32(conversion.inputWidth), target.assumingMemoryBound(to: UInt8.self), count)
  }
}

/// DELTA_BINARY_PACKED integers.
final class DeltaIntegerDecoder: ValueDecoder {
  private var delta: DeltaDecoder
  private let conversion: ValueConversion
  private let is32Bit: Bool
  private let scratch = MutableBuffer()
  private let narrowed = MutableBuffer()

  init(_ bytes: Buffer, conversion: ValueConversion, is32Bit: Bool) throws(ParquetError) {
    delta = try DeltaDecoder(bytes)
    self.conversion = conversion
    self.is32Bit = is32Bit
  }

  func decode(_ count: Int, into sink: LeafSink) throws(ParquetError) {
    guard count <= delta.left else { throw tooFewValues() }
    let target = try sink.reserveFixed(count, width: conversion.outputWidth)
    if !is32Bit, conversion == .none(width: 8) {
      try delta.decode(target.assumingMemoryBound(to: Int64.self), count: count)
    } else {
      scratch.reserve(count * 8)
      let wide = scratch.base.assumingMemoryBound(to: Int64.self)
      try delta.decode(wide, count: count)
      if is32Bit {
        narrowed.reserve(count * 4)
        let narrow = narrowed.base.assumingMemoryBound(to: Int32.self)
        for index in 0..<count { narrow[index] = Int32(truncatingIfNeeded: wide[index]) }
        try conversion.apply(narrowed.base, to: target, count: count)
      } else {
        try conversion.apply(scratch.base, to: target, count: count)
      }
    }
    sink.commitFixed(count * conversion.outputWidth)
  }
}
