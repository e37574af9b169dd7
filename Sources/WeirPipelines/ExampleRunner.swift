// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirStreaming
internal import WeirTable

/// Keeps a table of examples up with its request log and its feedback.
///
/// Where it is in both it notes after the rows, in the stream of positions; what is read twice then changes
/// nothing. Events that wait for their requests hold the noted position back. Single steps, one thread at a
/// time.
public final class ExampleRunner: PipelineRunner {
  private let name: String
  private let shape: ExampleShape
  private let target: any ServedStream
  private let positions: any ServedStream
  private let joiner: ExampleJoiner
  private var requests: Source
  private var feedback: Source
  private var sent: Sent?
  private var stepsSinceNote = 0
  private var readCount: Int64 = 0
  private var writtenCount: Int64 = 0

  /// Batches between two notes of the position.
  private static let noteInterval = 16

  private struct Source {
    /// As its position is noted.
    let name: String
    let reader: SourceReader
    /// `nil` before it was read.
    var next: [Int: Int64]?
    /// What of it is noted, or on its way to be.
    var noted: [Int: Int64] = [:]
    var note: PendingAppend?
  }

  /// Rows on their way, and where the sources are behind them.
  private struct Sent {
    let append: PendingAppend
    let rowCount: Int
    let requests: [Int: Int64]
    let feedback: [Int: Int64]
  }

  /// - Parameters:
  ///   - requests: the request log.
  ///   - positions: a stream of the definition that `PipelinePositions.stream` gives.
  ///   - requestRows: requests that are joined at a time, at most about; of events as many times 32.
  /// - Throws: `invalidArgument` for a definition that does not fit.
  public init(
    _ definition: ExampleDefinition, view: FeatureView, requests: any ServedStream,
    feedback: any ServedStream, target: any ServedStream, positions: any ServedStream,
    requestRows: Int = 256
  ) throws(StreamError) {
    name = "\(definition.table)"
    shape = try ExampleShape(definition, view: view, feedback: feedback.definition)
    self.target = target
    self.positions = positions
    joiner = ExampleJoiner(shape, store: LiveExamples(target, requests, view))
    self.requests = Source(
      name: name + "/requests",
      reader: SourceReader(
        requests, columns: ServedRequest.columns(view), batchRows: requestRows))
    self.feedback = Source(
      name: name + "/feedback",
      reader: SourceReader(
        feedback, columns: shape.feedbackColumns(), batchRows: requestRows * 32))
  }

  /// The stream whose rows are the examples.
  ///
  /// - Throws: `invalidArgument` for a definition that does not fit its view and its feedback.
  public static func stream(
    _ definition: ExampleDefinition, view: FeatureView, feedback: StreamDefinition
  ) throws(StreamError) -> StreamDefinition {
    try ExampleShape(definition, view: view, feedback: feedback).stream
  }

  public var progress: PipelineProgress {
    PipelineProgress(
      kind: "examples", table: shape.definition.table,
      source: requests.reader.source.definition.table, position: requests.next,
      waitingCount: joiner.heldCount, readCount: readCount, writtenCount: writtenCount)
  }

  /// Events that were let go because the request that they name did not come in time.
  public var droppedCount: Int { joiner.droppedCount }

  /// Does one thing: takes an answer, reads and joins a batch, notes the positions.
  ///
  /// - Throws: what kept it from going on. The next step tries again.
  @discardableResult
  public func step() throws(StreamError) -> PipelineStep {
    do throws(StreamError) {
      if let sent {
        guard let result = sent.append.result else { return .idle }
        self.sent = nil
        _ = try result.get()
        writtenCount += Int64(sent.rowCount)
        (requests.next, feedback.next) = (sent.requests, sent.feedback)
        stepsSinceNote += 1
        if stepsSinceNote >= Self.noteInterval { _ = note() }
        return .worked
      }
      let (first, second) = (try position(&requests), try position(&feedback))
      let served = try requests.reader.read(first)
      let events = try feedback.reader.read(second)
      guard served != nil || events != nil else { return note() ? .worked : .idle }
      readCount += Int64((served?.batch.rowCount ?? 0) + (events?.batch.rowCount ?? 0))
      try join(served?.batch, events?.batch, served?.end ?? first, events?.end ?? second)
      return .worked
    } catch {
      // From the noted positions again: what is in the table changes nothing.
      joiner.forget()
      (requests.next, feedback.next) = (nil, nil)
      requests.reader.reset()
      feedback.reader.reset()
      throw error.adding(stream: name)
    }
  }

  private func join(
    _ served: RecordBatch?, _ events: RecordBatch?, _ first: [Int: Int64], _ second: [Int: Int64]
  ) throws(StreamError) {
    guard
      let rows = try joiner.apply(
        requests: served, feedback: events, schema: target.inputSchema)
    else {
      (requests.next, feedback.next) = (first, second)
      return
    }
    sent = Sent(
      append: PendingAppend(rows, to: target), rowCount: rows.rowCount, requests: first,
      feedback: second)
  }

  /// Where to go on.
  private func position(_ source: inout Source) throws(StreamError) -> [Int: Int64] {
    if let next = source.next { return next }
    let start = try PipelinePositions(positions).read(
      source.name, source.reader.source.definition.shardCount)
    (source.next, source.noted) = (start, start)
    return start
  }

  /// - Returns: whether there was something new to note.
  private func note() -> Bool {
    stepsSinceNote = 0
    let isFirst = note(&requests, requests.next)
    let behind = feedback.next.map {
      Defect.pipelineForgetsWaiting.isPlanted ? $0 : joiner.position($0)
    }
    return note(&feedback, behind) || isFirst
  }

  private func note(_ source: inout Source, _ position: [Int: Int64]?) -> Bool {
    if let note = source.note {
      guard let result = note.result else { return false }
      source.note = nil
      // It is noted later, with the next one.
      if case .failure = result { source.noted = [:] }
    }
    guard let position, position != source.noted,
      let batch = try? PipelinePositions(positions).batch(source.name, position)
    else { return false }
    source.noted = position
    source.note = PendingAppend(batch, to: positions)
    return true
  }
}

/// Rows that are on their way.
final class PendingAppend: Sendable {
  private let answer = AppendAnswer()

  init(_ batch: RecordBatch, to stream: any ServedStream) {
    let answer = answer
    stream.append(StreamAppend(batches: [batch])) { answer.set($0) }
  }

  /// `nil` until it is there.
  var result: Result<StreamReceipt, StreamError>? { answer.value }
}

/// Examples and requests in their streams.
private final class LiveExamples: ExampleStore {
  private let target: any ServedStream
  private let log: any ServedStream
  private let columns: [String]

  init(_ target: any ServedStream, _ log: any ServedStream, _ view: FeatureView) {
    self.target = target
    self.log = log
    columns = ServedRequest.columns(view)
  }

  func examples(
    _ keys: RecordBatch, _ columns: [String]
  ) throws(StreamError) -> StreamLookup {
    try target.lookup(keys: keys, columns: columns)
  }

  func requests(_ ids: RecordBatch) throws(StreamError) -> StreamLookup {
    try log.lookup(keys: ids, columns: columns)
  }
}
