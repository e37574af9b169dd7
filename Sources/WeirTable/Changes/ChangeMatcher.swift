// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Pairs rows that went with rows that came.
///
/// 1. A row that came to a file and went from that file again, or the other way round, is one row: it is
///    told by its place, whatever was filled into it meanwhile, and passed over.
/// 2. All rows of the tasks that are left are read and told by fingerprints (`RowFingerprint`), as many at a time as
///    memory allows: in several passes where there are more, each over the rows whose fingerprints fall
///    into its share.
/// 3. Rows with the same fingerprint, sorted by when they happened: each that went cancels the nearest
///    one before that came, and the other way round. What cancels is passed over.
/// 4. With identifier columns: what is left, by the fingerprint of these. A row that went and one that
///    came are an update.
struct ChangeMatcher {
  /// What was found out about the rows of a task, by their position in its file.
  struct Found {
    var cancelled = DeletedRows()
    var updates = DeletedRows()
  }

  /// The most tasks that can be paired at once.
  static let taskCountMax = 1 << 20

  private let tasks: [ChangeTask]
  private let context: ReadContext
  private let placing: ReadContext
  /// The identifier columns; `nil` when no updates are wanted.
  private let keys: [Int32]?
  private let keyNames: [String]
  private let cancels: Bool
  private let fingerprint: RowFingerprint
  private let rowCountMax: Int

  /// One row.
  private struct Row {
    var hash: (UInt64, UInt64)
    var key: (UInt64, UInt64)
    /// The task and the position in its file.
    var place: UInt64
  }

  private static let positionBits: UInt64 = 40

  /// - Parameters:
  ///   - tasks: in the order of time, for each snapshot those that went first.
  ///   - context: reads all columns and then `_pos`.
  ///   - placing: reads `_pos`.
  ///   - keys: the field ids of the identifier columns.
  ///   - cancels: whether equal rows that went and came cancel each other.
  ///   - byteCountMax: what the rows of a pass may take.
  init(
    _ tasks: [ChangeTask], _ context: ReadContext, _ placing: ReadContext, keys: [Int32]?,
    cancels: Bool, byteCountMax: Int, random: () -> UInt64
  ) {
    self.tasks = tasks
    self.context = context
    self.placing = placing
    self.keys = keys
    keyNames = (keys ?? []).compactMap { context.schema.path(ofFieldID: $0) }
    self.cancels = cancels
    fingerprint = RowFingerprint(random: random)
    rowCountMax = max(16, byteCountMax / MemoryLayout<Row>.stride)
  }

  /// What was found for each task.
  func match() throws(TableError) -> [Found] {
    var found = [Found](repeating: Found(), count: tasks.count)
    guard tasks.count <= Self.taskCountMax else {
      throw TableError(
        .limit,
        "the changes are in more than \(Self.taskCountMax) files at once; ask for fewer snapshots, or "
          + "for changes as they are, without carried rows taken out")
    }
    if cancels { try cancelInPlace(&found) }
    let rows = tasks.reduce(0) { $0 &+ $1.rowCountMax }
    let passes = UInt64(max(1, (rows + rowCountMax - 1) / rowCountMax))
    for pass in 0..<passes { try match(pass: pass, of: passes, &found) }
    return found
  }

  private func match(
    pass: UInt64, of passes: UInt64, _ found: inout [Found]
  ) throws(TableError) {
    var rows: [Row] = []
    for index in tasks.indices { try read(index, found[index], pass, passes, into: &rows) }
    if cancels {
      rows.sort {
        $0.hash != $1.hash ? $0.hash < $1.hash : $0.place < $1.place
      }
      rows = cancel(rows, &found)
    }
    guard keys != nil else { return }
    rows.sort { $0.key != $1.key ? $0.key < $1.key : $0.place < $1.place }
    try pairUpdates(rows, &found)
  }

  private func read(
    _ index: Int, _ found: Found, _ pass: UInt64, _ passes: UInt64, into rows: inout [Row]
  ) throws(TableError) {
    guard let file = try ChangeFile.open(tasks[index], context, found) else { return }
    while let batch = try file.next() {
      let count = batch.columns.count - 1
      let lanes = try fingerprint.lanes(Array(batch.columns[..<count]), rows: batch.rowCount)
      let keyLanes: RowFingerprint.Lanes? = try keys.map { ids throws(TableError) in
        let columns = ids.compactMap { EqualityDeleteSet.column($0, batch) }
        return try fingerprint.lanes(columns, rows: batch.rowCount)
      }
      let positions = Lineage.values(batch.columns[count])
      for row in 0..<batch.rowCount {
        let hash = (lanes.a[row], lanes.b[row])
        let key = keyLanes.map { ($0.a[row], $0.b[row]) } ?? (0, 0)
        let share = keyLanes == nil ? hash.1 : key.1
        if passes > 1, share % passes != pass { continue }
        rows.append(
          Row(
            hash: hash, key: key,
            place: UInt64(index) << Self.positionBits | UInt64(positions[row])))
      }
    }
  }

