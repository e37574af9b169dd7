// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Writes the live rows of a group of files into new ones, and notes where each went.
///
/// Row ids and the sequence numbers of rows' last changes stay (v3). Memory: 12 bytes a row, and what a
/// writer holds; where rows are sorted, what `SortedRuns` holds.
struct GroupRewriter {
  let metadata: TableMetadata
  let stores: ObjectStores
  let environment: TableEnvironment
  let sorter: RowSorter?
  /// Bytes of rows that are sorted at once.
  var sortBytesMax = CompactionOptions().sortBytesMax

  /// The position among all rows of the sources.
  private static let ordinalColumn = "_weir_source_ordinal"

  /// - Parameter folder: where the files go; to the table's data folder when `nil`.
  /// - Throws: what reading and writing throw; nothing is left then.
  func rewrite(
    _ sources: [FileScanTask], into folder: String? = nil
  ) throws(TableError) -> CompactedGroup {
    let hasLineage = metadata.formatVersion >= 3
    var options = TableWriteOptions()
    options.sorts = false
    options.hasRowLineage = hasLineage
    options.folder = folder
    if let sorter, sorter.orderID != SortOrder.unsorted.orderID {
      options.sortOrderID = sorter.orderID
    }
    let writer = try TableWriter(
      metadata, stores: stores, options: options, environment: environment)
    var places = Places(sources)
    do throws(TableError) {
      if let sorter {
        try write(sources, by: sorter, &places, writer)
      } else {
        for (number, source) in sources.enumerated() {
          let reader = try reader(source, hasLineage)
          let ordinals = places.ordinals(number)
          while let batch = try reader.next() {
            try places.write(batch.withoutLastColumn, try ordinals.of(batch), to: writer)
          }
        }
      }
      let outputs = try writer.close()
      return CompactedGroup(sources: sources, outputs: outputs, map: places.map(outputs))
    } catch {
      writer.abort()
      throw error
    }
  }

  private func write(
    _ sources: [FileScanTask], by sorter: RowSorter, _ places: inout Places, _ writer: TableWriter
  ) throws(TableError) {
    let hasLineage = metadata.formatVersion >= 3
    let runs = SortedRuns(
      sorter, metadata, stores, environment, byteCountMax: sortBytesMax)
    defer { runs.discard() }
    let inOrder = SortedRuns.sortedSources(sources, sorter, byteCountMax: sortBytesMax)
    for (number, source) in sources.enumerated() {
      let ordinals = places.ordinals(number)
      if inOrder.contains(number) {
        runs.addRun { batchRowsMax throws(TableError) in
          let reader = try self.reader(source, hasLineage, batchRowsMax: batchRowsMax)
          return { () throws(TableError) in
            guard let batch = try reader.next() else { return nil }
            return try ordinals.noted(in: batch)
          }
        }
        continue
      }
      let reader = try reader(source, hasLineage)
      while let batch = try reader.next() { try runs.add(try ordinals.noted(in: batch)) }
    }
    while let (rows, isInOrder) = try runs.next() {
      if !isInOrder { try writer.endFiles() }
      let ordinals = rows.columns[rows.columns.count - 1].int64Values
      try places.write(rows.withoutLastColumn, ordinals, to: writer)
    }
  }

  private func reader(
    _ source: FileScanTask, _ hasLineage: Bool, batchRowsMax: Int? = nil
  ) throws(TableError) -> TableReader {
    var source = source
    // All rows, whatever the plan's filter was.
    source.residual = try Predicate.always(true).bound(
      to: metadata.currentSchema, caseSensitive: true)
    var options = TableReadOptions()
    if let batchRowsMax { options.batchRowsMax = batchRowsMax }
    options.columns = metadata.currentSchema.fields.map(\.name)
    if hasLineage {
      options.columns! += [MetadataColumn.rowID, .lastUpdatedSequenceNumber].map(\.rawValue)
    }
    options.columns!.append(MetadataColumn.position.rawValue)
    return try TableReader(metadata, stores: stores, options: options, tasks: [source])
  }

