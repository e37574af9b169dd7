// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirColumnar

/// An object or a folder of objects: a store, and the path in it.
public struct ResolvedLocation: Sendable {
  public let store: any ObjectStore
  public let location: StorageLocation

  /// The object's path in `store`; empty for the whole store.
  public var path: String { location.path }
}

/// The stores behind absolute locations.
///
/// A store is opened when the first location of its scheme and authority (bucket) is asked for, and
/// kept; at most `storeCountMax` are. Threads may share it. `memory://name/` are stores of this
/// object alone: two `ObjectStores` share nothing.
public final class ObjectStores: Sendable {
  /// Opens the store of an authority: the bucket's, for S3.
  public typealias Factory = @Sendable (_ authority: String) throws(StorageError) -> any ObjectStore

  /// The most stores that are kept open.
  public static let storeCountMax = 256

  private struct Key: Hashable {
    var scheme: String
    var authority: String
  }

  private let factories: [String: Factory]
  private let prefixes: [StorageLocation]?
  /// Opens the stores, when this only narrows what may be resolved.
  private let parent: ObjectStores?
  private let stores = Mutex<[Key: any ObjectStore]>([:])

  /// - Parameters:
  ///   - factories: by scheme, in lower case. `file` and `memory` are there without being named, and
  ///     are replaced when they are.
  ///   - prefixes: the only locations, with all below them, that may be resolved; all when `nil`. A
  ///     server that opens what its clients name must give some.
  ///   - syncsFiles: whether local files wait until they are safe from a loss of power.
  public init(
    factories: [String: Factory] = [:], confinedTo prefixes: [String]? = nil,
    syncsFiles: Bool = true
  ) throws(StorageError) {
    var all: [String: Factory] = [
      "file": { (_) throws(StorageError) -> any ObjectStore in
        try LocalObjectStore(
          root: "/", createsRoot: false, syncs: syncsFiles, takesIfMatch: false)
      },
      "memory": { (_) throws(StorageError) -> any ObjectStore in MemoryObjectStore() },
    ]
    for (scheme, factory) in factories {
      all[StorageLocation.canonicalScheme(scheme)] = factory
    }
    self.factories = all
    parent = nil
    if let prefixes {
      var parsed: [StorageLocation] = []
      for prefix in prefixes { parsed.append(try StorageLocation(prefix)) }
      self.prefixes = parsed
    } else {
      self.prefixes = nil
    }
  }

  /// The same stores for locations in `prefixes`, and below, only.
  public func confined(to prefixes: [String]) throws(StorageError) -> ObjectStores {
    var parsed: [StorageLocation] = []
    for prefix in prefixes { parsed.append(try StorageLocation(prefix)) }
    return ObjectStores(self, prefixes: parsed)
  }

  private init(_ parent: ObjectStores, prefixes: [StorageLocation]) {
    factories = [:]
    self.prefixes = prefixes
    self.parent = parent
  }

  /// The store and the path of `location`.
  ///
  /// Throws `invalidPath` for a text that is no location, `unsupported` for a scheme that has no
  /// store, and `permissionDenied` outside of the prefixes.
  public func resolve(_ location: String) throws(StorageError) -> ResolvedLocation {
    try resolve(try StorageLocation(location))
  }

  /// As `resolve(_:)` of its text.
  public func resolve(_ location: StorageLocation) throws(StorageError) -> ResolvedLocation {
    if let prefixes, !prefixes.contains(where: { location.isWithin($0) }) {
      throw StorageError(
        .permissionDenied, operation: "resolve", path: location.description,
        "the location lies outside of those allowed here: "
          + prefixes.map(\.description).joined(separator: ", "))
    }
    if let parent { return try parent.resolve(location) }
    let key = Key(scheme: location.scheme, authority: location.authority)
    if let store = stores.withLock({ $0[key] }) {
      return ResolvedLocation(store: store, location: location)
    }
    guard let factory = factories[location.scheme] else {
      throw StorageError(
        .unsupported, operation: "resolve", path: location.description,
        "there is no store for \(location.scheme)://; known are "
          + factories.keys.sorted().joined(separator: ", "))
    }
    let opened = try factory(location.authority)
    return try stores.withLock { stores throws(StorageError) in
      // Another thread may have been faster; all must use the same one.
      if let store = stores[key] { return ResolvedLocation(store: store, location: location) }
      guard stores.count < Self.storeCountMax else {
        throw StorageError(
          .unavailable, operation: "resolve", path: location.description,
          "\(Self.storeCountMax) buckets are open already; use fewer in one process")
      }
      stores[key] = opened
      return ResolvedLocation(store: opened, location: location)
    }
  }

  /// All bytes of the object at `location`.
  public func get(_ location: String) throws(StorageError) -> Buffer {
    let place = try resolve(location)
    return try place.store.get(place.path)
  }

  /// A reader of the object at `location`.
  public func open(_ location: String) throws(StorageError) -> any ObjectReader {
    let place = try resolve(location)
    return try place.store.open(place.path)
  }

  /// Stores `bytes` at `location`.
  @discardableResult
  public func put(
    _ location: String, _ bytes: Buffer, condition: PutCondition = .none
  ) throws(StorageError) -> ObjectMetadata {
    let place = try resolve(location)
    return try place.store.put(place.path, bytes, condition: condition)
  }

  /// A writer whose bytes become the object at `location`.
  public func create(
    _ location: String, condition: PutCondition = .ifAbsent
  ) throws(StorageError) -> any ObjectWriter {
    let place = try resolve(location)
    return try place.store.create(place.path, condition: condition)
  }

  /// Removes the objects at `locations`, in few requests where their stores can, and returns those that
  /// could not be removed. An object that is not there counts as removed.
  @discardableResult
  public func delete(_ locations: some Sequence<String>) -> [String] {
    var failed: [String] = []
    var groups: [Key: (store: any ObjectStore, items: [(location: String, path: String)])] = [:]
    for location in locations {
      guard let place = try? resolve(location) else {
        failed.append(location)
        continue
      }
      let key = Key(scheme: place.location.scheme, authority: place.location.authority)
      groups[key, default: (place.store, [])].items.append((location, place.path))
    }
    for (store, items) in groups.values {
      // One that cannot be removed must not keep the others.
      if (try? store.delete(items.map(\.path))) != nil { continue }
      for (location, path) in items where (try? store.delete(path)) == nil {
        failed.append(location)
      }
    }
    return failed
  }

  /// Removes the object at `location`; nothing happens when there is none.
  public func delete(_ location: String) throws(StorageError) {
    let place = try resolve(location)
    try place.store.delete(place.path)
  }
}
