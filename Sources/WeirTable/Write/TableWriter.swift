// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirStorage

/// How rows are written into a table's data files. What the table's properties say (`write.*`) comes
/// with the table.
public struct TableWriteOptions: Sendable {
  /// Files that are open at once at most. Rows of more partitions than that make smaller files: the
  /// file that was written to longest ago is ended for a new one. Sort or cluster such data by
  /// partition.
  public var openFilesMax = 64
  /// Bytes of rows that wait in memory, of all open files together.
  public var bufferedBytesMax = 256 << 20
  /// Rows carry `_row_id` and `_last_updated_sequence_number`, which are stored (v3): for rows that
  /// are moved from other files of the table.
  public var hasRowLineage = false
  /// Rows are sorted as the table's sort order says.
  public var sorts = true
  /// Where files go; to the table's data folder when `nil`.
  var folder: String?
  /// The order that rows come in.
  var sortOrderID: Int?

  public init() {}
}

/// Where rows that were written are.
public struct RowPlacement: Hashable, Sendable {
  /// The data file.
  public var path: String
  /// The position in the file of the first of these rows; the others follow it.
  public var position: Int
  /// Which rows of the written batch they are, in this order; `nil` for those from `firstRow` on.
  public var rows: [Int]?
  public var firstRow: Int
  public var count: Int
}

/// Writes record batches as data files of a table.
///
/// The files are not part of the table until they are committed (`Transaction`). A writer that is
/// dropped without `close()` deletes what it wrote, as `abort()` does. One thread at a time.
public final class TableWriter {
  private let schema: TableSchema
  /// The columns of files: all that can be stored.
  private let fields: [TableField]
  private let stores: ObjectStores
  private let options: TableWriteOptions
  private let properties: WriteProperties
  private let grouper: PartitionGrouper
  private let sorter: RowSorter?
  private var locations: DataLocations

  private var conformer: RowConformer
  private var open: [[Scalar]: Partition] = [:]
  private var clock = 0
  private var finished: [DataFile] = []
  /// What `writePlacing` gathers.
  private var placements: [RowPlacement]?
  private enum State { case open, closed, failed }
  private var state = State.open

  /// The file of a partition, and what waits to be sorted for it.
  private final class Partition {
    let values: [Scalar]
    var file: OpenDataFile?
    var waiting: [RecordBatch] = []
    var waitingBytes = 0
    var lastUse = 0

    init(_ values: [Scalar]) { self.values = values }

    var bufferedByteCount: Int { waitingBytes + (file?.bufferedByteCount ?? 0) }
    var heldByteCount: Int { file?.heldByteCount ?? 0 }
  }

  /// A writer by the table's current schema, default partition spec and sort order.
  ///
  /// - Throws: `unsupported` for partition transforms and column types that cannot be written,
  ///   `invalidArgument` for properties that cannot be used.
  public convenience init(
    _ metadata: TableMetadata, stores: ObjectStores,
    options: TableWriteOptions = TableWriteOptions(),
    environment: TableEnvironment = TableEnvironment()
  ) throws(TableError) {
    try self.init(
      metadata, spec: metadata.defaultSpec, stores: stores, options: options,
      environment: environment)
  }

  /// As above, with a partition spec of the table.
  public init(
    _ metadata: TableMetadata, spec: PartitionSpec, stores: ObjectStores,
    options: TableWriteOptions = TableWriteOptions(),
    environment: TableEnvironment = TableEnvironment()
  ) throws(TableError) {
    let schema = metadata.currentSchema
    self.schema = schema
    self.stores = stores
    self.options = options
    var fields = schema.fields
    if options.hasRowLineage {
      for column in [MetadataColumn.rowID, .lastUpdatedSequenceNumber] {
        fields.append(column.field(partitionType: StructType([])))
      }
    }
    self.fields = try StoredFields.of(fields)
    conformer = RowConformer(self.fields)
    let order = metadata.defaultSortOrder
    properties = try WriteProperties(metadata.properties, schema: schema, sortOrder: order)
      .within(bufferedBytesMax: options.bufferedBytesMax, self.fields)
    grouper = try PartitionGrouper(spec, schema)
    sorter = options.sorts && !order.isUnsorted ? try RowSorter(order, schema) : nil
    locations = DataLocations(
      metadata, writerID: environment.uuid(), folder: options.folder)
  }

  deinit { if state != .closed { removeFiles() } }

  /// Rows so far.
  public private(set) var rowCount = 0

  /// Adds the batch's rows.
  ///
  /// Columns are matched by name, in any order. Types may be
  /// narrower than the table's (int32 for long, float for double, dates and times in other units,
  /// dictionaries, large texts); a value that does not fit is an error. Columns that are missing get
  /// their write default, or null. After an error the writer is of no more use.
  ///
  /// - Throws: `invalidArgument` with the column's name.
  public func write(_ batch: RecordBatch) throws(TableError) {
    placements = nil
    try writeRows(batch)
  }

  /// Adds the batch's rows, and says where they are going to be once the writer is closed.
  ///
  /// - Throws: as `write`; `invalidArgument` when the writer sorts, for then it is not known yet.
  public func writePlacing(_ batch: RecordBatch) throws(TableError) -> [RowPlacement] {
    guard sorter == nil else {
      throw TableError(
        .invalidArgument, "the places of rows that are still to be sorted are unknown")
    }
    placements = []
    defer { placements = nil }
    try writeRows(batch)
    return placements ?? []
  }

