// SPDX-License-Identifier: Apache-2.0

internal import CLZ4

/// LZ4 without a compression state: bare blocks, and Hadoop's framing around them.
enum LZ4Kernel {
  /// The largest piece that one block can hold.
  static let pieceBytesMax = Int(LZ4_MAX_INPUT_SIZE)

  static func maxBlockSize(_ n: Int) -> Int { n + n / 255 + 16 }

  // Safe: the library's safe decoder stays within both counts, whatever the input holds.
  /// The bytes written, or `nil` when the block is damaged or its result does not fit.
  private static func decode(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard input.count <= Int(CInt.max) else { return nil }
    let written = LZ4_decompress_safe(
      input.characters, output.characters, CInt(input.count),
      CInt(min(output.count, Int(CInt.max))))
    return written < 0 ? nil : Int(written)
  }

  static func decompressBlock(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    guard let written = decode(input, into: output) else {
      // The library does not say which of the two it is.
      throw CompressionError(
        .invalidData, .lz4Raw,
        "the block is damaged or cut off, or its result is larger than \(output.count) bytes")
    }
    return written
  }

  /// What Parquet's old `LZ4` codec holds. Writers disagreed: Hadoop's framing is tried first, then
  /// an LZ4 frame, then a bare block; each counts only when it fits to the last byte.
  static func decompressHadoop(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer,
    frame: LZ4FrameDecoder
  ) throws(CompressionError) -> Int {
    if let written = decodeHadoop(input, into: output) { return written }
    if input.count >= 4, input.loadUnaligned(as: UInt32.self).littleEndian == 0x184d_2204 {
      return try frame.decompress(input, into: output)
    }
    if let written = decode(input, into: output) { return written }
    throw CompressionError(
      .invalidData, .lz4Hadoop,
      "neither Hadoop's framing nor a bare LZ4 block of at most \(output.count) bytes")
  }

  /// Hadoop's framing: groups of a big-endian 32-bit uncompressed size, then one or more blocks,
  /// each behind its big-endian 32-bit compressed size, until that many bytes came out. `nil` where
  /// the input is something else.
  private static func decodeHadoop(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) -> Int? {
    var read = 0
    var written = 0
    /// The next 32-bit size, or `nil` at the end of the input.
    func size() -> Int? {
      guard input.count - read >= 4 else { return nil }
      defer { read += 4 }
      return Int(UInt32(bigEndian: input.loadUnaligned(fromByteOffset: read, as: UInt32.self)))
    }
    while read < input.count {
      guard let groupBytes = size(), groupBytes <= output.count - written else { return nil }
      let groupEnd = written + groupBytes
      if groupBytes == 0 {
        // An empty group has no block, or, as parquet-cpp wrote it, a one-byte empty block.
        if input.count - read == 5 { return size() == 1 && input[read] == 0 ? written : nil }
        continue
      }
      while written < groupEnd {
        guard let blockBytes = size(), blockBytes > 0, blockBytes <= input.count - read,
          let produced = decode(
            UnsafeRawBufferPointer(rebasing: input[read..<(read + blockBytes)]),
            into: UnsafeMutableRawBufferPointer(rebasing: output[written..<groupEnd])),
          produced > 0
        else { return nil }
        read += blockBytes
        written += produced
      }
    }
    return written
  }
}

/// Reads LZ4 frames. Safe: it alone holds and frees the C object; one thread at a time.
final class LZ4FrameDecoder {
  private let context: OpaquePointer
  private let codec: Codec

  /// `codec` is named in errors.
  init(_ codec: Codec) {
    var context: OpaquePointer?
    let status = LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))
    guard LZ4F_isError(status) == 0, let context else {
      fatalError("out of memory for an LZ4 context")
    }
    self.context = context
    self.codec = codec
  }

  deinit { LZ4F_freeDecompressionContext(context) }

  // Safe: the library writes at most the one byte.
  /// Whether a byte more would come out without more input; the state is then of no more use.
  private func hasMoreOutput() -> Bool {
    var byte: UInt8 = 0
    var consumed = 0
    var produced = 1
    let hint = LZ4F_decompress(context, &byte, &produced, Empty.address, &consumed, nil)
    return LZ4F_isError(hint) == 0 && produced > 0
  }

  // Safe: the library reads and writes within the counts that it gets. `stableDst` holds: within
  // one call of this function the output stays where it is, and the context is reset between calls.
  func decompress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    LZ4F_resetDecompressionContext(context)
    var options = LZ4F_decompressOptions_t()
    options.stableDst = 1
    var read = 0
    var written = 0
    while true {
      var consumed = input.count - read
      var produced = output.count - written
      let hint = LZ4F_decompress(
        context, output.address + written, &produced, input.address + read, &consumed, &options)
      if LZ4F_isError(hint) != 0 {
        let text = String(cString: LZ4F_getErrorName(hint))
        throw CompressionError(.invalidData, codec, text)
      }
      read += consumed
      written += produced
      if hint == 0 {
        // A frame has ended; another may follow.
        if read == input.count { return written }
      } else if consumed == 0 && produced == 0 {
        if read == input.count && (written < output.count || !hasMoreOutput()) {
          throw .truncated(codec, inputCount: input.count)
        }
        throw .outputTooSmall(codec, outputCount: output.count)
      }
    }
  }
}

/// Writes LZ4 blocks and frames.
///
/// Safe: it alone holds and frees the working memory; one thread at a time.
final class LZ4Encoder {
  /// Levels from here use LZ4HC, as in the frame library.
  private static let hcLevelMin = 3

  private let level: Int
  private let state: UnsafeMutableRawPointer
  private var preferences: LZ4F_preferences_t

  /// `level` must lie within 1...12.
  init(level: Int) {
    self.level = level
    let stateBytes = level < Self.hcLevelMin ? LZ4_sizeofState() : LZ4_sizeofStateHC()
    state = .allocate(byteCount: Int(stateBytes), alignment: 16)
    preferences = LZ4F_preferences_t()
    preferences.compressionLevel = CInt(level)
  }

  deinit { state.deallocate() }

  // Safe: the library writes at most the output's count.
  func compressBlock(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    guard input.count <= LZ4Kernel.pieceBytesMax else {
      throw CompressionError(
        .unsupported, .lz4Raw, "a block holds at most \(LZ4Kernel.pieceBytesMax) bytes")
    }
    let room = CInt(min(output.count, Int(CInt.max)))
    let written =
      level < Self.hcLevelMin
      ? LZ4_compress_fast_extState(
        state, input.characters, output.characters, CInt(input.count), room, 1)
      : LZ4_compress_HC_extStateHC(
        state, input.characters, output.characters, CInt(input.count), room, CInt(level))
    guard written > 0 else { throw .outputTooSmall(.lz4Raw, outputCount: output.count) }
    return Int(written)
  }

  /// The space that is always enough for a frame of `n` bytes.
  func maxFrameSize(_ n: Int) -> Int {
    withUnsafePointer(to: preferences) { LZ4F_compressFrameBound(n, $0) }
  }

  // Safe: the library writes at most the output's count.
  func compressFrame(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> Int {
    preferences.frameInfo.contentSize = UInt64(input.count)
    let written = LZ4F_compressFrame(
      output.address, output.count, input.address, input.count, &preferences)
    if LZ4F_isError(written) != 0 {
      throw .outputTooSmall(.lz4Frame, outputCount: output.count)
    }
    return written
  }
}