  /// The positions of a source's rows among those of all.
  private struct Ordinals {
    let file: DataFile
    /// Of the first row.
    let start: Int

    /// - Parameter batch: its last column is `_pos`.
    func of(_ batch: RecordBatch) throws(TableError) -> [Int] {
      guard let column = batch.columns.last, column.type == .int64 else { throw damaged }
      let positions = column.int64Values
      guard positions.allSatisfy({ $0 >= 0 && $0 < file.recordCount }) else { throw damaged }
      return positions.map { start + $0 }
    }

    private var damaged: TableError {
      TableError(
        .damaged, "the file has other rows than the \(file.recordCount) that the manifest says",
        file: file.path)
    }

    /// The batch with the ordinals in the place of `_pos`.
    func noted(in batch: RecordBatch) throws(TableError) -> RecordBatch {
      let ordinals = try of(batch)
      var fields = batch.schema.fields
      fields[fields.count - 1] = Field(GroupRewriter.ordinalColumn, .int64, nullable: false)
      var columns = batch.columns
      let builder = PrimitiveBuilder<Int64>(.int64)
      builder.append(contentsOf: ordinals.map { Int64($0) })
      columns[columns.count - 1] = builder.finish()
      return RecordBatch(
        trusted: Schema(fields), columns: columns, rowCount: batch.rowCount)
    }
  }

  /// Where rows go.
  private struct Places {
    private let sources: [FileScanTask]
    /// The ordinal of the first row of each source.
    private var starts: [Int] = []
    /// For each row of all sources: the number of its path, and its row there.
    private var targets: [UInt64]
    private var paths: [String] = []
    private var pathNumbers: [String: Int] = [:]
    private static let none = UInt64.max

    init(_ sources: [FileScanTask]) {
      self.sources = sources
      var count = 0
      for source in sources {
        starts.append(count)
        count += source.dataFile.recordCount
      }
      targets = [UInt64](repeating: Self.none, count: count)
    }

    func ordinals(_ source: Int) -> Ordinals {
      Ordinals(file: sources[source].dataFile, start: starts[source])
    }

    /// - Parameter ordinals: of the rows, among those of all sources.
    mutating func write(
      _ rows: RecordBatch, _ ordinals: [Int], to writer: TableWriter
    ) throws(TableError) {
      for placement in try writer.writePlacing(rows) {
        let number = pathNumbers[placement.path] ?? paths.count
        if number == paths.count {
          paths.append(placement.path)
          pathNumbers[placement.path] = number
        }
        for index in 0..<placement.count {
          let row = placement.rows.map { $0[index] } ?? placement.firstRow + index
          let noted = Defect.rowMapOffByOne.isPlanted ? min(row + 1, ordinals.count - 1) : row
          targets[ordinals[noted]] =
            UInt64(truncatingIfNeeded: number) << 40
            | UInt64(truncatingIfNeeded: placement.position + index)
        }
      }
    }

    func map(_ outputs: [DataFile]) -> RowMap {
      var starts: [String: Int] = [:]
      var count = 0
      for output in outputs {
        starts[output.path] = count
        count += output.recordCount
      }
      let first = paths.map { starts[$0] ?? 0 }
      var ordinals: [[UInt32]] = []
      for (number, source) in sources.enumerated() {
        let start = self.starts[number]
        ordinals.append(
          targets[start..<start + source.dataFile.recordCount].map { target in
            target == Self.none
              ? RowMap.none
              : UInt32(
                truncatingIfNeeded: first[Int(target >> 40)] + Int(target & 0xff_ffff_ffff))
          })
      }
      return RowMap(
        sources: sources.map {
          RowMap.File(path: $0.dataFile.path, rowCount: $0.dataFile.recordCount)
        },
        outputs: outputs.map { RowMap.File(path: $0.path, rowCount: $0.recordCount) },
        ordinals: ordinals)
    }
  }
}
