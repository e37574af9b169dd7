// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Brings the rows of a group into an order, within a bound of memory: an external merge sort.
///
/// 1. Rows wait in memory. When they take `byteCountMax` they are sorted and written to files beside the
///    table's: a run.
/// 2. Files that say that they are in the order are runs as they are, the largest ones. They need not be
///    right: each batch is sorted, and `next` tells where rows begin again.
/// 3. `next` merges the runs: of what is at hand of each, it takes the rows up to the least of the last
///    rows, and sorts those.
///
/// Memory: twice `byteCountMax`, and of each run the batch at hand; 4 bytes for each row that was written.
/// The files are deleted by `discard()`.
final class SortedRuns {
  private let sorter: RowSorter
  private let metadata: TableMetadata
  private let stores: ObjectStores
  private let environment: TableEnvironment
  private let byteCountMax: Int
  private var waiting: [RecordBatch] = []
  private var waitingBytes = 0
  private var schema: Schema?
  private var spilled: [DataFile] = []
  /// What is to be merged; those of files are opened when everything was added.
  private var unopened: [(_ batchRowsMax: Int) throws(TableError) -> RunReader] = []
  /// All rows, where they fit into memory.
  private var inMemory: RowsInOrder?
  private var runs: [Run] = []
  /// The last row that was given, by its keys.
  private var last: RecordBatch?
  private var isMerging = false
  private var (seenRows, seenBytes) = (0, 0)

  /// Files that are read as runs of their own; others of the group are sorted.
  static let sourceRunsMax = 32
  /// Files of less than this share of `byteCountMax` are sorted in memory with others.
  private static let sourceRunShareMin = 1.0 / 256
  private static let batchRowsMax = 8_192
  private static let batchRowsMin = 64

  typealias RunReader = () throws(TableError) -> RecordBatch?

  /// Rows in order, at least one, and the columns they are ordered by.
  private struct Rows {
    var rows: RecordBatch
    var keys: RecordBatch

    func slice(_ range: Range<Int>) -> Rows {
      Rows(
        rows: rows.slice(offset: range.lowerBound, length: range.count),
        keys: keys.slice(offset: range.lowerBound, length: range.count))
    }
  }

  private struct Run {
    var hand: Rows
    let next: RunReader
  }

  /// - Parameter byteCountMax: of rows that wait to be sorted.
  init(
    _ sorter: RowSorter, _ metadata: TableMetadata, _ stores: ObjectStores,
    _ environment: TableEnvironment, byteCountMax: Int
  ) {
    self.sorter = sorter
    self.metadata = metadata
    self.stores = stores
    self.environment = environment
    self.byteCountMax = byteCountMax
  }

  deinit { discard() }

  /// Which of the sources are runs as they are.
  static func sortedSources(
    _ sources: [FileScanTask], _ sorter: RowSorter, byteCountMax: Int
  ) -> Set<Int> {
    let bytesMin = Int(Double(byteCountMax) * sourceRunShareMin)
    guard sorter.orderID != SortOrder.unsorted.orderID else { return [] }
    let sorted = sources.indices.filter {
      sources[$0].dataFile.sortOrderID == sorter.orderID
        && sources[$0].dataFile.fileSizeInBytes >= bytesMin
    }.sorted {
      sources[$0].dataFile.fileSizeInBytes > sources[$1].dataFile.fileSizeInBytes
    }
    return Set(sorted.prefix(sourceRunsMax))
  }

  // MARK: Adding

  /// Adds rows in any order.
  ///
  /// - Parameter batch: its last column, of numbers, tells rows apart; it is not written.
  func add(_ batch: RecordBatch) throws(TableError) {
    let bytes = RowBytes.count(batch)
    if waitingBytes + bytes > byteCountMax, !waiting.isEmpty { try spill() }
    schema = batch.schema
    waiting.append(batch)
    waitingBytes += bytes
    seenRows += batch.rowCount
    seenBytes += bytes
  }

  /// Adds rows that should be in order.
  ///
  /// - Parameter open: is called when everything was added, with the rows of a batch at most.
  func addRun(_ open: @escaping (_ batchRowsMax: Int) throws(TableError) -> RunReader) {
    unopened.append(open)
  }

