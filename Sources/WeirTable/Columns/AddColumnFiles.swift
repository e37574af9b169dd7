// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Makes column files part of a table: a snapshot with the data files of the one before it.
///
/// Where others were faster, the values follow the rows:
///
/// - Files that a compaction of Weir's rewrote: their values go to where its row map says, file by file;
///   rows that came to the same file from elsewhere keep what they have.
/// - Another backfill of the same column: the rows that this one has values for get them, the others keep
///   those of the other one. The second one wins, row by row.
/// - Backfills of other columns: both lists of column files become one.
/// - Files all of whose rows were deleted or replaced need no column file any more.
///
/// In the way are files that were rewritten without a row map (by another engine, for the most part), and a
/// rollback. The backfill is planned again then, on what there is.
final class AddColumnFiles: SnapshotProducer {
  private var field: TableField?
  private var made: [BackfilledFile] = []
  /// All data files of the snapshot that the backfill began with.
  private var liveFiles: Set<String> = []
  private var startList = ColumnFileList()
  /// Those that were made again, by what they were made of.
  private var remade: [RemadeKey: ColumnFile] = [:]
  /// The column files of the last attempt.
  private(set) var usedColumnFiles: Set<String> = []
  private(set) var remadeCount = 0
  /// The part of the backfill that is done, and the commit of others that did it already.
  private var part: BackfillPart?
  private(set) var doneBy: Snapshot?

  /// In the summary of the snapshot: the column.
  private static let columnProperty = "weir.backfilled-column"

  private struct RemadeKey: Hashable {
    var path: String
    var current: [ColumnFile]
  }

  func begin(
    _ field: TableField, _ made: [BackfilledFile], liveFiles: Set<String>,
    startList: ColumnFileList, part: BackfillPart?, _ result: BackfillResult
  ) {
    self.field = field
    self.made = made
    self.liveFiles = liveFiles
    self.startList = startList
    self.part = part
    set(Self.columnProperty, field.name)
    for (name, value) in result.summary { set(name, value) }
    if let part { set(BackfillPart.property, part.id) }
  }

  override var operation: Snapshot.Operation { .replace }

  override var otherUsedFiles: Set<String> { usedColumnFiles }

  override func validate(_ scan: ConflictScan) throws(TableError) {
    guard let part else { return }
    doneBy = try scan.newSnapshots().first(where: part.isDone)
    if doneBy != nil { usedColumnFiles = [] }
  }

  override func columnFiles(
    on base: TableMetadata, _ parent: Snapshot?, _ scan: ConflictScan, _ changes: FileChanges,
    _ context: CommitContext
  ) throws(TableError) -> ColumnFileList? {
    guard let begun = field, let field = base.currentSchema.field(id: begun.id) else {
      throw TableError(
        .conflict, "the column was dropped while it was backfilled; nothing was changed",
        column: field?.name)
    }
    usedColumnFiles = []
    remadeCount = 0
    var list = try context.files.columnFiles(of: parent, in: base)
    if Defect.twoColumnJobs.isPlanted { list = startList }
    if parent?.snapshotID == startingSnapshotID {
      for file in made { add(file.file, of: file.dataFile.path, &list) }
      return kept(list, base, live: liveFiles)
    }
    let changed = try ChangedFiles(scan)
    var places = RowsInFiles(made)
    try places.follow(scan, context, changed)
    for (path, rows) in places.files.sorted(by: { $0.key < $1.key }) {
      guard changed.isThere(path, or: liveFiles.contains(path)) else { continue }
      try add(rows, path, field, base, changed, context, &list)
    }
    return kept(list, base, live: changed.applied(to: liveFiles))
  }

  private func add(_ file: ColumnFile, of path: String, _ list: inout ColumnFileList) {
    list.set(file, of: path)
    usedColumnFiles.insert(file.path)
  }

  private func add(
    _ rows: RowsInFiles.Rows, _ path: String, _ field: TableField, _ base: TableMetadata,
    _ changed: ChangedFiles, _ context: CommitContext, _ list: inout ColumnFileList
  ) throws(TableError) {
    var target: DataFile?
    if case .whole(let number) = rows {
      let file = made[number]
      if list.file(path, field.id) == file.before || Defect.twoColumnJobs.isPlanted {
        return add(file.file, of: path, &list)
      }
      target = file.dataFile
    } else {
      target = changed.added[path]
    }
    guard let target else { return }
    let key = RemadeKey(path: path, current: list[path])
    let file: ColumnFile
    if let known = remade[key] {
      file = known
    } else {
      let (sources, picks) = picks(rows, rowCount: target.recordCount)
      let remaker = ColumnRemaker(metadata: base, files: context.files)
      file = try remaker.make(
        try ColumnRemaker.task(target, list[path], base), field, sources: sources, picks: picks)
      wrote(file.path)
      remade[key] = file
    }
    remadeCount += 1
    add(file, of: path, &list)
  }

