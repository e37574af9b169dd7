// SPDX-License-Identifier: Apache-2.0
// Safe: compresses into room of the size that the codec asks for.

internal import WeirColumnar
internal import WeirCompression

/// Bytes as zstd frames of blocks.
struct ZstdBlocks {
  let blockByteCount: Int
  let ends: Buffer
  let frames: Buffer

  private static let blockByteCountWanted = 64 << 10

  /// `nil` when the bytes do not get at least a tenth smaller.
  static func encode(
    _ bytes: Buffer, width: Int, _ profile: WeirFileWriteOptions.Profile
  ) -> ZstdBlocks? {
    guard width > 0, let codec = try? Compressor(.zstd, level: profile == .fast ? 1 : 3) else {
      return nil
    }
    let block = max(blockByteCountWanted / width, 1) * width
    guard block <= 1 << 24 else { return nil }
    let out = MutableBuffer()
    let ends = MutableBuffer()
    for start in stride(from: 0, to: bytes.count, by: block) {
      let piece = bytes.slice(offset: start, count: min(block, bytes.count - start))
      let room = codec.maxCompressedSize(piece.count)
      let tail = UnsafeMutableRawBufferPointer(start: out.reserveTail(room), count: room)
      guard let size = piece.withUnsafeBytes({ try? codec.compress($0, into: tail) }) else {
        return nil
      }
      out.advance(by: size)
      ends.put(UInt32(out.count))
      // What does not shrink at first will not later.
      if start == 0, size * 10 > piece.count * 9 { return nil }
    }
    return ZstdBlocks(blockByteCount: block, ends: ends.finish(), frames: out.finish())
  }
}
