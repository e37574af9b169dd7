// SPDX-License-Identifier: Apache-2.0

internal import WeirCompression

/// Writes the Arrow IPC stream format, batch by batch, to a sink.
///
/// The schema goes out at once, a dictionary before the first batch that needs it and again when it
/// has changed. Uncompressed buffers of some size are handed to the sink without a copy. Not
/// thread-safe.
public final class ArrowStreamWriter {
  public let schema: Schema
  /// Bytes handed to the sink, or about to be.
  public private(set) var byteCount = 0

  private let options: ArrowWriteOptions
  private let sink: (Buffer) throws -> Void
  private let encoder: ArrowSchemaEncoder
  private let compressor: Compressor?
  /// The dictionaries that the reader has.
  private var sent: [Int64: ArrayData] = [:]
  /// Small parts, gathered.
  private let pending = MutableBuffer()
  private var finished = false
  private let isFile: Bool
  /// Of a file: where its messages are.
  private var dictionaryBlocks: [ArrowBlock] = []
  private var batchBlocks: [ArrowBlock] = []

  /// Parts from this size on go to the sink on their own.
  private static let ownPartBytesMin = 16 << 10
  private static let pendingBytesMax = 256 << 10

  /// Writes the schema.
  ///
  /// - Parameter sink: takes the bytes in order.
  /// - Throws: `invalidArgument` for options that do not fit, `unsupported` for a dictionary of
  ///   dictionaries, and what `sink` throws.
  public convenience init(
    schema: Schema, options: ArrowWriteOptions = ArrowWriteOptions(),
    sink: @escaping (Buffer) throws -> Void
  ) throws {
    try self.init(schema: schema, options: options, isFile: false, sink: sink)
  }

  /// - Parameter isFile: writes what a file has before its footer, and notes where the messages are.
  init(
    schema: Schema, options: ArrowWriteOptions, isFile: Bool,
    sink: @escaping (Buffer) throws -> Void
  ) throws {
    guard [8, 16, 32, 64].contains(options.alignment) else {
      throw ColumnarError(
        .invalidArgument,
        "buffers can be aligned to 8, 16, 32 or 64 bytes, not \(options.alignment)")
    }
    self.schema = schema
    self.options = options
    self.isFile = isFile
    self.sink = sink
    compressor = try Self.compressor(options)
    encoder = try ArrowSchemaEncoder(schema)
    if isFile {
      pending.append(contentsOf: ArrowFileReader.magic)
      pending.appendZeros(options.alignment - ArrowFileReader.magic.count)
      byteCount = options.alignment
    }
    _ = try write(encoder.message(), pieces: [])
  }

  /// Writes into `target`, which must not be used otherwise until `finish()`.
  public convenience init(
    schema: Schema, options: ArrowWriteOptions = ArrowWriteOptions(), into target: MutableBuffer
  ) throws {
    try self.init(schema: schema, options: options) { target.append($0) }
  }

  private static func compressor(
    _ options: ArrowWriteOptions
  ) throws(ColumnarError) -> Compressor? {
    let codec: Codec
    switch options.compression {
    case .none: return nil
    case .lz4Frame: codec = .lz4Frame
    case .zstd: codec = .zstd
    }
    do {
      return try Compressor(codec, level: options.level)
    } catch {
      throw ColumnarError(.invalidArgument, "\(error)")
    }
  }

  /// Writes one batch, whose columns must be of the schema's types.
  public func write(_ batch: RecordBatch) throws {
    guard !finished else {
      throw ColumnarError(
        .invalidArgument, "the Arrow stream is finished; it takes no more batches")
    }
    guard batch.columns.lazy.map(\.type).elementsEqual(schema.fields.lazy.map(\.type)) else {
      throw ColumnarError(
        .invalidArgument, "the batch's column types differ from those of the stream's schema")
    }
    var arrays = batchEncoder(rowCount: batch.rowCount)
    for (index, column) in batch.columns.enumerated() {
      do {
        try writeDictionaries(of: column, encoder.wires[index])
        try arrays.add(column)
      } catch let error as ColumnarError {
        throw error.inColumn(schema.fields[index].name)
      }
    }
    let block = try write(arrays.message(), pieces: arrays.pieces)
    if isFile { batchBlocks.append(block) }
  }

