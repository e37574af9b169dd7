// SPDX-License-Identifier: Apache-2.0
// Safe: compresses into room of the size that the codec asks for.

internal import WeirColumnar
internal import WeirCompression

/// Bytes as zstd frames of blocks.
struct ZstdBlocks {
  let blockByteCount: Int
  let ends: Buffer
  let frames: Buffer

  static let blockByteCountWanted = 64 << 10

  private static func codec(_ profile: WeirFileWriteOptions.Profile) -> Compressor? {
    try? Compressor(.zstd, level: profile == .fast ? 1 : 3)
  }

  /// How much of one block is left when it is compressed.
  static func ratio(_ bytes: Buffer, _ profile: WeirFileWriteOptions.Profile) -> Double {
    guard let codec = codec(profile), bytes.count > 0 else { return 1 }
    let room = Scratch(codec.maxCompressedSize(bytes.count))
    let target = UnsafeMutableRawBufferPointer(
      start: room.base, count: codec.maxCompressedSize(bytes.count))
    let size = bytes.withUnsafeBytes { try? codec.compress($0, into: target) }
    withExtendedLifetime(room) {}
    return Double(size ?? bytes.count) / Double(bytes.count)
  }

  /// `nil` when the bytes do not get at least a tenth smaller.
  static func encode(
    _ bytes: Buffer, width: Int, _ profile: WeirFileWriteOptions.Profile,
    blockByteCount: Int = blockByteCountWanted
  ) -> ZstdBlocks? {
    guard width > 0, let codec = codec(profile) else { return nil }
    let block = max(blockByteCount / width, 1) * width
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
