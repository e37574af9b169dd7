// SPDX-License-Identifier: Apache-2.0

/// Reads the Arrow IPC file format ("Feather V2"), in order or any batch by its number.
///
/// The file is: `ARROW1` and two zero bytes, the messages, the footer (a FlatBuffer that says where the
/// messages are), the footer's length (int32), `ARROW1`. Not trusted, as `ArrowStreamReader`.
public final class ArrowFileReader: RecordBatchReader {
  public var schema: Schema { context.schema }
  /// Number of record batches.
  public var batchCount: Int { batches.count }

  private let context: ArrowBatchContext
  private let read: (Range<Int>) throws -> Buffer
  private let options: ArrowReadOptions
  private let dictionaries: [Block]
  private let batches: [Block]
  private var hasDictionaries = false
  private var position = 0

  /// Where a message lies; `metadata` includes the length before it.
  private struct Block {
    let metadata: Range<Int>
    let body: Range<Int>
  }

  static let magic: [UInt8] = Array("ARROW1".utf8)

  /// Reads the footer.
  ///
  /// - Parameters:
  ///   - size: of the file in bytes.
  ///   - read: gives the bytes of a range within the file, all of them.
  public init(
    size: Int, options: ArrowReadOptions = ArrowReadOptions(),
    read: @escaping (Range<Int>) throws -> Buffer
  ) throws {
    let tail = Self.magic.count + 4
    guard size >= 8 + tail else {
      throw ColumnarError(.invalidData, "not an Arrow file: it has only \(size) bytes")
    }
    let end = try Self.exactly(size - tail..<size, read).array(of: UInt8.self)
    let start = try Self.exactly(0..<Self.magic.count, read).array(of: UInt8.self)
    guard start == Self.magic, Array(end[4...]) == Self.magic else {
      throw ColumnarError(.invalidData, "not an Arrow file: it does not start and end with ARROW1")
    }
    let length = Int(
      Int32(bitPattern: end[..<4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }))
    guard length > 0, length <= size - tail - 8, length <= options.metadataBytesMax else {
      throw ColumnarError(
        .invalidData, "the footer says it has \(length) bytes", position: size - tail)
    }
    let footerStart = size - tail - length
    let root = try FlatBytes(
      try Self.exactly(footerStart..<footerStart + length, read), position: footerStart
    ).root()
    context = try ArrowBatchContext(try root.requiredTable(1, "the footer's schema"), options)
    dictionaries = try Self.blocks(root, slot: 2, end: footerStart, options)
    batches = try Self.blocks(root, slot: 3, end: footerStart, options)
    self.read = read
    self.options = options
  }

  /// Reads a file that is in memory; arrays share its bytes.
  public convenience init(
    _ bytes: Buffer, options: ArrowReadOptions = ArrowReadOptions()
  ) throws {
    try self.init(size: bytes.count, options: options) {
      bytes.slice(offset: $0.lowerBound, count: $0.count)
    }
  }

  public func next() throws -> RecordBatch? {
    guard position < batches.count else { return nil }
    defer { position += 1 }
    return try batch(at: position)
  }

  /// Batch `index` of `batchCount`.
  public func batch(at index: Int) throws -> RecordBatch {
    precondition(batches.indices.contains(index), "batch index out of range")
    if !hasDictionaries {
      for block in dictionaries {
        guard case (.dictionary(let table), let body) = try message(block) else {
          throw wrongKind(block, "dictionary")
        }
        try context.addDictionary(table, body: body)
      }
      hasDictionaries = true
    }
    let block = batches[index]
    guard case (.batch(let table), let body) = try message(block) else {
      throw wrongKind(block, "record batch")
    }
    return try context.batch(table, body: body)
  }

  private func wrongKind(_ block: Block, _ what: String) -> ColumnarError {
    ColumnarError(
      .invalidData, "the footer promises a \(what) here, this is another message",
      position: block.metadata.lowerBound)
  }

  private func message(_ block: Block) throws -> (ArrowMessage.Header, Buffer) {
    // One read for both: the body follows the metadata.
    let bytes = try Self.exactly(block.metadata.lowerBound..<block.body.upperBound, read)
    let metadata = bytes.slice(offset: 0, count: block.metadata.count)
    let prefix = FlatBytes(metadata, position: block.metadata.lowerBound)
    let hasMarker = try prefix.load(0, as: UInt32.self) == ArrowMessage.continuation
    let start = hasMarker ? 8 : 4
    guard metadata.count > start else { throw prefix.error("it is too short", at: 0) }
    let message = try ArrowMessage(
      metadata: metadata.slice(offset: start, count: metadata.count - start),
      position: block.metadata.lowerBound + start, options: options)
    guard message.bodyLength <= block.body.count else {
      throw ColumnarError(
        .invalidData,
        "the message's body has \(message.bodyLength) bytes, the footer says \(block.body.count)",
        position: block.metadata.lowerBound)
    }
    return (
      message.header, bytes.slice(offset: block.metadata.count, count: message.bodyLength)
    )
  }

  private static func blocks(
    _ root: FlatTable, slot: Int, end: Int, _ options: ArrowReadOptions
  ) throws(ColumnarError) -> [Block] {
    let vector = try root.vector(slot, stride: 24)
    var blocks: [Block] = []
    for index in 0..<vector.count {
      let offset = try vector.load(index, as: Int64.self)
      let metadata = Int64(try vector.load(index, 8, as: Int32.self))
      let body = try vector.load(index, 16, as: Int64.self)
      guard offset >= 8, metadata >= 4, body >= 0, offset <= Int64(end),
        metadata <= Int64(end) - offset, body <= Int64(end) - offset - metadata,
        body <= Int64(options.bodyBytesMax), metadata <= Int64(options.metadataBytesMax)
      else {
        throw ColumnarError(
          .invalidData,
          "the footer puts a message of \(metadata) + \(body) bytes at \(offset), which is outside "
            + "the file or past the limits of ArrowReadOptions", position: root.bytes.position)
      }
      let (start, split) = (Int(offset), Int(offset + metadata))
      blocks.append(Block(metadata: start..<split, body: split..<split + Int(body)))
    }
    return blocks
  }

  private static func exactly(
    _ range: Range<Int>, _ read: (Range<Int>) throws -> Buffer
  ) throws -> Buffer {
    let bytes = try read(range)
    guard bytes.count == range.count else {
      throw ColumnarError(
        .invalidData, "the file ended early: \(bytes.count) of \(range.count) bytes",
        position: range.lowerBound)
    }
    return bytes
  }
}
