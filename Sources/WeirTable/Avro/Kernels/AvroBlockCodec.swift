// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are views of buffers that are held during the call.

internal import CWeirKernels
internal import WeirColumnar
internal import WeirCompression

/// Compresses and decompresses the blocks of one Avro file. Not thread-safe.
///
/// The format does not say how large a block becomes: the result grows in steps, so that memory is
/// spent on what is really there, and no further than `blockBytesMax`.
final class AvroBlockCodec {
  /// Uncompressed bytes of a block at most: writers aim at 16 to 64 KiB; a single record may be large.
  static let blockBytesMaxDefault = 256 << 20

  let codec: AvroCodec
  private let blockBytesMax: Int
  private let inflater: DeflateDecompressor?
  private var deflate: BareDeflate?
  private let decompressor: Decompressor?
  private let stream: StreamDecompressor?
  private var compressor: Compressor?
  private let level: Int?

  init(_ codec: AvroCodec, level: Int? = nil, blockBytesMax: Int = blockBytesMaxDefault) {
    self.codec = codec
    self.level = level
    self.blockBytesMax = blockBytesMax
    inflater = codec == .deflate ? DeflateDecompressor() : nil
    decompressor = codec == .snappy ? Decompressor(.snappy) : nil
    stream = codec == .zstandard ? try? StreamDecompressor(.zstd) : nil
  }

  /// The uncompressed bytes of the block at `range` of `file`.
  func decompress(
    _ file: Buffer, _ range: Range<Int>
  ) throws(TableError) -> Buffer {
    let block = file.slice(offset: range.lowerBound, count: range.count)
    do throws(CompressionError) {
      switch codec {
      case .null: return block
      case .deflate:
        let output = MutableBuffer()
        if let inflater {
          try inflater.append(block, to: output, byteCountMax: blockBytesMax)
        }
        return output.finish()
      case .snappy: return try decompressSnappy(block)
      case .zstandard: return try decompressZstd(block)
      }
    } catch {
      throw TableError(.damaged, "a block cannot be decompressed", cause: "\(error)")
    }
  }

  /// Appends the uncompressed bytes of a block to those of others.
  func append(
    _ file: Buffer, _ range: Range<Int>, to output: MutableBuffer
  ) throws(TableError) {
    guard let inflater else {
      return output.append(try decompress(file, range))
    }
    do throws(CompressionError) {
      try inflater.append(
        file.slice(offset: range.lowerBound, count: range.count), to: output,
        byteCountMax: blockBytesMax)
    } catch {
      throw TableError(.damaged, "a block cannot be decompressed", cause: "\(error)")
    }
  }

