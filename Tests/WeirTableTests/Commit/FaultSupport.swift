// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirStorage
internal import WeirTable

/// A store that lets so many calls through and then is dead for ever, as for a killed process. The
/// call at which it dies takes effect or not.
final class DyingStore: ObjectStore {
  private struct State {
    var callCount = 0
    var isDead = false
  }

  let wrapped: any ObjectStore
  private let dyingCall: Int
  private let takesEffect: Bool
  private let state = Mutex(State())

  /// - Parameter dyingCall: from 1 on.
  init(_ wrapped: any ObjectStore, dyingCall: Int, takesEffect: Bool) {
    self.wrapped = wrapped
    self.dyingCall = dyingCall
    self.takesEffect = takesEffect
  }

  var isDead: Bool { state.withLock { $0.isDead } }

  private func call<R>(
    _ operation: String, _ path: String, _ body: () throws(StorageError) -> R
  ) throws(StorageError) -> R {
    let (runs, dies) = state.withLock { state -> (Bool, Bool) in
      if state.isDead { return (false, true) }
      state.callCount += 1
      state.isDead = state.callCount == dyingCall
      return (!state.isDead || takesEffect, state.isDead)
    }
    let result: R? = runs ? try body() : nil
    if dies {
      throw StorageError(.unavailable, operation: operation, path: path, "the process is dead")
    }
    return result!
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

/// A backend whose changes sometimes have no known outcome, whether they took place or not.
final class UncertainBackend: CatalogBackend {
  enum Answer: Sendable { case sure, lostAfter, lostBefore, failed }

  let wrapped: MemoryCatalogBackend
  private let answer: @Sendable () -> Answer

  init(_ wrapped: MemoryCatalogBackend, _ answer: @escaping @Sendable () -> Answer) {
    self.wrapped = wrapped
    self.answer = answer
  }

  func apply(
    _ changes: [CatalogChange], recording: IdempotencyRecord?
  ) throws(TableError) -> CatalogOutcome {
    switch answer() {
    case .sure: return try wrapped.apply(changes, recording: recording)
    case .lostAfter:
      _ = try wrapped.apply(changes, recording: recording)
      throw TableError(.unknownOutcome, "the connection was lost")
    case .lostBefore: throw TableError(.unknownOutcome, "the connection was lost")
    case .failed: throw TableError(.catalog, "the disk is full")
    }
  }

  func createNamespace(_ namespace: Namespace, properties: [String: String]) throws(TableError) {
    try wrapped.createNamespace(namespace, properties: properties)
  }
  func namespaceProperties(_ namespace: Namespace) throws(TableError) -> [String: String]? {
    try wrapped.namespaceProperties(namespace)
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
    try wrapped.entry(identifier)
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
