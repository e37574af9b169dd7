// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirColumnar
public import WeirTable

/// A stream and its table, owned by this process.
///
/// Rows go: 1. by `append` into the queues of their shards; 2. by each shard's `step` into its log,
/// where they are durable, and into memory, where live reads see them; 3. by `flush` into data files,
/// which one commit adds to the table together with the offsets of the rows that it holds from then
/// on. A crash at any moment loses and doubles nothing: what the table does not say it holds is read
/// from the log again.
public final class StreamTable: ServedStream {
  /// What readers go by; it changes as a whole.
  struct Published: Sendable {
    var metadata: TableMetadata
    var layout: StreamLayout
    var schemas: StreamSchemas
    var covered: StreamOffsets

    init(_ definition: StreamDefinition, _ metadata: TableMetadata) throws(StreamError) {
      self.metadata = metadata
      covered = try StreamOffsets(metadata, shardCount: definition.shardCount)
      layout = try StreamLayout(definition, table: metadata.currentSchema)
      schemas = StreamSchemas(
        declared: try StreamSetup.declared(definition, metadata), isKeyed: definition.isKeyed)
    }

    /// Checks that a commit which began here led to a table that memory fits.
    ///
    /// - Throws: `conflict` when it has other columns: others changed them while the commit took place, or
    ///   behind it, before its outcome was known. The stream has to be loaded again.
    func checkColumns(_ committed: TableMetadata) throws(TableError) {
      guard committed.currentSchemaID == metadata.currentSchemaID else {
        throw TableError(.conflict, "somebody else changed the table's columns")
      }
    }
  }

  public let definition: StreamDefinition
  public let table: Table
  let environment: StreamEnvironment
  let lease: StreamLease
  /// Keeps other processes out of the folder, also while a log failed and is closed.
  private let ownerLock: any DiskLock
  let shards: [StreamShard]
  let router: ShardRouter
  let published: Mutex<Published>
  let uses = SnapshotUses()
  let counters = Mutex(StreamCounters())
  /// How often rows of it were erased.
  let erasures = Atomic<Int64>(0)
  let flushing = Mutex(FlushState())
  let flushTimes = Mutex(FlushTimes())
  private let listeners = Mutex<[ObjectIdentifier: @Sendable () -> Void]>([:])
  private let workers = Mutex<[Worker]>([])
  private let closed = Atomic(false)
  var isClosed: Bool { closed.load(ordering: .acquiring) }
  /// Rows that could not become rows of this stream go there.
  let deadLetters: StreamTable?

  /// Opens the stream: its table, which is made when it is missing, and its logs.
  ///
  /// - Throws: `conflict` when another process has it, `damaged` when log and table do not fit.
  public convenience init(
    _ definition: StreamDefinition, catalog: any Catalog, environment: StreamEnvironment,
    deadLetters: StreamTable? = nil
  ) throws(StreamError) {
    try self.init(
      definition, catalog: catalog, environment: environment, lease: StreamLease(environment),
      deadLetters: deadLetters)
  }

  init(
    _ definition: StreamDefinition, catalog: any Catalog, environment: StreamEnvironment,
    lease: StreamLease, deadLetters: StreamTable? = nil
  ) throws(StreamError) {
    self.definition = definition
    self.environment = environment
    self.deadLetters = deadLetters
    let name = "\(definition.table)"
    do throws(StreamError) {
      ownerLock = try environment.lockFolder(of: definition.table)
      table = try StreamSetup(definition: definition, catalog: catalog).table()
      let (opened, hadLease) = (table, lease.isMine(table.metadata))
      try lease.take(opened, environment)
      // Who cannot go on does not keep others waiting.
      var isOpen = false
      defer { if !isOpen, !hadLease { lease.release(opened) } }
      if definition.log == .segments, environment.startsNewLogs,
        !lease.isLogMine(table.metadata)
      {
        // Noted before there are logs: a process that dies in between can go on.
        try environment.refuseLogs(definition)
        try lease.claimLog(table)
      }
      var state = try Published(definition, table.metadata)
      router = try ShardRouter(definition, state.schemas.input)
      let logs = StreamLogs(
        definition: definition, table: table, environment: environment, lease: lease)
      let found = try logs.open(state, router)
      do throws(StreamError) {
        var lease = lease
        lease.logID = found.first?.name ?? lease.logID
        if try logs.begin(found, state) { state = try Published(definition, table.metadata) }
        shards = try Self.openShards(
          logs, found, state, router,
          letters: deadLetters.map { DeadLetters.sink(into: $0, of: definition.table) })
        try lease.claimLog(table)
        self.lease = lease
      } catch {
        for log in found { log.close() }
        throw error
      }
      isOpen = true
      published = Mutex(state)
    } catch { throw error.adding(stream: name) }
    if environment.hasThreads { startWorkers() }
  }

