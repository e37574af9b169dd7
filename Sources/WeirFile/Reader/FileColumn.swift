// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirStorage

/// An open column: its field, where its pages are, and what they refer to.
final class FileColumn: Sendable {
  let entry: DirectoryEntry
  /// With the fields of structs that are read.
  let field: Field
  /// Which of the fields are read; `nil` for all.
  let selection: FieldSelection?
  let descriptor: ColumnDescriptor
  let decoder: PageDecoder
  private let file: any ObjectReader
  private let options: WeirFileReadOptions
  private let cache = Mutex(Cache())
  /// Statistics, once they were wanted.
  let knownStatistics = Mutex<ColumnStatistics?>(nil)

  private struct Cache {
    var pages: [Int: PageNode] = [:]
    var byteCount = 0
  }

  init(
    reader: WeirFileReader, entry: DirectoryEntry, field: Field, descriptor: ColumnDescriptor,
    auxiliary: [AuxiliaryArray]
  ) {
    self.entry = entry
    self.field = field
    selection = nil
    self.descriptor = descriptor
    decoder = PageDecoder(auxiliary: auxiliary)
    file = reader.file
    options = reader.options
  }

  /// The column with a part of its fields.
  init(_ column: FileColumn, field: Field, selection: FieldSelection) {
    entry = column.entry
    self.field = field
    self.selection = selection
    descriptor = column.descriptor
    decoder = column.decoder
    file = column.file
    options = column.options
  }

  /// Checks the bytes of page `index` and makes nodes of them.
  func page(_ index: Int, _ bytes: Buffer) throws(WeirFileError) -> PageNode {
    let entry = descriptor.pages[index]
    do throws(WeirFileError) {
      guard !options.verifiesChecksums || bytes.crc32c == entry.crc else {
        throw WeirFileError.damaged("the checksum of a page is wrong; its bytes have changed")
      }
      let page = try PageParser.parse(bytes)
      guard page.count == entry.rowCount else {
        throw WeirFileError.damaged("a page of \(page.count) values for \(entry.rowCount) rows")
      }
      return page
    } catch {
      throw error.adding(column: field.name, row: entry.firstRow, position: entry.offset)
    }
  }

  func known(_ index: Int) -> PageNode? { cache.withLock { $0.pages[index] } }

  /// Keeps a page for later reads of single rows; `share` is what this column may keep.
  func keep(_ index: Int, _ page: PageNode, share: Int) {
    let size = descriptor.pages[index].size
    cache.withLock { cache in
      if size > share { return }
      if cache.byteCount + size > share {
        cache.pages.removeAll()
        cache.byteCount = 0
      }
      cache.pages[index] = page
      cache.byteCount += size
    }
  }
}
