// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

/// The code of streams as it runs in production, in one thread, on simulated machines that fail at any
/// call; every read is compared with a naive oracle. All of it follows from the seed.
///
/// In a step, by chance: rows are sent, again and again until they are acknowledged; a request that was
/// acknowledged comes again; the stream flushes, perhaps while somebody else commits; somebody else
/// appends, deletes, compacts, changes columns; files are brought together, at once or while others go on;
/// columns are filled, by several jobs at a time; all that is known of a key is erased;
/// a second process tries to take the stream; the owner is overtaken by another machine and wakes up late;
/// the process is closed and opened again, perhaps with more columns; old snapshots expire and orphans are removed, by the process or by another one, while
/// others commit and slow readers read; all reads are compared with the oracle.
public final class StreamSimulation {
  public typealias Failure = SimulationFailure

  /// What happened in a run, or in many.
  public struct Counts: Sendable, CustomStringConvertible {
    public var steps = 0
    public var rows = 0
    public var crashes = 0
    public var foreignCommits = 0
    public var refusedProcesses = 0
    public var takeovers = 0
    public var checks = 0
    public var snapshots = 0
    public var changelogs = 0
    public var maintenances = 0
    public var slowReads = 0
    public var compactions = 0
    public var backfills = 0
    public var erasures = 0

    public init() {}

    public static func += (a: inout Counts, b: Counts) {
      a.steps += b.steps
      a.rows += b.rows
      a.crashes += b.crashes
      a.foreignCommits += b.foreignCommits
      a.refusedProcesses += b.refusedProcesses
      a.takeovers += b.takeovers
      a.checks += b.checks
      a.snapshots += b.snapshots
      a.changelogs += b.changelogs
      a.maintenances += b.maintenances
      a.slowReads += b.slowReads
      a.compactions += b.compactions
      a.backfills += b.backfills
      a.erasures += b.erasures
    }

    public var description: String {
      "\(steps) steps, \(rows) rows, \(crashes) crashes, \(foreignCommits) commits of others, "
        + "\(compactions) compactions, \(backfills) backfills, \(erasures) erasures, "
        + "\(refusedProcesses) second processes, \(takeovers) takeovers, "
        + "\(checks) checks, \(snapshots) snapshots and \(changelogs) changelogs read, "
        + "\(maintenances) times maintained beside \(slowReads) slow readers"
    }
  }

  let seed: UInt64
  var random: SeededRandom
  let world: SimulatedWorld
  var rows: SimulatedRows
  var oracle: StreamOracle
  var machine: SimulatedMachine
  var process: SimulatedProcess?
  /// A process that was overtaken and does not know it.
  var stale: SimulatedProcess?
  /// What the next processes know how to do; see `open`.
  var startsNewLogs = false
  var checkedSnapshots: Set<Int64> = []
  var history = SnapshotHistory()
  var slowReads: [SlowRead] = []
  var sent: [SentRequest] = []
  /// New files that wait for their commit, whose they are, and since when (nanoseconds).
  var compaction: (files: StreamCompaction, process: SimulatedProcess, start: Int)?
  var backfills: [HeldBackfill] = []
  /// Of what nobody writes rows now.
  var erasedKey: Int64?
  /// Keys that were erased and of which no row came since.
  var erased: Set<Int64> = []
  /// The keys in files, by path.
  var fileKeys: [String: Set<Int64>] = [:]
  /// Where readers of changes were.
  var positions: [StreamPosition] = []
  var failure: Failure?
  private var nextSequence: Int64 = 0
  public internal(set) var counts = Counts()
  private var trace: [String] = []

  /// A request that was acknowledged.
  struct SentRequest {
    var rows: [LoggedRow]
    var stamp: ProducerStamp
    var offsets: [Int: Range<Int64>]
  }

