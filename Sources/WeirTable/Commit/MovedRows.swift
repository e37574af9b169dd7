// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Rows that others' compactions brought to other files between the start of an operation and its commit.
///
/// An operation that is about rows of files which are no longer there asks where they went, compaction by
/// compaction; see `RowMap`.
struct MovedRows {
  /// One rewrite of files.
  private struct Move {
    var snapshot: Snapshot
    var map: RowMap
    var outputs: [String: DataFile]
  }

  private var moves: [Move] = []
  /// Maps that were read already, by snapshot.
  private var known: [Int64: [RowMap]] = [:]

  /// Reads the maps that are about `paths`, and about where their rows went.
  mutating func follow(
    _ paths: Set<String>, _ base: TableMetadata, _ scan: ConflictScan, _ context: CommitContext
  ) throws(TableError) {
    moves = []
    var paths = paths
    for snapshot in try scan.newSnapshots() where snapshot.movesRows {
      let maps = try self.maps(of: snapshot, context)
      for map in maps where map.sources.contains(where: { paths.contains($0.path) }) {
        moves.append(Move(snapshot: snapshot, map: map, outputs: [:]))
        paths.formUnion(map.outputs.map(\.path))
      }
    }
    guard !moves.isEmpty else { return }
    let wanted = Set(moves.flatMap { $0.map.outputs.map(\.path) })
    var files: [String: DataFile] = [:]
    try scan.forEachChange(.data) { entry, _ throws(TableError) in
      if entry.status == .added, wanted.contains(entry.dataFile.path) {
        files[entry.dataFile.path] = entry.dataFile
      }
    }
    for index in moves.indices {
      for output in moves[index].map.outputs {
        moves[index].outputs[output.path] = files[output.path]
      }
    }
  }

  private mutating func maps(
    of snapshot: Snapshot, _ context: CommitContext
  ) throws(TableError) -> [RowMap] {
    if let maps = known[snapshot.snapshotID] { return maps }
    let maps = try RowMap.all(of: snapshot, context.files.stores)
    known[snapshot.snapshotID] = maps
    return maps
  }

  /// Rows of files to be deleted, wherever they are now.
  struct Rows {
    var file: DataFile
    /// All when `nil`.
    var positions: RoaringBitmap64?
  }

  /// Brings rows to the files in which they are now.
  ///
  /// - Parameter rows: by the paths of their files, of which some may have been rewritten.
  /// - Returns: a file some of whose rows have no place any more, since somebody else had deleted them.
  func move(_ rows: inout [String: Rows]) -> String? {
    var lost: String?
    for move in Defect.wrongRebaseOrder.isPlanted ? moves.reversed() : moves {
      for (number, source) in move.map.sources.enumerated() {
        guard let meant = rows.removeValue(forKey: source.path) else { continue }
        var left = meant.positions?.count ?? source.rowCount
        for (output, positions) in move.map.places(of: number, meant.positions) {
          let path = move.map.outputs[output].path
          // An output that had lost all its rows by then was not added.
          guard let file = move.outputs[path] else { continue }
          left -= positions.count
          var there = rows[path] ?? Rows(file: file, positions: RoaringBitmap64())
          there.positions?.formUnion(RoaringBitmap64(positions))
          rows[path] = there
        }
        if left > 0 { lost = lost ?? source.path }
      }
    }
    return lost
  }

  /// Whether nothing moved.
  var isEmpty: Bool { moves.isEmpty }
}
