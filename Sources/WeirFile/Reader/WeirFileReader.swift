// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirColumnar
public import WeirStorage

/// What a reader checks and keeps.
public struct WeirFileReadOptions: Sendable {
  /// Whether the checksums of pages are verified when they are read.
  public var verifiesChecksums = true
  /// Bytes of data pages that single-row reads keep for the next ones, and of each dictionary or
  /// pool.
  public var cacheBytesMax = 256 << 20
  /// Bytes that one batch may take in memory: what damaged lengths cannot exceed.
  public var batchBytesMax = 4 << 30
  /// Bytes of pages that are read ahead of those that are decoded, of files in stores whose requests
  /// mostly wait; of dictionaries and pools, those that are read at once. 0 for none.
  public var aheadBytesMax = 64 << 20

  /// Whether a local file is mapped into memory instead of read: nothing is copied, but the process
  /// ends when somebody cuts the file meanwhile.
  public var mapsMemory = false

  public init() {}
}

/// Reads one Weir file (docs/specs/weir-file.md). Threads may share it.
///
/// Opening reads the tail; a column is opened when it is first wanted. Neither depends on how many
/// other columns there are.
public final class WeirFileReader: Sendable {
  public let rowCount: Int
  public let columnCount: Int
  let file: any ObjectReader
  let options: WeirFileReadOptions
  let tail: FileTail
  /// The whole file, when it is mapped.
  let map: Buffer?
  /// The end of the file, read at once: small files have all of their metadata in it.
  private let end: Buffer
  private let state = Mutex(State())

  private struct State {
    var columns: [Int: FileColumn] = [:]
    var auxiliary: [Int: AuxiliaryArray] = [:]
    /// Their page tables, by offset.
    var tables: [Int: Buffer] = [:]
    var schema: Schema?
    /// Columns with some fields of structs, by what says which; a few.
    var projected: [String: FileColumn] = [:]
    /// Directory entries of names that were looked up.
    var numbers: [String: Int] = [:]
  }

  /// Bytes read at once when a file is opened.
  private static let endByteCount = 16 << 10

  /// - Throws: `notWeirFile`, `damaged`, `unsupported`, `storage`.
  public init(
    _ file: any ObjectReader, options: WeirFileReadOptions = .init()
  ) throws(WeirFileError) {
    self.file = file
    self.options = options
    do throws(WeirFileError) {
      guard file.size >= FileTail.byteCount + FileTail.magic.count else {
        throw WeirFileError(.notWeirFile, "a file of \(file.size) bytes is too short for one")
      }
      map = options.mapsMemory ? try Self.map(file) : nil
      if let map {
        end = map
      } else {
        end = try Self.read(file, max(0, file.size - Self.endByteCount)..<file.size)
      }
      tail = try FileTail(
        end.slice(offset: end.count - FileTail.byteCount, count: FileTail.byteCount),
        fileSize: file.size)
    } catch {
      throw error.adding(file: file.name)
    }
    rowCount = tail.rowCount
    columnCount = tail.columnCount
  }

  private static func map(_ file: any ObjectReader) throws(WeirFileError) -> Buffer? {
    do throws(StorageError) {
      return try file.mapped()
    } catch {
      throw WeirFileError(.storage, error.description)
    }
  }

  private static func read(
    _ file: any ObjectReader, _ range: Range<Int>
  ) throws(WeirFileError) -> Buffer {
    do throws(StorageError) {
      return try file.read(range)
    } catch {
      throw WeirFileError(.storage, error.description)
    }
  }

  /// Bytes of the file, from what was read at opening where they are in it.
  func bytes(_ ranges: [Range<Int>]) throws(WeirFileError) -> [Buffer] {
    let known = file.size - end.count
    if ranges.allSatisfy({ $0.lowerBound >= known }) {
      return ranges.map { end.slice(offset: $0.lowerBound - known, count: $0.count) }
    }
    do throws(StorageError) {
      return try file.read(ranges)
    } catch {
      throw WeirFileError(.storage, error.description)
    }
  }

  func bytes(_ range: Range<Int>) throws(WeirFileError) -> Buffer { try bytes([range])[0] }

  /// Schema of all columns. Cost: linear in their number, once.
  public var schema: Schema {
    get throws(WeirFileError) {
      if let known = state.withLock({ $0.schema }) { return known }
      let columns = try guarded { () throws(WeirFileError) in try self.columns(nil) }
      let metadata = try guarded { () throws(WeirFileError) in
        let bytes = try self.bytes(tail.metadataOffset..<tail.metadataOffset + tail.metadataSize)
        guard bytes.crc32c == tail.metadataCRC else {
          throw .damaged("the metadata's checksum is wrong")
        }
        return try FieldRecord.metadata(bytes)
      }
      let schema = Schema(columns.map(\.field), metadata: metadata)
      state.withLock { $0.schema = schema }
      return schema
    }
  }

