// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are views of keys and values, used within the calls that lend them.

internal import Synchronization
public import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// A key index in a folder, on RocksDB.
///
/// | key | value |
/// |---|---|
/// | 00 `f` number (4 bytes, big-endian) | path of a data file |
/// | 00 `l` number (2 bytes, big-endian) | a row layout's schema, as an Arrow IPC stream |
/// | 00 `p` | position: snapshot id, offset (8 bytes each, little-endian) |
/// | 00 `v` | version of this format, 1 byte |
/// | 01 key | state (1 byte), file, row (4 bytes each, little-endian), version |
/// | 02 key | row |
///
/// A batch is one sorted table file, which RocksDB takes in whole: nothing goes through its log or its
/// memory tables, and position and keys change in one step, also through a crash. Places and versions
/// stand together, so that an upsert reads few blocks of the cache and no rows.
///
/// Memory: the block cache, and the paths of data files.
public final class RocksKeyIndex: KeyIndex {
  static let formatVersion: UInt8 = 1
  public static let defaultCacheBytes = 64 << 20

  struct State: Sendable {
    var store: RocksStore
    /// What readers see while a batch is in the store and not published.
    var pinned: RocksStore.Snapshot?
    var position: IndexPosition?
    var files: [String] = []
    var fileNumbers: [String: UInt32] = [:]
    var layouts: [Schema] = []
    var layoutBytes: [[UInt8]] = []
    var nextStaging = 0
  }

  private final class Staged: StagedIndexBatch {
    let writer: RocksStore.Writer
    let position: IndexPosition?
    let files: [String]
    /// Whether it is in the store.
    var isPrepared = false
    init(_ writer: RocksStore.Writer, _ position: IndexPosition?, _ files: [String]) {
      self.writer = writer
      self.position = position
      self.files = files
    }
  }

  /// `nil` once closed.
  let state: Mutex<State?>
  let folder: String
  let cacheBytes: Int
  /// Files of batches on their way in: of other names than RocksDB's, which it leaves alone.
  private static let stagingPrefix = "staged-"

  /// Opens the index in `folder`, or makes an empty one.
  ///
  /// - Throws: `damaged` for an index that cannot be read: `delete(folder:)` it, open it anew and rebuild
  ///   it; `conflict` when another process has it open; `storage`.
  public init(folder: String, cacheBytes: Int = defaultCacheBytes) throws(StreamError) {
    self.folder = folder
    self.cacheBytes = cacheBytes
    try Self.makeFolders(folder)
    let store = try RocksStore(folder: folder, cacheBytes: cacheBytes)
    Self.deleteStaged(folder)
    state = Mutex(try Self.load(store))
  }

