// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirStorage

/// Makes a file without the values of some rows (section 7 of the specification).
///
/// 1. Rows keep their numbers: an erased row is null, or where nulls are not allowed zero, empty or a
///    struct of these.
/// 2. Columns without dictionaries and pools: the pages that hold such rows are written again, the
///    others are copied byte for byte.
/// 3. Of columns with dictionaries or pools, and of those that share one with them, the same pages are
///    written again; so are the pages of dictionaries and pools that hold a value which no row that stays
///    uses. Values keep their places, so that the other pages stay as they are (`PageErasure`). What
///    another writer made in a way that is not followed is written again as a whole.
/// 4. Statistics, bloom filters and key indexes are made anew of what stays.
///
/// Nothing of an erased value is in the new file; the old one is the caller's to delete.
public struct WeirFileEraser {
  /// What was done.
  public struct Summary: Sendable, Equatable {
    /// Rows whose values were replaced.
    public var rowCount = 0
    /// Data pages that were written again, and those that were copied.
    public var rewrittenPageCount = 0
    public var copiedPageCount = 0
    /// The same of pages of dictionaries and pools.
    public var rewrittenAuxiliaryPageCount = 0
    public var copiedAuxiliaryPageCount = 0
  }

  private let reader: WeirFileReader
  private let pages: PageSink
  private let rows: [Int]
  private let options: WeirFileWriteOptions
  private var summary = Summary()
  /// New places of page tables that were copied, by their old ones.
  private var tables: [Int: ColumnDescriptor.Auxiliary] = [:]

  /// Writes the file of `reader` to `sink` without the values that the rows have in the columns.
  ///
  /// - Parameters:
  ///   - rows: in any order; repeated ones count once.
  ///   - columns: all when `nil`.
  ///   - profile: how pages that are written again are encoded.
  /// - Throws: `invalidArgument` for rows or columns that are not there; what reading and writing
  ///   throw. The sink is aborted then.
  @discardableResult
  public static func erase(
    rows: some Sequence<Int>, columns: [String]? = nil, of reader: WeirFileReader,
    to sink: any ObjectWriter, profile: WeirFileWriteOptions.Profile = .fast
  ) throws(WeirFileError) -> Summary {
    do throws(WeirFileError) {
      return try reader.guarded { () throws(WeirFileError) in
        var eraser = try WeirFileEraser(Set(rows).sorted(), reader, sink, profile)
        try eraser.write(columns)
        do throws(StorageError) {
          _ = try sink.finish()
        } catch {
          throw WeirFileError(.storage, error.description)
        }
        return eraser.summary
      }
    } catch {
      sink.abort()
      throw error
    }
  }

  private init(
    _ rows: [Int], _ reader: WeirFileReader, _ sink: any ObjectWriter,
    _ profile: WeirFileWriteOptions.Profile
  ) throws(WeirFileError) {
    if let wrong = rows.first(where: { $0 < 0 || $0 >= reader.rowCount }) {
      throw WeirFileError(
        .invalidArgument, "there is no row \(wrong) in a file of \(reader.rowCount)")
    }
    self.rows = rows
    self.reader = reader
    pages = PageSink(sink)
    var options = WeirFileWriteOptions()
    options.profile = profile
    // Pages keep their rows, whatever they hold.
    options.pageRowsMax = Int.max
    options.pageBytesMax = Int.max
    // Each column is written by itself.
    options.bucketPageBytesMax = 0
    self.options = options
    summary.rowCount = rows.count
  }

  private mutating func write(_ names: [String]?) throws(WeirFileError) {
    let all = try reader.allColumns()
    for column in all
    where column.descriptor.auxiliary.contains(where: { $0.role == .unknown }) {
      throw WeirFileError(
        .unsupported, "auxiliary values of a later version; a newer Weir erases rows of this file",
        column: column.field.name)
    }
    let chosen = Set(try names.map(reader.wholeColumns)?.map(\.field.name) ?? all.map(\.field.name))
    let groups = rows.isEmpty ? [] : Self.groups(all, chosen)
    _ = try pages.write(Buffer(FileTail.magic))
    var groupOf: [Int: Int] = [:]
    for (number, group) in groups.enumerated() {
      for column in group { groupOf[column.entry.position] = number }
    }
    var grouped: [Int: DirectoryWriter.Column] = [:]
    var written: [DirectoryWriter.Column] = []
    for column in all {
      do throws(WeirFileError) {
        let isChosen = chosen.contains(column.field.name)
        if let number = groupOf[column.entry.position] {
          if grouped[column.entry.position] == nil {
            let made = try erase(groups[number], chosen)
            for (column, made) in zip(groups[number], made) {
              grouped[column.entry.position] = made
            }
          }
          if let made = grouped[column.entry.position] { written.append(made) }
        } else if rows.isEmpty || !isChosen {
          written.append(try copy(column))
        } else {
          written.append(try erase(column, rows: rows, isAnew: false))
        }
      } catch {
        throw error.adding(column: column.field.name)
      }
    }
    try DirectoryWriter(pages: pages).write(
      written, rowCount: reader.rowCount, metadata: try reader.metadataBytes(),
      generation: reader.tail.generation + 1)
  }

