// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Writes an Avro object container file in memory. One thread at a time.
///
/// The file follows from the records alone: the sync marker, which other writers draw by chance, is
/// derived from the header.
final class AvroFileWriter {
  private let blockCodec: AvroBlockCodec
  private let output = MutableBuffer()
  private let sync: [UInt8]
  private var recordCount = 0
  /// The records of the block that is being filled.
  let encoder = AvroEncoder()

  /// A block ends when it holds this many bytes.
  static let blockByteCount = 64 << 10

  /// - Parameters:
  ///   - schema: JSON.
  ///   - metadata: further entries of the header, in order.
  init(
    schema: String, metadata: [(String, String)], codec: AvroCodec = .deflate, level: Int? = nil
  ) {
    blockCodec = AvroBlockCodec(codec, level: level)
    let header = AvroEncoder()
    let entries = [("avro.schema", schema), ("avro.codec", codec.rawValue)] + metadata
    header.long(entries.count)
    for (key, value) in entries {
      header.string(key)
      header.string(value)
    }
    header.long(0 as Int)
    let bytes = header.finish()
    let (high, low) = bytes.withUnsafeBytes { MurmurHash3.x64(bytes: $0, seed: 0) }
    sync = withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) { [UInt8]($0) }
    output.append(contentsOf: AvroFileReader.magic)
    output.append(bytes)
    output.append(contentsOf: sync)
  }

  /// Bytes so far, with those of the open block before compression.
  var byteCount: Int { output.count + encoder.count }

  /// Call after each record that was written to `encoder`.
  func endRecord() throws(TableError) {
    recordCount += 1
    if encoder.count >= Self.blockByteCount { try flush() }
  }

  private func flush() throws(TableError) {
    guard recordCount > 0 else { return }
    let block = try blockCodec.compress(encoder.finish())
    let header = AvroEncoder()
    header.long(recordCount)
    header.long(block.count)
    output.append(header.finish())
    output.append(block)
    output.append(contentsOf: sync)
    recordCount = 0
  }

  /// The file.
  func finish() throws(TableError) -> Buffer {
    try flush()
    return output.finish()
  }
}
