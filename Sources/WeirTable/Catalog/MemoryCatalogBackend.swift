// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A catalog's names in this process's memory, for tests, simulations and short-lived catalogs.
public final class MemoryCatalogBackend: CatalogBackend {
  /// A name by its bytes: `String` takes different bytes for equal when they look the same.
  private struct NameKey: Hashable, Comparable {
    var bytes: [UInt8]
    init(_ name: String) { bytes = Array(name.utf8) }
    static func < (a: NameKey, b: NameKey) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
  }

  private struct Content {
    var namespace: Namespace
    var properties: [String: String]
    var children = SortedNames()
    var entries: [NameKey: CatalogEntry] = [:]
    var names = SortedNames()
  }

  /// Names in ascending order of their bytes.
  private struct SortedNames {
    private(set) var keys: [NameKey] = []

    private func position(_ key: NameKey) -> Int {
      var low = 0
      var high = keys.count
      while low < high {
        let middle = (low + high) / 2
        if keys[middle] < key { low = middle + 1 } else { high = middle }
      }
      return low
    }

    mutating func insert(_ key: NameKey) { keys.insert(key, at: position(key)) }

    mutating func remove(_ key: NameKey) {
      let index = position(key)
      if index < keys.count, keys[index] == key { keys.remove(at: index) }
    }

    func behind(_ name: String?) -> ArraySlice<NameKey> {
      guard let name else { return keys[...] }
      let key = NameKey(name)
      var index = position(key)
      if index < keys.count, keys[index] == key { index += 1 }
      return keys[index...]
    }
  }

  private enum KeyState {
    case reserved(fingerprint: String, untilMilliseconds: Int64)
    case done(IdempotencyRecord)
  }

  private struct State {
    var namespaces: [[NameKey]: Content] = [:]
    var outermost = SortedNames()
    var keys: [String: KeyState] = [:]

    func content(_ namespace: Namespace) -> Content? { namespaces[Self.key(namespace)] }

    static func key(_ namespace: Namespace) -> [NameKey] { namespace.levels.map { NameKey($0) } }

    func entry(_ identifier: TableIdentifier) -> CatalogEntry? {
      content(identifier.namespace)?.entries[NameKey(identifier.name)]
    }
  }

  private let state = Mutex(State())

  public init() {}

  public func createNamespace(
    _ namespace: Namespace, properties: [String: String]
  ) throws(TableError) {
    try state.withLock { state throws(TableError) in
      let key = State.key(namespace)
      guard state.namespaces[key] == nil else { throw .namespaceExists(namespace) }
      if let parent = namespace.parent {
        guard state.namespaces[State.key(parent)] != nil else { throw .noNamespace(parent) }
        state.namespaces[State.key(parent)]!.children.insert(key.last!)
      } else {
        state.outermost.insert(key[0])
      }
      state.namespaces[key] = Content(namespace: namespace, properties: properties)
    }
  }

  public func namespaceProperties(
    _ namespace: Namespace
  ) throws(TableError) -> [String: String]? {
    state.withLock { $0.content(namespace)?.properties }
  }

  public func updateNamespaceProperties(
    _ namespace: Namespace, removals: [String], updates: [String: String]
  ) throws(TableError) -> NamespacePropertyChanges {
    try state.withLock { state throws(TableError) in
      let key = State.key(namespace)
      guard var properties = state.namespaces[key]?.properties else {
        throw .noNamespace(namespace)
      }
      var changes = NamespacePropertyChanges(
        updated: updates.keys.sorted(), removed: [], missing: [])
      for name in removals {
        if properties.removeValue(forKey: name) == nil {
          changes.missing.append(name)
        } else {
          changes.removed.append(name)
        }
      }
      properties.merge(updates) { $1 }
      state.namespaces[key]!.properties = properties
      return changes
    }
  }

  public func dropNamespace(_ namespace: Namespace) throws(TableError) {
    try state.withLock { state throws(TableError) in
      let key = State.key(namespace)
      guard let content = state.namespaces[key] else { throw .noNamespace(namespace) }
      guard content.entries.isEmpty && content.children.keys.isEmpty else {
        throw .namespaceNotEmpty(namespace)
      }
      state.namespaces[key] = nil
      if let parent = namespace.parent {
        state.namespaces[State.key(parent)]?.children.remove(key.last!)
      } else {
        state.outermost.remove(key[0])
      }
    }
  }

  public func listNamespaces(
    in parent: Namespace?, after: String?, limit: Int
  ) throws(TableError) -> [Namespace] {
    try state.withLock { state throws(TableError) in
      var names = state.outermost
      if let parent {
        guard let content = state.content(parent) else { throw .noNamespace(parent) }
        names = content.children
      }
      return names.behind(after).prefix(limit).map { key in
        let name = String(decoding: key.bytes, as: UTF8.self)
        return parent?.child(name) ?? Namespace([name])
      }
    }
  }

