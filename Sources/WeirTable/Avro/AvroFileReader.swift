// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Reads an Avro object container file block by block.
///
/// The bytes come from somebody else: whatever they say, reading ends with an error that names the
/// file and the position, and takes no more memory than one block. One thread at a time.
/// Source: Apache Avro specification, "Object Container Files".
final class AvroFileReader {
  /// Records of one block, not compressed.
  struct Block {
    var bytes: Buffer
    var recordCount: Int
    /// Where the block starts in the file.
    var position: Int
  }

  let header: AvroHeader
  private let blockCodec: AvroBlockCodec
  private let bytes: Buffer
  private let sync: SIMD16<UInt8>
  /// Where the next block starts.
  private(set) var position: Int

  var name: String { header.name }
  var type: AvroType { header.type }
  var codec: AvroCodec { header.codec }
  func text(_ key: String) -> String? { header.text(key) }

  static let magic: [UInt8] = [0x4f, 0x62, 0x6a, 0x01]
  static let syncByteCount = 16

  init(
    _ bytes: Buffer, name: String, blockBytesMax: Int = AvroBlockCodec.blockBytesMaxDefault
  ) throws(TableError) {
    self.bytes = bytes
    do throws(TableError) {
      try AvroFileReader.checkMagic(bytes)
      var cursor = AvroCursor(bytes)
      cursor.position = 4
      var metadata: [String: [UInt8]] = [:]
      try cursor.forEachItem(byteCountMin: 2) { (cursor) throws(TableError) in
        let key = try cursor.string()
        metadata[key] = try cursor.bytes()
      }
      let start = try cursor.take(AvroFileReader.syncByteCount)
      sync = cursor.load16(start)
      position = cursor.position
      guard let schema = metadata["avro.schema"] else {
        throw TableError(.damaged, "the header has no 'avro.schema'")
      }
      let type = try AvroSchemaCache.type(schema)
      let codecName = metadata["avro.codec"].map { String(decoding: $0, as: UTF8.self) } ?? "null"
      guard let codec = AvroCodec(rawValue: codecName) else {
        throw TableError(
          .unsupported,
          "the file is compressed with '\(codecName)'; "
            + "rewrite it with one of null, deflate, snappy and zstandard")
      }
      blockCodec = AvroBlockCodec(codec, blockBytesMax: blockBytesMax)
      header = AvroHeader(name: name, type: type, metadata: metadata, codec: codec)
    } catch {
      throw error.adding(file: name)
    }
  }

  private static func checkMagic(_ bytes: Buffer) throws(TableError) {
    let head = bytes.withUnsafeBytes { [UInt8]($0.prefix(4)) }
    if head == magic { return }
    if head == Array("AGS1".utf8) {
      throw TableError(
        .unsupported, "the file is encrypted; tables with encryption are not supported")
    }
    throw TableError(.damaged, "the file does not start as an Avro file does (Obj, 1)")
  }

  /// The next block that has records; `nil` at the end of the file.
  func nextBlock() throws(TableError) -> Block? {
    guard let place = try nextPlace() else { return nil }
    let bytes = try located(place) { () throws(TableError) in
      let bytes = try blockCodec.decompress(self.bytes, place.range)
      try checkCount(place.recordCount, byteCount: bytes.count, place)
      return bytes
    }
    return Block(bytes: bytes, recordCount: place.recordCount, position: place.position)
  }

  /// The next blocks together; `nil` at the end of the file. Blocks that are small, as those of
  /// Python's writers, which hold one record, are put into one piece of memory of about
  /// `AvroChunk.byteCount`; a large one comes alone.
  func nextChunk() throws(TableError) -> AvroChunk? {
    var chunk: AvroChunk?
    let output = MutableBuffer()
    while output.count < AvroChunk.byteCount {
      let before = position
      guard let place = try nextPlace() else { break }
      if codec == .null || place.range.count >= AvroChunk.byteCount / 4 {
        guard output.count == 0 else {
          position = before
          break
        }
        let bytes = try located(place) { () throws(TableError) in
          let bytes = try blockCodec.decompress(self.bytes, place.range)
          try checkCount(place.recordCount, byteCount: bytes.count, place)
          return bytes
        }
        return AvroChunk(
          bytes: bytes,
          blocks: [
            AvroChunk.Block(
              end: bytes.count, recordCount: place.recordCount, position: place.position)
          ])
      }
      let start = output.count
      if start == 0 {
        // What the rest of the file is likely to give.
        output.reserve(min(AvroChunk.byteCount, (bytes.count - before) * 2) + 4_096)
        chunk = AvroChunk()
      }
      try located(place) { () throws(TableError) in
        try blockCodec.append(self.bytes, place.range, to: output)
        try checkCount(place.recordCount, byteCount: output.count - start, place)
      }
      chunk?.blocks.append(
        AvroChunk.Block(
          end: output.count, recordCount: place.recordCount, position: place.position))
    }
    // Chunks may be kept for long.
    let isLoose = output.capacity > output.count / 2 * 3
    chunk?.bytes = isLoose ? output.withUnsafeBytes { Buffer(copying: $0) } : output.finish()
    return chunk
  }

  /// Where a block lies.
  private struct Place {
    /// Where it starts, and where its records do.
    var position: Int
    var range: Range<Int>
    var recordCount: Int
  }

  /// Passes over the next block that has records.
  private func nextPlace() throws(TableError) -> Place? {
    while position < bytes.count {
      let start = position
      do throws(TableError) {
        var cursor = AvroCursor(bytes)
        cursor.position = start
        let count = try cursor.long()
        guard count >= 0 else { throw cursor.damaged("a block announces \(count) records") }
        let range = try cursor.bytesRange()
        let mark = try cursor.take(Self.syncByteCount)
        guard cursor.load16(mark) == sync else {
          throw cursor.damaged("a block does not end with the file's sync marker")
        }
        position = cursor.position
        guard count > 0 else { continue }
        guard let recordCount = Int(exactly: count) else {
          throw cursor.damaged("a block announces \(count) records")
        }
        return Place(position: start, range: range, recordCount: recordCount)
      } catch {
        position = bytes.count
        throw header.inside(block: start, error)
      }
    }
    return nil
  }

  private func located<R>(
    _ place: Place, _ body: () throws(TableError) -> R
  ) throws(TableError) -> R {
    do throws(TableError) {
      return try body()
    } catch {
      position = bytes.count
      throw header.inside(block: place.position, error)
    }
  }

  private func checkCount(
    _ count: Int, byteCount: Int, _ place: Place
  ) throws(TableError) {
    guard count <= byteCount / max(type.byteCountMin, 1) else {
      throw TableError(
        .damaged, "a block of \(byteCount) bytes announces \(count) records, at byte \(position)")
    }
  }

  /// Calls `body` with a cursor at each record, which it must read or skip to its end.
  func forEachRecord(
    _ body: (inout AvroCursor) throws(TableError) -> Void
  ) throws(TableError) {
    while let block = try nextBlock() {
      do throws(TableError) {
        defer { withExtendedLifetime(block.bytes) {} }
        var cursor = AvroCursor(block.bytes)
        for _ in 0..<block.recordCount { try body(&cursor) }
        guard cursor.left == 0 else {
          throw cursor.damaged("\(cursor.left) bytes follow the last record")
        }
      } catch {
        throw header.inside(block: block.position, error)
      }
    }
  }
}
