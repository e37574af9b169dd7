// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

// Defects of pipelines: in the streams that the pipeline is handed.
extension PlantedFault {
  /// Whether it shows in pipelines alone.
  var isOfPipelines: Bool {
    switch self {
    case .outputNotAwaited, .stateLostAtRestart, .logStartSkipped: true
    default: false
    }
  }

  /// Whether it shows in pipelines with states alone.
  var isOfProfiles: Bool { self == .stateLostAtRestart }

  /// What the pipeline takes for one of its sources.
  func source(_ stream: any ServedStream) -> any ServedStream {
    self == .logStartSkipped ? HandedStream(stream, self) : stream
  }

  /// What it takes for its table.
  func target(_ stream: any ServedStream) -> any ServedStream {
    self == .outputNotAwaited || self == .stateLostAtRestart ? HandedStream(stream, self) : stream
  }
}

/// A stream that does one thing wrong.
private final class HandedStream: ServedStream {
  private let stream: any ServedStream
  private let fault: PlantedFault

  init(_ stream: any ServedStream, _ fault: PlantedFault) {
    self.stream = stream
    self.fault = fault
  }

  var definition: StreamDefinition { stream.definition }
  var inputSchema: Schema { stream.inputSchema }
  var erasureCount: Int64 { stream.erasureCount }

  func append(
    _ request: StreamAppend,
    completion: @escaping @Sendable (Result<StreamReceipt, StreamError>) -> Void
  ) {
    guard fault == .outputNotAwaited else {
      return stream.append(request, completion: completion)
    }
    stream.append(request) { _ in }
    completion(.success(StreamReceipt(offsets: [:])))
  }

  func tail(from position: StreamStart) throws(StreamError) -> any StreamTail {
    guard fault == .logStartSkipped, case .offsets(var offsets) = position else {
      return try stream.tail(from: position)
    }
    for shard in stream.status().shards {
      offsets[shard.shard] = max(offsets[shard.shard] ?? 0, shard.logOffsets.lowerBound)
    }
    return try stream.tail(from: .offsets(offsets))
  }

  func lookup(keys: RecordBatch, columns: [String]?) throws(StreamError) -> StreamLookup {
    var answer = try stream.lookup(keys: keys, columns: columns)
    if fault == .stateLostAtRestart {
      answer.rows = answer.rows.slice(offset: 0, length: 0)
      answer.found = answer.found.map { _ in false }
    }
    return answer
  }

  func scan(_ request: StreamScan) throws(StreamError) -> any RecordBatchReader {
    try stream.scan(request)
  }

  func status() -> StreamStatus {
    var status = stream.status()
    guard fault == .logStartSkipped else { return status }
    for index in status.shards.indices {
      status.shards[index].logOffsets = 0..<status.shards[index].logOffsets.upperBound
    }
    return status
  }
}
