// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirColumnar

/// Objects in this process's memory, for tests and simulations. Threads may share it.
public final class MemoryObjectStore: ObjectStore {
  private struct Object {
    var bytes: Buffer
    var metadata: ObjectMetadata
  }

  private struct State {
    var objects: [PathKey: Object] = [:]
    /// The keys of `objects` in ascending order.
    var order: [PathKey] = []
    var versionCount = 0

    /// Where `key` is, or would be, in `order`.
    func position(_ key: PathKey) -> Int {
      var low = 0
      var high = order.count
      while low < high {
        let middle = (low + high) / 2
        if order[middle] < key { low = middle + 1 } else { high = middle }
      }
      return low
    }
  }

  private let state = Mutex(State())
  private let clock: @Sendable () -> Int

  /// - Parameter clock: nanoseconds since 1970 for `lastModified`; the system's by default.
  public init(clock: @escaping @Sendable () -> Int = SystemTime.now) { self.clock = clock }

  public func head(_ path: String) throws(StorageError) -> ObjectMetadata {
    try object(path, operation: "head").metadata
  }

  public func get(_ path: String, range: Range<Int>?) throws(StorageError) -> Buffer {
    let object = try object(path, operation: "get")
    guard let range else { return object.bytes }
    guard range.lowerBound >= 0 && range.upperBound <= object.bytes.count else {
      throw .invalidRange(range, size: object.bytes.count, operation: "get", path: path)
    }
    return object.bytes.slice(offset: range.lowerBound, count: range.count)
  }

  public func open(_ path: String) throws(StorageError) -> any ObjectReader {
    MemoryObjectReader(name: path, bytes: try object(path, operation: "open").bytes)
  }

  public func put(
    _ path: String, _ bytes: Buffer, condition: PutCondition
  ) throws(StorageError) -> ObjectMetadata {
    try ObjectPath.check(path, operation: "put")
    let key = PathKey(path)
    let now = clock()
    return try state.withLock { state throws(StorageError) in
      try Self.check(condition, state.objects[key]?.metadata, path)
      if state.objects[key] == nil {
        try Self.checkFolders(key, path, in: state)
        state.order.insert(key, at: state.position(key))
      }
      state.versionCount += 1
      let metadata = ObjectMetadata(
        path: path, size: bytes.count, etag: "v\(state.versionCount)", lastModified: now)
      state.objects[key] = Object(bytes: bytes, metadata: metadata)
      return metadata
    }
  }

  public func create(
    _ path: String, condition: PutCondition
  ) throws(StorageError) -> any ObjectWriter {
    try ObjectPath.check(path, operation: "create")
    let key = PathKey(path)
    try state.withLock { state throws(StorageError) in
      try Self.check(condition, state.objects[key]?.metadata, path)
    }
    return BufferingObjectWriter(store: self, path: path, condition: condition)
  }

  public func list(
    prefix: String, after: String?, limit: Int
  ) throws(StorageError) -> ListPage {
    try ObjectPath.checkPrefix(prefix)
    guard limit > 0 else { throw .invalidLimit(limit, path: prefix) }
    let prefixKey = PathKey(prefix)
    let afterKey = after.map { PathKey($0) }
    return state.withLock { state in
      var index = state.position(prefixKey)
      if let afterKey, afterKey >= prefixKey {
        index = state.position(afterKey)
        if index < state.order.count, state.order[index] == afterKey { index += 1 }
      }
      var objects: [ObjectMetadata] = []
      let most = min(limit, listLimitMax)
      while index < state.order.count, state.order[index].hasPrefix(prefixKey) {
        if objects.count == most { return ListPage(objects: objects, next: objects.last!.path) }
        objects.append(state.objects[state.order[index]]!.metadata)
        index += 1
      }
      return ListPage(objects: objects, next: nil)
    }
  }

  public func delete(_ path: String) throws(StorageError) {
    try ObjectPath.check(path, operation: "delete")
    let key = PathKey(path)
    state.withLock { state in
      if state.objects.removeValue(forKey: key) != nil {
        state.order.remove(at: state.position(key))
      }
    }
  }

  private func object(_ path: String, operation: String) throws(StorageError) -> Object {
    try ObjectPath.check(path, operation: operation)
    let key = PathKey(path)
    guard let object = state.withLock({ $0.objects[key] }) else {
      throw .notFound(path, operation: operation)
    }
    return object
  }

  private static func check(
    _ condition: PutCondition, _ found: ObjectMetadata?, _ path: String
  ) throws(StorageError) {
    switch condition {
    case .none: return
    case .ifAbsent:
      if found != nil { throw .alreadyExists(path, operation: "put") }
    case .ifMatch(let etag):
      if found?.etag != etag {
        throw .preconditionFailed(path, expected: etag, found: found?.etag, operation: "put")
      }
    }
  }

  /// As in a file system, an object is not a folder of others: what works here works there.
  private static func checkFolders(
    _ key: PathKey, _ path: String, in state: State
  ) throws(StorageError) {
    let slash = UInt8(ascii: "/")
    let folder = PathKey(bytes: key.bytes + [slash])
    let next = state.position(folder)
    var conflict = next < state.order.count && state.order[next].hasPrefix(folder)
    for (index, byte) in key.bytes.enumerated() where byte == slash {
      if state.objects[PathKey(bytes: Array(key.bytes[..<index]))] != nil { conflict = true }
    }
    if conflict {
      throw StorageError(
        .pathConflict, operation: "put", path: path,
        "one of its folders is an object, or it is a folder of other objects")
    }
  }
}

/// Reads bytes in memory as an object.
public struct MemoryObjectReader: ObjectReader {
  public let name: String
  private let bytes: Buffer

  public init(name: String, bytes: Buffer) {
    self.name = name
    self.bytes = bytes
  }

  public var size: Int { bytes.count }

  public func read(_ range: Range<Int>) throws(StorageError) -> Buffer {
    try checkRange(range)
    return bytes.slice(offset: range.lowerBound, count: range.count)
  }

  public func read(_ ranges: [Range<Int>]) throws(StorageError) -> [Buffer] {
    var result: [Buffer] = []
    result.reserveCapacity(ranges.count)
    for range in ranges { result.append(try read(range)) }
    return result
  }
}

/// Collects an object in memory and puts it as a whole.
final class BufferingObjectWriter: ObjectWriter {
  private var store: (any ObjectStore)?
  private let path: String
  private let condition: PutCondition
  private let bytes = MutableBuffer()
  private(set) var byteCount = 0

  init(store: any ObjectStore, path: String, condition: PutCondition) {
    self.store = store
    self.path = path
    self.condition = condition
  }

  func append(_ piece: Buffer) throws(StorageError) {
    guard store != nil else { throw .writerIsDone(path, operation: "append") }
    bytes.append(piece)
    byteCount += piece.count
  }

  func finish() throws(StorageError) -> ObjectMetadata {
    guard let store else { throw .writerIsDone(path, operation: "finish") }
    self.store = nil
    return try store.put(path, bytes.finish(), condition: condition)
  }

  func abort() {
    store = nil
    _ = bytes.finish()
  }
}