  /// Where the values of a file's rows come from.
  private func picks(
    _ rows: RowsInFiles.Rows, rowCount: Int
  ) -> (sources: [ColumnFile], picks: [ColumnRemaker.Pick]) {
    var sources: [ColumnFile] = []
    var numbers: [Int: Int32] = [:]
    var picks: [ColumnRemaker.Pick] = []
    picks.reserveCapacity(rowCount)
    for row in 0..<rowCount {
      guard let place = rows.place(of: row), made[place.file].isFound(place.row) else {
        picks.append(.own)
        continue
      }
      let number = numbers[place.file] ?? Int32(truncatingIfNeeded: sources.count)
      if numbers.updateValue(number, forKey: place.file) == nil {
        sources.append(made[place.file].file)
      }
      picks.append(
        ColumnRemaker.Pick(source: number, row: UInt32(truncatingIfNeeded: place.row)))
    }
    return (sources, picks)
  }

  /// Without entries of data files that are gone, and of columns that were dropped.
  private func kept(
    _ list: ColumnFileList, _ base: TableMetadata, live: Set<String>
  ) -> ColumnFileList {
    var list = list
    let columns = Set(base.currentSchema.fields.map(\.id))
    list.keep { live.contains($0) && columns.contains($1.fieldID) }
    return list
  }

  override func isNothing(_ changes: FileChanges) -> Bool {
    made.isEmpty || doneBy != nil
  }
}

/// Data files that others added and removed since an operation began.
struct ChangedFiles {
  /// Those that were added last, or removed.
  private var isThere: [String: Bool] = [:]
  private(set) var added: [String: DataFile] = [:]
  /// Who removed a file.
  private(set) var removers: [String: Snapshot] = [:]

  init(_ scan: ConflictScan) throws(TableError) {
    var isThere: [String: Bool] = [:]
    var added: [String: DataFile] = [:]
    var removers: [String: Snapshot] = [:]
    try scan.forEachChange(.data) { entry, snapshot throws(TableError) in
      let file = entry.dataFile
      isThere[file.path] = entry.status == .added
      if entry.status == .added { added[file.path] = file } else { removers[file.path] = snapshot }
    }
    self.isThere = isThere
    self.added = added
    self.removers = removers
  }

  func isThere(_ path: String, or before: Bool) -> Bool { isThere[path] ?? before }

  /// The files that are there now, of those that were there then.
  func applied(to files: Set<String>) -> Set<String> {
    var files = files
    for (path, isThere) in isThere {
      if isThere { files.insert(path) } else { files.remove(path) }
    }
    return files
  }
}

/// In which files the rows of a backfill's data files are, as compactions moved them.
private struct RowsInFiles {
  /// Where the rows of a file were.
  enum Rows {
    /// It is a file of the backfill, by its number.
    case whole(Int)
    /// For each row the file of the backfill (above 32 bits) and the row there; `none` for others.
    case moved([UInt64])

    static let none = UInt64.max

    func place(of row: Int) -> (file: Int, row: Int)? {
      switch self {
      case .whole(let number): return (number, row)
      case .moved(let places):
        guard row < places.count, places[row] != Self.none else { return nil }
        return (Int(places[row] >> 32), Int(places[row] & 0xffff_ffff))
      }
    }
  }

  private(set) var files: [String: Rows] = [:]

  init(_ made: [BackfilledFile]) {
    for (number, file) in made.enumerated() { files[file.dataFile.path] = .whole(number) }
  }

  mutating func follow(
    _ scan: ConflictScan, _ context: CommitContext, _ changed: ChangedFiles
  ) throws(TableError) {
    for snapshot in try scan.newSnapshots() where snapshot.movesRows {
      for map in try RowMap.all(of: snapshot, context.files.stores)
      where map.sources.contains(where: { files[$0.path] != nil }) {
        move(map)
      }
    }
    for path in files.keys.sorted() {
      guard let remover = changed.removers[path], !changed.isThere(path, or: false) else {
        continue
      }
      // A delete leaves no rows of the file anywhere. Whoever puts others in its place may carry rows.
      guard remover.operation != .delete else { continue }
      throw ConflictDescription.error(
        "a data file that was backfilled was rewritten meanwhile", remover, file: path)
    }
  }

  private mutating func move(_ map: RowMap) {
    let sources = map.sources.map { files[$0.path] }
    for (number, output) in map.outputs.enumerated() {
      var places = [UInt64](repeating: Rows.none, count: output.rowCount)
      var isOfUse = false
      for (row, origin) in map.origins(of: number).enumerated() where origin.source >= 0 {
        guard let place = sources[origin.source]?.place(of: origin.row) else { continue }
        places[row] =
          UInt64(truncatingIfNeeded: place.file) << 32 | UInt64(truncatingIfNeeded: place.row)
        isOfUse = true
      }
      if isOfUse { files[output.path] = .moved(places) }
    }
    for source in map.sources { files[source.path] = nil }
  }
}
