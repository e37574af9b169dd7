// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

/// A pipeline as it runs in production, in one thread, in a process that fails at any call to the disk, the
/// store and the catalog, and is started again: a profile of events, or examples of what was served and what
/// came of it. What its table holds is compared with what is made of the acknowledged rows without any
/// fault. All of it follows from the seed.
///
/// In a step, by chance: rows are sent, again and again until they are acknowledged, while the pipeline
/// goes on; a request that was acknowledged comes again; the pipeline works; one of the streams flushes,
/// perhaps while somebody else commits or the pipeline goes on; files are brought together; old snapshots expire and orphans are
/// removed; the process is closed, or killed, and opened again, perhaps on another machine; what is there is
/// compared with the oracle, at once or when the pipeline has caught up.
public final class PipelineSimulation {
  /// What happened in a run, or in many.
  public struct Counts: Sendable, CustomStringConvertible {
    public var steps = 0
    public var rows = 0
    public var crashes = 0
    public var moves = 0
    public var failures = 0
    public var checks = 0
    public var comparedRows = 0
    public var snapshots = 0
    public var commits = 0
    public var maintenances = 0

    public init() {}

    public static func += (a: inout Counts, b: Counts) {
      a.steps += b.steps
      a.rows += b.rows
      a.crashes += b.crashes
      a.moves += b.moves
      a.failures += b.failures
      a.checks += b.checks
      a.comparedRows += b.comparedRows
      a.snapshots += b.snapshots
      a.commits += b.commits
      a.maintenances += b.maintenances
    }

    public var description: String {
      "\(steps) steps, \(rows) rows, \(crashes) crashes, \(moves) moves to another machine, "
        + "\(failures) failures of the pipeline, \(checks) checks, \(comparedRows) rows compared, "
        + "\(snapshots) snapshots read, \(commits) commits of others, "
        + "\(maintenances) times maintained"
    }
  }

  /// What a process has open.
  struct Opened {
    let streams: Streams
    let inputs: [StreamTable]
    let target: StreamTable
    let positions: StreamTable
    let runner: any PipelineRunner

    var all: [StreamTable] { inputs + [target, positions] }
  }

  typealias Process = RunningProcess<Opened>

  let seed: UInt64
  var random: SeededRandom
  let world: SimulatedWorld
  let pipeline: any SimulatedPipeline
  /// Of all streams of the process.
  let definitions: [StreamDefinition]
  var machine: SimulatedMachine
  var process: Process?
  /// What the next processes know how to do; see `move`.
  var startsNewLogs = false
  var checkedSnapshots: Set<Int64> = []
  /// What failed while somebody else did something.
  var failure: SimulationFailure?
  var sent: [SentRequest] = []
  var nextSequence: Int64 = 0
  public internal(set) var counts = Counts()
  private var trace: [String] = []

  /// A request that was acknowledged.
  struct SentRequest {
    var input: Int
    var rows: [LoggedRow]
    var stamp: ProducerStamp
    var offsets: [Int: Range<Int64>]
  }

  /// - Parameter planted: a defect that the program has.
  public init(seed: UInt64, planted: PlantedFault? = nil) throws {
    self.seed = seed
    random = SeededRandom(seed: seed ^ 0x7069_7065)
    world = SimulatedWorld(seed: seed &* 31 &+ 7, planted: planted)
    pipeline =
      random.chance(0.6) || planted?.isOfProfiles ?? false
      ? try ProfilePipeline(&random) : try ExamplePipeline(&random)
    var definitions = pipeline.inputs + [pipeline.target, try PipelinePositions.stream()]
    for index in definitions.indices {
      definitions[index].flush.intervalMilliseconds = Int64(random.pick([1_000, 5_000, 60_000]))
      definitions[index].logRetentionSeconds = Int64(random.pick([0, 0, 10, 1_000]))
    }
    self.definitions = definitions
    machine = world.machine()
    note("\(pipeline.summary), logs kept \(definitions.map(\.logRetentionSeconds)) s")
  }

  func note(_ text: String) { trace.append(text) }

  func fail(_ message: String) -> SimulationFailure {
    SimulationFailure(seed: seed, message: message, trace: trace)
  }

  /// - Throws: `SimulationFailure` when something is lost, doubled or wrong.
  public func run(steps count: Int) throws {
    do { try runAll(count) } catch let failure as SimulationFailure { throw failure } catch {
      throw fail("\(error)")
    }
  }

  private func runAll(_ count: Int) throws {
    for _ in 0..<count {
      counts.steps += 1
      try step()
      if let failure { throw failure }
    }
    world.late.arrive()
    try catchUp()
    // All that was only in memory is gone, and nothing else.
    process?.kill()
    process = nil
    try catchUp()
    let opened = try openQuietly().opened
    for stream in opened.all {
      do { try stream.flush() } catch { throw fail("the last flush failed: \(error)") }
    }
    try checkRows(opened)
    try checkHistory(isAtEnd: true)
    _ = opened.streams.close()
    process?.kill()
  }

  private func step() throws {
    if random.chance(0.1) { world.late.arrive() }
    process?.fate.arm(
      random.chance(0.4) ? random.int(0..<(random.chance(0.3) ? 150 : 40)) : nil)
    switch random.int(0..<100) {
    case 0..<30: try put()
    case 30..<52: try work(try open(), random.int(1..<12))
    case 52..<66: try flush()
    case 66..<71:
      world.clock.advance(random.int(1..<20) * 1_000_000_000)
      let process = try open()
      process.opened.streams.step()
    case 71..<75: try sendAgain()
    case 75..<80: try checkRows(try openQuietly().opened)
    case 80..<85: try catchUp()
    case 85..<87: try close()
    case 87..<90:
      note("killed")
      process?.kill()
      process = nil
    case 90: try move()
    case 91..<94: try foreignCommit()
    case 94..<96: try compact()
    case 96..<98: try maintain()
    default: try checkHistory()
    }
    bury()
  }

