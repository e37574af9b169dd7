// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirStorage
internal import WeirTable
internal import _WeirTestSupport

/// A clock that moves one millisecond a look, seeded randomness, and no waiting.
final class TestEnvironment: Sendable {
  private let time: Mutex<Int>
  private let generator: Mutex<SeededRandom>
  private let takesTurns: Bool

  /// - Parameter takesTurns: whether writers wait for each other, in real time.
  init(
    seed: UInt64 = 1, startMilliseconds: Int = 1_700_000_000_000, takesTurns: Bool = true
  ) {
    self.takesTurns = takesTurns
    time = Mutex(startMilliseconds * 1_000_000)
    generator = Mutex(SeededRandom(seed: seed))
  }

  func advance(milliseconds: Int) { time.withLock { $0 += milliseconds * 1_000_000 } }

  var environment: TableEnvironment {
    TableEnvironment(
      now: { [self] in
        time.withLock { time in
          time += 1_000_000
          return time
        }
      },
      random: { [self] in generator.withLock { $0.next() } },
      sleep: { _ in }, takesTurns: takesTurns)
  }
}

/// A catalog in memory with the namespace `n`.
struct TestCatalog {
  let clock: TestEnvironment
  let backend: MemoryCatalogBackend
  let store: any ObjectStore
  let catalog: PointerCatalog
  let namespace = Namespace(["n"])

  init(
    store: any ObjectStore = MemoryObjectStore(), backend: MemoryCatalogBackend? = nil,
    seed: UInt64 = 1, clock: TestEnvironment? = nil
  ) throws {
    self.clock = clock ?? TestEnvironment(seed: seed)
    self.store = store
    self.backend = backend ?? MemoryCatalogBackend()
    let stores = try ObjectStores(factories: ["memory": { _ in store }])
    catalog = try PointerCatalog(
      name: "test", backend: self.backend, stores: stores, warehouse: "memory://w/house",
      environment: self.clock.environment)
    if backend == nil { try catalog.createNamespace(namespace) }
  }

  func identifier(_ name: String) -> TableIdentifier { TableIdentifier(namespace, name) }

  static let schema = TableSchema([
    TableField(1, "id", .long, required: true), TableField(2, "name", .string),
  ])

  /// All paths in the store, sorted.
  func paths(_ prefix: String = "") throws -> [String] {
    var paths: [String] = []
    var after: String?
    repeat {
      let page = try store.list(prefix: prefix, after: after, limit: 1_000)
      paths += page.objects.map(\.path)
      after = page.next
    } while after != nil
    return paths
  }
}