  /// - Parameter planted: a defect that the program has.
  public init(seed: UInt64, planted: PlantedFault? = nil) {
    self.seed = seed
    random = SeededRandom(seed: seed)
    world = SimulatedWorld(seed: seed &* 31 &+ 7, planted: planted)
    rows = SimulatedRows(&random)
    oracle = StreamOracle(shardCount: rows.definition.shardCount)
    machine = world.machine()
    let definition = rows.definition
    note(
      "shards \(definition.shardCount), key \(definition.primaryKey), \(definition.merge), "
        + "files \(definition.format.map(\.rawValue) ?? "as the table says")")
  }

  func note(_ text: String) { trace.append(text) }

  func fail(_ message: String) -> Failure { Failure(seed: seed, message: message, trace: trace) }

  /// - Throws: `Failure` when something is lost, doubled or wrong.
  public func run(steps count: Int) throws {
    do { try runAll(count) } catch let failure as Failure { throw failure } catch {
      throw fail("\(error)")
    }
  }

  private func flushAtLast(_ process: SimulatedProcess) throws {
    do throws(StreamError) { _ = try process.stream.flush() } catch {
      guard error.code == .conflict else { throw error }
      // Somebody took the lease while it was over, could not go on, and could not give it back.
      world.clock.advance(31_000_000_000)
      try process.stream.flush()
    }
  }

  private func runAll(_ count: Int) throws {
    for _ in 0..<count {
      counts.steps += 1
      try step()
      if let failure { throw failure }
    }
    world.late.arrive()
    let process = try open()
    process.fate.arm(nil)
    try check(process)
    do { try flushAtLast(process) } catch { throw fail("the last flush failed: \(error)") }
    try check(process)
    try checkHistory()
    process.stream.close()
    process.kill()
  }

  private func step() throws {
    if random.chance(0.1) { world.late.arrive() }
    process?.fate.arm(
      random.chance(0.35) ? random.int(0..<(random.chance(0.3) ? 150 : 40)) : nil)
    switch random.int(0..<122) {
    case 0..<38: try put()
    case 38..<44: try compact()
    case 44..<48: try sendAgain()
    case 48..<62: try flush()
    case 62..<76: try check(try open())
    case 76..<81:
      world.clock.advance(random.int(1..<20) * 1_000_000_000)
      try open().stream.step()
    case 81..<86: try close()
    case 86: try forgetDeletes()
    case 87..<92: foreignCommit()
    case 92..<94: try secondProcess()
    case 94:
      guard stale == nil, random.chance(0.5) else { break }
      try openQuietly().fate.arm(nil)
      takeOver()
      if let process, failure == nil { try check(process) }
    case 95..<97: try wakeStale()
    case 100..<104: try maintain()
    case 104..<107: try beginRead()
    case 107..<109: try goOnReading()
    case 109..<112: try readAcrossExpiry()
    case 112..<120: try fillColumn()
    case 120..<122: try erase()
    default: try checkHistory()
    }
    try bury()
  }

  private func flush() throws {
    let process = try open()
    if random.chance(0.3) {
      nonisolated(unsafe) let simulation = self
      let isTakeover = stale == nil && random.chance(0.15)
      let isMaintained = random.chance(0.3)
      world.doMeanwhile {
        if isTakeover {
          simulation.takeOver()
        } else if isMaintained {
          do { try simulation.maintain(isWithin: true) } catch {
            simulation.failure = simulation.fail("\(error)")
          }
        } else {
          simulation.foreignCommit()
        }
      }
    }
    do {
      let flushed = try process.stream.flush()
      note("flush: \(flushed)")
      if flushed, process === stale { throw fail("a flush went on after a takeover") }
    } catch let failure as Failure { throw failure } catch { note("flush failed: \(error)") }
    world.doMeanwhile(nil)
  }

  private func close() throws {
    note("close")
    let process = try open()
    if random.chance(0.5) { _ = try? process.stream.flush() }
    process.stream.close()
    process.kill()
    self.process = nil
  }

  /// Forgets a process that has died.
  private func bury() throws {
    guard let process, process.fate.isDead else { return }
    counts.crashes += 1
    note("dead")
    process.kill()
    self.process = nil
  }

