// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirStorage
public import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

/// The code of streams as it runs in production, in one thread, on a simulated machine that fails at
/// any call; every read is compared with a naive oracle. All of it follows from the seed.
public final class StreamSimulation {
  /// What went wrong, for whoever looks for it.
  public struct Failure: Error, CustomStringConvertible {
    var seed: UInt64
    var message: String
    var trace: [String]
    public var description: String {
      "seed \(seed): \(message)\n" + trace.suffix(30).joined(separator: "\n")
    }
  }

  private let seed: UInt64
  private var random: SeededRandom
  private let world: SimulatedWorld
  private let definition: StreamDefinition
  private var oracle: StreamOracle
  private var fate: Fate
  private var stream: StreamTable?
  private var nextValue = 0
  private var nextSequence: Int64 = 0
  public private(set) var crashes = 0
  public private(set) var steps = 0
  private var trace: [String] = []

  /// - Parameter leavesOut: calls of the disk that are not done, as by a program with a defect.
  public init(
    seed: UInt64, leavesOut: @escaping @Sendable (SimulatedDiskCall) -> Bool = { _ in false }
  ) {
    self.seed = seed
    random = SeededRandom(seed: seed)
    world = SimulatedWorld(seed: seed &* 31 &+ 7, leavesOut: leavesOut)
    definition = Self.definition(&random)
    oracle = StreamOracle(definition)
    fate = Fate(seed: seed)
    trace.append(
      "shards \(definition.shardCount), key \(definition.primaryKey), \(definition.merge)")
  }

  private static func definition(_ random: inout SeededRandom) -> StreamDefinition {
    var definition = StreamDefinition(
      table: TableIdentifier(Namespace(["n"]), "t"),
      columns: Schema([
        Field("key", .int64, nullable: false), Field("sequence", .int64), Field("value", .int64),
      ]))
    definition.shardCount = random.pick([1, 1, 2, 3])
    definition.flush.intervalMilliseconds = 5_000
    definition.logRetentionSeconds = Int64(random.pick([0, 10, 1_000]))
    if random.chance(0.25) {
      definition.shardKey = random.chance(0.5) ? ["key"] : []
    } else {
      definition.primaryKey = ["key"]
      let sequence = random.chance(0.5) ? ["sequence"] : []
      definition.merge =
        random.chance(0.75) ? .lastWrite(sequence: sequence) : .firstRow(sequence: sequence)
    }
    return definition
  }

  private func fail(_ message: String) -> Failure {
    Failure(seed: seed, message: message, trace: trace)
  }

  /// - Throws: `Failure` when something is lost, doubled or wrong.
  public func run(steps count: Int) throws {
    for _ in 0..<count {
      steps += 1
      try step()
    }
    fate.arm(nil)
    let stream = try open()
    try check(stream)
    do { try stream.flush() } catch { throw fail("the last flush failed: \(error)") }
    try check(stream)
    try checkHistory()
    stream.close()
  }

  private func step() throws {
    fate.arm(random.chance(0.35) ? random.int(0..<40) : nil)
    switch random.int(0..<100) {
    case 0..<55: try put()
    case 55..<70:
      let stream = try open()
      do {
        trace.append("flush: \(try stream.flush())")
      } catch { trace.append("flush failed: \(error)") }
    case 70..<84:
      fate.arm(nil)
      try check(try open())
    case 84..<90:
      world.clock.advance(random.int(1..<20) * 1_000_000_000)
      try open().step()
    case 90..<95:
      trace.append("close")
      let stream = try open()
      if random.chance(0.5) { _ = try? stream.flush() }
      stream.close()
      self.stream = nil
    default:
      fate.arm(nil)
      try checkHistory()
    }
    bury()
  }

  /// Forgets a process that has died.
  private func bury() {
    guard fate.isDead else { return }
    crashes += 1
    trace.append("dead")
    stream = nil
    world.bury()
    fate = Fate(seed: random.next())
  }

  /// The streams, opened by a new process if there is none. The process may die again and again.
  private func open() throws -> StreamTable {
    if let stream, !fate.isDead { return stream }
    for attempt in 0..<30 {
      bury()
      if attempt > 5 { fate.arm(nil) }
      do {
        let opened = try world.start(definition, fate)
        trace.append(
          "open \(opened.status().shards.map { "\($0.coveredOffset)..\($0.logOffsets.upperBound)" })"
        )
        stream = opened
        return opened
      } catch {
        trace.append("open failed: \(error)")
        if !fate.isDead { fate = Fate(seed: random.next()) }
        world.clock.advance(40_000_000_000)
      }
    }
    throw fail("the streams cannot be opened any more")
  }

  // MARK: Rows

  private func newRows() -> [SentRow] {
    let deletes: Bool
    if case .firstRow = definition.merge { deletes = false } else { deletes = definition.isKeyed }
    return (0..<random.int(1..<12)).map { _ in
      nextValue += 1
      return SentRow(
        key: random.int(0..<15), sequence: random.int(0..<40), value: nextValue,
        isDelete: deletes && random.chance(0.2))
    }
  }

  /// Sends rows until they are acknowledged, whatever happens to the process.
  private func put() throws {
    let rows = newRows()
    nextSequence += 1
    let stamp = ProducerStamp(id: "producer", sequence: nextSequence)
    for attempt in 0..<60 {
      if attempt > 20 { fate.arm(nil) }
      let stream = try open()
      let result = Mutex<Result<StreamReceipt, StreamError>?>(nil)
      stream.append(StreamAppend(batches: [try batch(rows, stream)], producer: stamp)) { answer in
        result.withLock { $0 = answer }
      }
      for _ in 0..<4 where result.withLock({ $0 == nil }) { stream.step() }
      switch result.withLock({ $0 }) {
      case .success(let receipt):
        trace.append(
          "put \(rows.count) rows \(stamp.sequence): \(receipt.offsets)\(receipt.isRepeat ? " repeat" : "")"
        )
        return try acknowledge(rows, receipt)
      case .failure(let error): trace.append("put \(stamp.sequence) failed: \(error)")
      case nil: trace.append("put \(stamp.sequence): no answer")
      }
      bury()
      world.clock.advance(1_500_000_000)
    }
    throw fail("rows cannot be sent any more")
  }

