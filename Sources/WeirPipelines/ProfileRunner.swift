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
  private let reader: SourceReader
  /// The next offset of each shard of the source; `nil` before it was read.
  private var next: [Int: Int64]?
  /// What of it is noted, or on its way to be.
  private var noted: [Int: Int64] = [:]
  private var sent: Sent?
  private var note: AppendAnswer?
  private var stepsSinceNote = 0
  /// Erasures of the profile's rows whose states were forgotten.
  private var erasureCount: Int64 = 0

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
  ///   - cacheCount: entities whose states are kept in memory, at most.
  /// - Throws: `invalidArgument` for a definition that does not fit the source.
  public init(
    _ definition: ProfileDefinition, source: any ServedStream, target: any ServedStream,
    positions: any ServedStream, batchRows: Int = 8_192, cacheCount: Int = 100_000
  ) throws(StreamError) {
    name = "\(definition.table)"
    self.definition = definition
    self.source = source
    self.target = target
    self.positions = positions
    fold = try ProfileOperator(
      definition, source: source.definition, store: TargetStore(target, definition.entity),
      cacheCount: cacheCount)
    reader = SourceReader(source, columns: fold.columns, batchRows: batchRows)
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
        if Defect.pipelineSkipsFailedBatch.isPlanted { next = sent.next }
        _ = try result.get()
        writtenCount += Int64(sent.rowCount)
        next = sent.next
        stepsSinceNote += 1
        return .worked
      }
      if target.erasureCount != erasureCount {
        erasureCount = target.erasureCount
        fold.forget()
      }
      let start = try position()
      if let (batch, end) = try reader.read(start) {
        readCount += Int64(batch.rowCount)
        try fold(batch, end)
        return .worked
      }
      return notePosition(start) ? .worked : .idle
    } catch {
      // From the noted position again: rows know what they hold.
      if !Defect.pipelineKeepsUnwrittenStates.isPlanted { fold.forget() }
      if Defect.pipelineSkipsFailedBatch.isPlanted, next != nil { throw error }
      next = nil
      reader.reset()
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
