// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are views of buffers that are held during the call.

internal import WeirColumnar
internal import WeirCompression

/// Compresses and decompresses the blobs of Puffin files.
enum BlobCodec {
  /// The most that LZ4 makes of one byte.
  private static let lz4RatioMax = 256

  /// The result of at most `byteCountMax` bytes. Its memory grows with what is really there.
  static func decompress(
    _ input: Buffer, _ codec: PuffinCodec, byteCountMax: Int
  ) throws(TableError) -> Buffer {
    do throws(CompressionError) {
      switch codec {
      case .lz4: return try lz4(input, byteCountMax)
      case .zstd: return try zstd(input, byteCountMax)
      }
    } catch {
      throw TableError(.damaged, "the blob or footer cannot be decompressed", cause: "\(error)")
    }
  }

  private static func lz4(
    _ input: Buffer, _ byteCountMax: Int
  ) throws(CompressionError) -> Buffer {
    defer { withExtendedLifetime(input) {} }
    let limit = min(byteCountMax, input.count.multipliedReportingOverflow(by: lz4RatioMax).0)
    let view = UnsafeRawBufferPointer(start: input.base, count: input.count)
    // The frame should say how large its content is (flag bit 3); not all writers do.
    let announced =
      input.count >= 15 && view[4] & 8 != 0
      ? view.loadUnaligned(fromByteOffset: 6, as: UInt64.self).littleEndian : nil
    var room = announced.map { Int(min($0, UInt64(limit))) } ?? min(limit, input.count * 4)
    let decompressor = Decompressor(.lz4Frame)
    while true {
      let output = MutableBuffer(capacity: room)
      do throws(CompressionError) {
        output.setCount(
          try decompressor.decompress(
            view, into: UnsafeMutableRawBufferPointer(start: output.base, count: room)))
        return output.finish()
      } catch {
        guard error.code == .outputTooSmall, announced == nil, room < limit else { throw error }
        room = min(limit, room * 4 + 64)
      }
    }
  }

  private static func zstd(
    _ input: Buffer, _ byteCountMax: Int
  ) throws(CompressionError) -> Buffer {
    defer { withExtendedLifetime(input) {} }
    let stream = try StreamDecompressor(.zstd)
    let output = MutableBuffer(capacity: min(byteCountMax, max(256, input.count * 4)))
    var read = 0
    while true {
      if output.count == output.capacity { output.reserve(output.capacity + 1) }
      let room = output.capacity - output.count
      let progress = try stream.decompress(
        UnsafeRawBufferPointer(start: input.base + read, count: input.count - read),
        into: UnsafeMutableRawBufferPointer(start: output.reserveTail(room), count: room))
      read += progress.consumed
      output.advance(by: progress.produced)
      guard output.count <= byteCountMax else {
        throw CompressionError(
          .outputTooSmall, .zstd, "the result is larger than \(byteCountMax) bytes")
      }
      if read == input.count && progress.produced < room {
        try stream.finish()
        return output.finish()
      }
    }
  }

  static func compress(_ input: Buffer, _ codec: PuffinCodec) throws(TableError) -> Buffer {
    defer { withExtendedLifetime(input) {} }
    do throws(CompressionError) {
      let compressor = try Compressor(codec == .lz4 ? .lz4Frame : .zstd)
      let room = compressor.maxCompressedSize(input.count)
      let output = MutableBuffer(capacity: room)
      output.setCount(
        try compressor.compress(
          UnsafeRawBufferPointer(start: input.base, count: input.count),
          into: UnsafeMutableRawBufferPointer(start: output.base, count: room)))
      return output.finish()
    } catch {
      throw TableError(.invalidArgument, "a blob cannot be compressed", cause: "\(error)")
    }
  }
}
