// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirStorage
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

/// Randomness that several parts draw from in turn.
final class SharedRandom: Sendable {
  private let random: Mutex<SeededRandom>
  init(seed: UInt64) { random = Mutex(SeededRandom(seed: seed)) }
  func next() -> UInt64 { random.withLock { $0.next() } }
  /// A number below `bound`.
  func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }
}

/// A clock that stands still until somebody waits.
final class SharedClock: Sendable {
  private let time = Mutex(1_700_000_000_000_000_000)
  var now: Int { time.withLock { $0 } }
  func advance(_ nanoseconds: Int) { time.withLock { $0 += nanoseconds } }
}

/// A machine: a disk, what is on it, and which processes run there.
final class SimulatedMachine: Sendable {
  let disk: SimulatedDisk
  let indexes: IndexJournals
  private let fates = Mutex<[String: Fate]>([:])

  init(
    _ values: SharedRandom, leavesOut: @escaping @Sendable (SimulatedDiskCall) -> Bool
  ) {
    disk = SimulatedDisk(random: { values.next() })
    indexes = IndexJournals(values)
    disk.onCall { [weak self] call in
      if leavesOut(call) { return .pretend }
      return self?.answer(call) ?? .proceed
    }
  }

  func add(_ name: String, _ fate: Fate) { fates.withLock { $0[name] = fate } }

  private func answer(_ call: SimulatedDiskCall) -> SimulatedDiskAnswer {
    guard let fate = fates.withLock({ $0[call.process] }) else { return .proceed }
    switch fate.next() {
    case .proceed, .twice: return .proceed
    case .failBefore, .failAfter, .late: return .fail(.failed)
    case .dieBefore: return .killProcess(afterwards: false)
    case .dieAfter: return .killProcess(afterwards: true)
    case .losePower: return .losePower
    }
  }
}

/// A process with what it has open.
final class RunningProcess<Opened> {
  let opened: Opened
  let fate: Fate
  let machine: SimulatedMachine
  private let disk: any Disk

  init(_ opened: Opened, _ fate: Fate, _ machine: SimulatedMachine, _ disk: any Disk) {
    self.opened = opened
    self.fate = fate
    self.machine = machine
    self.disk = disk
  }

  /// Kills it: it gives back what it held of the machine.
  func kill() {
    fate.kill()
    if fate.lostPower { machine.disk.losePower() }
    machine.disk.kill(disk)
  }
}

/// A process with one stream.
typealias SimulatedProcess = RunningProcess<StreamTable>

extension RunningProcess<StreamTable> {
  var stream: StreamTable { opened }
}

/// What outlives processes: machines, an object store, a catalog, the time.
final class SimulatedWorld: Sendable {
  let store: MemoryObjectStore
  let backend = MemoryCatalogBackend()
  let clock: SharedClock
  let late = LateRequests()
  private let values: SharedRandom
  let planted: PlantedFault?
  private let processCount = Mutex(0)
  private let meanwhile = Mutex<(@Sendable () -> Void)?>(nil)
  private let watcher = Mutex<(@Sendable () -> Void)?>(nil)
  private let staleEntries = StaleEntries()

  init(seed: UInt64, planted: PlantedFault?) {
    let clock = SharedClock()
    values = SharedRandom(seed: seed)
    self.clock = clock
    self.planted = planted
    store = MemoryObjectStore(clock: { clock.now })
  }

  func machine() -> SimulatedMachine {
    let planted = planted
    return SimulatedMachine(values) { planted?.leavesOut($0) ?? false }
  }

  /// Has somebody else do something just before the next change of the catalog.
  func doMeanwhile(_ action: (@Sendable () -> Void)?) { meanwhile.withLock { $0 = action } }

  /// Has somebody look before every change of the catalog.
  func watchChanges(_ action: (@Sendable () -> Void)?) { watcher.withLock { $0 = action } }

