// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirStorage

/// Reads a Parquet file through an `ObjectReader`.
///
/// Opening reads the footer alone (one request for footers up to 64 KiB, else two). A reader may be
/// shared by threads; the scans it makes belong to one thread at a time.
public final class ParquetReader: Sendable {
  public let metadata: FileMetaData
  /// All columns as they are read, with field ids.
  public let schema: Schema
  /// Name of the file, for messages.
  public var name: String { source.name }
  /// Rows of all row groups together.
  public let rowCount: Int

  let source: any ObjectReader
  let options: ParquetReadOptions
  let columns: [SchemaNode]
  let leafCount: Int

  /// - Throws: `notParquet` when the magic bytes are missing, `damaged`, `unsupported` (encrypted
  ///   files), `storage`.
  public init(
    _ source: any ObjectReader, options: ParquetReadOptions = ParquetReadOptions()
  ) throws(ParquetError) {
    self.source = source
    self.options = options
    do throws(ParquetError) {
      metadata = try Footer.read(source, options: options)
      let (columns, metadata) = try StoredSchema.apply(
        to: try SchemaMapping.columns(of: metadata.schema, options: options), metadata)
      self.columns = columns
      schema = Schema(columns.map(\.field), metadata: metadata)
      leafCount = columns.reduce(0) { $0 + $1.leaves.count }
      rowCount = try Self.check(metadata: self.metadata, leafCount: leafCount)
    } catch {
      throw error.adding(file: source.name)
    }
  }

  /// Returns the number of rows.
  private static func check(
    metadata: FileMetaData, leafCount: Int
  ) throws(ParquetError) -> Int {
    var rows = 0
    for (index, group) in metadata.rowGroups.enumerated() {
      guard group.columns.count == leafCount else {
        throw ParquetError(
          .damaged, "the row group has \(group.columns.count) columns, the schema \(leafCount)",
          rowGroup: index)
      }
      let (sum, overflow) = rows.addingReportingOverflow(group.rowCount)
      guard !overflow else {
        throw ParquetError(.damaged, "the row groups' row counts are impossible", rowGroup: index)
      }
      rows = sum
    }
    // Early versions of parquet-rs left the file's own number at 0.
    guard rows == metadata.rowCount || metadata.rowCount == 0 else {
      throw ParquetError(
        .damaged, "the file says that it has \(metadata.rowCount) rows, its row groups \(rows)")
    }
    return rows
  }

  /// Scans columns, in batches.
  ///
  /// - Parameters:
  ///   - columns: Names of columns, or dotted paths of fields within structs; all when `nil`. Batches
  ///     have them in this order.
  ///   - rowGroups: Which row groups, in this order; all when `nil`.
  ///   - predicates: Row groups and pages that cannot hold a row that meets all of them are passed
  ///     over. Rows that do not meet them still come: evaluate them on the batches.
  ///   - batchRows: Rows of a batch at most; fewer at the end of a row group, and where rows are so
  ///     large that the batch would exceed `batchByteCountTarget`.
  /// - Throws: `invalidArgument` for a column or a row group that is not there.
  public func batches(
    columns names: [String]? = nil, rowGroups: [Int]? = nil,
    predicates: [ColumnPredicate] = [], batchRows: Int = 65_536
  ) throws(ParquetError) -> ParquetBatches {
    do throws(ParquetError) {
      guard batchRows > 0 else {
        throw ParquetError(.invalidArgument, "batchRows must be at least 1, not \(batchRows)")
      }
      let groups = rowGroups ?? Array(metadata.rowGroups.indices)
      for group in groups where !metadata.rowGroups.indices.contains(group) {
        throw ParquetError(
          .invalidArgument,
          "there is no row group \(group); the file has \(metadata.rowGroups.count)")
      }
      let projected = try Projection.select(names, from: columns)
      let pruning = try Pruning(predicates, columns: columns)
      return ParquetBatches(
        self, columns: projected, rowGroups: groups, pruning: pruning, batchRows: batchRows,
        metadata: schema.metadata)
    } catch {
      throw error.adding(file: name)
    }
  }

  /// The bytes of a column chunk in the file, checked to lie within it.
  func chunkRange(_ chunk: ColumnMetaData) throws(ParquetError) -> Range<Int> {
    var start = chunk.dataPageOffset
    if let dictionary = chunk.dictionaryPageOffset, dictionary > 0, dictionary < start {
      start = dictionary
    }
    let (end, overflow) = start.addingReportingOverflow(chunk.totalCompressedSize)
    guard start >= 4, !overflow, end <= source.size - 8 else {
      throw ParquetError(
        .damaged,
        "the column chunk's \(chunk.totalCompressedSize) bytes do not lie within the file",
        position: start)
    }
    return start..<end + unstatedByteCount(after: end)
  }

  /// Bytes behind a chunk that may still be its own: parquet-mr before 1.2.9 left the dictionary
  /// page's header out of the chunk's size (PARQUET-816).
  private func unstatedByteCount(after end: Int) -> Int {
    guard let writer = metadata.createdBy, writer.hasPrefix("parquet-mr") else { return 0 }
    let version = writer.dropFirst("parquet-mr".count).drop { $0 == " " }
      .drop { !$0.isNumber }.prefix { $0.isNumber || $0 == "." }
    let numbers = version.split(separator: ".").map { Int($0) ?? 0 }
    guard numbers.lexicographicallyPrecedes([1, 2, 9]) else { return 0 }
    return min(100, source.size - 8 - end)
  }
}

/// Finds and parses a file's footer.
enum Footer {
  /// Bytes read at once from the end: most footers are smaller.
  private static let guessByteCount = 64 << 10

  static func read(
    _ source: any ObjectReader, options: ParquetReadOptions
  ) throws(ParquetError) -> FileMetaData {
    let size = source.size
    guard size >= 12 else {
      throw ParquetError(.notParquet, "a Parquet file has at least 12 bytes, this one \(size)")
    }
    let tail = try fetch(source, max(0, size - guessByteCount)..<size)
    let end = tail.slice(offset: tail.count - 8, count: 8).array(of: UInt8.self)
    let magic = Array(end[4...])
    if magic == Array("PARE".utf8) {
      throw ParquetError(.unsupported, "the file's footer is encrypted, which is not supported")
    }
    guard magic == Array("PAR1".utf8) else {
      throw ParquetError(
        .notParquet, "the file does not end with PAR1: it is of another format or was cut short")
    }
    let length = Int(end[0]) | Int(end[1]) << 8 | Int(end[2]) << 16 | Int(end[3]) << 24
    guard length <= size - 12 else {
      throw ParquetError(
        .damaged, "a footer of \(length) bytes does not fit a file of \(size)", position: size - 8)
    }
    guard length <= options.footerByteCountMax else {
      throw ParquetError(
        .limitExceeded,
        "the footer has \(length) bytes, footerByteCountMax allows "
          + "\(options.footerByteCountMax)", position: size - 8)
    }
    let start = size - 8 - length
    let bytes =
      length + 8 <= tail.count
      ? tail.slice(offset: tail.count - 8 - length, count: length)
      : try fetch(source, start..<start + length)
    return try bytes.parseThrift(at: start) { (reader) throws(ParquetError) in
      try FileMetaData(&reader)
    }.value
  }

  private static func fetch(
    _ source: any ObjectReader, _ range: Range<Int>
  ) throws(ParquetError) -> Buffer {
    do throws(StorageError) {
      return try source.read(range)
    } catch {
      throw ParquetError(.storage, "\(error)", position: range.lowerBound)
    }
  }
}
