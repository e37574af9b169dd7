// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirStreaming
internal import _WeirTestSupport

/// One seed's life of a log on a disk that fails: random groups, trims and reads, faults at random
/// calls, and after each the log is opened again and compared with a list of what was acknowledged.
final class LogSimulation {
  enum Phase: Sendable { case opening, running }

  /// One batch as the oracle knows it.
  struct Known: Equatable {
    var offsets: Range<Int64>
    var values: [Int64]
    var ingestTime: Int64
    var producer: ProducerStamp?
  }

  /// What went wrong, with the seed.
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  /// Decides about the calls of the disk.
  private final class Faults: Sendable {
    private struct State {
      var random: SeededRandom
      var callsLeft = Int.max
      var phase = Phase.opening
    }

    private let state: Mutex<State>
    private let leavesOut: @Sendable (Phase, SimulatedDiskCall) -> Bool

    init(
      _ seed: UInt64, _ leavesOut: @escaping @Sendable (Phase, SimulatedDiskCall) -> Bool
    ) {
      state = Mutex(State(random: SeededRandom(seed: seed)))
      self.leavesOut = leavesOut
    }

    func arm(_ callsLeft: Int) { state.withLock { $0.callsLeft = callsLeft } }

    func enter(_ phase: Phase) { state.withLock { $0.phase = phase } }

    func answer(_ call: SimulatedDiskCall) -> SimulatedDiskAnswer {
      state.withLock { state in
        if leavesOut(state.phase, call) { return .pretend }
        state.callsLeft -= 1
        guard state.callsLeft < 0 else { return .proceed }
        state.callsLeft = .max
        switch state.random.int(0..<6) {
        case 0, 1: return .losePower
        case 2: return .killProcess(afterwards: state.random.chance(0.5))
        case 3 where [.create, .write, .preallocate].contains(call.operation):
          return .fail(.full)
        default: return .fail(.failed)
        }
      }
    }
  }

  let machine: SimulatedDisk
  private let seed: UInt64
  private var random: SeededRandom
  private let faults: Faults
  private var log: SegmentLog?
  private var process: (any Disk)?
  private var options: SegmentLogOptions

  /// What the log must have, from the first row ever on.
  private var known: [Known] = []
  /// Of a group that failed: what the log may have behind that, in this order.
  private var uncertain: [Known] = []
  private var nextValue: Int64 = 0
  private var sequences: [String: Int64] = [:]
  private var cursor: (any LogCursor, Int64)?
  private(set) var crashCount = 0

  init(
    seed: UInt64,
    leavesOut: @escaping @Sendable (Phase, SimulatedDiskCall) -> Bool = { _, _ in false }
  ) {
    self.seed = seed
    random = SeededRandom(seed: seed)
    let numbers = Mutex(SeededRandom(seed: seed &+ 77))
    machine = SimulatedDisk { numbers.withLock { $0.next() } }
    faults = Faults(seed &+ 99, leavesOut)
    let salts = Mutex(SeededRandom(seed: seed &+ 55))
    options = SegmentLogOptions(shard: 3, identity: "t") { salts.withLock { $0.next() } }
    options.segmentBytes = random.pick([2 << 10, 6 << 10, 20 << 10])
    options.preallocatedBytes = random.pick([0, 1 << 10, 4 << 10])
  }

  func run(steps: Int) throws {
    machine.onCall { [faults] in faults.answer($0) }
    defer { machine.onCall(nil) }
    for _ in 0..<steps {
      if log == nil { try open() }
      arm()
      try step()
    }
    arm(never: true)
    if log == nil { try open() }
    try compare()
  }

  // MARK: faults

  private func arm(never: Bool = false) {
    faults.arm(never || random.chance(0.6) ? Int.max : random.int(0..<12))
  }

  // MARK: steps

  private func open() throws {
    cursor = nil
    faults.enter(.opening)
    defer { faults.enter(.running) }
    // Now and then power goes while nobody is there.
    if random.chance(0.2) { machine.losePower() }
    for attempt in 0..<50 {
      let process = machine.process("p\(attempt)")
      if attempt < 3 { arm() } else { arm(never: true) }
      do {
        log = try SegmentLog(process, folder: "/log", options)
        self.process = process
        arm(never: true)
        try compare()
        return
      } catch let error as StreamError {
        guard error.code == .storage else { throw failure("cannot be opened: \(error)") }
        crashCount += 1
        machine.kill(process)
      }
    }
    throw failure("cannot be opened at all")
  }

  private func step() throws {
    do {
      switch random.int(0..<10) {
      case 0: try trim()
      case 1: try follow()
      case 2 where random.chance(0.3):
        log?.close()
        log = nil
      default: try append()
      }
    } catch let error as StreamError {
      arm(never: true)
      let isAlive = (try? process?.list("/log")) != nil
      if isAlive, log?.isUsable == true, error.code == .storage { return }
      // As a process does that cannot go on, or as it is when it was killed.
      crashCount += 1
      if random.chance(0.3) { log?.close() }
      log = nil
      if let process { machine.kill(process) }
    }
  }

