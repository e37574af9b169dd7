// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar
internal import WeirStorage

/// One page of a column chunk, as its header describes it.
public struct PageInfo: Sendable {
  /// What the page's stored CRC-32 says about its bytes.
  public enum Checksum: Sendable { case absent, notChecked, matches, fails }

  /// Number among the chunk's data pages, from 0; `nil` for other pages.
  public var index: Int?
  /// Of the header's first byte in the file.
  public var position: Int
  public var headerByteCount: Int
  public var header: PageHeader
  public var checksum: Checksum

  /// Header and body.
  public var byteCount: Int { headerByteCount + header.compressedByteCount }

  /// Values, nulls included.
  public var valueCount: Int {
    switch header.kind {
    case .data(let page): page.valueCount
    case .dataV2(let page): page.valueCount
    case .dictionary(let page): page.valueCount
    case .other: 0
    }
  }

  public var encoding: Encoding? {
    switch header.kind {
    case .data(let page): page.encoding
    case .dataV2(let page): page.encoding
    case .dictionary(let page): page.encoding
    case .other: nil
    }
  }

  /// `data`, `data v2`, `dictionary` or `other`.
  public var kind: String {
    switch header.kind {
    case .data: "data"
    case .dataV2: "data v2"
    case .dictionary: "dictionary"
    case .other: "other"
    }
  }
}

/// Walks over the pages of one column chunk without decoding them.
///
/// Memory: one window of the file, or one page when its checksum is looked at.
public final class PageWalk {
  private let source: ChunkSource
  private let checksChecksums: Bool
  private let context: (file: String, column: String, rowGroup: Int)
  private var dataPages = 0

  private static let headerByteCountMax = 16 << 20
  private static let windowByteCount = 256 << 10

  init(_ reader: ParquetReader, rowGroup: Int, column: ColumnInfo, checksums: Bool)
    throws(ParquetError)
  {
    context = (reader.name, column.path, rowGroup)
    checksChecksums = checksums
    let chunk = reader.metadata.rowGroups[rowGroup].columns[column.index]
    do throws(ParquetError) {
      guard !chunk.isEncrypted && (chunk.filePath ?? "").isEmpty else {
        throw ParquetError(.unsupported, "the column is encrypted or lies in another file")
      }
      source = ChunkSource(
        reader.source, range: try reader.chunkRange(chunk.metaData),
        windowByteCount: Self.windowByteCount, first: Buffer())
    } catch {
      throw error.adding(file: reader.name, column: column.path, rowGroup: rowGroup)
    }
  }

  /// The next page; `nil` at the end of the chunk.
  public func next() throws(ParquetError) -> PageInfo? {
    guard source.left > 0 else { return nil }
    let position = source.position
    var isData = false
    do throws(ParquetError) {
      let (header, headerByteCount) = try readHeader()
      switch header.kind {
      case .data, .dataV2: isData = true
      default: break
      }
      var checksum = PageInfo.Checksum.absent
      guard header.compressedByteCount <= source.left else {
        throw ParquetError(
          .damaged,
          "the page's \(header.compressedByteCount) bytes reach beyond its column chunk, which "
            + "has \(source.left) left")
      }
      if let expected = header.crc {
        checksum = .notChecked
        if checksChecksums {
          let bytes = try source.take(header.compressedByteCount, "a page")
          let actual = bytes.withUnsafeBytes { weir_crc32(0, $0.baseAddress, $0.count) }
          checksum = actual == expected ? .matches : .fails
        }
      }
      if checksum == .absent || checksum == .notChecked {
        source.skip(header.compressedByteCount)
      }
      defer { if isData { dataPages += 1 } }
      return PageInfo(
        index: isData ? dataPages : nil, position: position, headerByteCount: headerByteCount,
        header: header, checksum: checksum)
    } catch {
      throw error.adding(
        file: context.file, column: context.column, rowGroup: context.rowGroup, page: dataPages,
        position: position)
    }
  }

  private func readHeader() throws(ParquetError) -> (PageHeader, Int) {
    var window = 4096
    while true {
      let bytes = try source.peek(window)
      do throws(ParquetError) {
        let (header, byteCount) = try bytes.parseThrift(at: source.position) {
          (reader) throws(ParquetError) in try PageHeader(&reader)
        }
        source.skip(byteCount)
        return (header, byteCount)
      } catch {
        // The header may only be cut off by the window.
        guard error.code == .damaged, bytes.count < source.left,
          bytes.count < Self.headerByteCountMax
        else { throw error }
        window = bytes.count * 4
      }
    }
  }
}

extension ParquetReader {
  /// Walks over the pages of one column chunk.
  ///
  /// - Parameter checksums: whether page bodies are read and compared with their checksums.
  public func pages(
    rowGroup: Int, column: ColumnInfo, checksums: Bool = false
  ) throws(ParquetError) -> PageWalk {
    try PageWalk(self, rowGroup: rowGroup, column: column, checksums: checksums)
  }
}