  private func spill() throws(TableError) {
    let rows = try sorter.inOrder(waiting)
    waiting = []
    waitingBytes = 0
    var options = TableWriteOptions()
    options.sorts = false
    options.hasRowLineage = metadata.formatVersion >= 3
    let writer = try TableWriter(
      metadata, spec: .unpartitioned, stores: stores, options: options, environment: environment)
    var paths: [String] = []
    var ordinals: [[UInt32]] = []
    var files: [DataFile] = []
    do throws(TableError) {
      while let batch = try rows.next() {
        let numbers = batch.columns[batch.columns.count - 1]
        let placed = try writer.writePlacing(batch.withoutLastColumn)
        for placement in placed {
          if paths.last != placement.path {
            paths.append(placement.path)
            ordinals.append([])
          }
          let range = placement.firstRow..<placement.firstRow + placement.count
          ordinals[ordinals.count - 1] += numbers.slice(
            offset: range.lowerBound, length: range.count
          ).int64Values.map { UInt32(truncatingIfNeeded: $0) }
        }
      }
      files = try writer.close()
    } catch {
      writer.abort()
      throw error
    }
    spilled += files
    let byPath = Dictionary(uniqueKeysWithValues: files.map { ($0.path, $0) })
    let parts = zip(paths, ordinals).compactMap { path, ordinals in
      byPath[path].map { SpilledPart(file: $0, ordinals: ordinals) }
    }
    addRun { [unowned self] batchRowsMax throws(TableError) in try read(parts, batchRowsMax) }
  }

  /// A file of a run, and what its rows are told apart by.
  private struct SpilledPart {
    let file: DataFile
    let ordinals: [UInt32]
  }

  private func read(
    _ parts: [SpilledPart], _ batchRowsMax: Int
  ) throws(TableError) -> RunReader {
    var options = TableReadOptions()
    options.batchRowsMax = batchRowsMax
    let schema = schema
    options.columns = schema?.fields.dropLast().map(\.name)
    let (metadata, stores) = (metadata, stores)
    let filter = try Predicate.always(true).bound(to: metadata.currentSchema, caseSensitive: true)
    var rest = parts[...]
    var reader: TableReader?
    var row = 0
    return { () throws(TableError) in
      while let part = rest.first {
        if reader == nil {
          let task = FileScanTask(
            dataFile: part.file, spec: .unpartitioned, sequenceNumber: 0, fileSequenceNumber: 0,
            residual: filter)
          reader = try TableReader(metadata, stores: stores, options: options, tasks: [task])
          row = 0
        }
        if let batch = try reader?.next() {
          let range = row..<min(part.ordinals.count, row + batch.rowCount)
          row = range.upperBound
          let builder = PrimitiveBuilder<Int64>(.int64)
          builder.append(contentsOf: part.ordinals[range].map { Int64($0) })
          return batch.adding(builder.finish(), as: schema?.fields.last)
        }
        rest = rest.dropFirst()
        reader = nil
      }
      return nil
    }
  }

  /// Deletes what was written. Does no harm when it is called again.
  func discard() {
    stores.delete(spilled.map(\.path))
    spilled = []
    (waiting, inMemory, runs, unopened) = ([], nil, [], [])
  }

  // MARK: Merging

  /// Rows of a batch of each run, so that all of them together take half of the bound.
  private var batchRowsMax: Int {
    let rowBytes = max(1, seenBytes / max(1, seenRows))
    let fitting = byteCountMax / 2 / rowBytes / (unopened.count + 1)
    return min(Self.batchRowsMax, max(Self.batchRowsMin, fitting))
  }

  private func begin() throws(TableError) {
    isMerging = true
    let rows = waiting.isEmpty ? nil : try sorter.inOrder(waiting)
    waiting = []
    guard !unopened.isEmpty else {
      inMemory = rows
      return
    }
    let batchRowsMax = batchRowsMax
    if let rows { try start { () throws(TableError) in try rows.next(batchRowsMax) } }
    for open in unopened { try start(try open(batchRowsMax)) }
    unopened = []
  }

  private func start(_ next: @escaping RunReader) throws(TableError) {
    if let hand = try next() { runs.append(Run(hand: try sorted(hand), next: next)) }
  }

  private func sorted(_ batch: RecordBatch) throws(TableError) -> Rows {
    try sorted(Rows(rows: batch, keys: try sorter.keys(batch)))
  }

  private func sorted(_ rows: Rows) throws(TableError) -> Rows {
    do throws(ColumnarError) {
      let order = try rows.keys.sortIndices(by: sorter.sortKeys)
      if order.enumerated().allSatisfy({ $0.offset == $0.element }) { return rows }
      return Rows(rows: try rows.rows.take(order), keys: try rows.keys.take(order))
    } catch { throw TableError(error) }
  }

