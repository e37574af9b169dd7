// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// Makes key indexes from the files of a table, or brings them from one snapshot to another.
///
/// Files whose rows are all marked deleted hold tombstones (a flush gives them files of their own, and
/// any other file that loses its last row is dropped). They are read first, then the rows that readers see:
/// where a key has a row, it is newer than the key's tombstones. Of a key's tombstones the one with the
/// highest offset counts, whichever file it is in: an erasure of other keys brings old ones to a new file.
struct KeyIndexRebuild {
  let table: Table
  let layout: StreamLayout
  let metadata: TableMetadata
  let cache: ManifestCache

  init(_ table: Table, _ layout: StreamLayout, _ metadata: TableMetadata, _ cache: ManifestCache) {
    self.table = table
    self.layout = layout
    self.metadata = metadata
    self.cache = cache
  }

  /// How an index was brought to a state of the table.
  enum Way: Equatable {
    /// It was there already.
    case asItWas
    /// Rows were brought to other files by compactions, and their places were changed.
    case moved(rows: Int)
    /// Only files that differ from those it knew were read.
    case replayed(files: Int)
    /// All files were read.
    case rebuilt
  }

  /// Leaves an index that describes this state as it is, brings one of another snapshot here, and makes
  /// any other one anew.
  @discardableResult
  func bring(_ index: any KeyIndex, shard: Int, to covered: Int64) throws(StreamError) -> Way {
    let wanted = IndexPosition(snapshotID: metadata.currentSnapshotID ?? 0, offset: covered)
    if index.position == wanted { return .asItWas }
    if let moves = try moves(index, shard: shard, to: wanted) {
      try index.apply(moves)
      return .moved(rows: moves.keys.length)
    }
    if let files = try replay(index, shard: shard, to: wanted) { return .replayed(files: files) }
    try index.clear()
    do throws(TableError) {
      try load(index, try files(.current, shard), shard: shard, keys: nil)
    } catch { throw StreamError(error).adding(shard: shard) }
    try index.move(to: wanted)
    return .rebuilt
  }

  /// An index of some keys alone, as they were at a snapshot.
  ///
  /// Cost: reads all rows of the shard in that snapshot.
  func index(
    of keys: Set<[UInt8]>, shard: Int, at snapshotID: Int64?
  ) throws(StreamError) -> MemoryKeyIndex {
    let index = MemoryKeyIndex()
    guard let snapshotID, !keys.isEmpty else { return index }
    do throws(TableError) {
      try load(index, try files(.id(snapshotID), shard), shard: shard, keys: keys)
    } catch { throw StreamError(error).adding(shard: shard) }
    return index
  }

  // MARK: Files

  /// The files of a snapshot that may hold rows of a shard.
  struct Files {
    /// Rows that readers see.
    var visible: [FileScanTask] = []
    /// Their deletes are left away.
    var tombstones: [FileScanTask] = []
  }

  func files(_ selector: SnapshotSelector, _ shard: Int) throws(TableError) -> Files {
    let planner = try ScanPlanner(
      metadata, stores: table.stores,
      filter: .compare(.equal, Term(StreamColumns.shard), .integer(Int128(shard))),
      at: selector, cache: cache)
    // The rows of another shard are told by their column: residuals are of another schema.
    let all = try ScanPlanner(metadata, stores: table.stores, cache: cache).filter
    var files = Files()
    while var task = try planner.next() {
      task.residual = all
      if task.isTombstones {
        files.tombstones.append(task)
      } else {
        files.visible.append(task)
      }
    }
    return files
  }

  /// Adds the rows of files to an index.
  ///
  /// - Parameter keys: the keys that matter; all when `nil`.
  func load(
    _ index: any KeyIndex, _ files: Files, shard: Int, keys: Set<[UInt8]>?
  ) throws(TableError) {
    let rows = try RowsOfIndex(layout, index, shard: shard, keys: keys)
    let tombstones = files.tombstones.map { task in
      var task = task
      task.deletes = TaskDeletes()
      return task
    }
    for (tasks, state) in [(tombstones, KeyState.deleted), (files.visible, .present)] {
      let columns = layout.fileSchema.fields.map(\.name) + ["_file", "_pos"]
      try read(tasks, columns) { batch throws(StreamError) in
        let batch = try rows.batch(batch, state, index)
        if batch.keys.length > 0 { try index.apply(batch) }
      }
    }
  }

  func read(
    _ tasks: [FileScanTask], _ columns: [String],
    _ body: (RecordBatch) throws(StreamError) -> Void
  ) throws(TableError) {
    var options = TableReadOptions()
    options.columns = columns
    let reader = try TableReader(
      metadata, stores: table.stores, options: options, tasks: tasks)
    while let batch = try reader.next() {
      do throws(StreamError) { try body(batch) } catch { throw TableError(error) }
    }
  }
}

extension FileScanTask {
  /// Whether all rows of the file are marked deleted.
  var isTombstones: Bool { deletes.deletionVector?.recordCount == dataFile.recordCount }
}

