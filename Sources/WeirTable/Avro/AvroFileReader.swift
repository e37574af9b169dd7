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

  /// The file's name for messages.
  let name: String
  let type: AvroType
  /// The header's entries; values are mostly text.
  let metadata: [String: [UInt8]]
  let codec: AvroCodec
  private let blockCodec: AvroBlockCodec
  private let bytes: Buffer
  private let sync: [UInt8]
  /// Where the next block starts.
  private(set) var position: Int

  static let magic: [UInt8] = [0x4f, 0x62, 0x6a, 0x01]
  static let syncByteCount = 16

  init(
    _ bytes: Buffer, name: String, blockBytesMax: Int = AvroBlockCodec.blockBytesMaxDefault
  ) throws(TableError) {
    self.name = name
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
      sync = [UInt8](cursor.view(start..<cursor.position))
      position = cursor.position
      guard let schema = metadata["avro.schema"] else {
        throw TableError(.damaged, "the header has no 'avro.schema'")
      }
      type = try AvroSchemaCache.type(schema)
      let codecName = metadata["avro.codec"].map { String(decoding: $0, as: UTF8.self) } ?? "null"
      guard let codec = AvroCodec(rawValue: codecName) else {
        throw TableError(
          .unsupported,
          "the file is compressed with '\(codecName)'; "
            + "rewrite it with one of null, deflate, snappy and zstandard")
      }
      self.codec = codec
      blockCodec = AvroBlockCodec(codec, blockBytesMax: blockBytesMax)
      self.metadata = metadata
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

  /// A header entry as text.
  func text(_ key: String) -> String? { metadata[key].map { String(decoding: $0, as: UTF8.self) } }

  /// The next block that has records; `nil` at the end of the file.
  func nextBlock() throws(TableError) -> Block? {
    let start = position
    do throws(TableError) {
      while position < bytes.count {
        let block = try readBlock()
        if block.recordCount > 0 { return block }
      }
      return nil
    } catch {
      position = bytes.count
      throw inside(block: start, error)
    }
  }

  private func readBlock() throws(TableError) -> Block {
    var cursor = AvroCursor(bytes)
    cursor.position = position
    let start = position
    let count = try cursor.long()
    guard count >= 0 else { throw cursor.damaged("a block announces \(count) records") }
    let range = try cursor.bytesRange()
    let mark = try cursor.take(Self.syncByteCount)
    guard cursor.view(mark..<cursor.position).elementsEqual(sync) else {
      throw cursor.damaged("a block does not end with the file's sync marker")
    }
    let stored = bytes.slice(offset: range.lowerBound, count: range.count)
    let content = count == 0 ? Buffer() : try blockCodec.decompress(stored)
    guard count == 0 || count <= Int64(content.count / Swift.max(type.byteCountMin, 1)) else {
      throw cursor.damaged("a block of \(content.count) bytes announces \(count) records")
    }
    position = cursor.position
    return Block(bytes: content, recordCount: Int(count), position: start)
  }

  /// `error` with the file's name and its block.
  func inside(block: Int, _ error: TableError) -> TableError {
    var error = error
    error.message += codec == .null ? ", in the block" : ", in the uncompressed block"
    error.message += " that starts at byte \(block)"
    return error.adding(file: name)
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
        throw inside(block: block.position, error)
      }
    }
  }
}
