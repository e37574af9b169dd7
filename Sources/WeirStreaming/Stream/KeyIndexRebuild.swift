// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// Makes key indexes from the files of a table.
///
/// Files whose rows are all marked deleted hold tombstones (a flush gives them files of their own, and
/// any other file that loses its last row is dropped). They are read in the order in which they came,
/// then the rows that readers see: where a key has a row, it is newer than the key's tombstones.
struct KeyIndexRebuild {
  private let table: Table
  private let layout: StreamLayout
  private let metadata: TableMetadata
  private let cache: ManifestCache

  init(_ table: Table, _ layout: StreamLayout, _ metadata: TableMetadata, _ cache: ManifestCache) {
    self.table = table
    self.layout = layout
    self.metadata = metadata
    self.cache = cache
  }

  /// Leaves an index that describes this state as it is, and makes any other one anew.
  func bring(_ index: any KeyIndex, shard: Int, to covered: Int64) throws(StreamError) {
    let wanted = IndexPosition(snapshotID: metadata.currentSnapshotID ?? 0, offset: covered)
    if index.position == wanted { return }
    try index.clear()
    do throws(TableError) {
      let planner = try ScanPlanner(
        metadata, stores: table.stores,
        filter: .compare(.equal, Term(StreamColumns.shard), .integer(Int128(shard))), cache: cache)
      var visible: [FileScanTask] = []
      var tombstones: [FileScanTask] = []
      while var task = try planner.next() {
        if task.deletes.deletionVector?.recordCount == task.dataFile.recordCount {
          task.deletes = TaskDeletes()
          tombstones.append(task)
        } else {
          visible.append(task)
        }
      }
      tombstones.sort { $0.sequenceNumber < $1.sequenceNumber }
      let codec = try RowsOfIndex(layout, index)
      for (tasks, state) in [(tombstones, KeyState.deleted), (visible, .present)] {
        try read(tasks) { batch throws(StreamError) in
          try index.apply(codec.batch(batch, state))
        }
      }
      try finish(index, wanted)
    } catch { throw StreamError(error).adding(shard: shard) }
  }

  private func finish(_ index: any KeyIndex, _ position: IndexPosition) throws(TableError) {
    do throws(StreamError) {
      try index.move(to: position)
    } catch { throw TableError(error) }
  }

  private func read(
    _ tasks: [FileScanTask], _ body: (RecordBatch) throws(StreamError) -> Void
  ) throws(TableError) {
    var options = TableReadOptions()
    options.columns = layout.fileSchema.fields.map(\.name) + ["_file", "_pos"]
    let reader = try TableReader(
      metadata, stores: table.stores, options: options, tasks: tasks)
    while let batch = try reader.next() {
      do throws(StreamError) { try body(batch) } catch { throw TableError(error) }
    }
  }
}

extension TableError {
  /// An error of a stream on its way through a table's code.
  fileprivate init(_ error: StreamError) {
    self.init(.damaged, error.message, file: error.file, column: error.column, cause: error.cause)
  }
}

/// Rows read from files as batches for an index.
private struct RowsOfIndex {
  private let layout: StreamLayout
  private let codec: RowCodec

  init(_ layout: StreamLayout, _ index: any KeyIndex) throws(TableError) {
    self.layout = layout
    do throws(StreamError) {
      codec = try RowCodec(
        layout.fileSchema, layoutNumber: try index.layout(for: layout.fileSchema))
    } catch { throw TableError(error) }
  }

  /// - Parameter read: the columns of the file schema, then `_file` and `_pos`.
  func batch(_ read: RecordBatch, _ state: KeyState) throws(StreamError) -> IndexBatch {
    let count = layout.fileSchema.fields.count
    let unsorted = try columnar { () throws(ColumnarError) in
      try RecordBatch(
        schema: layout.fileSchema, columns: Array(read.columns.prefix(count)),
        rowCount: read.rowCount)
    }
    let keys = try layout.keyEncoder.encode(unsorted)
    let order = (0..<read.rowCount).sorted { VersionBytes.compare(keys, $0, keys, $1) < 0 }
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
}
