// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirParquet
internal import WeirStorage

/// Reads delete files, each once for many data files as long as the cache has room. Threads may share
/// it.
final class DeleteLoader: Sendable {
  private let stores: ObjectStores
  private let nameMapping: NameMapping?
  private let positionCache: BoundedCache<[String: [Int64]]>
  private let equalityCache: BoundedCache<EqualityDeleteSet>
  private let byteCountMax: Int

  /// Rows of a position delete file that is kept for other data files; of larger ones only the rows
  /// of the data file at hand are read.
  private static let keptRowsMax = 4 << 20

  /// - Parameter byteCountMax: what the caches may take, and the equality deletes of one data file.
  init(stores: ObjectStores, nameMapping: NameMapping?, byteCountMax: Int) {
    self.stores = stores
    self.nameMapping = nameMapping
    self.byteCountMax = byteCountMax
    positionCache = BoundedCache(byteCountMax: byteCountMax)
    equalityCache = BoundedCache(byteCountMax: byteCountMax)
  }

  // MARK: By position

  /// Rows of the task's file that its deletion vector or position delete files name.
  func positions(_ task: FileScanTask) throws(TableError) -> DeletedRows {
    try positions(task.deletes, of: task.dataFile)
  }

  /// Rows of the file that a deletion vector or position delete files name.
  func positions(
    _ deletes: TaskDeletes, of dataFile: DataFile
  ) throws(TableError) -> DeletedRows {
    var rows = DeletedRows()
    let count = dataFile.recordCount
    if let vector = deletes.deletionVector {
      try insertVector(vector, of: dataFile, into: &rows)
    }
    for file in deletes.positionDeletes {
      for position in try positions(in: file, of: dataFile.path) {
        rows.insert(position, rowCountMax: count)
      }
    }
    for position in deletes.otherPositions?.positions ?? [] {
      rows.insert(position, rowCountMax: count)
    }
    return rows
  }

  /// Rows of the file that position delete files name.
  func positions(_ files: [DataFile], of file: DataFile) throws(TableError) -> DeletedRows {
    var rows = DeletedRows()
    for delete in files {
      for position in try positions(in: delete, of: file.path) {
        rows.insert(position, rowCountMax: file.recordCount)
      }
    }
    return rows
  }

  private func insertVector(
    _ vector: DataFile, of file: DataFile, into rows: inout DeletedRows
  ) throws(TableError) {
    guard vector.referencedDataFile == nil || vector.referencedDataFile == file.path else {
      throw TableError(
        .damaged, "the deletion vector is of another file, \(vector.referencedDataFile ?? "")",
        file: vector.path)
    }
    let bitmap = try deletionVector(vector)
    bitmap.forEach(in: 0..<Int64(file.recordCount)) {
      rows.insert($0, rowCountMax: file.recordCount)
    }
  }

  /// The positions of a deletion vector.
  func deletionVector(_ vector: DataFile) throws(TableError) -> RoaringBitmap64 {
    let source: any ObjectReader
    do throws(StorageError) {
      source = try stores.open(vector.path)
    } catch { throw TableError(error, file: vector.path) }
    return try PuffinReader.deletionVector(source, file: vector)
  }

  private func positions(in file: DataFile, of path: String) throws(TableError) -> [Int64] {
    if let known = positionCache[file.path] { return known[path] ?? [] }
    let keeps = file.recordCount <= Self.keptRowsMax
    do throws(TableError) {
      let all = try readPositions(file, only: keeps ? nil : path)
      if keeps {
        positionCache.insert(
          all, file.path, byteCount: all.reduce(256) { $0 + $1.value.count * 8 + $1.key.utf8.count }
        )
      }
      return all[path] ?? []
    } catch { throw error.adding(file: file.path) }
  }

  /// Positions by data file.
  private func readPositions(
    _ file: DataFile, only path: String?
  ) throws(TableError) -> [String: [Int64]] {
    guard file.format == .parquet else {
      throw TableError(.unsupported, "position deletes of format \(file.format) cannot be read")
    }
    let parquet = try ParquetRows.open(file.path, stores)
    var names: [String] = []
    for (id, name) in [
      (MetadataColumn.deleteFilePathID, "file_path"), (MetadataColumn.deletePositionID, "pos"),
    ] {
      let field =
        parquet.schema.fields.first { $0.id == id }
        ?? parquet.schema.fields.first { $0.name == name }
      guard let field else {
        throw TableError(.damaged, "the position delete file has no column \(name)")
      }
      names.append(field.name)
    }
    var result: [String: [Int64]] = [:]
    do throws(ParquetError) {
      let batches = try parquet.batches(
        columns: names,
        predicates: path.map { [ColumnPredicate(names[0], .equal, [.string($0)])] } ?? [])
      while let batch = try batches.next() {
        do throws(TableError) {
          try Self.collect(batch, only: path, into: &result)
        } catch { throw ParquetError(.damaged, error.message) }
      }
    } catch { throw TableError(error) }
    return result
  }

