// SPDX-License-Identifier: Apache-2.0
// Safe: handles are used between their creation and their destruction, which this class owns; key and value
// pointers live as long as the calls that get them.

internal import CRocksDB
internal import Synchronization
internal import WeirStorage

#if canImport(Glibc)
  internal import Glibc
#endif

/// A RocksDB database with one column family, opened for a key index.
///
/// Nothing is written through memory tables but small notes: batches become table files of their own
/// (`Writer`), which are taken in whole. There is no log; what was taken in is durable.
final class RocksStore: @unchecked Sendable {
  // Safe: RocksDB's own calls are thread-safe; the handles never change after `init`.
  private let database: OpaquePointer
  private let columnFamily: OpaquePointer
  private let options: OpaquePointer
  private let readOptions: OpaquePointer
  private let writeOptions: OpaquePointer
  let folder: String

  /// Sorted runs before RocksDB merges some.
  private static let runsMax: Int32 = 6
  private static let blockBytes = 4 << 10
  private static let metadataBlockBytes = 8 << 10
  private static let cacheShardBits: Int32 = 2
  private static let blobBytesMin: UInt64 = 64
  private static let blobFileBytes: UInt64 = 64 << 20
  private static let openFilesMax: Int32 = 512

  /// - Parameter cacheBytes: for blocks, their indexes and filters.
  init(folder: String, cacheBytes: Int) throws(StreamError) {
    self.folder = folder
    let options = Self.makeOptions(cacheBytes: cacheBytes)
    self.options = options
    var error: UnsafeMutablePointer<CChar>?
    let family = "default"
    let opened = family.withCString { name -> (OpaquePointer, OpaquePointer)? in
      var names: UnsafePointer<CChar>? = name
      var familyOptions: OpaquePointer? = options
      var handle: OpaquePointer?
      guard
        let database = rocksdb_open_column_families(
          options, folder, 1, &names, &familyOptions, &handle, &error), let handle
      else { return nil }
      return (database, handle)
    }
    if let message = Self.message(&error) {
      rocksdb_options_destroy(options)
      throw Self.failure(message, folder)
    }
    guard let opened else {
      rocksdb_options_destroy(options)
      throw StreamError(.storage, "RocksDB could not be opened", file: folder)
    }
    (database, columnFamily) = opened
    readOptions = rocksdb_readoptions_create()
    writeOptions = rocksdb_writeoptions_create()
    rocksdb_writeoptions_disable_WAL(writeOptions, 1)
  }

  deinit {
    rocksdb_column_family_handle_destroy(columnFamily)
    rocksdb_close(database)
    rocksdb_writeoptions_destroy(writeOptions)
    rocksdb_readoptions_destroy(readOptions)
    rocksdb_options_destroy(options)
  }