  /// Names the file in errors.
  func guarded<T>(_ body: () throws(WeirFileError) -> T) throws(WeirFileError) -> T {
    do throws(WeirFileError) {
      return try body()
    } catch {
      throw error.adding(file: file.name)
    }
  }

  /// The columns of these names, all in their order for `nil`.
  func wholeColumns(_ names: [String]?) throws(WeirFileError) -> [FileColumn] {
    guard let names else {
      let columns = try open(Array(0..<columnCount))
      return columns.sorted { $0.entry.position < $1.entry.position }
    }
    return try open(try entryNumbers(names))
  }

  private static let projectedCountMax = 1_024

  /// The column that is known under the key, or else the one given, which is from then on.
  func keep(_ column: FileColumn, as key: String) -> FileColumn {
    state.withLock { state in
      if let known = state.projected[key] { return known }
      if state.projected.count >= Self.projectedCountMax { state.projected.removeAll() }
      state.projected[key] = column
      return column
    }
  }

  func entryRange(_ number: Int) -> Range<Int> {
    let start = tail.directoryOffset + number * tail.stride
    return start..<start + tail.stride
  }

  /// By the name table: the first slots of all names in one read, and their columns in the next.
  /// Only a name whose slot another one has is looked for along the chain.
  private func entryNumbers(_ names: [String]) throws(WeirFileError) -> [Int] {
    let known = state.withLock { state in names.map { state.numbers[$0] } }
    if known.allSatisfy({ $0 != nil }) { return known.map { $0! } }
    guard tail.nameSlots > 0 || names.isEmpty else { throw missing(names[0]) }
    let mask = UInt64(tail.nameSlots - 1)
    let slots = names.map { Int(NameTable.hash($0) & mask) }
    let first = try bytes(slots.map(slotRange))
    var numbers: [Int?] = []
    for (name, slot) in zip(names, first) { numbers.append(try number(name, in: slot)) }
    _ = try open(numbers.compactMap { $0 })
    var result: [Int] = []
    for (index, name) in names.enumerated() {
      if let number = numbers[index], try open([number])[0].field.name == name {
        result.append(number)
      } else {
        result.append(try follow(name, from: slots[index]))
      }
    }
    state.withLock { state in
      // Names are columns of the file: there are no more of them.
      for (name, number) in zip(names, result) { state.numbers[name] = number }
    }
    return result
  }

  func missing(_ name: String) -> WeirFileError {
    WeirFileError(
      .invalidArgument, "the file has no such column among its \(columnCount)", column: name)
  }

  private func slotRange(_ slot: Int) -> Range<Int> {
    let start = tail.namesOffset + slot * NameTable.slotByteCount
    return start..<start + NameTable.slotByteCount
  }

  /// The directory entry that a slot gives for the name; `nil` when it is another name's. A free
  /// slot says that there is no such column.
  private func number(_ name: String, in slot: Buffer) throws(WeirFileError) -> Int? {
    guard slot.number(UInt32.self, at: 12) == 1 else { throw missing(name) }
    guard slot.number(UInt64.self, at: 0) == NameTable.hash(name) else { return nil }
    let number = Int(slot.number(UInt32.self, at: 8))
    guard number < columnCount else { throw .damaged("a name of column \(number)") }
    return number
  }

  /// Looks for the name along its chain, whose first slot is another name's.
  private func follow(_ name: String, from first: Int) throws(WeirFileError) -> Int {
    for step in 1..<max(tail.nameSlots, 1) {
      let slot = try bytes(slotRange((first + step) & (tail.nameSlots - 1)))
      guard let number = try number(name, in: slot) else { continue }
      if try open([number])[0].field.name == name { return number }
    }
    throw missing(name)
  }

  func open(_ numbers: [Int]) throws(WeirFileError) -> [FileColumn] {
    let known = state.withLock { state in numbers.map { state.columns[$0] } }
    let missing = zip(numbers, known).filter { $0.1 == nil }.map(\.0)
    if missing.isEmpty { return known.map { $0! } }
    let slots = try bytes(missing.map(entryRange))
    var entries: [DirectoryEntry] = []
    for slot in slots { entries.append(try DirectoryEntry(slot, tail: tail, fileSize: file.size)) }
    var parts: [Buffer?] = []
    var wanted: [Range<Int>] = []
    for (index, entry) in entries.enumerated() {
      let slotRange = entryRange(missing[index])
      for part in [entry.field, entry.descriptor] {
        if slotRange.contains(part.range.lowerBound), part.range.upperBound <= slotRange.upperBound
        {
          parts.append(
            slots[index].slice(offset: part.offset - slotRange.lowerBound, count: part.size))
        } else {
          parts.append(nil)
          wanted.append(part.range)
        }
      }
    }
    var rest = try wanted.isEmpty ? [] : bytes(wanted)
    rest.reverse()
    let filled = parts.map { $0 ?? rest.removeLast() }
    var described: [(field: Field, descriptor: ColumnDescriptor)] = []
    for (index, entry) in entries.enumerated() {
      described.append(
        try describe(entry, field: filled[index * 2], descriptor: filled[index * 2 + 1]))
    }
    try readTables(described.map(\.descriptor))
    for (index, entry) in entries.enumerated() {
      let column = try column(entry, described[index].field, described[index].descriptor)
      state.withLock { $0.columns[missing[index]] = $0.columns[missing[index]] ?? column }
    }
    return state.withLock { state in numbers.map { state.columns[$0]! } }
  }

