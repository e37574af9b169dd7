// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Where a page of an auxiliary array is.
struct PageTableEntry {
  let range: Range<Int>
  let crc: UInt32

  init(_ table: Buffer, _ index: Int, fileSize: Int) throws(WeirFileError) {
    let at = index * ColumnDescriptor.Auxiliary.pageEntryByteCount
    let offset = table.number(UInt64.self, at: at)
    let size = Int(table.number(UInt32.self, at: at + 8))
    guard size <= fileSize, offset <= UInt64(fileSize - size) else {
      throw .damaged("an auxiliary page outside the file")
    }
    range = Int(offset)..<Int(offset) + size
    crc = table.number(UInt32.self, at: at + 12)
  }
}
