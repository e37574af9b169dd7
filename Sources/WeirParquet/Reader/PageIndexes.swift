// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Reads the page indexes and bloom filters of column chunks.
enum PageIndexes {
  /// Bytes of one index or filter that are accepted.
  private static let byteCountMax = 256 << 20

  static func offsetIndex(
    of chunk: ColumnChunk, reader: ParquetReader
  ) throws(ParquetError) -> OffsetIndex? {
    guard let offset = chunk.offsetIndexOffset, let count = chunk.offsetIndexLength else {
      return nil
    }
    let index = try fetch(reader, offset, count, "offset index")
      .parseThrift(at: offset) { (reader) throws(ParquetError) in try OffsetIndex(&reader) }.value
    var row = -1
    for page in index.pages {
      guard page.firstRow > row else {
        throw ParquetError(
          .damaged, "the page index's rows do not ascend", column: chunk.metaData.path.last,
          position: offset)
      }
      row = page.firstRow
    }
    return index
  }

  static func columnIndex(
    of chunk: ColumnChunk, reader: ParquetReader
  ) throws(ParquetError) -> ColumnIndex? {
    guard let offset = chunk.columnIndexOffset, let count = chunk.columnIndexLength else {
      return nil
    }
    return try fetch(reader, offset, count, "column index")
      .parseThrift(at: offset) { (reader) throws(ParquetError) in try ColumnIndex(&reader) }.value
  }

  /// The bits of a chunk's bloom filter.
  static func bloomFilter(
    of chunk: ColumnChunk, reader: ParquetReader
  ) throws(ParquetError) -> Buffer? {
    guard let offset = chunk.metaData.bloomFilterOffset else { return nil }
    // The header is some 16 bytes; the length is known of newer files alone.
    let left = max(0, reader.source.size - offset)
    let first = try fetch(
      reader, offset, min(chunk.metaData.bloomFilterLength ?? 64, left), "bloom filter")
    let (header, headerCount) = try first.parseThrift(at: offset) {
      (reader) throws(ParquetError) in try BloomFilterHeader(&reader)
    }
    guard header.byteCount % SplitBlockBloomFilter.blockByteCount == 0, header.byteCount > 0 else {
      throw ParquetError(
        .damaged, "a bloom filter of \(header.byteCount) bytes is no whole number of blocks",
        position: offset)
    }
    if first.count >= headerCount + header.byteCount {
      return first.slice(offset: headerCount, count: header.byteCount)
    }
    return try fetch(reader, offset + headerCount, header.byteCount, "bloom filter")
  }

  private static func fetch(
    _ reader: ParquetReader, _ offset: Int, _ count: Int, _ what: String
  ) throws(ParquetError) -> Buffer {
    let (end, overflow) = offset.addingReportingOverflow(count)
    guard !overflow, offset >= 4, end <= reader.source.size, count <= byteCountMax else {
      throw ParquetError(
        .damaged, "the \(what) of \(count) bytes does not lie within the file", position: offset)
    }
    do throws(StorageError) {
      return try reader.source.read(offset..<end)
    } catch {
      throw ParquetError(.storage, "\(error)", position: offset)
    }
  }
}
