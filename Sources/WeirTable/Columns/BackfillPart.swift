// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// A share of a backfill that several processes do, each of which commits by itself.
///
/// 1. `Table.backfillParts` divides the data files of the current snapshot.
/// 2. Whoever does a part fills the rows that these files had then, wherever compactions have taken them
///    since (`AddColumnFiles`). All parts together leave what one backfill would have.
/// 3. The commit names the part. One that is done again, for nobody heard that it was done, finds this
///    commit among those since, and changes nothing.
public struct BackfillPart: Hashable, Sendable {
  /// By which it is told from all others.
  public var id: String
  /// The snapshot that was divided.
  public var snapshotID: Int64
  /// Its data files.
  public var paths: Set<String>

  /// In the summary of a snapshot: the part that it did.
  static let property = "weir.backfilled-part"

  /// The table with the snapshot that was divided as its current one.
  ///
  /// - Throws: `conflict` when the table does not go back to it any more: nobody could say where the rows
  ///   are.
  func start(in metadata: TableMetadata) throws(TableError) -> TableMetadata {
    guard history(metadata).last?.snapshotID == snapshotID else {
      throw TableError(
        .conflict,
        "the backfill was divided at snapshot \(snapshotID), which has expired or was rolled back since; "
          + "start the backfill again")
    }
    var start = metadata
    start.currentSnapshotID = snapshotID
    start.references[SnapshotReference.mainBranch]?.snapshotID = snapshotID
    return start
  }

  /// The snapshot by which it was done.
  func snapshot(in metadata: TableMetadata) -> Snapshot? {
    history(metadata).first(where: isDone)
  }

  func isDone(by snapshot: Snapshot) -> Bool { snapshot.summary?[Self.property] == id }

  /// The snapshots from the current one down to the one that was divided.
  private func history(_ metadata: TableMetadata) -> ArraySlice<Snapshot> {
    let all = metadata.currentSnapshotID.map { metadata.ancestors(of: $0) } ?? []
    guard let end = all.firstIndex(where: { $0.snapshotID == snapshotID }) else { return all[...] }
    return all[...end]
  }
}

extension BackfillPart: JSONConvertible {
  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    id = try object.string("id")
    snapshotID = try object.int64("snapshot_id")
    paths = Set(try object.array("files") { value throws(JSONError) in try value.asString() })
  }

  public func json() -> JSONValue {
    [
      "id": .string(id), "snapshot_id": .int(snapshotID),
      "files": .array(paths.sorted().map { .string($0) }),
    ]
  }
}

/// Which data files a backfill looks at.
struct BackfilledFiles {
  private let paths: Set<String>?
  private let sequenceNumber: Int64

  /// - Parameter start: the table as the part was planned.
  init(_ part: BackfillPart?, _ start: TableMetadata) {
    paths = part?.paths
    sequenceNumber = start.currentSnapshot?.sequenceNumber ?? 0
  }

  /// A file that came since may have rows of the part's files, where others rewrote them.
  func contain(_ task: FileScanTask) -> Bool {
    guard let paths else { return true }
    return paths.contains(task.dataFile.path) || task.fileSequenceNumber > sequenceNumber
  }
}

extension Table {
  /// Divides a backfill of all rows that the table has now.
  ///
  /// - Parameter count: of parts, at most; none for a table without rows. They have about as many rows
  ///   each, and whole files, in the order of their paths: those of a partition, as far as that goes.
  public func backfillParts(_ count: Int) throws(TableError) -> [BackfillPart] {
    let metadata = try refresh()
    guard let snapshotID = metadata.currentSnapshotID else { return [] }
    let planner = try ScanPlanner(metadata, stores: stores, cache: environment.manifestCache)
    var files: [(path: String, rowCount: Int)] = []
    while let file = try planner.next()?.dataFile {
      if file.recordCount > 0 { files.append((file.path, file.recordCount)) }
    }
    files.sort { $0.path < $1.path }
    let all = Double(files.reduce(0) { $0 + $1.rowCount })
    var parts: [BackfillPart] = []
    var lastShare = -1.0
    var rowCount = 0
    for file in files {
      // Where the file begins, in parts.
      let share = (Double(rowCount) / all * Double(count)).rounded(.down)
      if share > lastShare {
        parts.append(BackfillPart(id: environment.uuid(), snapshotID: snapshotID, paths: []))
        lastShare = share
      }
      parts[parts.count - 1].paths.insert(file.path)
      rowCount += file.rowCount
    }
    return parts
  }
}
