// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirColumnar
public import WeirStorage

/// A store around another one that counts what is read of objects that are open, and, if it is told to,
/// waits before each read as a store far away would.
public final class CountingObjectStore: ObjectStore {
  /// What was read since `reset`.
  public struct Counts: Sendable, Hashable {
    public var requests = 0
    public var bytes = 0
  }

  private let wrapped: any ObjectStore
  fileprivate let wait: (@Sendable () -> Void)?
  private let state = Mutex(Counts())

  /// - Parameter wait: called before each read of an object, on the thread that asks.
  public init(_ wrapped: any ObjectStore, wait: (@Sendable () -> Void)? = nil) {
    self.wrapped = wrapped
    self.wait = wait
  }

  public var counts: Counts { state.withLock { $0 } }
  public func reset() { state.withLock { $0 = Counts() } }

  fileprivate func add(_ byteCount: Int) {
    state.withLock {
      $0.requests += 1
      $0.bytes += byteCount
    }
  }

  public func head(_ path: String) throws(StorageError) -> ObjectMetadata {
    try wrapped.head(path)
  }

  public func get(_ path: String, range: Range<Int>?) throws(StorageError) -> Buffer {
    wait?()
    return try wrapped.get(path, range: range)
  }

  public func open(_ path: String) throws(StorageError) -> any ObjectReader {
    CountingReader(store: self, inner: try wrapped.open(path))
  }

  public func put(
    _ path: String, _ bytes: Buffer, condition: PutCondition
  ) throws(StorageError) -> ObjectMetadata {
    try wrapped.put(path, bytes, condition: condition)
  }

  public func create(
    _ path: String, condition: PutCondition
  ) throws(StorageError) -> any ObjectWriter {
    try wrapped.create(path, condition: condition)
  }

  public func list(
    prefix: String, after: String?, limit: Int
  ) throws(StorageError) -> ListPage {
    try wrapped.list(prefix: prefix, after: after, limit: limit)
  }

  public func delete(_ path: String) throws(StorageError) { try wrapped.delete(path) }
}

private struct CountingReader: ObjectReader {
  let store: CountingObjectStore
  let inner: any ObjectReader

  var name: String { inner.name }
  var size: Int { inner.size }
  var waitsForRequests: Bool { store.wait != nil }

  func read(_ range: Range<Int>) throws(StorageError) -> Buffer {
    store.wait?()
    let bytes = try inner.read(range)
    store.add(bytes.count)
    return bytes
  }
}