  // MARK: Processes

  /// Forgets a process that has died.
  private func bury() {
    guard let process, process.fate.isDead else { return }
    counts.crashes += 1
    note("dead")
    process.kill()
    self.process = nil
  }

  /// The streams and the pipeline, in a new process if there is none. It may die again and again.
  func open() throws -> Process {
    bury()
    if let process { return process }
    var isArmed = random.chance(0.3)
    for attempt in 0..<30 {
      let fate = Fate(seed: random.next())
      if attempt > 5 { isArmed = false }
      fate.arm(isArmed ? random.int(0..<150) : nil)
      isArmed = random.chance(0.3)
      do {
        let opened = try start(fate)
        process = opened
        note("open")
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

  private func start(_ fate: Fate) throws -> Process {
    let (definitions, pipeline, planted) = (definitions, pipeline, world.planted)
    return try world.start(fate, on: machine, startsNewLogs: startsNewLogs) {
      (catalog, environment) throws in
      let streams = try Streams(definitions, catalog: catalog, environment: environment)
      let all = try definitions.map { try streams.streamTable($0.table) }
      let inputs = Array(all.dropLast(2))
      let runner = try pipeline.runner(
        { table throws in
          let stream = try streams.streamTable(table)
          guard let planted else { return stream }
          return table == pipeline.target.table
            ? planted.target(stream)
            : inputs.contains { $0 === stream } ? planted.source(stream) : stream
        }, &random)
      return Opened(
        streams: streams, inputs: inputs, target: all[inputs.count],
        positions: all[inputs.count + 1], runner: runner)
    }
  }

  /// The streams and the pipeline, without faults for now.
  func openQuietly() throws -> Process {
    let process = try open()
    process.fate.arm(nil)
    return process
  }

  private func close() throws {
    note("close")
    let process = try open()
    _ = process.opened.streams.close(drains: random.chance(0.5))
    process.kill()
    self.process = nil
  }

  /// The service ends as it should, with all rows in the tables, and goes on on another machine, where
  /// there are no logs.
  private func move() throws {
    let process = try openQuietly()
    world.late.arrive()
    let errors = process.opened.streams.close()
    process.kill()
    self.process = nil
    guard errors.isEmpty else { return note("not moved: \(errors)") }
    note("moved")
    counts.moves += 1
    machine = world.machine()
    startsNewLogs = true
    // Its log is another one.
    sent = []
    _ = try open()
  }

  // MARK: The pipeline

  /// Steps of the pipeline and of the streams, in some order.
  func work(_ process: Process, _ count: Int) throws {
    let isTroubled = random.chance(0.4)
    if isTroubled { process.fate.arm(random.int(0..<12)) }
    for _ in 0..<count {
      guard !process.fate.isDead else { return }
      if isTroubled, random.chance(0.4) {
        process.fate.arm(random.int(0..<4), kills: false)
      }
      if random.chance(0.5) { process.opened.streams.step() }
      do {
        _ = try process.opened.runner.step()
      } catch {
        guard !process.fate.isDead else { return }
        counts.failures += 1
        note("the pipeline failed: \(error)")
        world.clock.advance(1_000_000_000)
      }
    }
  }

  /// Lets the pipeline do all that there is to do, and compares.
  func catchUp() throws {
    let process = try openQuietly()
    var idleCount = 0
    var failureCount = 0
    var stepCount = 0
    while idleCount < 3 {
      stepCount += 1
      // Steps take time: logs that failed are opened again meanwhile.
      world.clock.advance(1_000_000)
      guard stepCount < 20_000 else {
        let reason = process.opened.streams.unreadyReason ?? "the streams are ready"
        throw fail("the pipeline does not come to an end; \(reason)")
      }
      var isIdle = false
      do {
        if case .idle = try process.opened.runner.step() { isIdle = true }
      } catch {
        counts.failures += 1
        failureCount += 1
        note("the pipeline failed: \(error)")
        guard failureCount < 60 else { throw fail("the pipeline does not go on: \(error)") }
        world.clock.advance(1_000_000_000)
      }
      if process.opened.streams.step() { isIdle = false }
      idleCount = isIdle ? idleCount + 1 : 0
    }
    note("caught up: \(process.opened.runner.progress.position ?? [:])")
    try checkRows(process.opened, isCaughtUp: true)
  }

  /// One of the streams flushes, perhaps while somebody else commits.
  private func flush() throws {
    let process = try open()
    let opened = process.opened
    let stream = random.pick(opened.all)
    if random.chance(0.3) {
      nonisolated(unsafe) let simulation = self
      nonisolated(unsafe) let runner = opened.runner
      let goesOn = random.chance(0.5)
      world.doMeanwhile {
        do {
          if goesOn {
            // The streams' own steps wait for the flush.
            _ = try? runner.step()
            _ = try? runner.step()
          } else {
            try simulation.foreignCommit()
          }
        } catch {
          simulation.failure = simulation.fail("\(error)")
        }
      }
    }
    do { note("flush \(stream.definition.table.name): \(try stream.flush())") } catch {
      note("flush \(stream.definition.table.name) failed: \(error)")
    }
    world.doMeanwhile(nil)
  }
}
