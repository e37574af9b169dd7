// SPDX-License-Identifier: Apache-2.0
// Safe: decodes the values of a page, whose counts were checked, into scratch memory of their size.

internal import WeirColumnar

/// The rows of a column by the hash of their value (section 6.1 of the specification).
struct KeyIndex {
  private let array: AuxiliaryArray
  private let rowCount: Int

  /// `nil` when the column has none.
  init?(_ column: FileColumn, rowCount: Int) {
    guard let array = column.decoder.auxiliary.last(where: { $0.role == .keys }) else { return nil }
    self.array = array
    self.rowCount = rowCount
  }

  /// Rows that it has.
  var count: Int { array.count }

  /// A page's hashes, and its rows as a node.
  private struct Page {
    let hashes: [UInt32]
    let rows: PageNode
  }

  private func page(_ index: Int) throws(WeirFileError) -> Page {
    let node = try array.page(index)
    guard node.encoding == .structure, node.children.count == 2, node.count > 0,
      node.children[0].kind == .four,
      node.children[1].kind == .four || node.children[1].kind == .eight
    else { throw .damaged("a page of a key index that has other values") }
    let scratch = Scratch(node.count * 4)
    let hashes = scratch.pointer(UInt32.self)
    try array.decoder.indices(node.children[0], 0, node.count, hashes)
    return Page(
      hashes: Array(UnsafeBufferPointer(start: hashes, count: node.count)), rows: node.children[1])
  }

  /// Rows whose value may have the hash, ascending; a few may have another value.
  ///
  /// Cost: hashes are even, so that the first page that is read is nearly always the right one.
  func rows(_ hash: UInt64) throws(WeirFileError) -> [Int] {
    let wanted = UInt32(truncatingIfNeeded: hash >> 32)
    guard var (index, page) = try find(wanted) else { return [] }
    var result: [Int] = []
    while true {
      var place = page.hashes.lowerBound(of: wanted)
      while place < page.hashes.count && page.hashes[place] == wanted {
        result.append(try row(page.rows, place))
        place += 1
      }
      index += 1
      guard place == page.hashes.count, index < array.pageCount else { break }
      page = try self.page(index)
    }
    return result.sorted()
  }

  private func row(_ node: PageNode, _ place: Int) throws(WeirFileError) -> Int {
    var row: UInt64 = 0
    if node.kind == .four {
      row = UInt64(try array.decoder.index(node, place))
    } else {
      try array.decoder.values(node, place, 1, &row)
    }
    guard row < UInt64(rowCount) else {
      throw .damaged("a key index leads to row \(row) of \(rowCount)")
    }
    return Int(row)
  }

  /// The first page whose last hash is not below `wanted`.
  private func find(_ wanted: UInt32) throws(WeirFileError) -> (Int, Page)? {
    var low = 0
    var high = array.pageCount
    var found: (Int, Page)?
    var guess = Int((UInt64(wanted) * UInt64(array.pageCount)) >> 32)
    var tries = 0
    while low < high {
      let page = try page(guess)
      if page.hashes[page.hashes.count - 1] < wanted {
        low = guess + 1
      } else {
        found = (guess, page)
        if page.hashes[0] < wanted { break }
        high = guess
      }
      // Neighbours first, then halves.
      tries += 1
      guess = tries > 3 ? (low + high) / 2 : min(max(guess, low), high - 1)
    }
    return found
  }
}

extension [UInt32] {
  /// How many of these ascending numbers are below `value`.
  fileprivate func lowerBound(of value: UInt32) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