  /// Calls `step` with ever more space until it says that all is there.
  private func grow(
    _ block: Buffer,
    _ step: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) throws(CompressionError) -> (
      consumed: Int, produced: Int, ended: Bool
    )
  ) throws(CompressionError) -> Buffer {
    defer { withExtendedLifetime(block) {} }
    let output = MutableBuffer(capacity: min(blockBytesMax, max(256, block.count * 4)))
    var read = 0
    while true {
      if output.count == output.capacity { output.reserve(output.capacity + 1) }
      let room = output.capacity - output.count
      let (consumed, produced, ended) = try step(
        UnsafeRawBufferPointer(start: block.base + read, count: block.count - read),
        UnsafeMutableRawBufferPointer(start: output.reserveTail(room), count: room))
      read += consumed
      output.advance(by: produced)
      guard output.count <= blockBytesMax else {
        throw CompressionError(
          .outputTooSmall, .zstd, "the block becomes larger than \(blockBytesMax) bytes")
      }
      if ended {
        guard read == block.count else {
          throw CompressionError(
            .trailingBytes, .zstd,
            "\(block.count - read) bytes follow the end of the compressed data")
        }
        return output.finish()
      }
      if consumed == 0 && produced == 0 && room > 0 {
        throw CompressionError(
          .truncated, .zstd,
          "the compressed data ends too early, after \(block.count) bytes")
      }
    }
  }

  private func decompressZstd(_ block: Buffer) throws(CompressionError) -> Buffer {
    guard let stream else { return block }
    return try grow(block) { (input, output) throws(CompressionError) in
      let progress = try stream.decompress(input, into: output)
      let isFull = progress.produced == output.count
      if progress.consumed == input.count && !isFull {
        try stream.finish()
        return (progress.consumed, progress.produced, true)
      }
      return (progress.consumed, progress.produced, false)
    }
  }

  private func decompressSnappy(_ block: Buffer) throws(CompressionError) -> Buffer {
    defer { withExtendedLifetime(block) {} }
    guard block.count > 4, let decompressor else {
      throw CompressionError(.truncated, .snappy, "the block is \(block.count) bytes long")
    }
    let bodyCount = block.count - 4
    var announced: UInt64 = 0
    var shift: UInt64 = 0
    var position = 0
    while position < min(bodyCount, 5) {
      let byte = block.base.load(fromByteOffset: position, as: UInt8.self)
      announced |= UInt64(byte & 0x7f) << shift
      shift += 7
      position += 1
      if byte < 0x80 { break }
    }
    // A copy of 64 bytes takes at least 3 bytes (2 when it is at most 11 bytes long).
    guard announced <= UInt64(min(blockBytesMax, bodyCount * 32)) else {
      throw CompressionError(
        .outputTooSmall, .snappy, "\(bodyCount) bytes announce a result of \(announced)")
    }
    let output = MutableBuffer(capacity: Int(announced))
    let written = try decompressor.decompress(
      UnsafeRawBufferPointer(start: block.base, count: bodyCount),
      into: UnsafeMutableRawBufferPointer(start: output.base, count: Int(announced)))
    output.setCount(written)
    let stored = UInt32(
      bigEndian: block.base.loadUnaligned(fromByteOffset: bodyCount, as: UInt32.self))
    guard weir_crc32(0, output.base, written) == stored else {
      throw CompressionError(.invalidData, .snappy, "the block's checksum is wrong")
    }
    return output.finish()
  }

  /// The block that holds `bytes`.
  func compress(_ bytes: Buffer) throws(TableError) -> Buffer {
    do throws(CompressionError) {
      defer { withExtendedLifetime(bytes) {} }
      let input = UnsafeRawBufferPointer(start: bytes.base, count: bytes.count)
      let output = MutableBuffer()
      switch codec {
      case .null: return bytes
      case .deflate:
        let deflate = self.deflate ?? BareDeflate(level: level ?? BareDeflate.levelDefault)
        self.deflate = deflate
        let room = deflate.maxCompressedSize(bytes.count)
        let target = UnsafeMutableRawBufferPointer(start: output.reserveTail(room), count: room)
        output.advance(by: try deflate.compress(input, into: target))
      case .snappy, .zstandard:
        if self.compressor == nil {
          self.compressor = try Compressor(
            codec == .snappy ? .snappy : .zstd, level: codec == .snappy ? nil : level)
        }
        guard let compressor else { return bytes }
        let room = compressor.maxCompressedSize(bytes.count)
        let target = UnsafeMutableRawBufferPointer(start: output.reserveTail(room), count: room)
        output.advance(by: try compressor.compress(input, into: target))
        if codec == .snappy {
          output.append(weir_crc32(0, bytes.base, bytes.count).bigEndian)
        }
      }
      return output.finish()
    } catch {
      throw TableError(.invalidArgument, "a block cannot be compressed", cause: "\(error)")
    }
  }
}

extension DeflateDecompressor {
  /// Appends what `block` holds to `output`, at most `byteCountMax` bytes.
  func append(
    _ block: Buffer, to output: MutableBuffer, byteCountMax: Int
  ) throws(CompressionError) {
    defer { withExtendedLifetime(block) {} }
    let input = UnsafeRawBufferPointer(start: block.base, count: block.count)
    var room = min(byteCountMax, max(512, block.count * 4))
    while true {
      let target = UnsafeMutableRawBufferPointer(start: output.reserveTail(room), count: room)
      switch try decompress(input, into: target) {
      case .done(let consumed, let produced):
        // Python's writers cut the checksum of a zlib stream off by one byte of four.
        guard block.count - consumed <= 4 else {
          throw CompressionError(
            .trailingBytes, .gzip,
            "\(block.count - consumed) bytes follow the end of the compressed data")
        }
        output.advance(by: produced)
        return
      case .full:
        guard room < byteCountMax else {
          throw CompressionError(
            .outputTooSmall, .gzip, "the block becomes larger than \(byteCountMax) bytes")
        }
        room = min(byteCountMax, room * 4)
      }
    }
  }
}