  private static func openShards(
    _ logs: StreamLogs, _ opened: [any ShardLog], _ state: Published, _ router: ShardRouter,
    letters: (@Sendable (Int) -> DeadLetterSink)?
  ) throws(StreamError) -> [StreamShard] {
    let (definition, environment) = (logs.definition, logs.environment)
    var shards: [StreamShard] = []
    do throws(StreamError) {
      for (number, log) in opened.enumerated() {
        let covered = state.covered.ends[number]
        let request = logs.request(number, state, router)
        let index =
          definition.isKeyed ? try environment.openIndex(definition, number, environment) : nil
        if let index {
          try KeyIndexRebuild(
            logs.table, state.layout, state.metadata, environment.tables.manifestCache
          ).bring(index, shard: number, to: covered)
        }
        let memory = MemTable(state.layout, shard: number, index: index, from: covered)
        shards.append(
          try StreamShard(
            number, memory: memory, index: index, environment: environment, log: log,
            letters: letters?(number)
          ) { (covered) throws(StreamError) in
            var request = request
            request.coveredOffset = covered
            return try environment.openLog(request, environment)
          })
      }
      return shards
    } catch {
      for shard in shards { shard.close(error) }
      throw error
    }
  }

  private func startWorkers() {
    let made = shards.map { shard in
      // Others do not say when they have written a log, or a wait is over.
      let pause = shard.isShared ? 50_000_000 : 1_000_000_000
      let pace = Mutex(AppendPace())
      return Worker { [weak self] in
        guard let self else { return .wait(nanoseconds: pause) }
        return pace.withLock { self.step(shard, &$0) } ?? .wait(nanoseconds: pause)
      }
    }
    workers.withLock { $0 = made }
    for shard in shards where shard.isShared {
      shard.onMore { [weak self] in self?.wake(shard.number) }
    }
  }

  /// Writes what waits for a shard, when it is the rows' turn; `nil` when there is nothing to do.
  private func step(_ shard: StreamShard, _ pace: inout AppendPace) -> Worker.Next? {
    if let wait = pace.wait(.now) {
      return .wait(nanoseconds: Int(wait / .nanoseconds(1)))
    }
    let before = shard.memory.byteCount
    guard step(shard) else { return nil }
    let memory = shard.memory.byteCount
    pace.took(
      memory - before, memory: memory, memoryMax: environment.memoryBytesMax,
      flush: flushTimes.withLock { $0 }, .now)
    return .again
  }

  /// Takes the lease anew; the owner of the streams does so well before it ends.
  ///
  /// - Throws: `conflict` when somebody else has it.
  public func renewLease() throws(StreamError) {
    do throws(StreamError) {
      try lease.take(table, environment)
    } catch { throw error.adding(stream: "\(definition.table)") }
  }

  public var erasureCount: Int64 { erasures.load(ordering: .relaxed) }

  public var inputSchema: Schema { published.withLock { $0.schemas.input } }

  // MARK: Rows come in