  /// Rows that came to a file and went from it again, or went and came back: at one place it is one or the
  /// other in turn.
  private func cancelInPlace(_ found: inout [Found]) throws(TableError) {
    var members: [String: [Int]] = [:]
    for (index, task) in tasks.enumerated() {
      members[task.scan.dataFile.path, default: []].append(index)
    }
    for indices in members.values {
      let came = indices.count { tasks[$0].type == .insert }
      guard came > 0, came < indices.count else { continue }
      var open: [(task: Int, rows: DeletedRows)] = []
      for index in indices {
        var rows = try places(tasks[index])
        for last in open.indices.reversed()
        where tasks[open[last].task].type != tasks[index].type {
          let both = rows.intersection(open[last].rows)
          if both.isEmpty { continue }
          for task in [open[last].task, index] { found[task].cancelled.formUnion(both) }
          open[last].rows.subtract(both)
          rows.subtract(both)
        }
        open.append((index, rows))
      }
    }
  }

  /// The positions of a task's rows in its file.
  private func places(_ task: ChangeTask) throws(TableError) -> DeletedRows {
    let (scan, file) = (task.scan, task.scan.dataFile)
    if scan.residual.isAlwaysTrue, scan.deletes.equalityDeletes.isEmpty,
      task.deletedBy?.equalityDeletes.isEmpty ?? true
    {
      let hidden = try placing.deletes.positions(scan.deletes, of: file)
      var rows = DeletedRows(first: file.recordCount)
      if let deletedBy = task.deletedBy {
        rows = try placing.deletes.positions(deletedBy, of: file)
      }
      rows.subtract(hidden)
      return rows
    }
    var rows = DeletedRows()
    guard let reader = try ChangeFile.open(task, placing) else { return rows }
    while let batch = try reader.next() {
      for position in Lineage.values(batch.columns[0]) {
        rows.insert(position, rowCountMax: file.recordCount)
      }
    }
    return rows
  }

  private func task(_ row: Row) -> Int { Int(row.place >> Self.positionBits) }
  private func position(_ row: Row) -> Int64 {
    Int64(row.place & (1 << Self.positionBits - 1))
  }

  /// Rows that do not cancel each other. `rows` is sorted by fingerprint and time.
  private func cancel(_ rows: [Row], _ found: inout [Found]) -> [Row] {
    var left: [Row] = []
    var start = 0
    while start < rows.count {
      var end = start + 1
      while end < rows.count, rows[end].hash == rows[start].hash { end += 1 }
      let first = left.count
      for row in rows[start..<end] {
        // All that is open is of one kind.
        if left.count > first, let last = left.last,
          tasks[task(last)].type != tasks[task(row)].type
        {
          left.removeLast()
          for one in [last, row] { mark(one, \.cancelled, &found) }
        } else {
          left.append(row)
        }
      }
      start = end
    }
    return left
  }

  private func pairUpdates(_ rows: [Row], _ found: inout [Found]) throws(TableError) {
    var start = 0
    while start < rows.count {
      var end = start + 1
      while end < rows.count, rows[end].key == rows[start].key { end += 1 }
      defer { start = end }
      let group = rows[start..<end]
      let went = group.count { tasks[task($0)].type == .delete }
      guard went > 0, went < group.count else { continue }
      guard group.count == 2 else {
        throw TableError(
          .invalidArgument,
          "snapshot \(tasks[task(group[start])].snapshotID) changes several rows of the same "
            + "\(keyNames.joined(separator: ", ")): the columns do not tell rows apart, so updates "
            + "cannot be told")
      }
      for row in group { mark(row, \.updates, &found) }
    }
  }

  private func mark(
    _ row: Row, _ rows: WritableKeyPath<Found, DeletedRows>, _ found: inout [Found]
  ) {
    let index = task(row)
    found[index][keyPath: rows].insert(
      position(row), rowCountMax: tasks[index].scan.dataFile.recordCount)
  }
}

/// Opens the file of a change.
enum ChangeFile {
  /// - Returns: `nil` when the task has no rows, as far as that can be seen without opening the file.
  static func open(
    _ task: ChangeTask, _ context: ReadContext, _ found: ChangeMatcher.Found? = nil
  ) throws(TableError) -> DataFileReader? {
    let file = task.scan.dataFile
    var scan = task.scan
    var choice = RowChoice()
    choice.excluded = try context.deletes.positions(scan.deletes, of: file)
    scan.deletes.deletionVector = nil
    scan.deletes.positionDeletes = []
    scan.deletes.otherPositions = nil
    if let found {
      choice.excluded.formUnion(found.cancelled)
      choice.marked = found.updates
    }
    if choice.excluded.count == file.recordCount { return nil }
    if let deletes = task.deletedBy {
      var rows = try context.deletes.positions(deletes, of: file)
      rows.subtract(choice.excluded)
      if rows.isEmpty, deletes.equalityDeletes.isEmpty { return nil }
      choice.wanted = rows
      choice.wantedEquality = deletes.equalityDeletes
    }
    return try DataFileReader(scan, context, choosing: choice)
  }
}
