// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage
internal import WeirTable

/// One process's way to a store that all share.
final class FatefulStore: ObjectStore {
  private let wrapped: any ObjectStore
  private let fate: Fate
  private let late: LateRequests
  /// What is stored instead of what was to be, as by a program with a defect.
  private let changed: @Sendable (String, Buffer) -> Buffer

  init(
    _ wrapped: any ObjectStore, _ fate: Fate, _ late: LateRequests,
    changed: @escaping @Sendable (String, Buffer) -> Buffer
  ) {
    self.wrapped = wrapped
    self.fate = fate
    self.late = late
    self.changed = changed
  }

  private func call<R>(
    _ operation: String, _ path: String, later: (() -> Void)? = nil,
    _ body: () throws(StorageError) -> R
  ) throws(StorageError) -> R {
    try fate.call(
      { StorageError(.unavailable, operation: operation, path: path, $0) }, later: later, body)
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
    let (wrapped, late, bytes) = (wrapped, late, changed(path, bytes))
    return try call("put", path) {
      late.add { _ = try? wrapped.put(path, bytes, condition: condition) }
    } _: { () throws(StorageError) in
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
    let (wrapped, late) = (wrapped, late)
    return try call("delete", path) {
      late.add { try? wrapped.delete(path) }
    } _: { () throws(StorageError) in
      try wrapped.delete(path)
    }
  }
}

/// One process's way to a catalog that all share.
final class FatefulBackend: CatalogBackend {
  private let wrapped: MemoryCatalogBackend
  private let fate: Fate
  private let late: LateRequests
  /// For a process that does not look again.
  private let stale: StaleEntries?
  /// What others do just before a change is made.
  private let meanwhile: @Sendable () -> Void

  init(
    _ wrapped: MemoryCatalogBackend, _ fate: Fate, _ late: LateRequests,
    stale: StaleEntries? = nil, meanwhile: @escaping @Sendable () -> Void
  ) {
    self.wrapped = wrapped
    self.fate = fate
    self.late = late
    self.stale = stale
    self.meanwhile = meanwhile
  }

  private func read<R>(_ body: () throws(TableError) -> R) throws(TableError) -> R {
    try fate.call({ TableError(.catalog, $0) }, body)
  }

  func apply(
    _ changes: [CatalogChange], recording: IdempotencyRecord?
  ) throws(TableError) -> CatalogOutcome {
    meanwhile()
    let (wrapped, late) = (wrapped, late)
    return try fate.call(
      { TableError(.unknownOutcome, $0) },
      later: { late.add { _ = try? wrapped.apply(changes, recording: recording) } },
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
    try read { () throws(TableError) in
      guard let stale else { return try wrapped.entry(identifier) }
      return try stale.entry(identifier) { () throws(TableError) in
        try wrapped.entry(identifier)
      }
    }
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
