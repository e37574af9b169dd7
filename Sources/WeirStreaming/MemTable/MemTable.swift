// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirColumnar
internal import WeirTable

/// The rows of one shard of a stream that its table does not have yet, over the key index of those that
/// it has.
///
/// One thread applies entries of the log, freezes and flushes; any number of threads make views and look
/// rows up meanwhile. Rows stay in memory as columns, one batch for each entry of the log; they are
/// merged when they are flushed or read. A lock is held for moments only: to add an entry's keys, to
/// take a view's list of batches, to change index and memory together at the end of a flush.
///
/// When the columns of the stream change, flush and make a new memory table.
public final class MemTable: Sendable {
  /// Rows between two freezes, and the keys' places.
  private struct Run: Sendable {
    var entries: [LiftedRows] = []
    /// The first row of each entry.
    var firstRows: [Int] = []
    /// Stays empty for a table without primary key.
    var keys = KeyTable()
    var rowCount = 0
    var byteCount = 0
  }

  private struct State: Sendable {
    var active = Run()
    var frozen: Run?
    /// Where the rows begin and end in the log.
    var offsets: Range<Int64>
    /// Where the active ones begin.
    var activeStart: Int64
  }

  public let layout: StreamLayout
  public let shard: Int
  /// `nil` for a table without primary key.
  private let index: (any KeyIndex)?
  private let resolver: RowResolver
  private let state: Mutex<State>
  /// Used by the one thread that applies.
  private let lifter: Mutex<RowLifter>

  /// - Parameters:
  ///   - index: of this shard, whose position is where `offset` is; none for a table without key.
  ///   - offset: of the first row that the table does not have.
  public init(
    _ layout: StreamLayout, shard: Int, index: (any KeyIndex)?, from offset: Int64
  ) {
    precondition(
      layout.definition.isKeyed == (index != nil), "keyed tables have a key index, others none")
    self.layout = layout
    self.shard = shard
    self.index = index
    resolver = RowResolver(layout: layout)
    lifter = Mutex(RowLifter(layout, shard: shard))
    state = Mutex(State(offsets: offset..<offset, activeStart: offset))
  }

  /// Rows of the log that are in memory: from what the table covers to the last one applied.
  public var offsets: Range<Int64> { state.withLock { $0.offsets } }

  /// Bytes of rows in memory, frozen ones too, about.
  public var byteCount: Int {
    state.withLock { $0.active.byteCount + ($0.frozen?.byteCount ?? 0) }
  }

  /// Bytes of rows that the next freeze takes, about.
  public var activeByteCount: Int { state.withLock { $0.active.byteCount } }

  /// When the first of the rows in memory came to this process; microseconds since 1970.
  public var oldestArrivalTime: Int64? {
    state.withLock { ($0.frozen ?? $0.active).entries.first?.arrivalTime }
  }

  /// Rows that the table does not have.
  public var rowCount: Int {
    state.withLock { $0.active.rowCount + ($0.frozen?.rowCount ?? 0) }
  }

  /// What `move` can do before it; to be followed by it.
  func prepareMove(to snapshotID: Int64) throws(StreamError) -> (any StagedIndexBatch)? {
    guard let index, let position = index.position else { return nil }
    let staged = try index.stageMove(
      to: IndexPosition(snapshotID: snapshotID, offset: position.offset))
    try prepare(staged)
    return staged
  }

  /// The table has another snapshot with the same rows in the same places.
  func move(
    to snapshotID: Int64, _ prepared: (any StagedIndexBatch)?
  ) throws(StreamError) {
    guard let index, let position = index.position else { return }
    if let prepared { return try index.publish(prepared) }
    try index.move(to: IndexPosition(snapshotID: snapshotID, offset: position.offset))
  }

  /// The table has another snapshot with the same rows in other places.
  ///
  /// - Parameter prepared: of a batch of places, ready.
  func publish(_ prepared: any StagedIndexBatch) throws(StreamError) {
    if let index { try index.publish(prepared) }
  }

  /// Checks rows before they go to the log: that `apply` will take them.
  ///
  /// - Throws: `invalidArgument` with the column's name.
  public func check(_ batch: RecordBatch) throws(StreamError) {
    try Self.check(batch, layout, shard: shard)
  }

  static func check(
    _ batch: RecordBatch, _ layout: StreamLayout, shard: Int
  ) throws(StreamError) {
    let rows = Int64(batch.rowCount)
    var lifter = RowLifter(layout, shard: shard)
    _ = try lifter.lift(
      LogEntry(offsets: 0..<rows, ingestTime: 0, producer: nil, batch: batch))
  }