  /// The columns to erase from that have dictionaries or pools, each with those that share one with it, and
  /// so on.
  private static func groups(_ columns: [FileColumn], _ chosen: Set<String>) -> [[FileColumn]] {
    var users: [Int: [Int]] = [:]
    for (index, column) in columns.enumerated() {
      for table in column.tableOffsets { users[table, default: []].append(index) }
    }
    var result: [[FileColumn]] = []
    var seen: Set<Int> = []
    for (index, column) in columns.enumerated()
    where chosen.contains(column.field.name) && !column.tableOffsets.isEmpty
      && !seen.contains(index)
    {
      var group: [Int] = [index]
      seen.insert(index)
      var next = 0
      while next < group.count {
        for table in columns[group[next]].tableOffsets {
          for other in users[table] ?? [] where seen.insert(other).inserted { group.append(other) }
        }
        next += 1
      }
      result.append(group.sorted().map { columns[$0] })
    }
    return result
  }

  // MARK: copies

  private mutating func copy(_ column: FileColumn) throws(WeirFileError) -> DirectoryWriter.Column {
    var descriptor = ColumnDescriptor()
    for (index, page) in column.descriptor.pages.enumerated() {
      let part = try pages.write(try checkedBytes(column, index))
      var page = page
      page.offset = part.offset
      descriptor.pages.append(page)
    }
    summary.copiedPageCount += descriptor.pages.count
    for array in column.descriptor.auxiliary {
      descriptor.auxiliary.append(try copy(array))
    }
    var result = DirectoryWriter.Column(
      id: column.entry.fieldID, field: column.field, descriptor: descriptor)
    if let statistics = try reader.statistics([column])[0] {
      result.statistics = try pages.write(statistics.encoded())
    }
    return result
  }

  private mutating func copy(
    _ array: ColumnDescriptor.Auxiliary
  ) throws(WeirFileError) -> ColumnDescriptor.Auxiliary {
    if array.pageCount > 0, let known = tables[array.tableOffset] { return known }
    let table = try reader.bytes([array.tableRange])[0]
    guard table.crc32c == array.tableCRC else {
      throw .damaged("the checksum of a page table is wrong")
    }
    let out = MutableBuffer()
    for page in 0..<array.pageCount {
      let at = page * ColumnDescriptor.Auxiliary.pageEntryByteCount
      let offset = table.number(UInt64.self, at: at)
      let size = Int(table.number(UInt32.self, at: at + 8))
      let crc = table.number(UInt32.self, at: at + 12)
      guard size <= reader.file.size, offset <= UInt64(reader.file.size - size) else {
        throw .damaged("an auxiliary page outside the file")
      }
      let bytes = try reader.bytes([Int(offset)..<Int(offset) + size])[0]
      guard bytes.crc32c == crc else {
        throw WeirFileError(
          .damaged, "the checksum of an auxiliary page is wrong", position: Int(offset))
      }
      let part = try pages.write(bytes)
      out.put(UInt64(part.offset))
      out.put(UInt32(size))
      out.put(crc)
    }
    let part = try pages.write(out.finish())
    var result = array
    (result.tableOffset, result.tableCRC) = (part.offset, part.crc)
    if array.pageCount > 0 { tables[array.tableOffset] = result }
    return result
  }

  private func checkedBytes(_ column: FileColumn, _ index: Int) throws(WeirFileError) -> Buffer {
    let page = column.descriptor.pages[index]
    let bytes = try reader.bytes([page.range])[0]
    guard bytes.crc32c == page.crc else {
      throw WeirFileError(
        .damaged, "the checksum of a page is wrong; its bytes have changed", row: page.firstRow,
        position: page.offset)
    }
    return bytes
  }

  // MARK: pages without the rows

  /// How a column is written again, and whether it is a key.
  private func writeOptions(
    _ column: FileColumn, _ statistics: ColumnStatistics?
  ) -> (WeirFileWriteOptions, isKey: Bool) {
    var options = options
    options.statistics = statistics != nil
    let isKey =
      (statistics?.filter.count ?? 0) > 0
      || column.descriptor.auxiliary.contains { $0.role == .keys }
    options.keyColumns = isKey ? [column.field.name] : []
    return (options, isKey)
  }

  /// Calls `body` with each page's number, place and erased rows, which are numbered within the page.
  private func forPages(
    _ column: FileColumn, rows: [Int],
    _ body: (Int, ColumnDescriptor.DataPage, [Int]) throws(WeirFileError) -> Void
  ) throws(WeirFileError) {
    var next = 0
    for (index, page) in column.descriptor.pages.enumerated() {
      let first = next
      while next < rows.count && rows[next] < page.firstRow + page.rowCount { next += 1 }
      try body(index, page, rows[first..<next].map { $0 - page.firstRow })
    }
  }