  public func append(
    _ request: StreamAppend,
    completion: @escaping @Sendable (Result<StreamReceipt, StreamError>) -> Void
  ) {
    let run = AppendRun(request, self, completion)
    run.start()
  }

  /// Lets the shard of this number write what waits for it.
  func wake(_ shard: Int) { workers.withLock { $0.isEmpty ? nil : $0[shard] }?.wake() }

  /// Writes what waits for a shard.
  ///
  /// - Returns: whether there was something to do.
  func step(_ shard: StreamShard) -> Bool {
    guard shard.step() else { return false }
    notify()
    return true
  }

  /// For owners without threads: writes what waits, and flushes when it is time to.
  ///
  /// - Returns: whether there was something to do.
  @discardableResult
  public func step() -> Bool {
    var worked = false
    for shard in shards { worked = step(shard) || worked }
    return flushIfDue() || worked
  }

  // MARK: Tails

  /// Has `action` called after rows came; the one that was there under `id` goes.
  func listen(_ id: ObjectIdentifier, _ action: (@Sendable () -> Void)?) {
    listeners.withLock { $0[id] = action }
  }

  private func notify() {
    let actions = listeners.withLock { listeners in
      defer { listeners = [:] }
      return Array(listeners.values)
    }
    for action in actions { action() }
  }

  public func tail(from position: StreamStart) throws(StreamError) -> any StreamTail {
    do throws(StreamError) {
      return try StreamTailCursor(self, from: position)
    } catch { throw error.adding(stream: "\(definition.table)") }
  }

  // MARK: State

  public func status() -> StreamStatus {
    let (covered, snapshotID) = published.withLock {
      ($0.covered, $0.metadata.currentSnapshotID)
    }
    var list: [StreamStatus.Shard] = []
    for shard in shards {
      let memory = shard.memory
      let log = shard.logStatus
      var state = StreamStatus.Shard(
        shard: shard.number, logOffsets: log?.offsets ?? memory.offsets,
        coveredOffset: covered.ends[shard.number], logByteCount: log?.byteCount ?? 0,
        memoryByteCount: memory.byteCount, oldestWaiting: memory.oldestArrivalTime)
      state.lagRowCount = Int64(memory.rowCount) + shard.unreadRowCount
      list.append(state)
    }
    var status = StreamStatus(
      shards: list, snapshotID: snapshotID, time: environment.nowMicroseconds)
    counters.withLock { counters in
      status.appendedRowCount = counters.appendedRows
      status.deadLetterCount = shards.reduce(counters.deadLetters) {
        $0 + $1.rejectedCount.load(ordering: .relaxed)
      }
      status.flushCount = counters.flushes
      status.failedFlushCount = counters.failedFlushes
      status.lastFlushFailure = counters.lastFlushFailure
    }
    return status
  }

  /// Takes no more rows: what waits for the logs is refused. Reads and `flush` go on.
  func closeLogs() {
    let error = StreamError(
      .closed, "the service is shutting down; send the rows again", stream: "\(definition.table)")
    stopWorkers()
    for shard in shards {
      // A log that others write is followed no more.
      if shard.isShared { shard.close(error) } else { shard.refuse(error) }
    }
  }

  private func stopWorkers() {
    let running = workers.withLock { workers in
      defer { workers = [] }
      return workers
    }
    for worker in running { worker.stop() }
  }

  /// Ends all use. Rows that wait for the log are refused; what is durable stays, and is read from the
  /// log the next time. `flush()` first for a table that holds everything.
  public func close() {
    let error = StreamError(
      .closed, "the stream was closed; send the rows again", stream: "\(definition.table)")
    stopWorkers()
    closed.store(true, ordering: .releasing)
    for shard in shards { shard.close(error) }
    ownerLock.release()
    notify()
  }
}

/// What a stream counts.
struct StreamCounters: Sendable {
  var appendedRows: Int64 = 0
  var deadLetters: Int64 = 0
  var flushes: Int64 = 0
  var failedFlushes: Int64 = 0
  var lastFlushFailure: String?
}
