// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
public import WeirStreaming
internal import WeirTable

/// Keeps a table of candidates up with the keyed table that it follows: reads rows, remembers what
/// lists are made of, writes the lists that changed.
///
/// What it remembers is in memory alone: after a start it reads the followed table, and the hashes
/// of the lists that are written, so that only lists that are others are written again. Single steps,
/// one thread at a time.
public final class CandidateRunner: PipelineRunner {
  private let shape: CandidateShape
  private let source: any ServedStream
  private let target: any ServedStream
  private let batchRows: Int
  private var state: State?
  private var sent: Sent?
  /// What it cannot go on with, however often it tries.
  private var end: StreamError?
  private var readCount: Int64 = 0
  private var writtenCount: Int64 = 0

  /// Lists of one write at most.
  private static let listCountMax = 256

  private final class State {
    let follower: RowFollower
    let index: CandidateIndex
    /// Hashes of the lists that are written, by the key.
    var digests: [Scalar: Int64]
    /// Keys of the table for which no list was made yet; `nil` once they are gone.
    var stale: Set<Scalar>?
    var knownAt = Int64.min
    /// When lists may be written next, by the source's clock; microseconds.
    var nextWrite = Int64.min
    /// When the pass over the waiting lists began, and how many of them are left.
    var passStart = Int64.min
    var passCount = 0

    init(_ follower: RowFollower, _ index: CandidateIndex, _ digests: [Scalar: Int64]) {
      self.follower = follower
      self.index = index
      self.digests = digests
      stale = Set(digests.keys)
    }
  }

  /// Lists on their way.
  private struct Sent {
    let answer: AppendAnswer
    let lists: [Written]
  }

  private struct Written {
    /// `nil` for rows that no list stands behind.
    var number: UInt32?
    var key: Scalar
    /// `nil` for a row that goes.
    var digest: Int64?
  }

  /// - Parameters:
  ///   - profile: the profile whose table is followed, when it is one.
  ///   - batchRows: rows that are read at a time, at most.
  /// - Throws: `invalidArgument` for a definition that does not fit the followed table.
  public init(
    _ definition: CandidateDefinition, profile: ProfileDefinition?, source: any ServedStream,
    target: any ServedStream, batchRows: Int = 8_192
  ) throws(StreamError) {
    shape = try CandidateShape(definition, source: source.definition, profile: profile)
    self.source = source
    self.target = target
    self.batchRows = max(1, batchRows)
  }

  /// The stream whose rows are the lists.
  ///
  /// - Throws: `invalidArgument` for a definition that does not fit the followed table.
  public static func stream(
    _ definition: CandidateDefinition, source: StreamDefinition, profile: ProfileDefinition?
  ) throws(StreamError) -> StreamDefinition {
    try CandidateShape(definition, source: source, profile: profile).stream
  }

  public var progress: PipelineProgress {
    PipelineProgress(
      kind: "candidates", table: shape.definition.table, source: shape.definition.source,
      position: state?.follower.position, waitingCount: state?.index.waitingCount ?? 0,
      readCount: readCount, writtenCount: writtenCount,
      memoryByteCount: state?.index.byteCount ?? 0)
  }

  /// Does one thing: takes an answer, reads rows, writes lists.
  ///
  /// - Throws: what kept it from going on. The next step tries again, from the start of the table.
  @discardableResult
  public func step() throws(StreamError) -> PipelineStep {
    if let end { throw end }
    var hasWorked = try takeAnswer()
    do throws(StreamError) {
      if state == nil {
        // What is on its way would not be seen among the lists that are written.
        guard sent == nil else { return hasWorked ? .worked : .idle }
        state = try begin()
      }
      hasWorked = try read() || hasWorked
      hasWorked = try write() || hasWorked
      return hasWorked ? .worked : .idle
    } catch {
      let error = error.adding(stream: "\(shape.definition.table)")
      let isFull = (state?.index.byteCount ?? 0) > shape.definition.memoryBytesMax
      state = nil
      // Reading all of it again would come to the same end.
      if isFull { end = error }
      throw error
    }
  }

  // MARK: Reading

  private func begin() throws(StreamError) -> State {
    let digests = try writtenDigests()
    return State(
      try RowFollower(source, columns: shape.columns, batchRows: batchRows),
      try CandidateIndex(shape, keyCount: source.definition.primaryKey.count), digests)
  }