  /// A new process with one stream.
  ///
  /// - Throws: `StreamError`; the process is dead then.
  func start(
    _ definition: StreamDefinition, _ fate: Fate, on machine: SimulatedMachine,
    startsNewLogs: Bool = false
  ) throws -> SimulatedProcess {
    try start(fate, on: machine, startsNewLogs: startsNewLogs) { catalog, environment in
      try StreamTable(definition, catalog: catalog, environment: environment)
    }
  }

  /// A new process.
  ///
  /// - Parameter open: opens what it has.
  /// - Throws: `StreamError`; the process is dead then.
  func start<Opened>(
    _ fate: Fate, on machine: SimulatedMachine, startsNewLogs: Bool = false,
    _ open: (PointerCatalog, StreamEnvironment) throws -> Opened
  ) throws -> RunningProcess<Opened> {
    let name = processCount.withLock { count in
      count += 1
      return "process-\(count)"
    }
    machine.add(name, fate)
    let disk = machine.disk.process(name)
    do {
      let planted = planted
      var environment = StreamEnvironment(
        disk: disk, folder: "/data", tables: environment(), owner: name,
        openLog: { (request, environment) throws(StreamError) in
          let log = try StreamEnvironment.openSegmentLog(request, environment)
          return planted?.log(log) ?? log
        },
        openIndex: { (definition, shard, _) throws(StreamError) in
          let index = try machine.indexes.open("\(definition.table)/\(shard)", fate)
          return planted?.index(index) ?? index
        })
      environment.hasThreads = false
      environment.startsNewLogs = startsNewLogs
      environment.logOptions.preallocatedBytes = 4_096
      environment.logOptions.segmentBytes = 4_096
      return RunningProcess(
        try open(try catalog(fate), environment), fate, machine, disk)
    } catch {
      fate.kill()
      if fate.lostPower { machine.disk.losePower() }
      machine.disk.kill(disk)
      throw error
    }
  }

  /// A table for maintenance by a process of its own.
  func maintainedTable(_ name: TableIdentifier, _ fate: Fate) throws -> Table {
    var environment = environment()
    let clock = clock
    if let ahead = planted?.maintenanceClockAhead {
      environment.now = { clock.now + ahead }
    }
    let catalog = try catalog(fate, isMaintenance: true)
    return Table(try catalog.loadTable(name), catalog: catalog, environment: environment)
  }

  /// Who maintenance in a stream's process asks for snapshots that are read.
  func readers(of stream: StreamTable) -> any SnapshotReaders {
    planted == .expiryOfFileInUse ? CarelessReaders() : stream
  }

  /// The catalog as somebody sees it who has no faults.
  func observer() throws -> PointerCatalog { try catalog(Fate(seed: 0), isObserver: true) }

  private func environment() -> TableEnvironment {
    let (clock, values) = (clock, values)
    return TableEnvironment(
      now: { clock.now }, random: { values.next() }, sleep: { clock.advance($0) },
      takesTurns: false)
  }

  /// - Parameter isMaintenance: nothing else happens before its changes: it happens before others'.
  private func catalog(
    _ fate: Fate, isObserver: Bool = false, isMaintenance: Bool = false
  ) throws -> PointerCatalog {
    let planted = planted
    let store = FatefulStore(store, fate, late) { path, bytes in
      isObserver ? bytes : planted?.stored(path, bytes) ?? bytes
    }
    return try PointerCatalog(
      name: "simulated",
      backend: FatefulBackend(
        backend, fate, late,
        stale: isMaintenance && planted == .staleMaintenance ? staleEntries : nil
      ) { [weak self] in
        guard !isObserver else { return }
        self?.watcher.withLock { $0 }?()
        if !isMaintenance { self?.meddle() }
      },
      stores: ObjectStores(
        factories: ["sim": { (_) throws(StorageError) -> any ObjectStore in store }]),
      warehouse: "sim://bucket/house", environment: environment())
  }

  private func meddle() {
    let action = meanwhile.withLock { action in
      defer { action = nil }
      return action
    }
    action?()
  }
}