  /// Deletes what a process that crashed was about to take in; what it had taken in has another name.
  private static func deleteStaged(_ folder: String) {
    guard let entries = opendir(folder) else { return }
    defer { closedir(entries) }
    while let entry = readdir(entries) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name.hasPrefix(stagingPrefix) { unlink("\(folder)/\(name)") }
    }
  }

  /// As `init`, but an index that is damaged is deleted, and an empty one made; its position is `nil`
  /// then, and it is to be rebuilt.
  public static func open(
    folder: String, cacheBytes: Int = defaultCacheBytes
  ) throws(StreamError) -> RocksKeyIndex {
    do throws(StreamError) {
      return try RocksKeyIndex(folder: folder, cacheBytes: cacheBytes)
    } catch {
      guard error.code == .damaged else { throw error }
      try delete(folder: folder)
      return try RocksKeyIndex(folder: folder, cacheBytes: cacheBytes)
    }
  }

  /// Deletes an index that nobody has open.
  public static func delete(folder: String) throws(StreamError) {
    try RocksStore.destroy(folder: folder)
  }

  private static func makeFolders(_ path: String) throws(StreamError) {
    var partial = path.hasPrefix("/") ? "" : "."
    for part in path.split(separator: "/") {
      partial += "/" + part
      if mkdir(partial, 0o755) != 0, errno != EEXIST {
        throw StreamError(
          .storage, "the folder of the key index could not be made", file: partial,
          cause: String(cString: strerror(errno)))
      }
    }
  }

  private static func load(_ store: RocksStore) throws(StreamError) -> State {
    var state = State(store: store)
    var version: UInt8?
    var damage: String?
    try RocksStore.Snapshot(store).forEach(from: [0]) { (key, value) throws(StreamError) in
      guard key.count >= 2, key[0] == 0 else { return false }
      switch key[1] {
      case UInt8(ascii: "f"):
        let path = String(decoding: value, as: UTF8.self)
        if number(key, 4) != state.files.count { damage = "file numbers have gaps" }
        state.fileNumbers[path] = UInt32(truncatingIfNeeded: state.files.count)
        state.files.append(path)
      case UInt8(ascii: "l"):
        guard number(key, 2) == state.layouts.count, let schema = try? schema(value) else {
          damage = "a row layout cannot be read"
          return true
        }
        state.layouts.append(schema)
        state.layoutBytes.append([UInt8](value))
      case UInt8(ascii: "p"):
        guard value.count == 16 else {
          damage = "the position cannot be read"
          return true
        }
        state.position = IndexPosition(
          snapshotID: value.loadUnaligned(as: Int64.self).littleEndian,
          offset: value.loadUnaligned(fromByteOffset: 8, as: Int64.self).littleEndian)
      case UInt8(ascii: "v"): version = value.first
      default: damage = "it holds notes of an unknown kind"
      }
      return true
    }
    if version == nil, state.position != nil || !state.files.isEmpty {
      damage = "it says no format version"
    } else if let version, version != formatVersion {
      damage = "it has the format version \(version), this version of Weir writes \(formatVersion)"
    }
    if let damage {
      throw StreamError(
        .damaged, "the key index cannot be used; it is rebuilt from the table's files",
        file: store.folder, cause: damage)
    }
    return state
  }

  /// A big-endian number behind the two bytes of a note's kind; -1 when its length is wrong.
  private static func number(_ key: UnsafeRawBufferPointer, _ width: Int) -> Int {
    guard key.count == 2 + width else { return -1 }
    return key.dropFirst(2).reduce(0) { $0 << 8 | Int($1) }
  }

  private static func schema(_ bytes: UnsafeRawBufferPointer) throws -> Schema {
    try ArrowStreamReader(Buffer(copying: bytes)).schema
  }

  private static func bytes(_ schema: Schema) throws(StreamError) -> [UInt8] {
    let target = MutableBuffer()
    do {
      try ArrowStreamWriter(schema: schema, into: target).finish()
    } catch { throw StreamError(.unsupported, "the columns cannot be noted: \(error)") }
    return target.finish().array(of: UInt8.self)
  }

  var closed: StreamError {
    StreamError(.closed, "the key index is closed", file: folder)
  }

  public var position: IndexPosition? { state.withLock { $0?.position } }

  /// Bytes on disk, about.
  public var byteCount: Int { state.withLock { $0?.store }?.byteCount ?? 0 }

  public func reader() throws(StreamError) -> any KeyIndexReader {
    try state.withLock { state throws(StreamError) -> RocksKeyIndexReader in
      guard let state else { throw closed }
      return RocksKeyIndexReader(state, state.pinned)
    }
  }

  public func layout(for schema: Schema) throws(StreamError) -> UInt16 {
    let bytes = try Self.bytes(schema)
    return try state.withLock { state throws(StreamError) in
      guard let known = state else { throw closed }
      if let number = known.layoutBytes.firstIndex(of: bytes) {
        return UInt16(truncatingIfNeeded: number)
      }
      guard known.layouts.count < Int(UInt16.max) else { throw MemoryKeyIndex.tooManyLayouts }
      state?.layouts.append(schema)
      state?.layoutBytes.append(bytes)
      return UInt16(truncatingIfNeeded: known.layouts.count)
    }
  }

  public func stage(_ batch: IndexBatch) throws(StreamError) -> any StagedIndexBatch {
    let (known, name) = try state.withLock { state throws(StreamError) -> (State, Int) in
      guard let known = state else { throw closed }
      state?.nextStaging += 1
      return (known, known.nextStaging)
    }
    var new: [String] = []
    var numbers: [UInt32] = []
    for path in batch.files {
      if let number = known.fileNumbers[path] {
        numbers.append(number)
      } else {
        numbers.append(UInt32(truncatingIfNeeded: known.files.count + new.count))
        new.append(path)
      }
    }
    let writer = try RocksStore.Writer(
      known.store, path: "\(folder)/\(Self.stagingPrefix)\(name)")
    try Self.writeNotes(writer, known, new, batch.position)
    let rows = IndexEntryWriter(writer)
    try rows.writePlaces(batch, numbers)
    try rows.writeRows(batch)
    try writer.finish()
    return Staged(writer, batch.position, new)
  }

  private static func writeNotes(
    _ writer: RocksStore.Writer, _ state: State, _ newFiles: [String], _ position: IndexPosition?
  ) throws(StreamError) {
    func put(_ key: [UInt8], _ value: [UInt8]) throws(StreamError) {
      try Buffer(key).withUnsafeBytes { key throws(StreamError) in
        try Buffer(value).withUnsafeBytes { value throws(StreamError) in
          try writer.put(key, value)
        }
      }
    }
    for (place, path) in newFiles.enumerated() {
      let number = UInt32(truncatingIfNeeded: state.files.count + place)
      try put(
        [0, UInt8(ascii: "f")] + (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) },
        Array(path.utf8))
    }
    for (number, bytes) in state.layoutBytes.enumerated() {
      try put(
        [0, UInt8(ascii: "l"), UInt8(number >> 8), UInt8(truncatingIfNeeded: number)], bytes)
    }
    let key: [UInt8] = [0, UInt8(ascii: "p")]
    if let position {
      var value: [UInt8] = []
      withUnsafeBytes(of: position.snapshotID.littleEndian) { value += $0 }
      withUnsafeBytes(of: position.offset.littleEndian) { value += $0 }
      try put(key, value)
    } else {
      try Buffer(key).withUnsafeBytes { key throws(StreamError) in try writer.delete(key) }
    }
    try put([0, UInt8(ascii: "v")], [formatVersion])
  }

  public func prepare(_ staged: any StagedIndexBatch) throws(StreamError) {
    guard let staged = staged as? Staged, !staged.isPrepared else { return }
    let store = try state.withLock { state throws(StreamError) -> RocksStore in
      guard let store = state?.store else { throw closed }
      state?.pinned = RocksStore.Snapshot(store)
      return store
    }
    do throws(StreamError) {
      try store.ingest(staged.writer)
    } catch {
      state.withLock { $0?.pinned = nil }
      throw error
    }
    staged.isPrepared = true
  }

  public func publish(_ staged: any StagedIndexBatch) throws(StreamError) {
    guard let staged = staged as? Staged else {
      preconditionFailure("a batch is published by the index that staged it")
    }
    try state.withLock { state throws(StreamError) in
      guard var new = state else { throw closed }
      state = nil  // The arrays in it are changed in place.
      do throws(StreamError) {
        if !staged.isPrepared { try new.store.ingest(staged.writer) }
      } catch {
        state = new
        throw error
      }
      new.pinned = nil
      new.position = staged.position
      for path in staged.files {
        new.fileNumbers[path] = UInt32(truncatingIfNeeded: new.files.count)
        new.files.append(path)
      }
      state = new
    }
  }

  public func move(to position: IndexPosition) throws(StreamError) {
    try publish(stageAll(position))
  }

  public func stageMove(
    to position: IndexPosition
  ) throws(StreamError) -> (any StagedIndexBatch)? { try stageAll(position) }

  private func stageAll(_ position: IndexPosition) throws(StreamError) -> any StagedIndexBatch {
    let nothing = try bytesArray([])
    return try stage(
      IndexBatch(
        position: position, files: [], keys: nothing, states: [], locations: [],
        versions: nothing, rows: nothing))
  }

  public func forEach(
    batchRows: Int, _ body: (ArrayData, IndexedRows) throws(StreamError) -> Bool
  ) throws(StreamError) {
    let snapshot = try state.withLock { state throws(StreamError) -> RocksStore.Snapshot in
      guard let state else { throw closed }
      return state.pinned ?? RocksStore.Snapshot(state.store)
    }
    var keys: [[UInt8]?] = []
    let reader = RocksKeyIndexReader(State(store: snapshot.store), snapshot)
    func flush() throws(StreamError) -> Bool {
      if keys.isEmpty { return true }
      let array = try bytesArray(keys)
      keys.removeAll(keepingCapacity: true)
      return try body(array, reader.get(array, isSorted: true, withRows: true))
    }
    var goesOn = true
    try snapshot.forEach(from: [1]) { (key, _) throws(StreamError) in
      guard key.count >= 1, key[0] == 1 else { return false }
      keys.append([UInt8](key.dropFirst()))
      if keys.count >= max(1, batchRows) { goesOn = try flush() }
      return goesOn
    }
    if goesOn { _ = try flush() }
  }

  public func close() { state.withLock { $0 = nil } }
}
