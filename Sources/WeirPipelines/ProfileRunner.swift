// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirStreaming
internal import WeirTable

/// Keeps a profile's table up with its source: reads events from where the table's rows left off, folds
/// them, writes the rows that changed.
///
/// Where it is in the source it notes in a stream of positions, after the rows: what it has read
/// twice then, each row's own position tells. It reads the source's log, and its table where the log has
/// let go. Single steps, one thread at a time.
public final class ProfileRunner: PipelineRunner {
  private let name: String
  private let definition: ProfileDefinition
  private var readCount: Int64 = 0
  private var writtenCount: Int64 = 0
  private let source: any ServedStream
  private let target: any ServedStream
  private let positions: any ServedStream
  private let fold: ProfileOperator
  private let batchRows: Int
  /// The next offset of each shard of the source; `nil` before it was read.
  private var next: [Int: Int64]?
  /// What of it is noted, or on its way to be.
  private var noted: [Int: Int64] = [:]
  private var tail: (any StreamTail)?
  private var sent: Sent?
  private var note: AppendAnswer?
  private var stepsSinceNote = 0
  /// Offsets of the source's table that are looked at together. Where offsets have gaps, as those of
  /// Kafka do, it grows until enough events lie in it.
  private var window: Int64
  private static let windowMax: Int64 = 1 << 60

  /// Batches between two notes of the position.
  private static let noteInterval = 16

  /// Rows on their way, and where the source is behind them.
  private struct Sent {
    let answer: AppendAnswer
    let next: [Int: Int64]
    let rowCount: Int
  }

  /// What a step came to.
  public typealias Progress = PipelineStep

  /// - Parameters:
  ///   - positions: a stream of the definition that `PipelinePositions.stream` gives.
  ///   - batchRows: events that are folded at a time, at most.
  /// - Throws: `invalidArgument` for a definition that does not fit the source.
  public init(
    _ definition: ProfileDefinition, source: any ServedStream, target: any ServedStream,
    positions: any ServedStream, batchRows: Int = 8_192
  ) throws(StreamError) {
    name = "\(definition.table)"
    self.definition = definition
    self.source = source
    self.target = target
    self.positions = positions
    self.batchRows = max(1, batchRows)
    window = Int64(self.batchRows)
    fold = try ProfileOperator(
      definition, source: source.definition, store: TargetStore(target, definition.entity))
  }

  public var progress: PipelineProgress {
    PipelineProgress(
      kind: "profile", table: definition.table, source: definition.source, position: next,
      readCount: readCount, writtenCount: writtenCount)
  }

  /// Does one thing: takes an answer, reads and folds a batch, notes the position.
  ///
  /// - Throws: what kept it from going on. The next step tries again.
  @discardableResult
  public func step() throws(StreamError) -> Progress {
    do throws(StreamError) {
      if let sent {
        guard let result = sent.answer.value else { return .idle }
        self.sent = nil
        _ = try result.get()
        writtenCount += Int64(sent.rowCount)
        next = sent.next
        stepsSinceNote += 1
        return .worked
      }
      let start = try position()
      if let (batch, end) = try read(start) {
        readCount += Int64(batch.rowCount)
        try fold(batch, end)
        return .worked
      }
      return notePosition(start) ? .worked : .idle
    } catch {
      // From the noted position again: rows know what they hold.
      fold.forget()
      (next, tail) = (nil, nil)
      throw error.adding(stream: name)
    }
  }

  /// Where to go on.
  private func position() throws(StreamError) -> [Int: Int64] {
    if let next { return next }
    let start = try PipelinePositions(positions).read(name, source.definition.shardCount)
    (next, noted) = (start, start)
    return start
  }

  private func fold(_ batch: RecordBatch, _ end: [Int: Int64]) throws(StreamError) {
    guard let rows = try fold.apply(batch, schema: target.inputSchema) else {
      next = end
      return
    }
    let answer = AppendAnswer()
    sent = Sent(answer: answer, next: end, rowCount: rows.rowCount)
    target.append(StreamAppend(batches: [rows])) { answer.set($0) }
    if stepsSinceNote >= Self.noteInterval { _ = notePosition(next ?? [:]) }
  }

  /// - Returns: whether there was something new to note.
  private func notePosition(_ position: [Int: Int64]) -> Bool {
    if let note {
      guard let result = note.value else { return false }
      self.note = nil
      // It is noted later, with the next one.
      if case .failure = result { noted = [:] }
    }
    guard position != noted,
      let batch = try? PipelinePositions(positions).batch(name, position)
    else { return false }
    let answer = AppendAnswer()
    note = answer
    noted = position
    stepsSinceNote = 0
    positions.append(StreamAppend(batches: [batch])) { answer.set($0) }
    return true
  }

  // MARK: Events

  /// The next events, and where the source is behind them; `nil` when none are there yet.
  private func read(
    _ start: [Int: Int64]
  ) throws(StreamError) -> (batch: RecordBatch, end: [Int: Int64])? {
    for shard in source.status().shards {
      let offset = start[shard.shard] ?? 0
      if offset < shard.logOffsets.lowerBound {
        tail = nil
        return try readTable(start, shard.shard, until: shard.logOffsets.lowerBound)
      }
    }
    let tail: any StreamTail
    if let open = self.tail { tail = open } else { tail = try source.tail(from: .offsets(start)) }
    self.tail = tail
    guard let first = try tail.next(rowCountMax: batchRows) else { return nil }
    // All that waits at once: each batch waits for its rows to be durable.
    var batches = [first]
    var count = first.rowCount
    while count < batchRows, let next = try tail.next(rowCountMax: batchRows - count) {
      batches.append(next)
      count += next.rowCount
    }
    do throws(ColumnarError) {
      return (try RecordBatch.concatenate(batches), tail.position)
    } catch { throw StreamError(error) }
  }

