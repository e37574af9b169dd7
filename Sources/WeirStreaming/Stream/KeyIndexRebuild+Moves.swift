// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage
internal import WeirTable

/// Has an index follow compactions: rows are where the compactions' row maps say that they went.
///
/// Keys are read from the new files, nothing else: rows and their versions are those that the index has.
/// Every place is compared with the one that the index knew, so that an index which is not what it should
/// be is noticed, and brought here in the general way.
extension KeyIndexRebuild {
  /// - Returns: the places that change; `nil` when the snapshots between the index's and the current one
  ///   are not all compactions with row maps, or the index knew other places.
  func moves(
    _ index: any KeyIndex, shard: Int, to wanted: IndexPosition
  ) throws(StreamError) -> IndexBatch? {
    guard let known = index.position, known.offset == wanted.offset,
      known.snapshotID != wanted.snapshotID
    else { return nil }
    do throws(TableError) {
      guard let moves = try RowMoves(metadata, since: known.snapshotID, table.stores) else {
        return nil
      }
      let tasks = try files(.current, shard).visible.filter { moves.made($0.dataFile.path) }
      return try batch(tasks, moves, index, shard, wanted)
    } catch { throw StreamError(error).adding(shard: shard) }
  }

  private func batch(
    _ tasks: [FileScanTask], _ moves: RowMoves, _ index: any KeyIndex, _ shard: Int,
    _ wanted: IndexPosition
  ) throws(TableError) -> IndexBatch? {
    let names = layout.keyColumns.map { layout.fileSchema.fields[$0].name }
    var keys: [ArrayData] = []
    var places: [RowLocation] = []
    var rows: [Int] = []
    var count = 0
    for (number, task) in tasks.enumerated() {
      try read([task], names + [StreamColumns.shard, "_pos"]) { batch throws(StreamError) in
        keys.append(
          try layout.keyEncoder.encode(
            Array(batch.columns.prefix(names.count)), rowCount: batch.rowCount))
        let shards = batch.columns[names.count]
        let positions = batch.columns[names.count + 1]
        for row in 0..<batch.rowCount {
          guard case .int(let position) = positions.scalar(at: row) else { continue }
          places.append(
            RowLocation(
              file: UInt32(truncatingIfNeeded: number), row: UInt32(truncatingIfNeeded: position)))
          if shards.scalar(at: row) == .int(Int64(shard)) { rows.append(count + row) }
        }
        count += batch.rowCount
      }
    }
    do throws(StreamError) {
      guard !keys.isEmpty else {
        let none = try bytesArray([])
        return Self.batch(wanted, tasks, none, [], none)
      }
      let all = try columnar { () throws(ColumnarError) in try ArrayData.concatenate(keys) }
      rows.sort { (a: Int, b: Int) -> Bool in VersionBytes.compare(all, a, all, b) < 0 }
      let order = rows
      let sorted = try columnar { () throws(ColumnarError) in try all.take(order) }
      let reader = try index.reader()
      let before = try reader.get(sorted, isSorted: true, withRows: false)
      for (row, place) in order.enumerated() {
        let new = places[place]
        guard before.states[row] == .present,
          let path = reader.path(of: before.locations[row].file),
          moves.origin(of: tasks[Int(new.file)].dataFile.path, Int(new.row))
            == RowMoves.Place(path: path, row: Int(before.locations[row].row))
        else { return nil }
      }
      if Defect.indexStaysBehind.isPlanted {
        let none = try bytesArray([])
        return Self.batch(wanted, [], none, [], none)
      }
      return Self.batch(wanted, tasks, sorted, order.map { places[$0] }, before.versions)
    } catch { throw TableError(error) }
  }

  private static func batch(
    _ wanted: IndexPosition, _ tasks: [FileScanTask], _ keys: ArrayData,
    _ locations: [RowLocation], _ versions: ArrayData
  ) -> IndexBatch {
    IndexBatch(
      position: wanted, files: tasks.map(\.dataFile.path), keys: keys,
      states: [KeyState](repeating: .present, count: keys.length), locations: locations,
      versions: versions, rows: nil)
  }
}

/// Where rows were before some compactions, one after the other.
struct RowMoves {
  struct Place: Equatable {
    var path: String
    var row: Int
  }

  /// The sources' paths of a compaction, and for each row of an output which of them it was in, and where.
  private struct Output {
    var sources: [String]
    var rows: [(source: Int, row: Int)]
  }

  private var outputs: [String: Output] = [:]
  /// Compactions that are followed one after the other at most.
  private static let snapshotCountMax = 64

  /// - Returns: `nil` when other snapshots than compactions with row maps lie between, or a compaction left
  ///   away files of which all rows were deleted: those of tombstones. A backfill moves no rows, but the
  ///   index has its column, too.
  init?(
    _ metadata: TableMetadata, since snapshotID: Int64, _ stores: ObjectStores
  ) throws(TableError) {
    var maps: [RowMap] = []
    var next = metadata.currentSnapshot
    var count = 0
    while let snapshot = next, snapshot.snapshotID != snapshotID {
      count += 1
      guard snapshot.operation == .replace, count <= Self.snapshotCountMax else { return nil }
      let made = try RowMap.all(of: snapshot, stores)
      guard !made.isEmpty else { return nil }
      maps += made
      next = snapshot.parentID.flatMap { metadata.snapshot(id: $0) }
    }
    guard next != nil else { return nil }
    for map in maps {
      guard
        zip(map.sources, map.ordinals).allSatisfy({ source, ordinals in
          source.rowCount == 0 || ordinals.contains { $0 != RowMap.none }
        })
      else { return nil }
      let sources = map.sources.map(\.path)
      for (number, output) in map.outputs.enumerated() {
        outputs[output.path] = Output(sources: sources, rows: map.origins(of: number))
      }
    }
  }

  /// Whether a compaction wrote the file.
  func made(_ path: String) -> Bool { outputs[path] != nil }

  /// Where a row was at first.
  func origin(of path: String, _ row: Int) -> Place {
    var place = Place(path: path, row: row)
    while let output = outputs[place.path], place.row < output.rows.count {
      let (source, row) = output.rows[place.row]
      guard output.sources.indices.contains(source) else { break }
      place = Place(path: output.sources[source], row: row)
    }
    return place
  }
}