  /// Takes an entry of the log in: rows that are already there are left out, so that a replay may begin
  /// before the end.
  ///
  /// - Throws: `damaged` for a gap in the log; `invalidArgument` for rows that `check` would refuse.
  ///   Nothing was taken in then.
  public func apply(_ entry: LogEntry) throws(StreamError) {
    let end = state.withLock { $0.offsets.upperBound }
    guard entry.span.upperBound > end else { return }
    guard entry.span.lowerBound <= end else {
      throw StreamError(
        .damaged,
        "the log goes on at the offset \(entry.span.lowerBound), the table's memory ends at \(end)",
        stream: layout.definition.table.description, shard: shard)
    }
    let new = entry.clamped(to: end..<entry.span.upperBound)
    guard new.batch.rowCount > 0 else {
      return state.withLock { $0.offsets = $0.offsets.lowerBound..<new.span.upperBound }
    }
    let lifted = try lifter.withLock { lifter throws(StreamError) in try lifter.lift(new) }
    try state.withLock { state throws(StreamError) in
      guard state.active.rowCount + lifted.batch.rowCount <= KeyTable.rowCountMax else {
        throw StreamError(
          .overloaded, "too many rows wait in memory; they must be flushed first", shard: shard)
      }
      state.active.firstRows.append(state.active.rowCount)
      if index != nil { state.active.keys.append(lifted.keys) }
      state.active.rowCount += lifted.batch.rowCount
      state.active.byteCount += lifted.byteCount
      state.active.entries.append(lifted)
      state.offsets = state.offsets.lowerBound..<new.span.upperBound
    }
  }

  /// Sets the rows so far aside to be flushed; those that come later wait for the next time. Does
  /// nothing while frozen rows are there, and without rows.
  ///
  /// - Returns: the rows that are frozen now, by offset.
  @discardableResult
  public func freeze() -> Range<Int64>? {
    state.withLock { state in
      if state.frozen != nil { return state.offsets.lowerBound..<state.activeStart }
      guard !state.active.entries.isEmpty else { return nil }
      state.frozen = state.active
      state.active = Run()
      state.activeStart = state.offsets.upperBound
      return state.offsets.lowerBound..<state.activeStart
    }
  }

  /// What the frozen rows become, over the index as it is; `nil` without frozen rows.
  public func flushRows() throws(StreamError) -> FlushRows? {
    let (run, offsets) = state.withLock {
      ($0.frozen, $0.offsets.lowerBound..<$0.activeStart)
    }
    guard let run else { return nil }
    guard let index else { return try FlushRows(run.entries, offsets) }
    let reader = try index.reader()
    return try FlushRows(try resolver.resolve(run.entries, reader), offsets, reader)
  }

  /// Makes the index's part of a flush ready, once its commit is done. `files` hold every row of
  /// `rows.batch` once.
  ///
  /// - Returns: `nil` for a table without key.
  public func stage(
    _ rows: FlushRows, files: [WrittenRows], snapshotID: Int64
  ) throws(StreamError) -> (any StagedIndexBatch)? {
    guard let index else { return nil }
    let codec = try RowCodec(
      layout.fileSchema, layoutNumber: try index.layout(for: layout.fileSchema))
    return try index.stage(rows.indexBatch(files, snapshotID, codec))
  }

  /// Does the long part of `finishFlush`, which is to follow: readers see nothing of it, and do not wait.
  func prepare(_ staged: (any StagedIndexBatch)?) throws(StreamError) {
    if let index, let staged { try index.prepare(staged) }
  }

  /// Lets the index have what was prepared while the memory does not follow: reads are refused until both
  /// are made anew.
  func giveUp(_ staged: (any StagedIndexBatch)?) {
    if let index, let staged { try? index.publish(staged) }
  }

  /// Ends a flush: the frozen rows are the table's now. Views before and after show the same rows.
  ///
  /// After an error of the index, drop this memory table and open the index again.
  ///
  /// - Returns: what is to be let go when no lock is held that others wait for: thousands of rows are
  ///   given back one by one.
  @discardableResult
  public func finishFlush(_ staged: (any StagedIndexBatch)?) throws(StreamError) -> LeftRows {
    try state.withLock { state throws(StreamError) in
      precondition(state.frozen != nil, "a flush ends that has begun")
      if let index, let staged { try index.publish(staged) }
      let left = LeftRows(entries: state.frozen?.entries ?? [], keys: state.frozen?.keys)
      state.frozen = nil
      state.offsets = state.activeStart..<state.offsets.upperBound
      return left
    }
  }

  /// Rows that memory does not have any more, and nobody has read.
  public struct LeftRows: Sendable {
    fileprivate let entries: [LiftedRows]
    fileprivate let keys: KeyTable?
  }

  /// All that is in memory now, over the index as it is now.
  ///
  /// Cost: all rows in memory are sorted by key and merged.
  public func view() throws(StreamError) -> MemTableView { try view(of: cut()) }

