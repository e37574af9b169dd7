// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirStorage

/// Makes a file without the values of some rows (section 7 of the specification).
///
/// 1. Rows keep their numbers: an erased row is null, or where nulls are not allowed zero, empty or a
///    struct of these.
/// 2. Columns without dictionaries and pools: the pages that hold such rows are written again, the
///    others are copied byte for byte.
/// 3. Columns with dictionaries or pools, and those that share one with them, are written again as a
///    whole from the values that stay: dictionaries and pools hold nothing else.
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
    let chosen = Set(try names.map(reader.columns)?.map(\.field.name) ?? all.map(\.field.name))
    let anew = Self.sharing(all, rows.isEmpty ? [] : chosen)
    _ = try pages.write(Buffer(FileTail.magic))
    var written: [DirectoryWriter.Column] = []
    for column in all {
      do throws(WeirFileError) {
        if rows.isEmpty
          || !(chosen.contains(column.field.name) || anew.contains(column.entry.position))
        {
          written.append(try copy(column))
        } else {
          written.append(
            try erase(
              column, rows: chosen.contains(column.field.name) ? rows : [],
              isAnew: anew.contains(column.entry.position)))
        }
      } catch {
        throw error.adding(column: column.field.name)
      }
    }
    try DirectoryWriter(pages: pages).write(
      written, rowCount: reader.rowCount, metadata: try reader.metadataBytes(),
      generation: reader.tail.generation + 1)
  }

  /// Positions of the columns to erase from that have dictionaries or pools, and of those that share
  /// one with them, and so on.
  private static func sharing(_ columns: [FileColumn], _ chosen: Set<String>) -> Set<Int> {
    func tables(_ column: FileColumn) -> [Int] {
      column.descriptor.auxiliary.filter { $0.role != .keys && $0.pageCount > 0 }.map(\.tableOffset)
    }
    var anew: Set<Int> = []
    var used: Set<Int> = []
    while true {
      let before = anew.count
      for column in columns where !anew.contains(column.entry.position) {
        let own = tables(column)
        if own.isEmpty { continue }
        if chosen.contains(column.field.name) || own.contains(where: used.contains) {
          anew.insert(column.entry.position)
          used.formUnion(own)
        }
      }
      if anew.count == before { return anew }
    }
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

  private mutating func erase(
    _ column: FileColumn, rows: [Int], isAnew: Bool
  ) throws(WeirFileError) -> DirectoryWriter.Column {
    let statistics = try reader.statistics([column])[0]
    var options = options
    options.statistics = statistics != nil
    let isKey =
      (statistics?.filter.count ?? 0) > 0
      || column.descriptor.auxiliary.contains { $0.role == .keys }
    options.keyColumns = isKey ? [column.field.name] : []
    let writer = ColumnWriter(column.field, options, hasAuxiliary: isAnew)
    let decoder = WeirFileBatches(reader, [column], rows: 0..<0, batchRows: 1)
    var next = 0
    for (index, page) in column.descriptor.pages.enumerated() {
      let end = page.firstRow + page.rowCount
      let first = next
      while next < rows.count && rows[next] < end { next += 1 }
      let erased = rows[first..<next].map { $0 - page.firstRow }
      if erased.isEmpty && !isAnew {
        let keys = isKey ? try decoder.decode(page.firstRow..<end).columns[0] : nil
        try writer.copy(
          try checkedBytes(column, index), rowCount: page.rowCount,
          statistics: statistics?.pages[index], keys: keys, pages)
        summary.copiedPageCount += 1
        continue
      }
      let array = ColumnEncoder.plain(try decoder.decode(page.firstRow..<end).columns[0])
      try writer.append(try BlankValues.replacing(erased, of: array, column.field), pages)
      try writer.flush(pages)
      summary.rewrittenPageCount += 1
    }
    try writer.finishPages(pages)
    try writer.finish(pages)
    return try writer.written(id: column.entry.fieldID, pages)
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