  private func writeRows(_ batch: RecordBatch) throws(TableError) {
    guard state == .open else {
      throw TableError(.invalidArgument, "the writer is closed or failed before; begin a new one")
    }
    do throws(TableError) {
      let rows = try conformer.conformed(batch)
      if rows.rowCount == 0 { return }
      for group in try grouper.groups(rows) { try append(group) }
      rowCount += rows.rowCount
    } catch {
      fail()
      throw error
    }
  }

  /// Ends all files that are open: what follows goes to new ones.
  func endFiles() throws(TableError) {
    do throws(TableError) {
      for partition in open.values.sorted(by: { $0.lastUse < $1.lastUse }) { try end(partition) }
    } catch {
      fail()
      throw error
    }
  }

  /// Ends all files and makes them visible.
  /// - Returns: the files, in the order in which they were ended.
  public func close() throws(TableError) -> [DataFile] {
    guard state == .open else {
      throw TableError(.invalidArgument, "the writer is closed or failed before; begin a new one")
    }
    try endFiles()
    open = [:]
    state = .closed
    return finished
  }

  /// Gives up: files that were written are deleted. Does nothing after `close()`.
  public func abort() { if state == .open { fail() } }

  private func fail() {
    state = .failed
    removeFiles()
  }

  private func removeFiles() {
    // Open files vanish with their writers.
    open = [:]
    stores.delete(finished.map(\.path))
    finished = []
  }

  // MARK: Rows

  private func append(_ group: PartitionGrouper.Group) throws(TableError) {
    let partition = try partition(group.partition)
    clock += 1
    partition.lastUse = clock
    // In pieces, so that files do not grow far beyond their target.
    let rowBytes = max(1, RowBytes.count(group.batch) / max(1, group.batch.rowCount))
    let pieceBytes = min(properties.targetFileBytes, options.bufferedBytesMax / 2)
    let pieceRows = max(1, pieceBytes / rowBytes)
    for start in stride(from: 0, to: group.batch.rowCount, by: pieceRows) {
      let rows = min(pieceRows, group.batch.rowCount - start)
      let piece = group.batch.slice(offset: start, length: rows)
      if placements == nil {
        try append(piece, to: partition)
        continue
      }
      if partition.file == nil { partition.file = try openFile(partition.values) }
      guard let file = partition.file else { return }
      placements?.append(
        RowPlacement(
          path: file.path, position: file.rowCount,
          rows: group.rows.map { Array($0[start..<start + rows]) },
          firstRow: group.firstRow + start, count: rows))
      try append(piece, to: partition)
    }
  }

  private func append(_ batch: RecordBatch, to partition: Partition) throws(TableError) {
    if sorter != nil {
      partition.waiting.append(batch)
      partition.waitingBytes += RowBytes.count(batch)
      // Sorted rows take about a third of their memory in the file.
      if partition.waitingBytes / 3 >= properties.targetFileBytes { try end(partition) }
    } else {
      if partition.file == nil { partition.file = try openFile(partition.values) }
      guard let file = partition.file else { return }
      try file.write(batch)
      if file.estimatedByteCount >= properties.targetFileBytes { try end(partition) }
    }
    try freeMemory()
  }

  private func partition(_ values: [Scalar]) throws(TableError) -> Partition {
    if let known = open[values] { return known }
    if open.count >= max(1, options.openFilesMax),
      let oldest = open.values.min(by: { $0.lastUse < $1.lastUse })
    {
      try end(oldest)
      open[oldest.values] = nil
    }
    let made = Partition(values)
    open[values] = made
    return made
  }

  /// Writes out the partitions that hold most until the rest is within the bound. What stays in
  /// memory until a file ends has a bound of its own, as large.
  private func freeMemory() throws(TableError) {
    if open.count > 1, open.values.reduce(0, { $0 + $1.heldByteCount }) > options.bufferedBytesMax,
      let largest = open.values.max(by: { $0.heldByteCount < $1.heldByteCount })
    {
      try end(largest)
    }
    var total = open.values.reduce(0) { $0 + $1.bufferedByteCount }
    while total > options.bufferedBytesMax,
      let largest = open.values.max(by: { $0.bufferedByteCount < $1.bufferedByteCount }),
      largest.bufferedByteCount > 0
    {
      total -= largest.bufferedByteCount
      if sorter != nil { try end(largest) } else { try largest.file?.flush() }
    }
  }

  private func openFile(_ values: [Scalar]) throws(TableError) -> OpenDataFile {
    let path = locations.next(
      partitionPath: grouper.spec.path(values, schema),
      fileExtension: properties.format.fileExtension)
    return try OpenDataFile(path, fields: fields, properties: properties, stores: stores)
  }

  /// Ends the partition's file; what follows goes to a new one.
  private func end(_ partition: Partition) throws(TableError) {
    if let sorter, !partition.waiting.isEmpty {
      let sorted = try sorter.inOrder(partition.waiting)
      partition.waiting = []
      partition.waitingBytes = 0
      let file = try openFile(partition.values)
      partition.file = file
      while let batch = try sorted.next() { try file.write(batch) }
    }
    guard let file = partition.file else { return }
    partition.file = nil
    if file.rowCount == 0 { return }
    finished.append(
      try file.close(
        spec: grouper.spec, partition: partition.values,
        sortOrderID: sorter?.orderID ?? options.sortOrderID))
  }
}
