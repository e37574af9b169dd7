// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirStorage

/// A scan: record batches of a file's rows, in order.
///
/// Memory: the batch being built, one page of each column, and what is read ahead, whatever the size
/// of the file. One thread at a time may use it.
public final class ParquetBatches: RecordBatchReader {
  public let schema: Schema

  private let reader: ParquetReader
  private let assemblies: [ColumnAssembly]
  private let work: [ColumnAssembly.LeafWork]
  private let rowGroups: [Int]
  private let pruning: Pruning
  private let batchRows: Int

  private let decompressors = Decompressors()
  private var nextGroup = 0
  private var leaves: [LeafReader] = []
  private var groupIndex = 0
  private var groupBatchRows = 0
  /// Rows of the file before the current row group.
  private var groupFirstRow = 0
  /// Rows of the current row group that are still to come, as ranges.
  private var ranges: [Range<Int>] = []
  /// Row of the row group that the leaves stand at.
  private var position = 0
  private var pageIndexes: [OffsetIndex?] = []
  private var failed: ParquetError?
  /// Where in the file the rows of the batch begin that `next()` gave last.
  package private(set) var firstRow = 0
  private let memory = MemoryBudget()

  init(
    _ reader: ParquetReader, columns: [SchemaNode], rowGroups: [Int], pruning: Pruning,
    batchRows: Int, metadata: Metadata
  ) {
    self.reader = reader
    self.rowGroups = rowGroups
    self.pruning = pruning
    self.batchRows = batchRows
    schema = Schema(columns.map(\.field), metadata: metadata)
    var work: [ColumnAssembly.LeafWork] = []
    assemblies = columns.map {
      ColumnAssembly.make($0, options: reader.options, work: &work)
    }
    self.work = work
  }

  /// The next batch; `nil` at the end. After an error every call throws it again.
  public func next() throws(ParquetError) -> RecordBatch? {
    if let failed { throw failed }
    do throws(ParquetError) {
      while ranges.isEmpty {
        guard nextGroup < rowGroups.count else { return nil }
        groupIndex = rowGroups[nextGroup]
        nextGroup += 1
        try openRowGroup()
      }
      return try readBatch()
    } catch {
      let located = error.adding(file: reader.name, rowGroup: groupIndex)
      failed = located
      throw located
    }
  }

  private func readBatch() throws(ParquetError) -> RecordBatch {
    let range = ranges[0]
    let rows = min(range.count, groupBatchRows)
    if range.lowerBound > position { try skip(to: range.lowerBound) }
    firstRow = groupFirstRow + position
    var batchByteCount = 0
    for leaf in leaves {
      do throws(ParquetError) {
        let left = max(0, memory.left - batchByteCount)
        leaf.limit(byteCount: min(left, reader.options.columnByteCountMax))
        try leaf.read(rows: rows)
        batchByteCount += leaf.byteCount
      } catch {
        throw leaf.located(error)
      }
    }
    position += rows
    if rows == range.count {
      ranges.removeFirst()
    } else {
      ranges[0] = position..<range.upperBound
    }
    var arrays: [ArrayData] = []
    arrays.reserveCapacity(assemblies.count)
    for (field, assembly) in zip(schema.fields, assemblies) {
      let array = try assembly.finish()
      guard array.length == rows else {
        throw ParquetError(
          .damaged, "the column has \(array.length) rows where \(rows) were read",
          column: field.name)
      }
      arrays.append(array)
    }
    if ranges.isEmpty { leaves = [] }
    return RecordBatch(trusted: schema, columns: arrays, rowCount: rows)
  }

  // MARK: row groups