  /// The events of a piece of a shard, out of the source's table.
  private func readTable(
    _ start: [Int: Int64], _ shard: Int, until end: Int64
  ) throws(StreamError) -> (batch: RecordBatch, end: [Int: Int64]) {
    let first = start[shard] ?? 0
    while true {
      let (sum, isBeyond) = first.addingReportingOverflow(window)
      let last = isBeyond ? end : min(end, sum)
      guard let batch = try readTable(shard, first..<last) else {
        window = max(1, window / 2)
        continue
      }
      if batch.rowCount < batchRows / 2 { window = min(Self.windowMax, window * 2) }
      var behind = start
      behind[shard] = last
      return (batch, behind)
    }
  }

  /// The events of a range of offsets, in their order; `nil` when they are many more than a batch.
  private func readTable(
    _ shard: Int, _ range: Range<Int64>
  ) throws(StreamError) -> RecordBatch? {
    let filter = Predicate.all([
      .compare(.equal, Term(StreamColumns.shard), .integer(Int128(shard))),
      .compare(.greaterOrEqual, Term(StreamColumns.offset), .integer(Int128(range.lowerBound))),
      .compare(.less, Term(StreamColumns.offset), .integer(Int128(range.upperBound))),
    ])
    let reader = try source.scan(
      StreamScan(columns: fold.columns, filter: filter, isLive: false))
    var batches: [RecordBatch] = []
    var count = 0
    do {
      while let batch = try reader.next() {
        count += batch.rowCount
        guard count <= 2 * batchRows || range.count == 1 else { return nil }
        batches.append(batch)
      }
    } catch { throw (error as? StreamError) ?? StreamError(.table, "\(error)") }
    do throws(ColumnarError) {
      let all =
        batches.isEmpty
        ? try RecordBatchBuilder(reader.schema).finish() : try RecordBatch.concatenate(batches)
      guard let offsets = all[StreamColumns.offset] else {
        throw ColumnarError(.invalidArgument, "the table has no column '\(StreamColumns.offset)'")
      }
      return try all.take(offsets.sortIndices())
    } catch { throw StreamError(error) }
  }
}

/// States in the profile's own table, as all acknowledged rows left them.
private final class TargetStore: ProfileStore {
  private let target: any ServedStream
  private let entity: [String]

  init(_ target: any ServedStream, _ entity: [String]) {
    self.target = target
    self.entity = entity
  }

  func states(of entities: RecordBatch) throws(StreamError) -> [[UInt8]?] {
    let answer = try target.lookup(keys: entities, columns: [ProfileOperator.stateColumn])
    guard let column = answer.rows[ProfileOperator.stateColumn] else {
      throw StreamError(
        .damaged, "the table has no states: it is not the one of this profile",
        column: ProfileOperator.stateColumn)
    }
    var row = 0
    return answer.found.map { isFound in
      guard isFound else { return nil }
      defer { row += 1 }
      guard case .binary(let bytes) = column.scalar(at: row) else { return nil }
      return bytes
    }
  }
}

/// Where pipelines are in their sources: a keyed stream of its own.
public struct PipelinePositions {
  private let stream: any ServedStream

  init(_ stream: any ServedStream) { self.stream = stream }

  /// The table's name.
  public static let tableName = "weir.pipeline_positions"

  static func table() throws(StreamError) -> TableIdentifier {
    do throws(TableError) {
      return try TableIdentifier(parsing: tableName)
    } catch { throw StreamError(error) }
  }

  /// The stream that holds the positions of all pipelines.
  public static func stream() throws(StreamError) -> StreamDefinition {
    let fields = [
      Field("pipeline", .utf8, nullable: false), Field("shard", .int32, nullable: false),
      Field("next_offset", .int64, nullable: false),
    ]
    do throws(TableError) {
      var result = StreamDefinition(
        table: try TableIdentifier(parsing: tableName),
        columns: try TableSchema(arrow: Schema(fields)).arrowSchema())
      result.primaryKey = ["pipeline", "shard"]
      return result
    } catch { throw StreamError(error) }
  }

  /// Of all shards; 0 where nothing was noted.
  func read(_ pipeline: String, _ shardCount: Int) throws(StreamError) -> [Int: Int64] {
    let fields = stream.inputSchema.fields.prefix(2)
    let keys: RecordBatch
    do throws(ColumnarError) {
      let builder = RecordBatchBuilder(Schema(Array(fields)))
      for shard in 0..<shardCount {
        try builder.append(row: [.string(pipeline), .int(Int64(shard))])
      }
      keys = try builder.finish()
    } catch { throw StreamError(error) }
    let answer = try stream.lookup(keys: keys, columns: ["next_offset"])
    var result: [Int: Int64] = [:]
    var row = 0
    for (shard, isFound) in answer.found.enumerated() {
      result[shard] = 0
      guard isFound else { continue }
      if case .int(let offset)? = answer.rows["next_offset"]?.scalar(at: row) {
        result[shard] = offset
      }
      row += 1
    }
    return result
  }

  func batch(_ pipeline: String, _ position: [Int: Int64]) throws(StreamError) -> RecordBatch {
    let builder = RecordBatchBuilder(stream.inputSchema)
    do throws(ColumnarError) {
      for (shard, offset) in position.sorted(by: { $0.key < $1.key }) {
        var row: [Scalar] = [.string(pipeline), .int(Int64(shard)), .int(offset)]
        row += [Scalar](repeating: .null, count: builder.columns.count - row.count)
        try builder.append(row: row)
      }
      return try builder.finish()
    } catch { throw StreamError(error) }
  }
}
