// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Writes what follows the pages of a file: fields, descriptors, the directory, names, metadata and the
/// tail (section 1 of the specification).
struct DirectoryWriter {
  /// A column whose pages, page tables and statistics are in the file.
  struct Column {
    /// Its number in the directory.
    var id: UInt32
    var field: Field
    var descriptor: ColumnDescriptor
    var statistics = DirectoryEntry.Part()
    /// Columns of the same one, from 1, lie next to each other.
    var bucket: UInt32 = 0
  }

  let pages: PageSink

  /// - Parameters:
  ///   - columns: in the order of the schema.
  ///   - metadata: the file's, encoded.
  func write(
    _ columns: [Column], rowCount: Int, metadata: Buffer, generation: UInt64 = 0
  ) throws(WeirFileError) {
    var tail = FileTail()
    tail.rowCount = rowCount
    tail.columnCount = columns.count
    tail.generation = generation
    let order = columns.indices.sorted { columns[$0].id < columns[$1].id }
    tail.firstID = order.first.map { columns[$0].id } ?? 0
    tail.isDense = order.enumerated().allSatisfy {
      columns[$1].id == tail.firstID &+ UInt32($0)
    }
    var records: [Record] = []
    for position in order {
      let field = MutableBuffer()
      FieldRecord.encode(columns[position].field, into: field)
      var entry = DirectoryEntry()
      entry.fieldID = columns[position].id
      entry.position = position
      entry.statistics = columns[position].statistics
      entry.bucket = columns[position].bucket
      records.append(
        Record(
          entry: entry, field: field.finish(), descriptor: columns[position].descriptor.encoded()))
    }
    tail.stride = Self.stride(records)
    let directory = try directory(records, tail.stride)
    tail.directoryOffset = try pages.write(directory).offset

    var numbers = [Int](repeating: 0, count: columns.count)
    for (number, position) in order.enumerated() { numbers[position] = number }
    let names = columns.enumerated().map { (name: $1.field.name, entry: numbers[$0]) }
    let table = try pages.write(NameTable.encoded(names))
    tail.namesOffset = table.offset
    tail.nameSlots = NameTable.slotCount(names.count)

    let part = try pages.write(metadata)
    (tail.metadataOffset, tail.metadataSize, tail.metadataCRC) = (part.offset, part.size, part.crc)
    _ = try pages.write(tail.encoded())
  }

  /// What describes a column: its entry so far, and the bytes of its records.
  private struct Record {
    var entry: DirectoryEntry
    var field: Buffer
    var descriptor: Buffer
  }

  /// Room for an entry with its records behind it, as long as that is not much.
  private static func stride(_ records: [Record]) -> Int {
    let largest = records.map { ($0.field.count + 7) & ~7 + $0.descriptor.count }.max() ?? 0
    let wanted = DirectoryEntry.byteCount + (largest + 7) & ~7
    return wanted <= strideMax ? wanted : DirectoryEntry.byteCount
  }

  private static let strideMax = 512

  private func directory(_ records: [Record], _ stride: Int) throws(WeirFileError) -> Buffer {
    let isInline = stride > DirectoryEntry.byteCount
    var entries = records.map(\.entry)
    if !isInline {
      for (index, record) in records.enumerated() {
        entries[index].field = try pages.write(record.field)
        entries[index].descriptor = try pages.write(record.descriptor)
      }
    }
    let out = MutableBuffer(capacity: entries.count * stride)
    let start = (pages.offset + 7) & ~7
    for (index, entry) in entries.enumerated() {
      var entry = entry
      let (field, descriptor) = (records[index].field, records[index].descriptor)
      if isInline {
        let at = start + index * stride + DirectoryEntry.byteCount
        entry.field = DirectoryEntry.Part(offset: at, size: field.count, crc: field.crc32c)
        entry.descriptor = DirectoryEntry.Part(
          offset: at + (field.count + 7) & ~7, size: descriptor.count, crc: descriptor.crc32c)
      }
      entry.encode(into: out)
      if isInline {
        out.append(field)
        out.align()
        out.append(descriptor)
        out.appendZeros((index + 1) * stride - out.count)
      }
    }
    return out.finish()
  }
}
