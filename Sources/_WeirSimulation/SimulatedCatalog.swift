// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirStorage
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

/// What becomes of the calls that one process makes to disk, store and catalog.
final class Fate: Sendable {
  enum Answer: Sendable { case proceed, failBefore, failAfter, dieBefore, dieAfter, losePower }

  private struct State {
    var random: SeededRandom
    /// Calls until something happens; never when `nil`.
    var callsLeft: Int?
    var isDead = false
    var callCount = 0
  }

  private let state: Mutex<State>

  init(seed: UInt64) { state = Mutex(State(random: SeededRandom(seed: seed))) }

  var isDead: Bool { state.withLock { $0.isDead } }
  var callCount: Int { state.withLock { $0.callCount } }

  /// Lets so many calls through, and has one fault happen then; none with `nil`.
  func arm(_ calls: Int?) { state.withLock { $0.callsLeft = calls } }

  func next() -> Answer {
    state.withLock { state in
      if state.isDead { return .dieBefore }
      state.callCount += 1
      guard let left = state.callsLeft else { return .proceed }
      state.callsLeft = left - 1
      guard left <= 0 else { return .proceed }
      state.callsLeft = nil
      let answer: Answer =
        switch state.random.int(0..<10) {
        case 0, 1: .failBefore
        case 2: .failAfter
        case 3, 4: .dieBefore
        case 5, 6: .dieAfter
        default: .losePower
        }
      switch answer {
      case .dieBefore, .dieAfter, .losePower: state.isDead = true
      default: break
      }
      return answer
    }
  }

  /// For a call of a store or a catalog.
  func call<R, E: Error>(
    _ failure: (String) -> E, _ body: () throws(E) -> R
  ) throws(E) -> R {
    switch next() {
    case .proceed: return try body()
    case .failBefore: throw failure("the answer was lost")
    case .failAfter:
      _ = try body()
      throw failure("the answer was lost")
    case .dieBefore, .losePower: throw failure("the process is dead")
    case .dieAfter:
      _ = try body()
      throw failure("the process is dead")
    }
  }
}

/// One process's way to a store that all share.
final class FatefulStore: ObjectStore {
  private let wrapped: any ObjectStore
  private let fate: Fate

  init(_ wrapped: any ObjectStore, _ fate: Fate) {
    self.wrapped = wrapped
    self.fate = fate
  }

  private func call<R>(
    _ operation: String, _ path: String, _ body: () throws(StorageError) -> R
  ) throws(StorageError) -> R {
    try fate.call(
      { StorageError(.unavailable, operation: operation, path: path, $0) }, body)
  }

  func head(_ path: String) throws(StorageError) -> ObjectMetadata {
    try call("head", path) { () throws(StorageError) in try wrapped.head(path) }
  }
  func get(_ path: String, range: Range<Int>?) throws(StorageError) -> Buffer {
    try call("get", path) { () throws(StorageError) in try wrapped.get(path, range: range) }
  }
  func open(_ path: String) throws(StorageError) -> any ObjectReader {
    try call("open", path) { () throws(StorageError) in try wrapped.open(path) }
  }
  func put(
    _ path: String, _ bytes: Buffer, condition: PutCondition
  ) throws(StorageError) -> ObjectMetadata {
    try call("put", path) { () throws(StorageError) in
      try wrapped.put(path, bytes, condition: condition)
    }
  }
  func create(_ path: String, condition: PutCondition) throws(StorageError) -> any ObjectWriter {
    try call("create", path) { () throws(StorageError) in
      try wrapped.create(path, condition: condition)
    }
  }
  func list(prefix: String, after: String?, limit: Int) throws(StorageError) -> ListPage {
    try call("list", prefix) { () throws(StorageError) in
      try wrapped.list(prefix: prefix, after: after, limit: limit)
    }
  }
  func delete(_ path: String) throws(StorageError) {
    try call("delete", path) { () throws(StorageError) in try wrapped.delete(path) }
  }
}

/// One process's way to a catalog that all share.
final class FatefulBackend: CatalogBackend {
  private let wrapped: MemoryCatalogBackend
  private let fate: Fate

  init(_ wrapped: MemoryCatalogBackend, _ fate: Fate) {
    self.wrapped = wrapped
    self.fate = fate
  }

  private func read<R>(_ body: () throws(TableError) -> R) throws(TableError) -> R {
    try fate.call({ TableError(.catalog, $0) }, body)
  }

  func apply(
    _ changes: [CatalogChange], recording: IdempotencyRecord?
  ) throws(TableError) -> CatalogOutcome {
    try fate.call(
      { TableError(.unknownOutcome, $0) },
      { () throws(TableError) in try wrapped.apply(changes, recording: recording) })
  }
  func createNamespace(_ namespace: Namespace, properties: [String: String]) throws(TableError) {
    try read { () throws(TableError) in
      try wrapped.createNamespace(namespace, properties: properties)
    }
  }
  func namespaceProperties(_ namespace: Namespace) throws(TableError) -> [String: String]? {
    try read { () throws(TableError) in try wrapped.namespaceProperties(namespace) }
  }
  func updateNamespaceProperties(
    _ namespace: Namespace, removals: [String], updates: [String: String]
  ) throws(TableError) -> NamespacePropertyChanges {
    try wrapped.updateNamespaceProperties(namespace, removals: removals, updates: updates)
  }
  func dropNamespace(_ namespace: Namespace) throws(TableError) {
    try wrapped.dropNamespace(namespace)
  }
  func listNamespaces(
    in parent: Namespace?, after: String?, limit: Int
  ) throws(TableError) -> [Namespace] {
    try wrapped.listNamespaces(in: parent, after: after, limit: limit)
  }
  func entry(_ identifier: TableIdentifier) throws(TableError) -> CatalogEntry? {
    try read { () throws(TableError) in try wrapped.entry(identifier) }
  }
  func listEntries(
    in namespace: Namespace, kind: CatalogEntryKind, after: String?, limit: Int
  ) throws(TableError) -> [String] {
    try wrapped.listEntries(in: namespace, kind: kind, after: after, limit: limit)
  }
  func reserveIdempotencyKey(
    _ key: String, fingerprint: String, leaseMilliseconds: Int64, now: Int64
  ) throws(TableError) -> IdempotencyReservation {
    try wrapped.reserveIdempotencyKey(
      key, fingerprint: fingerprint, leaseMilliseconds: leaseMilliseconds, now: now)
  }
  func recordIdempotency(_ record: IdempotencyRecord) throws(TableError) {
    try wrapped.recordIdempotency(record)
  }
  func releaseIdempotencyKey(_ key: String) throws(TableError) {
    try wrapped.releaseIdempotencyKey(key)
  }
}