  /// All that is in memory at one moment, not merged yet.
  struct Cut: Sendable {
    fileprivate let entries: [LiftedRows]
    fileprivate let offsets: Range<Int64>
    fileprivate let reader: (any KeyIndexReader)?
    /// The state of the table that the rows lie over; `nil` for a table without key.
    var position: IndexPosition? { reader?.position }
  }

  /// What is in memory now. Cheap: rows are shared, and not merged.
  func cut() throws(StreamError) -> Cut {
    let index = self.index
    return try state.withLock { state throws(StreamError) in
      let reader = try index?.reader()
      if let reader { try check(reader, state) }
      return Cut(
        entries: (state.frozen?.entries ?? []) + state.active.entries, offsets: state.offsets,
        reader: reader)
    }
  }

  /// The rows of a cut as readers see them.
  func view(of cut: Cut) throws(StreamError) -> MemTableView {
    let (entries, offsets) = (cut.entries, cut.offsets)
    guard let reader = cut.reader else {
      let rows = try FlushRows(entries, offsets, layout.fileSchema)
      return MemTableView(offsets: offsets, position: nil, hidden: [], rows: rows.batch)
    }
    guard !entries.isEmpty else {
      return MemTableView(
        offsets: offsets, position: reader.position, hidden: [], rows: try emptyBatch())
    }
    let resolved = try resolver.resolve(entries, reader)
    let rows = try FlushRows(resolved, offsets, reader)
    return MemTableView(
      offsets: offsets, position: reader.position, hidden: rows.replaced,
      rows: try rows.visible())
  }

  /// - Throws: `overloaded` while the index is being brought to another state of the table: this memory
  ///   and it do not belong together then.
  private func check(_ reader: any KeyIndexReader, _ state: State) throws(StreamError) {
    guard (reader.position?.offset ?? 0) != state.offsets.lowerBound else { return }
    throw StreamError(
      .overloaded, "the key index is being rebuilt after a change of the table; try again soon",
      stream: layout.definition.table.description, shard: shard)
  }

  private func emptyBatch() throws(StreamError) -> RecordBatch {
    try columnar { () throws(ColumnarError) in
      try RecordBatchBuilder(layout.fileSchema).finish()
    }
  }

  /// The rows of some keys, of the log to its end and of the table.
  ///
  /// - Parameters:
  ///   - keys: the primary key's columns, in its order, in the table's types.
  ///   - columns: names of columns of the file schema, all by default.
  /// - Throws: `invalidArgument` for keys or columns that do not fit, and for a table without key.
  public func lookup(
    _ keys: RecordBatch, columns: [String]? = nil
  ) throws(StreamError) -> LookupRows {
    guard let index else {
      throw StreamError(
        .invalidArgument, "the stream has no primary key: rows cannot be looked up",
        stream: layout.definition.table.description, shard: shard)
    }
    guard keys.columns.count == layout.keyColumns.count else {
      throw StreamError(
        .invalidArgument,
        "the key has \(keys.columns.count) columns, the primary key \(layout.keyColumns.count)",
        stream: layout.definition.table.description, shard: shard)
    }
    let encoded = try layout.keyEncoder.encode(keys.columns, rowCount: keys.rowCount)
    let hashes = KeyHash.hashes(encoded)
    guard layout.merger.isLastWhole else {
      let (hits, cut, reader) = try locked(index) { state in
        var hits = LookupHits(keyCount: keys.rowCount)
        for run in [state.frozen, state.active].compactMap({ $0 }) where run.keys.rowCount > 0 {
          for (key, hash) in hashes.enumerated() {
            hits.add(key, run.keys.rows(hash), run.firstRows, run.entries, encoded)
          }
          hits.endRun()
        }
        return hits
      }
      return try hits.rows(encoded, resolver, reader, columns, cut: cut)
    }
    let (latest, cut, reader) = try locked(index) { state in
      var latest = LatestRows(keyCount: keys.rowCount)
      for run in [state.active, state.frozen].compactMap({ $0 }) where run.keys.rowCount > 0 {
        latest.look(encoded, hashes, run.keys, run.firstRows, run.entries)
      }
      return latest
    }
    return try latest.rows(encoded, resolver, reader, columns, cut: cut)
  }

  /// What `body` finds in memory, with the end of the log there and the index that belongs to it.
  private func locked<Found: Sendable>(
    _ index: any KeyIndex, _ body: (borrowing State) -> Found
  ) throws(StreamError) -> (Found, Int64, any KeyIndexReader) {
    try state.withLock {
      state throws(StreamError) -> (Found, Int64, any KeyIndexReader) in
      let reader = try index.reader()
      try check(reader, state)
      return (body(state), state.offsets.upperBound, reader)
    }
  }
}