  private func batch(_ rows: [SentRow], _ stream: StreamTable) throws -> RecordBatch {
    let schema = stream.inputSchema
    let builders = schema.fields.map { makeBuilder(for: $0.type) }
    for row in rows {
      try builders[0].append(.int(Int64(row.key)))
      try builders[1].append(.int(Int64(row.sequence)))
      try builders[2].append(.int(Int64(row.value)))
      for (index, field) in schema.fields.enumerated().dropFirst(3) {
        if field.name == StreamColumns.operation {
          try builders[index].append(.int(row.isDelete ? 1 : 0))
        } else {
          builders[index].appendNull()
        }
      }
    }
    return try RecordBatch(
      schema: schema, columns: builders.map { $0.finish() }, rowCount: rows.count)
  }

  /// Finds out, by the tail of the log, which row has which offset.
  private func acknowledge(
    _ rows: [SentRow], _ receipt: StreamReceipt
  ) throws {
    guard receipt.offsets.values.reduce(0, { $0 + $1.count }) == rows.count else {
      throw fail("the receipt is not about \(rows.count) rows: \(receipt)")
    }
    // The process may have died since.
    bury()
    fate.arm(nil)
    let stream = try open()
    let byValue = Dictionary(uniqueKeysWithValues: rows.map { ($0.value, $0) })
    var seen: Set<Int> = []
    for (shard, offsets) in receipt.offsets {
      let tail = try stream.tail(
        from: .offsets(
          Dictionary(
            uniqueKeysWithValues: stream.status().shards.map {
              ($0.shard, $0.shard == shard ? offsets.lowerBound : $0.logOffsets.upperBound)
            })))
      var next = offsets.lowerBound
      while next < offsets.upperBound, let batch = try tail.next(rowCountMax: 1_000) {
        for row in 0..<batch.rowCount where next < offsets.upperBound {
          guard case .int(let value)? = batch["value"]?.scalar(at: row),
            case .int(let offset)? = batch["_offset"]?.scalar(at: row), offset == next,
            let sent = byValue[Int(value)], seen.insert(sent.value).inserted,
            oracle.acknowledge(sent, shard: shard, offset: offset)
          else { throw fail("the log has another row at \(shard)/\(next)") }
          next += 1
        }
      }
      guard next == offsets.upperBound else { throw fail("the log ends at \(shard)/\(next)") }
    }
  }

  // MARK: Checks

  private func rows(_ reader: any RecordBatchReader) throws -> [String] {
    var result: [String] = []
    while let batch = try reader.next() {
      for row in 0..<batch.rowCount {
        let values = batch.columns.map { column -> String in
          if case .int(let value) = column.scalar(at: row) { "\(value)" } else { "null" }
        }
        result.append(values.joined(separator: " "))
      }
    }
    return result.sorted()
  }

  private func check(_ stream: StreamTable) throws {
    let columns = ["key", "sequence", "value"]
    let live = try rows(stream.scan(StreamScan(columns: columns)))
    let wanted = oracle.state(below: nil)
    guard live == wanted else { throw fail(difference("live scan", live, wanted)) }
    let ends = stream.status().shards.map(\.coveredOffset)
    let table = try rows(stream.scan(StreamScan(columns: columns, isLive: false)))
    let covered = oracle.state(below: ends)
    guard table == covered else { throw fail(difference("scan at \(ends)", table, covered)) }
    if definition.isKeyed { try checkLookups(stream, wanted) }
  }

  private func checkLookups(_ stream: StreamTable, _ wanted: [String]) throws {
    let keys = PrimitiveBuilder<Int64>(.int64)
    for key in 0..<16 { keys.append(Int64(key)) }
    let answer = try stream.lookup(
      keys: RecordBatch(
        schema: Schema([Field("key", .int64, nullable: false)]), columns: [keys.finish()]),
      columns: ["key", "sequence", "value"])
    let found = try rows(MemoryBatchReader(schema: answer.rows.schema, batches: [answer.rows]))
    guard found == wanted, answer.found.count(where: { $0 }) == wanted.count else {
      throw fail(difference("lookup", found, wanted))
    }
  }

  /// Every snapshot that there ever was, as any reader of the table sees it.
  private func checkHistory() throws {
    guard let table = try? world.observer().table(definition.table) else { return }
    for snapshot in table.metadata.snapshots {
      guard let offsets = try StreamOffsets(snapshot, shardCount: definition.shardCount) else {
        continue
      }
      let reader = try table.scan(
        ScanOptions(columns: ["key", "sequence", "value"], at: .id(snapshot.snapshotID)))
      let found = try rows(reader)
      let wanted = oracle.state(below: offsets.ends)
      // Rows of a request that was not acknowledged yet may be there; the next step settles it.
      guard found == wanted else {
        throw fail(difference("snapshot of \(offsets.ends)", found, wanted))
      }
    }
  }

  private func difference(_ what: String, _ found: [String], _ wanted: [String]) -> String {
    let (left, right) = (Set(found), Set(wanted))
    return "\(what): \(found.count) rows, should be \(wanted.count); too many: "
      + "\(left.subtracting(right).sorted().prefix(8)), missing: "
      + "\(right.subtracting(left).sorted().prefix(8))"
  }
}
