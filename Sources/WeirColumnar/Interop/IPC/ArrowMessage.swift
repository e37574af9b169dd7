// SPDX-License-Identifier: Apache-2.0

/// One message of the Arrow IPC format: metadata, and the body that it describes.
///
/// In a stream each message is: 0xFFFFFFFF (absent before Arrow 0.15), the metadata's length (int32,
/// padding included; 0 ends the stream), the metadata (a FlatBuffer), the body.
struct ArrowMessage {
  enum Header {
    case schema(FlatTable)
    case dictionary(FlatTable)
    case batch(FlatTable)
  }

  let header: Header
  let bodyLength: Int

  static let continuation: UInt32 = 0xffff_ffff

  init(metadata: Buffer, position: Int, options: ArrowReadOptions) throws(ColumnarError) {
    let bytes = FlatBytes(metadata, position: position)
    let root = try bytes.root()
    let version = try root.scalar(0, Int16(0))
    guard (3...4).contains(version) else {
      throw ColumnarError(
        .unsupported, "the Arrow metadata has version V\(Int(version) + 1), V4 and V5 are read",
        position: position)
    }
    let length = try root.scalar(3, Int64(0))
    guard length >= 0, length <= Int64(options.bodyBytesMax) else {
      throw ColumnarError(
        .invalidData,
        "a message says its body has \(length) bytes; at most \(options.bodyBytesMax) are "
          + "accepted (ArrowReadOptions.bodyBytesMax)", position: position)
    }
    bodyLength = Int(length)
    let table = try root.requiredTable(2, "a message's header")
    switch try root.scalar(1, UInt8(0)) {
    case 1: header = .schema(table)
    case 2: header = .dictionary(table)
    case 3: header = .batch(table)
    case 4, 5:
      throw ColumnarError(.unsupported, "tensors in Arrow streams are not read", position: position)
    case let kind:
      throw bytes.error("the unknown message kind \(kind)", at: 0)
    }
  }
}

/// Cuts a stream into messages.
final class ArrowMessageReader {
  private let source: any ArrowByteSource
  private let options: ArrowReadOptions
  /// Bytes taken so far.
  private(set) var position = 0
  private var atEnd = false

  init(_ source: any ArrowByteSource, _ options: ArrowReadOptions) {
    self.source = source
    self.options = options
  }

  /// The next message and its body; `nil` at the end of the stream.
  func next() throws -> (message: ArrowMessage, body: Buffer)? {
    guard !atEnd else { return nil }
    let start = position
    guard let length = try metadataLength() else {
      atEnd = true
      return nil
    }
    guard length > 0, length <= options.metadataBytesMax else {
      throw ColumnarError(
        .invalidData,
        "a message says its metadata has \(length) bytes; at most \(options.metadataBytesMax) are "
          + "accepted (ArrowReadOptions.metadataBytesMax)", position: start)
    }
    let metadataStart = position
    let metadata = try read(length, "a message's metadata")
    let message = try ArrowMessage(
      metadata: metadata, position: metadataStart, options: options)
    return (message, try read(message.bodyLength, "a message's body"))
  }

  /// `nil` at the end: its marker, or no more bytes.
  private func metadataLength() throws -> Int? {
    let first = try source.read(4)
    position += first.count
    if first.count == 0 { return nil }
    var word = try number(first)
    if UInt32(bitPattern: word) == ArrowMessage.continuation {
      word = try number(try read(4, "a message's length"))
    }
    return word == 0 ? nil : Int(word)
  }

  private func number(_ bytes: Buffer) throws(ColumnarError) -> Int32 {
    guard bytes.count == 4 else {
      throw ColumnarError(
        .invalidData, "the Arrow stream ends within a message's length", position: position)
    }
    // Safe: four bytes, checked above.
    defer { withExtendedLifetime(bytes) {} }
    return Int32(littleEndian: bytes.base.loadUnaligned(as: Int32.self))
  }

  private func read(_ count: Int, _ what: String) throws -> Buffer {
    if let left = source.remainingBytes, left < count { throw truncated(what, count, left) }
    let bytes = try source.read(count)
    guard bytes.count == count else { throw truncated(what, count, bytes.count) }
    position += count
    return bytes
  }

  private func truncated(_ what: String, _ count: Int, _ left: Int) -> ColumnarError {
    ColumnarError(
      .invalidData, "the Arrow stream ends early: \(what) needs \(count) bytes, \(left) are left",
      position: position)
  }
}
