// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCompression

/// gzip of whole metadata files.
enum MetadataGzip {
  private static let stepByteCount = 256 << 10

  /// Whether the bytes start as a gzip file does. No JSON does.
  static func isCompressed(_ bytes: Buffer) -> Bool {
    // Safe: read within the closure, after the count was checked.
    bytes.withUnsafeBytes { $0.count >= 2 && $0[0] == 0x1f && $0[1] == 0x8b }
  }

  static func compress(_ bytes: [UInt8]) throws(CompressionError) -> Buffer {
    let compressor = try Compressor(.gzip)
    let output = MutableBuffer()
    // Safe: the kernel writes within `room`, whose size it is given.
    let room = output.reserveTail(compressor.maxCompressedSize(bytes.count))
    let count = try compress(compressor, bytes, room)
    output.advance(by: count)
    return output.finish()
  }

  private static func compress(
    _ compressor: Compressor, _ bytes: [UInt8], _ room: UnsafeMutableRawPointer
  ) throws(CompressionError) -> Int {
    let input = Buffer(bytes)
    return try input.withUnsafeBytes { source throws(CompressionError) in
      try compressor.compress(
        source,
        into: UnsafeMutableRawBufferPointer(
          start: room, count: compressor.maxCompressedSize(bytes.count)))
    }
  }

  /// At most `byteCountMax` bytes; `nil` when there are more.
  static func decompress(
    _ bytes: Buffer, byteCountMax: Int
  ) throws(CompressionError) -> Buffer? {
    let stream = try StreamDecompressor(.gzip)
    let output = MutableBuffer()
    var position = 0
    while true {
      let rest = bytes.slice(offset: position, count: bytes.count - position)
      // Safe: the decompressor writes at most `stepByteCount` bytes, which were reserved.
      let room = UnsafeMutableRawBufferPointer(
        start: output.reserveTail(stepByteCount), count: stepByteCount)
      let progress = try rest.withUnsafeBytes { source throws(CompressionError) in
        try stream.decompress(source, into: room)
      }
      output.advance(by: progress.produced)
      position += progress.consumed
      if output.count > byteCountMax { return nil }
      if position == bytes.count && progress.produced < stepByteCount { break }
      if progress.consumed == 0 && progress.produced == 0 { break }
    }
    try stream.finish()
    return output.finish()
  }
}
