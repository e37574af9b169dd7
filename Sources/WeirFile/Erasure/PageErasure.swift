// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Erases rows of columns that have dictionaries or pools in common, page by page.
///
/// 1. All pages of the columns are read, and the values marked that rows which stay refer to, by codes
///    and windows; pools are followed to their dictionaries.
/// 2. Values without a mark leave dictionaries and pools; the others keep their places.
/// 3. Pages with an erased row are written again with those dictionaries, whose codes they had; the
///    others are copied byte for byte.
/// 4. Pages of dictionaries and pools that lost a value are written again, the others copied.
struct PageErasure {
  private let columns: [FileColumn]
  private let read: (Range<Int>) throws(WeirFileError) -> Buffer
  /// In an order in which each comes before those that it refers to.
  private var arrays: [ErasedArray] = []
  private var known: [ObjectIdentifier: ErasedArray] = [:]

  /// `nil` for columns that another writer made in a way which is not followed: they are written again
  /// as a whole.
  ///
  /// - Parameters:
  ///   - columns: with all columns that share an array with one of them.
  ///   - erased: the rows to erase from a column, ascending.
  init?(
    _ columns: [FileColumn], _ reader: WeirFileReader, _ options: WeirFileWriteOptions,
    erased: (FileColumn) -> [Int]
  ) throws(WeirFileError) {
    self.columns = columns
    read = { (range) throws(WeirFileError) in try reader.bytes([range])[0] }
    for column in columns {
      let roles = column.descriptor.auxiliary.map(\.role)
      // Arrays keep their numbers; the key index, which is made anew, comes last.
      if let first = roles.firstIndex(of: .keys), first < roles.count - 1 { return nil }
      for (record, array) in zip(column.descriptor.auxiliary, column.decoder.auxiliary)
      where record.role != .keys {
        guard try add(array, column, options) else { return nil }
      }
    }
    for column in columns {
      guard try mark(column, erased(column)) else { return nil }
    }
    let marker = marker
    for array in arrays {
      guard try array.mark(marker) else { return nil }
    }
    for array in arrays { try array.scrub() }
  }

  private var marker: ReferenceMarker {
    let known = known
    return ReferenceMarker { known[ObjectIdentifier($0)]?.used }
  }

  /// Adds an array behind those that may refer to it.
  private mutating func add(
    _ array: AuxiliaryArray, _ column: FileColumn, _ options: WeirFileWriteOptions
  ) throws(WeirFileError) -> Bool {
    if known[ObjectIdentifier(array)] != nil { return true }
    // It was opened before all that refer to it.
    for earlier in array.decoder.auxiliary where earlier.role != .keys {
      guard try add(earlier, column, options) else { return false }
    }
    guard let number = column.decoder.auxiliary.firstIndex(where: { $0 === array }),
      let made = try ErasedArray(array, column.descriptor.auxiliary[number], options)
    else { return false }
    known[ObjectIdentifier(array)] = made
    arrays.insert(made, at: 0)
    return true
  }

  /// Marks what rows that stay refer to.
  private func mark(_ column: FileColumn, _ erased: [Int]) throws(WeirFileError) -> Bool {
    let marker = marker
    var next = 0
    for (index, place) in column.descriptor.pages.enumerated() {
      let end = place.firstRow + place.rowCount
      var live: [Range<Int>] = []
      var first = place.firstRow
      while next < erased.count && erased[next] < end {
        if erased[next] > first { live.append(first..<erased[next]) }
        first = erased[next] + 1
        next += 1
      }
      if first < end { live.append(first..<end) }
      let page = try column.page(index, try read(place.range))
      let within = live.map {
        $0.lowerBound - place.firstRow..<$0.upperBound - place.firstRow
      }
      do throws(WeirFileError) {
        guard try marker.mark(page, within, column.decoder) else { return false }
      } catch {
        throw error.adding(column: column.field.name, row: place.firstRow, position: place.offset)
      }
    }
    return true
  }

  // MARK: writing

  /// The arrays that the new column names, by their numbers.
  func writers(_ column: FileColumn) -> [AuxiliaryWriter] {
    column.decoder.auxiliary.compactMap { known[ObjectIdentifier($0)]?.writer }
  }

  func dictionaries(_ column: FileColumn) -> [Int: AnyObject] {
    var result: [Int: AnyObject] = [:]
    for (number, array) in column.decoder.auxiliary.enumerated() {
      result[number] = known[ObjectIdentifier(array)]?.dictionary
    }
    return result
  }

  /// The lists of a page of windows, erased ones empty; `nil` for another page.
  ///
  /// - Parameters:
  ///   - erased: rows of the page.
  ///   - array: the rows that it becomes.
  func windows(
    _ page: PageNode, _ erased: [Int], _ array: ArrayData, _ column: FileColumn,
    _ numbers: NumberEncoder
  ) throws(WeirFileError) -> EncodedNode? {
    let isNullable = page.encoding == .nullable && page.parameter == 0
    let node = isNullable ? page.children[1] : page
    guard node.encoding == .window else { return nil }
    var windows = try Windows(node, column.decoder)
    for row in erased {
      windows.lengths[row] = 0
      windows.starts[row] = row > 0 ? windows.starts[row - 1] : 0
    }
    let lists = EncodedNode(
      encoding: .window, kind: .lists, count: array.length, a: node.a,
      children: [
        numbers.encode(windows.starts, array.length), numbers.encode(windows.lengths, array.length),
      ])
    guard array.nullCount > 0, let validity = array.validity else { return lists }
    let bits = BitsEncoder.encode(validity.base, offset: array.offset, count: array.length)
    return EncodedNode(
      encoding: .nullable, kind: .lists, count: array.length, children: [bits, lists])
  }

  /// Writes dictionaries and pools; the pages that refer to them were written. Returns how many of their
  /// pages were made anew, and how many copied.
  func writeArrays(
    _ pages: PageSink, _ reader: WeirFileReader
  ) throws(WeirFileError) -> (rewritten: Int, copied: Int) {
    var (rewritten, copied) = (0, 0)
    for array in arrays {
      let table = try read(array.record.tableRange)
      let made = try array.write(pages) { (index) throws(WeirFileError) in
        let entry = try PageTableEntry(table, index, fileSize: reader.file.size)
        let bytes = try read(entry.range)
        guard bytes.crc32c == entry.crc else {
          throw WeirFileError(
            .damaged, "the checksum of an auxiliary page is wrong",
            position: entry.range.lowerBound)
        }
        return bytes
      }
      rewritten += made
      copied += array.writer.pages.count - made
    }
    return (rewritten, copied)
  }
}