  /// Sends every dictionary again with the next batch.
  func forgetDictionaries() { sent.removeAll(keepingCapacity: true) }

  /// Writes the end of the stream. Calling it again does nothing.
  public func finish() throws {
    guard !finished else { return }
    finished = true
    pending.append(ArrowMessage.continuation)
    pending.append(UInt32(0))
    byteCount += 8
    if isFile {
      let footer = encoder.footer(dictionaries: dictionaryBlocks, batches: batchBlocks)
      pending.append(contentsOf: footer)
      pending.append(Int32(footer.count))
      pending.append(contentsOf: ArrowFileReader.magic)
      byteCount += footer.count + 4 + ArrowFileReader.magic.count
    }
    try flush()
  }

  private func batchEncoder(rowCount: Int) -> ArrowBatchEncoder {
    ArrowBatchEncoder(rowCount: rowCount, alignment: options.alignment, compressor: compressor)
  }

  /// Sends the dictionaries within `array` that the reader does not have, the innermost first.
  private func writeDictionaries(of array: ArrayData, _ wire: WireType) throws {
    guard let valueWire = wire.dictionary else {
      for (child, childWire) in zip(array.children, wire.children) where childWire.hasDictionary {
        try writeDictionaries(of: child, childWire)
      }
      return
    }
    let values = array.dictionary ?? ArrayData.empty(valueWire.type)
    let known = sent[wire.dictionaryID]
    if known === values { return }
    try writeDictionaries(of: values, valueWire)
    // Equal means equal to the bit: the reader keeps the values that it has.
    var exact = EqualityOptions()
    exact.nanEqual = false
    exact.signedZerosEqual = false
    var fresh = values
    var isDelta = false
    // Where a dictionary holds dictionaries, those may have changed under equal indices.
    if let known, !valueWire.hasDictionary {
      if values.isEqual(to: known, options: exact) { return }
      if options.deltaDictionaries, known.length < values.length,
        values.slice(offset: 0, length: known.length).isEqual(to: known, options: exact)
      {
        isDelta = true
        fresh = values.slice(offset: known.length, length: values.length - known.length)
      }
    }
    guard !isFile || known == nil || isDelta else {
      throw ColumnarError(
        .unsupported,
        "an Arrow file holds one dictionary for a column, which may only grow (deltaDictionaries); "
          + "unify the batches' dictionaries, or write a stream")
    }
    var arrays = batchEncoder(rowCount: fresh.length)
    try arrays.add(fresh)
    let block = try write(
      arrays.message(dictionaryID: wire.dictionaryID, isDelta: isDelta), pieces: arrays.pieces)
    if isFile { dictionaryBlocks.append(block) }
    sent[wire.dictionaryID] = values
  }

  /// Writes one message: the marker, the metadata's length, the metadata, the body.
  private func write(
    _ metadata: [UInt8], pieces: [ArrowBatchEncoder.Piece]
  ) throws -> ArrowBlock {
    let start = byteCount
    let length = padded(8 + metadata.count) - 8
    guard length <= Int(Int32.max) else {
      throw ColumnarError(.overflow, "the message's metadata would be larger than 2 GiB")
    }
    pending.append(ArrowMessage.continuation)
    pending.append(UInt32(length))
    pending.append(contentsOf: metadata)
    pending.appendZeros(length - metadata.count)
    byteCount += 8 + length
    let bodyStart = byteCount
    for piece in pieces {
      if let prefix = piece.prefix { pending.append(prefix) }
      if piece.bytes.count >= Self.ownPartBytesMin {
        try flush()
        try sink(piece.bytes)
      } else {
        pending.append(piece.bytes)
      }
      pending.appendZeros(padded(piece.count) - piece.count)
      byteCount += padded(piece.count)
      if pending.count >= Self.pendingBytesMax { try flush() }
    }
    try flush()
    return ArrowBlock(
      offset: start, metadataLength: bodyStart - start, bodyLength: byteCount - bodyStart)
  }

  private func padded(_ count: Int) -> Int {
    (count + options.alignment - 1) & ~(options.alignment - 1)
  }

  private func flush() throws {
    if pending.count > 0 { try sink(pending.finish()) }
  }
}

extension WireType {
  /// Whether this type, or one below it, comes with a dictionary.
  var hasDictionary: Bool { dictionary != nil || children.contains { $0.hasDictionary } }
}
