// SPDX-License-Identifier: Apache-2.0

internal import WeirTable

/// What a list of changes does to the entries that it names, worked out from their state.
struct EntryPlan {
  /// The entries as they were and as they are to be.
  private let before: [EntryKey: CatalogEntry]
  private var after: [EntryKey: CatalogEntry]
  /// The encoded namespaces that are there, of those that get entries.
  private let namespaces: Set<[UInt8]>

  init(before: [EntryKey: CatalogEntry], namespaces: Set<[UInt8]>) {
    self.before = before
    after = before
    self.namespaces = namespaces
  }

  /// The names that a change looks at.
  static func identifiers(of change: CatalogChange) -> [TableIdentifier] {
    switch change {
    case .insert(let entry): [entry.identifier]
    case .swap(let identifier, _, from: _, to: _): [identifier]
    case .delete(let identifier, _, ifLocation: _): [identifier]
    case .rename(let identifier, _, let target): [identifier, target]
    }
  }

  /// The namespace that gets an entry by the change.
  static func receivingNamespace(of change: CatalogChange) -> Namespace? {
    switch change {
    case .insert(let entry): entry.identifier.namespace
    case .rename(_, _, let target): target.namespace
    case .swap, .delete: nil
    }
  }

  /// Makes one change, or says why it is refused.
  mutating func apply(_ change: CatalogChange) throws(TableError) -> CatalogRefusal? {
    switch change {
    case .insert(let entry):
      return insert(entry, try EntryKey(entry.identifier))
    case .swap(let identifier, let kind, let from, let to):
      let key = try EntryKey(identifier)
      guard var entry = after[key], entry.kind == kind else {
        return .missing(identifier, found: after[key]?.kind)
      }
      guard Self.areSame(entry.metadataLocation, from) else { return .moved(entry) }
      entry.previousMetadataLocation = from
      entry.metadataLocation = to
      after[key] = entry
    case .delete(let identifier, let kind, let location):
      let key = try EntryKey(identifier)
      guard let entry = after[key], entry.kind == kind else {
        return .missing(identifier, found: after[key]?.kind)
      }
      if let location, !Self.areSame(location, entry.metadataLocation) { return .moved(entry) }
      after[key] = nil
    case .rename(let identifier, let kind, let target):
      let key = try EntryKey(identifier)
      guard var entry = after[key], entry.kind == kind else {
        return .missing(identifier, found: after[key]?.kind)
      }
      entry.identifier = target
      if let refusal = insert(entry, try EntryKey(target)) { return refusal }
      after[key] = nil
    }
    return nil
  }

  private mutating func insert(_ entry: CatalogEntry, _ key: EntryKey) -> CatalogRefusal? {
    if let taken = after[key] { return .taken(by: taken) }
    guard namespaces.contains(Array(key.namespace.utf8)) else {
      return .namespaceMissing(entry.identifier.namespace)
    }
    after[key] = entry
    return nil
  }

  private static func areSame(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }

  /// What has to be written, in the order of the names: locks are taken in one order by all.
  var writes: [(key: EntryKey, old: CatalogEntry?, new: CatalogEntry?)] {
    Set(before.keys).union(after.keys).sorted().compactMap { key in
      let old = before[key]
      let new = after[key]
      return old == new ? nil : (key, old, new)
    }
  }
}
