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
}

/// A clock that stands still until somebody waits.
final class SharedClock: Sendable {
  private let time = Mutex(1_700_000_000_000_000_000)
  var now: Int { time.withLock { $0 } }
  func advance(_ nanoseconds: Int) { time.withLock { $0 += nanoseconds } }
}

/// What outlives processes: a disk, an object store, a catalog, the time.
final class SimulatedWorld: Sendable {
  let disk: SimulatedDisk
  let store: MemoryObjectStore
  let backend = MemoryCatalogBackend()
  let clock: SharedClock
  private let values: SharedRandom
  private let current = Mutex<Fate?>(nil)
  private let running = Mutex<(any Disk)?>(nil)
  /// Calls of the disk that are left out, as by a program with a defect.
  let leavesOut: @Sendable (SimulatedDiskCall) -> Bool

  init(seed: UInt64, leavesOut: @escaping @Sendable (SimulatedDiskCall) -> Bool) {
    let values = SharedRandom(seed: seed)
    let clock = SharedClock()
    self.values = values
    self.clock = clock
    self.leavesOut = leavesOut
    disk = SimulatedDisk(random: { values.next() })
    store = MemoryObjectStore(clock: { clock.now })
    disk.onCall { [weak self] in self?.answer($0) ?? .proceed }
  }

  private func answer(_ call: SimulatedDiskCall) -> SimulatedDiskAnswer {
    if leavesOut(call) { return .pretend }
    guard let fate = current.withLock({ $0 }) else { return .proceed }
    switch fate.next() {
    case .proceed: return .proceed
    case .failBefore, .failAfter: return .fail(.failed)
    case .dieBefore: return .killProcess(afterwards: false)
    case .dieAfter: return .killProcess(afterwards: true)
    case .losePower: return .losePower
    }
  }

  /// A new process with its streams open; the one before is dead or has closed them.
  func start(_ definition: StreamDefinition, _ fate: Fate) throws -> StreamTable {
    current.withLock { $0 = fate }
    let tables = environment()
    let process = disk.process("process")
    running.withLock { $0 = process }
    var environment = StreamEnvironment(
      disk: process, folder: "/data", tables: tables, owner: "simulation")
    environment.hasThreads = false
    environment.logOptions.preallocatedBytes = 4_096
    environment.logOptions.segmentBytes = 4_096
    return try StreamTable(definition, catalog: catalog(fate), environment: environment)
  }

  /// The catalog as somebody sees it who has no faults.
  func observer() throws -> PointerCatalog { try catalog(Fate(seed: 0)) }

  private func environment() -> TableEnvironment {
    let (clock, values) = (clock, values)
    return TableEnvironment(
      now: { clock.now }, random: { values.next() }, sleep: { clock.advance($0) },
      takesTurns: false)
  }

  private func catalog(_ fate: Fate) throws -> PointerCatalog {
    let store = FatefulStore(store, fate)
    return try PointerCatalog(
      name: "simulated", backend: FatefulBackend(backend, fate),
      stores: ObjectStores(
        factories: ["sim": { (_) throws(StorageError) -> any ObjectStore in store }]),
      warehouse: "sim://bucket/house", environment: environment())
  }

  /// The process died, of whatever: it gives back what it held of the machine.
  func bury() {
    if let process = running.withLock({ $0 }) { disk.kill(process) }
    current.withLock { $0 = nil }
  }
}