extension TableError {
  /// An error of a stream on its way through a table's code.
  init(_ error: StreamError) {
    self.init(.damaged, error.message, file: error.file, column: error.column, cause: error.cause)
  }
}

/// Rows read from files as batches for an index.
private struct RowsOfIndex {
  private let layout: StreamLayout
  private let codec: RowCodec
  private let shard: Int64
  private let shardColumn: Int
  private let offsetColumn: Int
  private let wanted: Set<[UInt8]>?

  init(
    _ layout: StreamLayout, _ index: any KeyIndex, shard: Int, keys: Set<[UInt8]>?
  ) throws(TableError) {
    self.layout = layout
    self.shard = Int64(shard)
    wanted = keys
    do throws(StreamError) {
      let places = try StreamLayout.places(
        [StreamColumns.shard, StreamColumns.offset], layout.fileSchema, "index")
      (shardColumn, offsetColumn) = (places[0], places[1])
      codec = try RowCodec(
        layout.fileSchema, layoutNumber: try index.layout(for: layout.fileSchema))
    } catch { throw TableError(error) }
  }

  /// - Parameters:
  ///   - read: the columns of the file schema, then `_file` and `_pos`.
  ///   - index: knows all that was read before.
  func batch(
    _ read: RecordBatch, _ state: KeyState, _ index: any KeyIndex
  ) throws(StreamError) -> IndexBatch {
    let count = layout.fileSchema.fields.count
    let unsorted = RecordBatch(
      trusted: layout.fileSchema, columns: Array(read.columns.prefix(count)),
      rowCount: read.rowCount)
    let keys = try layout.keyEncoder.encode(unsorted)
    let shards = unsorted.columns[shardColumn]
    var order = (0..<read.rowCount).filter { row in
      guard case .int(shard) = shards.scalar(at: row) else { return false }
      return wanted?.contains(keys.byteArray(row)) ?? true
    }.sorted { VersionBytes.compare(keys, $0, keys, $1) < 0 }
    if state == .deleted {
      order = try newest(order, keys, unsorted.columns[offsetColumn], try index.reader())
    }
    let rows = try columnar { () throws(ColumnarError) in try unsorted.take(order) }
    var files: [String] = []
    var numbers: [String: UInt32] = [:]
    var locations: [RowLocation] = []
    for row in order {
      guard case .string(let path) = read.columns[count].scalar(at: row),
        case .int(let position) = read.columns[count + 1].scalar(at: row)
      else { continue }
      let number = numbers[path] ?? UInt32(truncatingIfNeeded: files.count)
      if numbers.updateValue(number, forKey: path) == nil { files.append(path) }
      locations.append(RowLocation(file: number, row: UInt32(truncatingIfNeeded: position)))
    }
    let isDelete = state == .deleted ? [Bool](repeating: true, count: rows.rowCount) : []
    let none = try bytesArray([[UInt8]](repeating: [], count: rows.rowCount))
    return IndexBatch(
      position: nil, files: files,
      keys: try columnar { () throws(ColumnarError) in try keys.take(order) },
      states: [KeyState](repeating: state, count: rows.rowCount), locations: locations,
      versions: try layout.merger.versions(rows, deletes: isDelete) ?? none,
      rows: try codec.encode(rows))
  }

  /// Tombstones that say more than the index does: not of keys that have a row, nor older ones.
  ///
  /// - Parameter order: ascending by key.
  private func newest(
    _ order: [Int], _ keys: ArrayData, _ offsets: ArrayData, _ reader: any KeyIndexReader
  ) throws(StreamError) -> [Int] {
    func offset(_ offsets: ArrayData, _ row: Int) -> Int64 {
      if case .int(let offset) = offsets.scalar(at: row) { offset } else { -1 }
    }
    var last: [Int] = []
    for row in order {
      guard let before = last.last, VersionBytes.compare(keys, before, keys, row) == 0 else {
        last.append(row)
        continue
      }
      if offset(offsets, before) <= offset(offsets, row) { last[last.count - 1] = row }
    }
    let rows = last
    let sorted = try columnar { () throws(ColumnarError) in try keys.take(rows) }
    let known = try reader.get(sorted, isSorted: true, withRows: true)
    let deleted = rows.indices.filter {
      known.states[$0] == .deleted && !(known.rows?.isNull($0) ?? true)
    }
    var knownOffsets: [Int: Int64] = [:]
    if let encoded = known.rows, !deleted.isEmpty {
      let taken = try columnar { () throws(ColumnarError) in try encoded.take(deleted) }
      let batch = try RowResolver(layout: layout).decode(taken, reader, columns: [offsetColumn])
      for (row, place) in deleted.enumerated() {
        knownOffsets[place] = offset(batch.columns[0], row)
      }
    }
    return rows.indices.filter { place in
      known.states[place] != .present
        && knownOffsets[place] ?? -1 <= offset(offsets, rows[place])
    }.map { rows[$0] }
  }
}