  /// The next rows in order, and whether they are not before those that were given last; they are only
  /// where a file says that it is in order and is not. `nil` behind the last.
  func next() throws(TableError) -> (rows: RecordBatch, isInOrder: Bool)? {
    if !isMerging { try begin() }
    if let inMemory { return try inMemory.next().map { ($0, true) } }
    guard !runs.isEmpty else { return nil }
    let next: Rows
    if runs.count == 1 {
      next = runs[0].hand
      try takeFromRun(0, next.rows.rowCount)
    } else {
      next = try merged()
    }
    let ends = next.keys
    var isInOrder = true
    if let last {
      isInOrder = try isOrdered([last, ends.slice(offset: 0, length: 1)])
    }
    last = ends.slice(offset: ends.rowCount - 1, length: 1)
    return (next.rows, isInOrder)
  }

  /// The rows at hand that are not behind the least of the runs' last ones.
  private func merged() throws(TableError) -> Rows {
    let lasts = runs.map { $0.hand.keys.slice(offset: $0.hand.keys.rowCount - 1, length: 1) }
    let least = try order(lasts)[0]
    var counts: [Int] = []
    for run in runs { counts.append(try count(in: run.hand.keys, upTo: lasts[least])) }
    // The run whose last row it is, whatever equals that.
    counts[least] = runs[least].hand.keys.rowCount
    let parts = runs.indices.filter { counts[$0] > 0 }
    let taken = parts.map { runs[$0].hand.slice(0..<counts[$0]) }
    for part in parts.reversed() { try takeFromRun(part, counts[part]) }
    if taken.count == 1 { return taken[0] }
    let all: Rows
    do throws(ColumnarError) {
      all = Rows(
        rows: try RecordBatch.concatenate(taken.map(\.rows)),
        keys: try RecordBatch.concatenate(taken.map(\.keys)))
    } catch { throw TableError(error) }
    return try sorted(all)
  }

  private func takeFromRun(_ run: Int, _ count: Int) throws(TableError) {
    let hand = runs[run].hand
    if count < hand.rows.rowCount {
      runs[run].hand = hand.slice(count..<hand.rows.rowCount)
    } else if let next = try runs[run].next() {
      runs[run].hand = try sorted(next)
    } else {
      runs.remove(at: run)
    }
  }

  /// How many of the keys, which are in order, are not behind the one of `bound`. Looks at a few places at
  /// a time.
  private func count(in keys: RecordBatch, upTo bound: RecordBatch) throws(TableError) -> Int {
    var (low, high) = (0, keys.rowCount)
    while low < high {
      let step = max(1, (high - low) / 32)
      let places = Array(stride(from: low, to: high, by: step))
      let sample: RecordBatch
      do throws(ColumnarError) {
        sample = try keys.take(places)
      } catch { throw TableError(error) }
      // Stable: what equals the bound is before it.
      let found = try order([sample, bound]).firstIndex(of: places.count) ?? 0
      if found < places.count { high = places[found] }
      low = found == 0 ? high : places[found - 1] + 1
    }
    return low
  }

  private func isOrdered(_ keys: [RecordBatch]) throws(TableError) -> Bool {
    try order(keys)[0] == 0
  }

  private func order(_ keys: [RecordBatch]) throws(TableError) -> [Int] {
    do throws(ColumnarError) {
      return try RecordBatch.concatenate(keys).sortIndices(by: sorter.sortKeys)
    } catch { throw TableError(error) }
  }
}

extension RecordBatch {
  fileprivate func adding(_ column: ArrayData, as field: Field?) -> RecordBatch {
    RecordBatch(
      trusted: Schema(schema.fields + [field ?? Field("", .int64, nullable: false)]),
      columns: columns + [column], rowCount: rowCount)
  }

  /// The batch without the column by which its rows are told apart.
  var withoutLastColumn: RecordBatch {
    RecordBatch(
      trusted: Schema(Array(schema.fields.dropLast())), columns: Array(columns.dropLast()),
      rowCount: rowCount)
  }
}

extension ArrayData {
  /// The values of an `int64` array without nulls.
  var int64Values: [Int] {
    buffers[0].slice(offset: offset * 8, count: length * 8).array(of: Int.self)
  }
}
