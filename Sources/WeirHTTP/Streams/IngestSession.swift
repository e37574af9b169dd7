// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCompression
internal import WeirStreaming
internal import WeirTable

/// How a request's body says rows.
enum IngestForm: Sendable {
  case jsonLines(JSONLinesOptions)
  case arrow

  static let arrowMediaType = "application/vnd.apache.arrow.stream"
}

/// Makes rows of one request's body, piece by piece.
///
/// Safe to send: one piece of work at a time uses it, each awaits the one before.
final class IngestSession: @unchecked Sendable {
  private let stream: any ServedStream
  private let configuration: StreamServerConfiguration
  private let share: ByteShare
  private let decompressor: StreamDecompressor?
  private let parser: JSONLinesParser?
  private let arrow = MutableBuffer()
  private var output: [UInt8] = []
  private var byteCount = 0

  private static let pieceByteCount = 256 << 10
  /// Bytes of fixed-width columns that a request's rows may take: short lines can say many rows.
  private static let valueByteCountMax = 256 << 20
  /// zstd's own default for streams: 8 MiB.
  private static let windowLogMax = 23

  init(
    _ stream: any ServedStream, form: IngestForm, codec: Codec?,
    configuration: StreamServerConfiguration, share: ByteShare
  ) throws(RESTError) {
    self.stream = stream
    self.configuration = configuration
    self.share = share
    do throws(CompressionError) {
      decompressor = try codec.map { codec throws(CompressionError) in
        try StreamDecompressor(codec, zstdWindowLogMax: Self.windowLogMax)
      }
    } catch { throw .badRequest("\(error)") }
    guard case .jsonLines(var options) = form else {
      parser = nil
      return
    }
    let schema = stream.inputSchema
    options.recordByteCountMax = configuration.recordByteCountMax
    options.defaults = stream.definition.defaults
    options.words = [StreamColumns.operation: ["upsert": 0, "delete": 1]]
    let rowByteCount = max(1, schema.fields.reduce(0) { $0 + Self.rowByteCount($1.type) })
    options.rowCountMax = min(
      configuration.recordCountMax, max(1, Self.valueByteCountMax / rowByteCount))
    if schema[StreamColumns.operation] == nil { options.words = [:] }
    do throws(ColumnarError) {
      parser = try JSONLinesParser(schema: schema, options: options)
    } catch {
      throw RESTError(400, "UnsupportedOperationException", "\(error); send Arrow IPC")
    }
  }

  /// Bytes that a row takes whatever it says.
  private static func rowByteCount(_ type: DataType) -> Int {
    switch type.layout {
    case .struct: type.children.reduce(1) { $0 + rowByteCount($1.type) }
    case .fixedSizeList(let size): size * (type.children.first.map { rowByteCount($0.type) } ?? 0)
    case .fixedWidth(let width): width
    case .variableBinary(let width), .list(let width), .dictionary(let width): width
    case .bits, .null: 1
    }
  }

  /// Takes the next bytes of the body, as they were sent.
  func feed(_ bytes: [UInt8]) throws(RESTError) {
    guard let decompressor else { return try take(bytes) }
    if output.isEmpty { output = [UInt8](repeating: 0, count: Self.pieceByteCount) }
    var rest = bytes[...]
    while true {
      let progress: StreamDecompressor.Progress
      do {
        progress = try rest.withUnsafeBytes { input in
          try output.withUnsafeMutableBytes { try decompressor.decompress(input, into: $0) }
        }
      } catch {
        throw .badRequest("the body cannot be decompressed: \(error)")
      }
      rest = rest.dropFirst(progress.consumed)
      if progress.produced > 0 { try take(Array(output[..<progress.produced])) }
      if progress.produced < output.count && (rest.isEmpty || progress.consumed == 0) { break }
    }
  }

  private func take(_ bytes: [UInt8]) throws(RESTError) {
    byteCount += bytes.count
    guard byteCount <= configuration.bodyByteCountMax else {
      throw .tooLarge(
        "the body has more than \(configuration.bodyByteCountMax) bytes; send several requests")
    }
    // What came as it is was counted when it came.
    if decompressor != nil { try share.take(bytes.count) }
    if let parser {
      do throws(ColumnarError) { try parser.append(bytes) } catch { throw Self.limit(error) }
    } else {
      arrow.append(contentsOf: bytes)
    }
  }

  private static func limit(_ error: ColumnarError) -> RESTError {
    error.code == .overflow ? .tooLarge(error.message) : .badRequest("\(error)")
  }

  /// The rows of the whole body.
  func finish(producer: ProducerStamp?) throws(RESTError) -> StreamAppend {
    if let decompressor {
      do { try decompressor.finish() } catch {
        throw .badRequest("the body cannot be decompressed: \(error)")
      }
    }
    guard let parser else {
      return StreamAppend(batches: try arrowBatches(), producer: producer)
    }
    do throws(ColumnarError) {
      try parser.finish()
      let rejected = parser.takeFailures().map {
        DeadLetter(
          record: $0.line, column: $0.column, reason: $0.reason, bytes: $0.bytes, isCut: $0.isCut)
      }
      return StreamAppend(
        batches: try parser.takeBatches(), rejected: rejected, producer: producer)
    } catch { throw Self.limit(error) }
  }

  private func arrowBatches() throws(RESTError) -> [RecordBatch] {
    var options = ArrowReadOptions()
    options.bodyBytesMax = configuration.bodyByteCountMax
    options.metadataBytesMax = 16 << 20
    options.dictionaryBytesMax = configuration.bodyByteCountMax
    var batches: [RecordBatch] = []
    do {
      let reader = try ArrowStreamReader(arrow.finish(), options: options)
      var conformer = try InputConformer(
        stream.inputSchema, defaults: stream.definition.defaults, source: reader.schema)
      var rowCount = 0
      while let batch = try reader.next() {
        rowCount += batch.rowCount
        guard rowCount <= configuration.recordCountMax else {
          throw RESTError.tooLarge(
            "more than \(configuration.recordCountMax) rows; send them in several requests")
        }
        if batch.rowCount > 0 { batches.append(try conformer.conformed(batch)) }
      }
    } catch let error as RESTError {
      throw error
    } catch {
      throw .badRequest("the body is no Arrow stream for this table: \(error)")
    }
    return batches
  }
}
