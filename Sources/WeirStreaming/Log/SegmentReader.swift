// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Reads the entries of one segment file, in larger pieces than they are.
struct SegmentReader {
  /// Bytes read at once.
  static let chunkBytes = 256 << 10

  let file: any DiskFile
  let salt: UInt64
  private var chunk = Buffer()
  private var chunkStart = 0

  init(_ file: any DiskFile, salt: UInt64) {
    self.file = file
    self.salt = salt
  }

  /// `count` bytes from `position` on; fewer where the file, or `limit`, comes first.
  ///
  /// - Parameter limit: bytes behind it are not looked at: they may be written at this moment.
  mutating func bytes(at position: Int, count: Int, limit: Int) throws(StreamError) -> Buffer {
    let wanted = min(count, limit - position)
    guard wanted > 0 else { return Buffer() }
    if position < chunkStart || position + wanted > chunkStart + chunk.count {
      do {
        chunk = try file.read(
          at: position, count: max(wanted, min(Self.chunkBytes, limit - position)))
      } catch {
        throw StreamError(error)
      }
      chunkStart = position
    }
    let offset = position - chunkStart
    return chunk.slice(offset: offset, count: min(wanted, chunk.count - offset))
  }

  /// The head of the entry at `position`; `nil` when none begins there that ends before `limit`.
  mutating func head(at position: Int, limit: Int) throws(StreamError) -> EntryHeader? {
    let first = try bytes(at: position, count: SegmentFormat.headerBytes, limit: limit)
    guard EntryHeader.mayBegin(first, at: 0) else { return nil }
    let count = EntryHeader.headBytes(first)
    let whole =
      count == first.count ? first : try bytes(at: position, count: count, limit: limit)
    guard let head = EntryHeader(whole, position: position, salt: salt),
      head.byteCount <= limit - position
    else { return nil }
    return head
  }

  /// The payload of the entry; `nil` when it is not what was written.
  mutating func payload(
    of head: EntryHeader, at position: Int, limit: Int
  ) throws(StreamError) -> Buffer? {
    let bytes = try bytes(at: position + head.headBytes, count: head.payloadBytes, limit: limit)
    return head.fits(bytes, salt: salt) ? bytes : nil
  }
}

/// Turns the payloads of one segment into batches.
struct PayloadDecoder {
  /// Schemas that are kept ready.
  private static let schemaCountMax = 32
  private var decoders: [Int: ArrowBatchDecoding] = [:]

  mutating func forget() { decoders.removeAll() }

  /// The batch in the entry's payload.
  ///
  /// - Throws: `damaged`, without the file's name.
  mutating func batch(
    _ head: EntryHeader, _ payload: Buffer, at position: Int, _ reader: inout SegmentReader,
    limit: Int
  ) throws(StreamError) -> RecordBatch {
    let decoder = try decoder(at: head.schemaPosition, for: position, &reader, limit: limit)
    let batch: RecordBatch
    do {
      batch = try decoder.decode(payload)
    } catch {
      throw StreamError(
        .damaged, "the rows at byte \(position) cannot be read", column: error.column,
        cause: error.message)
    }
    guard batch.rowCount == head.rowCount else {
      throw StreamError(
        .damaged,
        "the entry at byte \(position) says it has \(head.rowCount) rows and has \(batch.rowCount)")
    }
    return batch
  }

  private mutating func decoder(
    at schemaPosition: Int, for position: Int, _ reader: inout SegmentReader, limit: Int
  ) throws(StreamError) -> ArrowBatchDecoding {
    if let decoder = decoders[schemaPosition] { return decoder }
    // A reader of its own, so that the chunk around the rows stays.
    var schemas = SegmentReader(reader.file, salt: reader.salt)
    guard schemaPosition >= SegmentFormat.headerBytes,
      schemaPosition % SegmentFormat.alignment == 0,
      let head = try schemas.head(at: schemaPosition, limit: limit), head.kind == .schema,
      let payload = try schemas.payload(of: head, at: schemaPosition, limit: limit)
    else {
      throw StreamError(
        .damaged,
        "the schema at byte \(schemaPosition), which the entry at byte \(position) needs, is damaged"
      )
    }
    do {
      if decoders.count >= Self.schemaCountMax { decoders.removeAll() }
      let decoder = try ArrowBatchDecoding(schemaMessage: payload)
      decoders[schemaPosition] = decoder
      return decoder
    } catch {
      throw StreamError(
        .damaged, "the schema at byte \(schemaPosition) cannot be read", cause: error.message)
    }
  }
}