  /// The streams, opened by a new process if there is none. The process may die again and again.
  func open() throws -> SimulatedProcess {
    try bury()
    if let process { return process }
    if rows.stage != .withLongExtra, random.chance(0.08) {
      rows.stage = SimulatedRows.Stage(rawValue: rows.stage.rawValue + 1) ?? rows.stage
      note("columns: \(rows.stage)")
    }
    var isArmed = random.chance(0.35)
    for attempt in 0..<30 {
      let fate = Fate(seed: random.next())
      if attempt > 5 { isArmed = false }
      fate.arm(isArmed ? random.int(0..<60) : nil)
      isArmed = random.chance(0.35)
      do {
        let opened = try world.start(
          rows.definition, fate, on: machine, startsNewLogs: startsNewLogs)
        note(
          "open \(opened.stream.status().shards.map { "\($0.coveredOffset)..\($0.logOffsets.upperBound)" })"
        )
        process = opened
        if opened.fate.isDead { return try open() }
        return opened
      } catch {
        if fate.isDead { counts.crashes += 1 }
        note("open failed: \(error)")
        world.clock.advance(40_000_000_000)
      }
    }
    throw fail("the streams cannot be opened any more")
  }

  // MARK: Rows

  /// Sends rows until they are acknowledged, whatever happens to the process.
  private func put() throws {
    let hasExtra = try open().stream.definition.columns[SimulatedRows.extra] != nil
    let new = rows.rows(&random, hasExtra: hasExtra)
    noteWritten(new.lazy.map(\.values))
    nextSequence += 1
    let stamp = ProducerStamp(id: "producer", sequence: nextSequence)
    for attempt in 0..<60 {
      let process = try open()
      if attempt > 20 { process.fate.arm(nil) }
      switch try send(new, stamp, to: process.stream) {
      case .success(let receipt):
        note(
          "put \(new.count) rows \(stamp.sequence): \(receipt.offsets)\(receipt.isRepeat ? " repeat" : "")"
        )
        counts.rows += new.count
        sent.append(SentRequest(rows: new, stamp: stamp, offsets: receipt.offsets))
        if sent.count > 10 { sent.removeFirst() }
        return try acknowledge(new, receipt)
      case .failure(let error): note("put \(stamp.sequence) failed: \(error)")
      case nil: note("put \(stamp.sequence): no answer")
      }
      world.clock.advance(1_500_000_000)
    }
    throw fail("rows cannot be sent any more")
  }

  func send(
    _ rows: [LoggedRow], _ stamp: ProducerStamp, to stream: StreamTable
  ) throws -> Result<StreamReceipt, StreamError>? {
    try SentRows.send(rows, stamp, to: stream) { stream.step() }
  }

  /// A request that was acknowledged comes again, by the network or by a careful producer.
  private func sendAgain() throws {
    guard !sent.isEmpty else { return }
    let request = random.pick(sent)
    let process = try open()
    guard case .success(let receipt)? = try send(request.rows, request.stamp, to: process.stream)
    else { return note("again \(request.stamp.sequence): no answer") }
    note("again \(request.stamp.sequence): \(receipt.offsets)")
    guard receipt.isRepeat, receipt.offsets == request.offsets else {
      throw fail("a request that came again was appended again: \(receipt)")
    }
  }

  /// Finds out which row has which offset.
  private func acknowledge(_ sent: [LoggedRow], _ receipt: StreamReceipt) throws {
    // The process may have died since.
    let stream = try openQuietly().stream
    for row in try SentRows.logged(sent, receipt, in: stream)
    where !oracle.acknowledge(row.row, shard: row.shard, offset: row.offset) {
      throw fail("the log has another row at \(row.shard)/\(row.offset)")
    }
  }

  /// The streams, without faults for now.
  func openQuietly() throws -> SimulatedProcess {
    let process = try open()
    process.fate.arm(nil)
    return process
  }
}
