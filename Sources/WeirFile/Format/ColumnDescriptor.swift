// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Where the pages of a column are (section 2 of the specification).
struct ColumnDescriptor: Sendable, Equatable {
  struct DataPage: Sendable, Equatable {
    var firstRow: Int
    var rowCount: Int
    var offset: Int
    var size: Int
    var crc: UInt32
    var range: Range<Int> { offset..<offset + size }
    /// The row behind its last one.
    var endRow: Int { firstRow + rowCount }
  }

  struct Auxiliary: Sendable, Equatable {
    var role: AuxiliaryRole
    var shift: Int
    var count: Int
    var pageCount: Int
    var tableOffset: Int
    var tableCRC: UInt32

    static let pageEntryByteCount = 16
    var tableRange: Range<Int> { tableOffset..<tableOffset + pageCount * Self.pageEntryByteCount }
  }

  var pages: [DataPage] = []
  var auxiliary: [Auxiliary] = []

  private static let recordByteCount = 32
  /// Auxiliary arrays of a column.
  static let auxiliaryCountMax = 4096

  func encoded() -> Buffer {
    let out = MutableBuffer()
    out.put(UInt32(pages.count))
    out.put(UInt32(auxiliary.count))
    for page in pages {
      out.put(UInt64(page.firstRow))
      out.put(UInt64(page.offset))
      out.put(UInt32(page.size))
      out.put(page.crc)
      out.put(UInt32(page.rowCount))
      out.put(UInt32(0))
    }
    for array in auxiliary {
      out.put(array.role.rawValue)
      out.put(UInt8(array.shift))
      out.put(UInt16(0))
      out.put(UInt32(array.pageCount))
      out.put(UInt64(array.count))
      out.put(UInt64(array.tableOffset))
      out.put(array.tableCRC)
      out.put(UInt32(0))
    }
    return out.finish()
  }

  init() {}

  init(_ bytes: Buffer, rowCount: Int, fileSize: Int) throws(WeirFileError) {
    guard bytes.count >= 8 else { throw .damaged("a descriptor of \(bytes.count) bytes") }
    let pageCount = Int(bytes.number(UInt32.self, at: 0))
    let auxiliaryCount = Int(bytes.number(UInt32.self, at: 4))
    guard bytes.count == 8 + (pageCount + auxiliaryCount) * Self.recordByteCount else {
      throw .damaged("a descriptor of \(bytes.count) bytes for \(pageCount) pages")
    }
    var at = 8
    var row = 0
    pages.reserveCapacity(pageCount)
    for _ in 0..<pageCount {
      let offset = bytes.number(UInt64.self, at: at + 8)
      let size = Int(bytes.number(UInt32.self, at: at + 16))
      let rows = Int(bytes.number(UInt32.self, at: at + 24))
      guard bytes.number(UInt64.self, at: at) == UInt64(row), size <= fileSize,
        offset <= UInt64(fileSize - size), rows > 0
      else { throw .damaged("a page of row \(row) that does not fit the others or the file") }
      pages.append(
        DataPage(
          firstRow: row, rowCount: rows, offset: Int(offset), size: size,
          crc: bytes.number(UInt32.self, at: at + 20)))
      row += rows
      at += Self.recordByteCount
    }
    guard row == rowCount else {
      throw .damaged("the pages have \(row) rows, the file \(rowCount)")
    }
    guard auxiliaryCount <= Self.auxiliaryCountMax else {
      throw .damaged("\(auxiliaryCount) auxiliary arrays")
    }
    for _ in 0..<auxiliaryCount {
      auxiliary.append(try Self.auxiliary(bytes, at, fileSize))
      at += Self.recordByteCount
    }
  }

  private static func auxiliary(
    _ bytes: Buffer, _ at: Int, _ fileSize: Int
  ) throws(WeirFileError) -> Auxiliary {
    let role = AuxiliaryRole(rawValue: bytes.number(UInt8.self, at: at)) ?? .unknown
    let shift = Int(bytes.number(UInt8.self, at: at + 1))
    let pages = Int(bytes.number(UInt32.self, at: at + 4))
    let count = bytes.number(UInt64.self, at: at + 8)
    let offset = bytes.number(UInt64.self, at: at + 16)
    guard shift <= 30, count <= UInt64(UInt32.max),
      pages == (Int(count) + 1 << shift - 1) >> shift,
      pages * Auxiliary.pageEntryByteCount <= fileSize,
      offset <= UInt64(fileSize - pages * Auxiliary.pageEntryByteCount)
    else { throw .damaged("auxiliary values that do not fit their pages or the file") }
    return Auxiliary(
      role: role, shift: shift, count: Int(count), pageCount: pages, tableOffset: Int(offset),
      tableCRC: bytes.number(UInt32.self, at: at + 24))
  }

  /// Number of the page that holds `row`, which is below the row count. Cost: the logarithm of
  /// pages.
  func page(of row: Int) -> Int {
    var low = 0
    var high = pages.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if pages[middle].firstRow <= row { low = middle } else { high = middle }
    }
    return low
  }
}