  public func entry(_ identifier: TableIdentifier) throws(TableError) -> CatalogEntry? {
    state.withLock { $0.entry(identifier) }
  }

  public func listEntries(
    in namespace: Namespace, kind: CatalogEntryKind, after: String?, limit: Int
  ) throws(TableError) -> [String] {
    try state.withLock { state throws(TableError) in
      guard let content = state.content(namespace) else { throw .noNamespace(namespace) }
      return content.names.behind(after).lazy
        .filter { content.entries[$0]?.kind == kind }
        .prefix(limit).map { String(decoding: $0.bytes, as: UTF8.self) }
    }
  }

  public func apply(
    _ changes: [CatalogChange], recording: IdempotencyRecord?
  ) throws(TableError) -> CatalogOutcome {
    state.withLock { state in
      // One change is atomic by itself; only several need a copy to fall back on.
      if changes.count == 1, let change = changes.first {
        if let refusal = Self.apply(change, to: &state) { return .refused(index: 0, refusal) }
        if let recording { Self.record(recording, in: &state) }
        return .applied
      }
      var next = state
      for (index, change) in changes.enumerated() {
        if let refusal = Self.apply(change, to: &next) { return .refused(index: index, refusal) }
      }
      if let recording { Self.record(recording, in: &next) }
      state = next
      return .applied
    }
  }

  /// Makes the change, or says why it is refused.
  private static func apply(_ change: CatalogChange, to state: inout State) -> CatalogRefusal? {
    switch change {
    case .insert(let entry): return insert(entry, into: &state)
    case .swap(let identifier, let kind, let from, let to):
      guard var entry = state.entry(identifier), entry.kind == kind else {
        return .missing(identifier, found: state.entry(identifier)?.kind)
      }
      guard entry.metadataLocation == from else { return .moved(entry) }
      entry.previousMetadataLocation = from
      entry.metadataLocation = to
      state.namespaces[State.key(identifier.namespace)]!.entries[NameKey(identifier.name)] = entry
    case .delete(let identifier, let kind, let location):
      guard let entry = state.entry(identifier), entry.kind == kind else {
        return .missing(identifier, found: state.entry(identifier)?.kind)
      }
      if let location, location != entry.metadataLocation { return .moved(entry) }
      remove(identifier, from: &state)
    case .rename(let identifier, let kind, let target):
      guard var entry = state.entry(identifier), entry.kind == kind else {
        return .missing(identifier, found: state.entry(identifier)?.kind)
      }
      if let taken = state.entry(target) { return .taken(by: taken) }
      entry.identifier = target
      if let refusal = insert(entry, into: &state) { return refusal }
      remove(identifier, from: &state)
    }
    return nil
  }

  private static func insert(_ entry: CatalogEntry, into state: inout State) -> CatalogRefusal? {
    let namespace = State.key(entry.identifier.namespace)
    guard let content = state.namespaces[namespace] else {
      return .namespaceMissing(entry.identifier.namespace)
    }
    let name = NameKey(entry.identifier.name)
    if let taken = content.entries[name] { return .taken(by: taken) }
    state.namespaces[namespace]!.entries[name] = entry
    state.namespaces[namespace]!.names.insert(name)
    return nil
  }

  private static func remove(_ identifier: TableIdentifier, from state: inout State) {
    let namespace = State.key(identifier.namespace)
    let name = NameKey(identifier.name)
    state.namespaces[namespace]!.entries[name] = nil
    state.namespaces[namespace]!.names.remove(name)
  }
}

extension MemoryCatalogBackend {
  public func reserveIdempotencyKey(
    _ key: String, fingerprint: String, leaseMilliseconds: Int64, now: Int64
  ) throws(TableError) -> IdempotencyReservation {
    state.withLock { state in
      // All of them at most once per so many calls would do; they are few enough to look at.
      state.keys = state.keys.filter { _, known in
        switch known {
        case .reserved(_, let until): until > now
        case .done(let record): record.expiresMilliseconds > now
        }
      }
      switch state.keys[key] {
      case .reserved(let fingerprint, _): return .inProgress(fingerprint: fingerprint)
      case .done(let record): return .done(record)
      case nil:
        state.keys[key] = .reserved(
          fingerprint: fingerprint, untilMilliseconds: leaseMilliseconds)
        return .reserved
      }
    }
  }

  public func recordIdempotency(_ record: IdempotencyRecord) throws(TableError) {
    state.withLock { Self.record(record, in: &$0) }
  }

  public func releaseIdempotencyKey(_ key: String) throws(TableError) {
    state.withLock { state in
      if case .reserved = state.keys[key] { state.keys[key] = nil }
    }
  }

  private static func record(_ record: IdempotencyRecord, in state: inout State) {
    if case .done = state.keys[record.key] { return }
    state.keys[record.key] = .done(record)
  }
}