  private func openRowGroup() throws(ParquetError) {
    let group = reader.metadata.rowGroups[groupIndex]
    groupFirstRow = reader.metadata.rowGroups[..<groupIndex].reduce(0) { $0 + $1.rowCount }
    position = 0
    leaves = []
    ranges = try pruning.rowRanges(in: groupIndex, of: reader)
    guard !ranges.isEmpty else { return }
    // Columns without leaves (none were asked for) still have rows.
    var chunks: [Range<Int>] = []
    for item in work { chunks.append(try check(item, group.columns[item.leaf.index])) }
    let windows = try readAhead(chunks)
    memory.reset(
      chunks: zip(work, chunks).map {
        (group.columns[$0.leaf.index].metaData.codec, $1.count)
      }, options: reader.options)
    for (index, item) in work.enumerated() {
      let chunk = group.columns[item.leaf.index]
      let source = ChunkSource(
        reader.source, range: chunks[index], windowByteCount: windows.byteCount,
        first: windows.first[index])
      let plan = LeafTypes.plan(
        item.leaf, type: item.field.type, int96Unit: reader.options.int96Unit)
      let pages = PageReader(
        leaf: item.leaf, plan: plan, chunk: chunk.metaData, source: source,
        options: reader.options, memory: memory, decompressors: decompressors)
      leaves.append(LeafReader(leaf: item.leaf, sink: item.sink, pages: pages, nodes: item.nodes))
    }
    pageIndexes = []
    if ranges != [0..<group.rowCount] {
      for item in work {
        pageIndexes.append(
          try PageIndexes.offsetIndex(of: group.columns[item.leaf.index], reader: reader))
      }
    }
    groupBatchRows = batchRows(for: group)
  }

  private func check(
    _ item: ColumnAssembly.LeafWork, _ chunk: ColumnChunk
  ) throws(ParquetError) -> Range<Int> {
    do throws(ParquetError) {
      if chunk.isEncrypted {
        throw ParquetError(.unsupported, "the column is encrypted, which is not supported")
      }
      if let path = chunk.filePath, !path.isEmpty {
        throw ParquetError(.unsupported, "the column's data lies in another file, \(path)")
      }
      guard chunk.metaData.type == item.leaf.physicalType else {
        throw ParquetError(
          .damaged,
          "the schema says \(item.leaf.physicalType), the column chunk \(chunk.metaData.type)")
      }
      return try reader.chunkRange(chunk.metaData)
    } catch {
      throw error.adding(column: item.leaf.path)
    }
  }

  /// Reads the first window of every chunk, in as few requests as the ranges allow.
  private func readAhead(
    _ chunks: [Range<Int>]
  ) throws(ParquetError) -> (first: [Buffer], byteCount: Int) {
    let budget = reader.options.readAheadByteCount
    let total = chunks.reduce(0) { $0 + $1.count }
    let window = max(64 << 10, budget / max(1, chunks.count))
    // Ranges as they are while they fit the budget together, otherwise their first windows.
    let wanted =
      total <= budget
      ? chunks : chunks.map { $0.lowerBound..<min($0.upperBound, $0.lowerBound + window) }
    do throws(StorageError) {
      return (try reader.source.read(wanted), window)
    } catch {
      throw ParquetError(.storage, "\(error)")
    }
  }

  /// Fewer rows where they are large, by the sizes that the file states.
  private func batchRows(for group: RowGroupMetaData) -> Int {
    guard group.rowCount > 0 else { return batchRows }
    var bytes = 0.0
    for item in work {
      let chunk = group.columns[item.leaf.index].metaData
      let plan = item.sink.layout
      let width =
        switch plan {
        case .bool: 1
        case .fixed(let width): width
        case .binary(let width): width
        }
      bytes += max(
        Double(chunk.totalUncompressedSize), Double(chunk.valueCount) * Double(width),
        Double(chunk.sizeStatistics?.unencodedByteArrayBytes ?? 0))
    }
    // Fixed-size lists take their room where the file holds nulls alone, too, and 8 bytes an item
    // while they are put in.
    let fixed = schema.fields.reduce(0.0) { $0 + $1.type.fixedByteCount } * Double(group.rowCount)
    bytes = max(bytes, fixed * 2)
    // Batches of equal size: a rest of a few rows costs as much for every column as a whole batch.
    let batches = bytes / Double(reader.options.batchByteCountTarget)
    let count = max(1, (batches - 0.125).rounded(.up))
    return min(batchRows, max(1, Int((Double(group.rowCount) / count).rounded(.up))))
  }

  /// Moves all leaves to `row` of the row group, over whole pages where the page index tells them.
  private func skip(to row: Int) throws(ParquetError) {
    for (index, leaf) in leaves.enumerated() {
      do throws(ParquetError) {
        var from = position
        if let pages = pageIndexes[index]?.pages,
          let page = pages.lastIndex(where: { $0.firstRow <= row }), pages[page].firstRow > from
        {
          try leaf.seek(to: pages[page].offset, pageIndex: page)
          from = pages[page].firstRow
        }
        try leaf.discard(rows: row - from)
      } catch {
        throw leaf.located(error)
      }
    }
    position = row
  }
}