  private static func makeOptions(cacheBytes: Int) -> OpaquePointer {
    let options: OpaquePointer = rocksdb_options_create()
    // What merges write goes to the disk as it is written (see `WriteBehind`). A RocksDB that knows no
    // such options works without.
    let steady = "bytes_per_sync=\(WriteBehind.stepBytes);strict_bytes_per_sync=true"
    var error: UnsafeMutablePointer<CChar>?
    rocksdb_get_options_from_string(options, steady, options, &error)
    _ = message(&error)
    rocksdb_options_set_create_if_missing(options, 1)
    rocksdb_options_set_max_open_files(options, openFilesMax)
    rocksdb_options_set_write_buffer_size(options, 1 << 20)
    rocksdb_options_set_max_background_jobs(options, 2)
    rocksdb_options_set_keep_log_file_num(options, 2)
    rocksdb_options_set_max_log_file_size(options, 1 << 20)
    rocksdb_options_set_max_manifest_file_size(options, 4 << 20)
    rocksdb_options_set_stats_dump_period_sec(options, 0)
    rocksdb_options_set_compression(options, Int32(rocksdb_no_compression))
    rocksdb_options_set_compaction_style(options, Int32(rocksdb_universal_compaction))
    rocksdb_options_set_level0_file_num_compaction_trigger(options, runsMax)
    // Rows leave the sorted runs with the first merge, which later merges then do not copy.
    rocksdb_options_set_enable_blob_files(options, 1)
    rocksdb_options_set_min_blob_size(options, blobBytesMin)
    rocksdb_options_set_blob_file_size(options, blobFileBytes)
    rocksdb_options_set_enable_blob_gc(options, 1)
    rocksdb_options_set_blob_gc_age_cutoff(options, 0.25)
    rocksdb_options_set_blob_gc_force_threshold(options, 0.5)
    let table: OpaquePointer = rocksdb_block_based_options_create()
    let cache = makeCache(cacheBytes)
    rocksdb_block_based_options_set_block_cache(table, cache)
    rocksdb_cache_destroy(cache)  // The options keep it.
    // In parts: a filter of a million keys has megabytes, and would be read whole for one key.
    rocksdb_block_based_options_set_index_type(
      table, Int32(rocksdb_block_based_table_index_type_two_level_index_search))
    rocksdb_block_based_options_set_partition_filters(table, 1)
    rocksdb_block_based_options_set_metadata_block_size(table, UInt64(metadataBlockBytes))
    rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 1)
    rocksdb_block_based_options_set_block_size(table, blockBytes)
    rocksdb_block_based_options_set_format_version(table, 5)
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1)
    rocksdb_block_based_options_set_filter_policy(
      table, rocksdb_filterpolicy_create_bloom_full(10))
    rocksdb_options_set_block_based_table_factory(options, table)
    rocksdb_block_based_options_destroy(table)
    return options
  }

  /// Few shards: a block that is larger than one is never kept.
  private static func makeCache(_ byteCount: Int) -> OpaquePointer {
    let options: OpaquePointer = rocksdb_lru_cache_options_create()
    defer { rocksdb_lru_cache_options_destroy(options) }
    rocksdb_lru_cache_options_set_capacity(options, byteCount)
    rocksdb_lru_cache_options_set_num_shard_bits(options, cacheShardBits)
    return rocksdb_cache_create_lru_opts(options)
  }

  /// The message that a call left, which is freed.
  private static func message(_ error: inout UnsafeMutablePointer<CChar>?) -> String? {
    guard let pointer = error else { return nil }
    defer {
      rocksdb_free(pointer)
      error = nil
    }
    return String(cString: pointer)
  }

  private static func failure(_ message: String, _ folder: String) -> StreamError {
    // RocksDB says what it means in words alone.
    if message.hasPrefix("IO error: While lock file") || message.contains("lock hold by") {
      return StreamError(
        .conflict, "another process has the key index open; only one may", file: folder,
        cause: message)
    }
    if message.hasPrefix("Corruption") || message.hasPrefix("Invalid argument")
      || message.hasPrefix("Not implemented") || message.contains("No such file")
    {
      return StreamError(
        .damaged, "the key index is damaged; it is rebuilt from the table's files", file: folder,
        cause: message)
    }
    return StreamError(
      .storage, "the key index could not be read or written", file: folder, cause: message)
  }

  private func check(_ error: inout UnsafeMutablePointer<CChar>?) throws(StreamError) {
    if let message = Self.message(&error) { throw Self.failure(message, folder) }
  }

  // MARK: - Reading

  /// What the database held when this was made.
  final class Snapshot: @unchecked Sendable {
    // Safe: a snapshot may be used by any number of threads; the store lives as long.
    let store: RocksStore
    private let snapshot: OpaquePointer
    fileprivate let readOptions: OpaquePointer

    init(_ store: RocksStore) {
      self.store = store
      snapshot = rocksdb_create_snapshot(store.database)
      readOptions = rocksdb_readoptions_create()
      rocksdb_readoptions_set_snapshot(readOptions, snapshot)
    }

    deinit {
      rocksdb_readoptions_destroy(readOptions)
      rocksdb_release_snapshot(store.database, snapshot)
    }

    /// Calls `body` with the value of each key, in order; `nil` where there is none.
    ///
    /// - Parameters:
    ///   - starts: where the keys begin in `bytes`, and where the last one ends.
    ///   - isSorted: the keys ascend.
    func get(
      _ bytes: UnsafeRawBufferPointer, starts: [Int], isSorted: Bool,
      _ body: (Int, UnsafeRawBufferPointer?) -> Void
    ) throws(StreamError) {
      var first = 0
      var values = [OpaquePointer?](repeating: nil, count: Self.getBatch)
      var errors = [UnsafeMutablePointer<CChar>?](repeating: nil, count: Self.getBatch)
      var keys = [UnsafePointer<CChar>?](repeating: nil, count: Self.getBatch)
      var sizes = [Int](repeating: 0, count: Self.getBatch)
      let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      while first < starts.count - 1 {
        let count = min(Self.getBatch, starts.count - 1 - first)
        for place in 0..<count {
          let start = starts[first + place]
          keys[place] = base.map { UnsafePointer($0 + start) }
          sizes[place] = starts[first + place + 1] - start
        }
        rocksdb_batched_multi_get_cf(
          store.database, readOptions, store.columnFamily, count, keys, sizes, &values, &errors,
          isSorted)
        var failure: String?
        for place in 0..<count {
          if let message = RocksStore.message(&errors[place]) { failure = failure ?? message }
          guard let value = values[place] else {
            body(first + place, nil)
            continue
          }
          var length = 0
          let pointer = rocksdb_pinnableslice_value(value, &length)
          body(first + place, UnsafeRawBufferPointer(start: pointer, count: length))
          rocksdb_pinnableslice_destroy(value)
          values[place] = nil
        }
        if let failure { throw RocksStore.failure(failure, store.folder) }
        first += count
      }
    }

    private static let getBatch = 512

    /// Calls `body` with each key from `start` on, and its value, until it returns false.
    func forEach(
      from start: [UInt8],
      _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(StreamError) -> Bool
    ) throws(StreamError) {
      let iterator: OpaquePointer = rocksdb_create_iterator(store.database, readOptions)
      defer { rocksdb_iter_destroy(iterator) }
      start.withUnsafeBytes { bytes in
        rocksdb_iter_seek(
          iterator, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
      }
      while rocksdb_iter_valid(iterator) != 0 {
        var (keyLength, valueLength) = (0, 0)
        let key = rocksdb_iter_key(iterator, &keyLength)
        let value = rocksdb_iter_value(iterator, &valueLength)
        guard
          try body(
            UnsafeRawBufferPointer(start: key, count: keyLength),
            UnsafeRawBufferPointer(start: value, count: valueLength))
        else { return }
        rocksdb_iter_next(iterator)
      }
      var error: UnsafeMutablePointer<CChar>?
      rocksdb_iter_get_error(iterator, &error)
      try store.check(&error)
    }
  }

  // MARK: - Writing

  /// A table file that is not part of the database yet. Keys ascend.
  final class Writer {
    private let store: RocksStore
    private let environment: OpaquePointer
    private let writer: OpaquePointer
    let path: String
    /// The same file, to bring it to the disk while it grows; -1 where it cannot be opened.
    private let file: Int32
    private var behind = WriteBehind()
    /// Bytes of keys and values since the last step.
    private var stepCount = 0

    init(_ store: RocksStore, path: String) throws(StreamError) {
      self.store = store
      self.path = path
      // One that a crash left may be linked into the database: written over, it would break that.
      unlink(path)
      environment = rocksdb_envoptions_create()
      writer = rocksdb_sstfilewriter_create(environment, store.options)
      var error: UnsafeMutablePointer<CChar>?
      rocksdb_sstfilewriter_open(writer, path, &error)
      file = error == nil ? open(path, O_WRONLY | O_CLOEXEC) : -1
      try store.check(&error)
    }

    deinit {
      if file >= 0 { close(file) }
      rocksdb_sstfilewriter_destroy(writer)
      rocksdb_envoptions_destroy(environment)
      // What was taken in is linked under another name.
      unlink(path)
    }

    func put(
      _ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(StreamError) {
      var error: UnsafeMutablePointer<CChar>?
      rocksdb_sstfilewriter_put(
        writer, key.baseAddress?.assumingMemoryBound(to: CChar.self), key.count,
        value.baseAddress?.assumingMemoryBound(to: CChar.self), value.count, &error)
      if error != nil { try store.check(&error) }
      advance(key.count + value.count)
    }

    private func advance(_ count: Int) {
      stepCount += count
      guard stepCount >= WriteBehind.stepBytes, file >= 0 else { return }
      stepCount = 0
      let end = lseek(file, 0, SEEK_END)
      // An error of the disk is told by RocksDB's sync, of its own open file.
      if end > 0 { _ = behind.advance(file, to: Int(end)) }
    }

    func delete(_ key: UnsafeRawBufferPointer) throws(StreamError) {
      var error: UnsafeMutablePointer<CChar>?
      rocksdb_sstfilewriter_delete(
        writer, key.baseAddress?.assumingMemoryBound(to: CChar.self), key.count, &error)
      if error != nil { try store.check(&error) }
    }

    /// Writes the rest, and syncs.
    func finish() throws(StreamError) {
      var error: UnsafeMutablePointer<CChar>?
      rocksdb_sstfilewriter_finish(writer, &error)
      try store.check(&error)
    }
  }

  /// Takes a finished file in: all of it at once, durably.
  func ingest(_ writer: Writer) throws(StreamError) {
    let options: OpaquePointer = rocksdb_ingestexternalfileoptions_create()
    defer { rocksdb_ingestexternalfileoptions_destroy(options) }
    rocksdb_ingestexternalfileoptions_set_move_files(options, 1)
    var error: UnsafeMutablePointer<CChar>?
    writer.path.withCString { path in
      var file: UnsafePointer<CChar>? = path
      rocksdb_ingest_external_file(database, &file, 1, options, &error)
    }
    try check(&error)
  }

  /// Deletes all keys.
  func deleteAll() throws(StreamError) {
    var error: UnsafeMutablePointer<CChar>?
    let (low, high): ([CChar], [CChar]) = ([0], [-1])
    rocksdb_delete_range_cf(database, writeOptions, columnFamily, low, 1, high, 1, &error)
    try check(&error)
    try flush()
    rocksdb_compact_range(database, nil, 0, nil, 0)
  }

  private func flush() throws(StreamError) {
    let options: OpaquePointer = rocksdb_flushoptions_create()
    defer { rocksdb_flushoptions_destroy(options) }
    rocksdb_flushoptions_set_wait(options, 1)
    var error: UnsafeMutablePointer<CChar>?
    rocksdb_flush(database, options, &error)
    try check(&error)
  }

  /// Bytes on disk, about.
  var byteCount: Int {
    guard let text = rocksdb_property_value(database, "rocksdb.total-sst-files-size") else {
      return 0
    }
    defer { rocksdb_free(text) }
    return Int(String(cString: text)) ?? 0
  }

  /// Deletes a database with all its files.
  static func destroy(folder: String) throws(StreamError) {
    let options: OpaquePointer = rocksdb_options_create()
    defer { rocksdb_options_destroy(options) }
    var error: UnsafeMutablePointer<CChar>?
    rocksdb_destroy_db(options, folder, &error)
    if let message = message(&error) { throw failure(message, folder) }
  }
}