  /// A column without dictionaries and pools, or one that is written again as a whole.
  private mutating func erase(
    _ column: FileColumn, rows: [Int], isAnew: Bool
  ) throws(WeirFileError) -> DirectoryWriter.Column {
    let statistics = try reader.statistics([column])[0]
    let (options, isKey) = writeOptions(column, statistics)
    let writer = ColumnWriter(column.field, options, hasAuxiliary: isAnew)
    let decoder = WeirFileBatches(reader, [column], rows: 0..<0, batchRows: 1)
    var rewritten = 0
    try forPages(column, rows: rows) { (index, page, erased) throws(WeirFileError) in
      let all = page.firstRow..<page.firstRow + page.rowCount
      if erased.isEmpty && !isAnew {
        let keys = isKey ? try decoder.decode(all).columns[0] : nil
        try writer.copy(
          try checkedBytes(column, index), rowCount: page.rowCount,
          statistics: statistics?.pages[index], keys: keys, pages)
        return
      }
      let array = ColumnEncoder.plain(try decoder.decode(all).columns[0])
      try writer.append(try BlankValues.replacing(erased, of: array, column.field), pages)
      try writer.flush(pages)
      rewritten += 1
    }
    count(column, rewritten)
    try writer.finishPages(pages)
    try writer.finish(pages)
    return try writer.written(id: column.entry.fieldID, pages)
  }

  private mutating func count(_ column: FileColumn, _ rewritten: Int) {
    summary.rewrittenPageCount += rewritten
    summary.copiedPageCount += column.descriptor.pages.count - rewritten
  }

  /// Columns that have dictionaries or pools in common, in their order.
  private mutating func erase(
    _ group: [FileColumn], _ chosen: Set<String>
  ) throws(WeirFileError) -> [DirectoryWriter.Column] {
    func erased(_ column: FileColumn) -> [Int] { chosen.contains(column.field.name) ? rows : [] }
    guard let erasure = try PageErasure(group, reader, options, erased: erased) else {
      var result: [DirectoryWriter.Column] = []
      for column in group {
        result.append(try erase(column, rows: erased(column), isAnew: true))
      }
      return result
    }
    var writers: [ColumnWriter] = []
    for column in group { writers.append(try write(column, erased(column), erasure)) }
    let arrays = try erasure.writeArrays(pages, reader)
    summary.rewrittenAuxiliaryPageCount += arrays.rewritten
    summary.copiedAuxiliaryPageCount += arrays.copied
    var result: [DirectoryWriter.Column] = []
    for (column, writer) in zip(group, writers) {
      try writer.finish(pages)
      result.append(try writer.written(id: column.entry.fieldID, pages))
    }
    return result
  }

  /// The pages of a column whose dictionaries and pools are written afterwards.
  private mutating func write(
    _ column: FileColumn, _ rows: [Int], _ erasure: PageErasure
  ) throws(WeirFileError) -> ColumnWriter {
    let statistics = try reader.statistics([column])[0]
    let (options, isKey) = writeOptions(column, statistics)
    let writer = ColumnWriter(column.field, options, arrays: erasure.writers(column))
    let decoder = WeirFileBatches(reader, [column], rows: 0..<0, batchRows: 1)
    let dictionaries = erasure.dictionaries(column)
    let numbers = NumberEncoder(profile: options.profile)
    var rewritten = 0
    try forPages(column, rows: rows) { (index, place, erased) throws(WeirFileError) in
      let all = place.firstRow..<place.firstRow + place.rowCount
      let bytes = try checkedBytes(column, index)
      if erased.isEmpty {
        let keys = isKey ? try decoder.decode(all).columns[0] : nil
        try writer.copy(
          bytes, rowCount: place.rowCount, statistics: statistics?.pages[index], keys: keys, pages)
        return
      }
      let page = try column.page(index, bytes)
      let array = ColumnEncoder.plain(try decoder.decode(all).columns[0])
      let kept = try BlankValues.replacing(erased, of: array, column.field)
      try writer.replace(
        page, with: kept, dictionaries: dictionaries,
        lists: try erasure.windows(page, erased, kept, column, numbers), pages)
      rewritten += 1
    }
    count(column, rewritten)
    try writer.finishPages(pages)
    return writer
  }
}

extension WeirFileReader {
  /// The file's metadata as it is written.
  fileprivate func metadataBytes() throws(WeirFileError) -> Buffer {
    let bytes = try bytes([tail.metadataOffset..<tail.metadataOffset + tail.metadataSize])[0]
    guard bytes.crc32c == tail.metadataCRC else {
      throw .damaged("the metadata's checksum is wrong")
    }
    return bytes
  }
}