  /// The hashes of the lists that the table has.
  private func writtenDigests() throws(StreamError) -> [Scalar: Int64] {
    var result: [Scalar: Int64] = [:]
    let key = shape.tableFields[0].name
    let reader = try target.scan(StreamScan(columns: [key, CandidateShape.digestColumn]))
    do {
      while let batch = try reader.next() {
        guard let keys = batch[key], let digests = batch[CandidateShape.digestColumn] else {
          throw StreamError(.damaged, "the table is not one of candidates")
        }
        for row in 0..<batch.rowCount {
          guard case .int(let digest) = digests.scalar(at: row) else { continue }
          result[keys.scalar(at: row)] = digest
        }
      }
      return result
    } catch { throw (error as? StreamError) ?? StreamError(.table, "\(error)") }
  }

  private func read() throws(StreamError) -> Bool {
    guard let state else { return false }
    let next: RowFollower.Rows?
    do throws(StreamError) {
      next = try state.follower.next()
    } catch {
      guard error.code == .notFound else { throw error }
      // The log has let go of rows that were not read: the table has them.
      self.state = nil
      return true
    }
    guard let rows = next else { return false }
    readCount += Int64(rows.readCount)
    state.knownAt = max(state.knownAt, rows.knownAt)
    try state.index.apply(rows)
    return true
  }

  // MARK: Writing

  private var now: Int64 { source.status().time }

  /// Writes some of the lists that changed, when it is time. A pass over all that wait at its beginning
  /// is made once in an interval; between its parts others get twice the time that a part took.
  private func write() throws(StreamError) -> Bool {
    guard sent == nil, let state, state.follower.isAtEnd else { return false }
    let start = now
    // A clock that is set back does not hold lists up.
    let longest = max(shape.definition.intervalMilliseconds * 1_000, 60_000_000)
    guard start >= state.nextWrite || state.nextWrite - start > longest else { return false }
    if state.passCount == 0 {
      state.passCount = state.index.waitingCount
      state.passStart = start
      guard state.passCount > 0 else { return try writeGone(state) }
    }
    let lists = state.index.takeLists(min(Self.listCountMax, state.passCount))
    state.passCount -= lists.count
    for list in lists { state.stale?.remove(list.key) }
    let changed = lists.filter { list in
      list.entries.isEmpty
        ? state.digests[list.key] != nil : state.digests[list.key] != list.digest
    }
    if !changed.isEmpty {
      let rows = try state.index.rows(changed, target.inputSchema, knownAt: state.knownAt)
      send(
        rows,
        changed.map {
          Written(number: $0.number, key: $0.key, digest: $0.entries.isEmpty ? nil : $0.digest)
        })
    }
    let end = now
    state.nextWrite =
      state.passCount > 0
      ? end + 2 * max(0, end - start)
      : max(end, state.passStart + shape.definition.intervalMilliseconds * 1_000)
    return true
  }

  /// Takes rows out of the table that no list was made for in the first pass: their items or segments
  /// went while nobody looked.
  private func writeGone(_ state: State) throws(StreamError) -> Bool {
    guard let stale = state.stale else { return false }
    let keys = stale.prefix(Self.listCountMax)
    guard !keys.isEmpty else {
      state.stale = nil
      return false
    }
    for key in keys { state.stale?.remove(key) }
    let lists = keys.map { CandidateList(number: 0, key: $0, entries: [], digest: 0) }
    let rows = try state.index.rows(lists, target.inputSchema, knownAt: state.knownAt)
    send(rows, keys.map { Written(number: nil, key: $0, digest: nil) })
    return true
  }

  private func send(_ rows: RecordBatch, _ lists: [Written]) {
    let answer = AppendAnswer()
    sent = Sent(answer: answer, lists: lists)
    target.append(StreamAppend(batches: [rows])) { answer.set($0) }
  }

  /// - Throws: what kept lists from being written. They are written again later.
  private func takeAnswer() throws(StreamError) -> Bool {
    guard let sent, let result = sent.answer.value else { return false }
    self.sent = nil
    do throws(StreamError) {
      _ = try result.get()
    } catch {
      for list in sent.lists {
        if let number = list.number {
          state?.index.putBack(number)
        } else {
          state?.stale?.insert(list.key)
        }
      }
      throw error.adding(stream: "\(shape.definition.table)")
    }
    writtenCount += Int64(sent.lists.count)
    for list in sent.lists { state?.digests[list.key] = list.digest }
    return true
  }
}