  private static func collect(
    _ batch: RecordBatch, only path: String?, into result: inout [String: [Int64]]
  ) throws(TableError) {
    var paths = batch.columns[0]
    if case .dictionary = paths.type {
      paths = try ColumnPlan.dictionary(.same).apply(paths)
    }
    guard paths.type.isVariableBinary, batch.columns[1].type == .int64, paths.nullCount == 0,
      batch.columns[1].nullCount == 0
    else {
      throw TableError(
        .damaged,
        "position deletes are texts and 64-bit integers without nulls, these are "
          + "\(paths.type) and \(batch.columns[1].type)")
    }
    // Files are sorted by path, so that most rows continue their neighbour's.
    for run in PathRuns.runs(paths, batch.columns[1]) where path == nil || run.path == path {
      result[run.path, default: []] += run.positions
    }
  }

  // MARK: By equality

  /// The equality deletes that apply to a data file, one set for each choice of fields.
  func equality(
    _ deletes: TaskDeletes, schema: TableSchema
  ) throws(TableError) -> [EqualityDeleteSet] {
    var groups: [[Int32]: [DataFile]] = [:]
    for file in deletes.equalityDeletes {
      guard let ids = file.equalityIDs, !ids.isEmpty else {
        throw TableError(.damaged, "the equality delete file names no fields", file: file.path)
      }
      groups[ids.sorted(), default: []].append(file)
    }
    var sets: [EqualityDeleteSet] = []
    for (ids, files) in groups.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      let set = try equalitySet(ids, files, schema)
      if set.count > 0 { sets.append(set) }
    }
    return sets
  }

  private func equalitySet(
    _ ids: [Int32], _ files: [DataFile], _ schema: TableSchema
  ) throws(TableError) -> EqualityDeleteSet {
    let key =
      "\(schema.schemaID) \(ids) " + files.map(\.path).sorted().joined(separator: "\n")
    if let known = equalityCache[key] { return known }
    var parts: [RecordBatch] = []
    var byteCount = 0
    for file in files {
      do throws(TableError) {
        try readRows(file, ids, schema, &parts, &byteCount)
      } catch { throw error.adding(file: file.path) }
    }
    var keys: [ArrayData] = []
    do throws(ColumnarError) {
      for id in ids where !parts.isEmpty {
        var arrays: [ArrayData] = []
        for part in parts {
          guard let array = EqualityDeleteSet.column(id, part) else { continue }
          arrays.append(array)
        }
        keys.append(try ArrayData.concatenate(arrays))
      }
    } catch { throw TableError(error) }
    let set = EqualityDeleteSet(fieldIDs: ids, keys: keys)
    equalityCache.insert(set, key, byteCount: set.byteCount)
    return set
  }

  private func readRows(
    _ file: DataFile, _ ids: [Int32], _ schema: TableSchema, _ parts: inout [RecordBatch],
    _ byteCount: inout Int
  ) throws(TableError) {
    guard file.format == .parquet else {
      throw TableError(.unsupported, "equality deletes of format \(file.format) cannot be read")
    }
    for id in ids where schema.field(id: id)?.type.isPrimitive != true {
      throw TableError(
        .unsupported,
        "the file deletes by the field \(id), which the schema does not have as a "
          + "column of single values")
    }
    var selection = try ColumnSelection(
      [], schema: schema, partitionType: StructType([]), caseSensitive: true)
    selection.add(ids, schema: schema)
    let parquet = try ParquetRows.open(file.path, stores)
    let fields = try ParquetRows.fields(parquet.schema, nameMapping)
    let names = ParquetRows.columnNames(selection.fields, fields)
    let target = Schema(selection.fields.map(\.arrowField))
    do throws(ParquetError) {
      let batches = try parquet.batches(columns: names)
      let stored = nameMapping?.assigningIDs(batches.schema.fields) ?? batches.schema.fields
      let plan: [ColumnPlan.Child]
      do throws(TableError) {
        plan = try ColumnPlanner(matching: .ids).children(selection.fields, in: stored, path: "")
      } catch { throw ParquetError(.damaged, error.message, column: error.column) }
      while let batch = try batches.next() {
        var arrays: [ArrayData] = []
        do throws(TableError) {
          for child in plan {
            arrays.append(try child.apply(batch.columns, rows: batch.rowCount))
          }
        } catch { throw ParquetError(.damaged, error.message, column: error.column) }
        byteCount += arrays.reduce(0) { $0 + $1.byteCount }
        guard byteCount <= byteCountMax else {
          throw ParquetError(
            .limitExceeded,
            "the equality deletes of one data file take more than \(byteCountMax) bytes; compact "
              + "the table, or allow more")
        }
        parts.append(RecordBatch(trusted: target, columns: arrays, rowCount: batch.rowCount))
      }
    } catch { throw TableError(error) }
  }
}

/// Neighbouring rows of one path in a position delete file.
struct PathRuns {
  var path: String
  var positions: [Int64]

  static func runs(_ paths: ArrayData, _ positions: ArrayData) -> [PathRuns] {
    var result: [PathRuns] = []
    var start = 0
    for row in 1..<max(paths.length + 1, 1) {
      if row < paths.length {
        let same = paths.withBytes(row) { a in
          paths.withBytes(start) { b in a.count == b.count && a.elementsEqual(b) }
        }
        if same { continue }
      }
      if start >= paths.length { break }
      let path = paths.withBytes(start) { String(decoding: $0, as: UTF8.self) }
      let values = positions.slice(offset: start, length: row - start)
      var run: [Int64] = []
      run.reserveCapacity(values.length)
      for position in values.values(as: Int64.self) { run.append(position) }
      withExtendedLifetime(values) {}
      result.append(PathRuns(path: path, positions: run))
      start = row
    }
    return result
  }
}