  private func append() throws {
    var expected: [Known?] = []
    var fresh: [Known] = []
    var group: [LogAppend] = []
    var next = log!.offsets.upperBound
    for _ in 0..<random.int(1...4) {
      if let old = repeatable(), random.chance(0.2) {
        group.append(LogAppend(batch(old.values), ingestTime: 0, producer: old.producer))
        expected.append(old)
        continue
      }
      let count = Int64(random.int(1...6))
      var stamp: ProducerStamp?
      if random.chance(0.6) {
        let id = "producer \(random.int(0..<4))"
        sequences[id, default: 0] += Int64(random.int(1...3))
        stamp = ProducerStamp(id: id, sequence: sequences[id]!)
      }
      let new = Known(
        offsets: next..<next + count, values: Array(nextValue..<nextValue + count),
        ingestTime: nextValue * 10, producer: stamp)
      nextValue += count
      next += count
      fresh.append(new)
      expected.append(nil)
      group.append(LogAppend(batch(new.values), ingestTime: new.ingestTime, producer: stamp))
    }
    let receipts: [LogReceipt]
    do {
      receipts = try log!.append(group)
    } catch {
      if !log!.isUsable { uncertain = fresh }
      throw error
    }
    var left = fresh[...]
    for (receipt, expected) in zip(receipts, expected) {
      let wanted = expected ?? left.removeFirst()
      guard receipt == LogReceipt(offsets: wanted.offsets, isRepeat: expected != nil) else {
        throw failure("\(receipt) where \(wanted) is expected")
      }
    }
    known += fresh
  }

  /// A batch that may be sent again: among the last of its producer.
  private func repeatable() -> Known? {
    let recent = known.suffix(20).filter { $0.producer != nil }
    return recent.isEmpty ? nil : random.pick(recent)
  }

  /// Two schemas take turns.
  private func batch(_ values: [Int64]) -> RecordBatch {
    let hasText = values[0] / 8 % 3 != 0
    do {
      var fields = [Field("n", .int64, nullable: false, id: 1)]
      var columns = [try array(.int64, values.map { .int($0) })]
      if hasText {
        fields.append(Field("t", .utf8, id: 2))
        let texts: [Scalar] = values.map { .string(String(repeating: "x", count: Int($0 % 90))) }
        columns.append(try array(.utf8, texts))
      }
      return try RecordBatch(schema: Schema(fields), columns: columns)
    } catch {
      preconditionFailure("\(error)")
    }
  }

  private func trim() throws {
    guard let offset = known.randomElement(using: &random)?.offsets.lowerBound else { return }
    let before = log!.offsets
    try log!.trim(before: offset)
    let kept = log!.offsets
    guard kept.lowerBound <= max(offset, before.lowerBound) else {
      throw failure("trimmed before \(offset), \(kept) is left")
    }
  }

  /// Reads on with a cursor that stays open while the log grows.
  private func follow() throws {
    let offsets = log!.offsets
    if cursor == nil || cursor!.1 < offsets.lowerBound {
      let start = Int64(random.int(Int(offsets.lowerBound)...Int(offsets.upperBound)))
      cursor = (try log!.cursor(from: start), start)
    }
    for _ in 0..<random.int(1...20) {
      guard let entry = try cursor!.0.next() else {
        guard cursor!.1 == offsets.upperBound else {
          throw failure("a cursor ends at \(cursor!.1) of \(offsets)")
        }
        return
      }
      guard entry.offsets.contains(cursor!.1),
        let wanted = known.last(where: { $0.offsets.contains(cursor!.1) }),
        Self.known(entry) == wanted
      else { throw failure("a cursor at \(cursor!.1) gets \(Self.known(entry))") }
      cursor!.1 = entry.offsets.upperBound
    }
  }

  // MARK: the oracle

  static func known(_ entry: LogEntry) -> Known {
    Known(
      offsets: entry.offsets,
      values: rows(entry.batch.columns[0]).map {
        if case .int(let n) = $0 { Int64(n) } else { -1 }
      },
      ingestTime: entry.ingestTime, producer: entry.producer)
  }

  /// Compares all that the log keeps with what was acknowledged; takes over what it kept of a group
  /// that failed.
  private func compare() throws {
    let log = log!
    let offsets = log.offsets
    let found = try log.entries().map(Self.known)
    let wanted = known.filter { $0.offsets.lowerBound >= offsets.lowerBound }
    guard found.count >= wanted.count, Array(found.prefix(wanted.count)) == wanted else {
      throw failure(
        "lost or wrong: has \(offsets) of \(known.last?.offsets.upperBound ?? 0), \(found.count) of "
          + "\(wanted.count) batches")
    }
    let more = Array(found.dropFirst(wanted.count))
    guard more.count <= uncertain.count, more == Array(uncertain.prefix(more.count)) else {
      throw failure("rows that nobody sent: \(more.first!)")
    }
    guard offsets.upperBound == (found.last?.offsets.upperBound ?? offsets.lowerBound) else {
      throw failure("\(offsets) without all rows")
    }
    known += more
    uncertain = []
  }

  private func failure(_ what: String) -> Failure {
    Failure(description: "seed \(seed): \(what)")
  }
}