  private func describe(
    _ entry: DirectoryEntry, field: Buffer, descriptor: Buffer
  ) throws(WeirFileError) -> (Field, ColumnDescriptor) {
    guard field.crc32c == entry.field.crc, descriptor.crc32c == entry.descriptor.crc else {
      throw .damaged("the checksum of a column's description is wrong")
    }
    let field = try FieldRecord.decode(field)
    do throws(WeirFileError) {
      return (
        field, try ColumnDescriptor(descriptor, rowCount: rowCount, fileSize: file.size)
      )
    } catch {
      throw error.adding(column: field.name)
    }
  }

  /// Reads the page tables of columns that are not known yet, all at once.
  private func readTables(_ descriptors: [ColumnDescriptor]) throws(WeirFileError) {
    var wanted: [Int: Range<Int>] = [:]
    state.withLock { state in
      for record in descriptors.flatMap(\.auxiliary)
      where record.pageCount > 0 && state.auxiliary[record.tableOffset] == nil {
        // Damaged records may name one offset with several sizes.
        let known = wanted[record.tableOffset]?.count ?? 0
        if record.tableRange.count > known { wanted[record.tableOffset] = record.tableRange }
      }
    }
    let ranges = wanted.values.sorted { $0.lowerBound < $1.lowerBound }
    if ranges.isEmpty { return }
    let tables = try bytes(ranges)
    state.withLock { state in
      for (range, table) in zip(ranges, tables) { state.tables[range.lowerBound] = table }
    }
  }

  private func column(
    _ entry: DirectoryEntry, _ field: Field, _ descriptor: ColumnDescriptor
  ) throws(WeirFileError) -> FileColumn {
    do throws(WeirFileError) {
      var arrays: [AuxiliaryArray] = []
      for record in descriptor.auxiliary { arrays.append(try auxiliary(record, earlier: arrays)) }
      return FileColumn(
        reader: self, entry: entry, field: field, descriptor: descriptor, auxiliary: arrays)
    } catch {
      throw error.adding(column: field.name)
    }
  }

  /// The array of this page table, one for all columns that share it.
  private func auxiliary(
    _ record: ColumnDescriptor.Auxiliary, earlier: [AuxiliaryArray]
  ) throws(WeirFileError) -> AuxiliaryArray {
    if record.pageCount > 0, let known = state.withLock({ $0.auxiliary[record.tableOffset] }),
      known.role == record.role, known.shift == record.shift, known.count == record.count
    {
      return known
    }
    let table = try pageTable(record)
    guard table.crc32c == record.tableCRC else {
      throw .damaged("the checksum of a page table is wrong")
    }
    let array = AuxiliaryArray(
      role: record.role, shift: record.shift, count: record.count, pageCount: record.pageCount,
      earlier: earlier,
      keptByteCountMax: record.role == .parts
        ? min(options.cacheBytesMax, AuxiliaryArray.keptPartByteCountMax) : options.cacheBytesMax
    ) { [file, options, map] (index) throws(WeirFileError) in
      try Self.page(table, index, file, map, options)
    }
    state.withLock { $0.auxiliary[record.tableOffset] = array }
    return array
  }

  /// The bytes of a page table that was read when its column was opened.
  func pageTable(_ record: ColumnDescriptor.Auxiliary) throws(WeirFileError) -> Buffer {
    if let known = state.withLock({ $0.tables[record.tableOffset] }),
      known.count >= record.tableRange.count
    {
      return known.slice(offset: 0, count: record.tableRange.count)
    }
    return try bytes(record.tableRange)
  }

  private static func page(
    _ table: Buffer, _ index: Int, _ file: any ObjectReader, _ map: Buffer?,
    _ options: WeirFileReadOptions
  ) throws(WeirFileError) -> PageNode {
    let entry = try PageTableEntry(table, index, fileSize: file.size)
    if let map {
      return try page(
        map.slice(offset: entry.range.lowerBound, count: entry.range.count), entry, options)
    }
    return try page(read(file, entry.range), entry, options)
  }

  static func page(
    _ bytes: Buffer, _ entry: PageTableEntry, _ options: WeirFileReadOptions
  ) throws(WeirFileError) -> PageNode {
    if options.verifiesChecksums, bytes.crc32c != entry.crc {
      throw WeirFileError(
        .damaged, "the checksum of an auxiliary page is wrong", position: entry.range.lowerBound)
    }
    return try PageParser.parse(bytes)
  }
}
