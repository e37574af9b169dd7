// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// The bytes of pages for a reader that goes through rows in their order. Of a store whose requests
/// mostly wait, the next pages are asked for while the present ones are decoded.
struct PageSupply {
  /// A page of one of the columns.
  struct Place: Hashable {
    var column: Int
    var page: Int
  }

  private let reader: WeirFileReader
  private let columns: [FileColumn]
  /// The rows that will be read, ascending ranges; pages without one are passed over.
  private let wanted: [Range<Int>]
  /// Pages that came before they were wanted, and those that are on their way.
  private var known: [Place: Buffer] = [:]
  private var coming: (places: [Place], prefetch: Prefetch)?

  init(_ reader: WeirFileReader, _ columns: [FileColumn], _ wanted: [Range<Int>]) {
    self.reader = reader
    self.columns = columns
    self.wanted = wanted
  }

  /// The bytes of the pages, in their order. What was not asked for before is read in as few requests
  /// as the pages' places allow.
  mutating func bytes(_ places: [Place]) throws(WeirFileError) -> [Buffer] {
    if let coming, places.contains(where: coming.places.contains) {
      // An error comes again when the pages are read below.
      for (place, bytes) in zip(coming.places, coming.prefetch.wait() ?? []) {
        known[place] = bytes
      }
      self.coming = nil
    }
    let missing = places.filter { known[$0] == nil }
    for (place, bytes) in zip(missing, try reader.bytes(missing.map(range))) {
      known[place] = bytes
    }
    return places.map { known.removeValue(forKey: $0) ?? Buffer() }
  }

  private func range(_ place: Place) -> Range<Int> {
    columns[place.column].descriptor.pages[place.page].range
  }

  /// Bytes that are asked for at once, or a page of each column where that is more.
  private static let stepByteCount = 4 << 20

  /// Asks for what comes behind `rows`, up to the row `end`: a page of each column, and as many more as
  /// make a request worth its wait. Nothing while half of that is still there.
  ///
  /// Bounded by `aheadBytesMax`, beyond which columns have to wait.
  mutating func readAhead(of rows: Range<Int>, to end: Int) {
    guard reader.readsAhead, coming == nil, rows.upperBound < end else { return }
    // What came and was not asked for, because no row of it matched, is of no more use.
    known = known.filter {
      columns[$0.key.column].descriptor.pages[$0.key.page].endRow > rows.lowerBound
    }
    var next = columns.indices.map {
      firstWanted($0, columns[$0].descriptor.page(of: rows.upperBound - 1) + 1)
    }
    let isHungry = columns.indices.contains { column in
      let page = next[column]
      return isWanted(column, page, end) && known[Place(column: column, page: page)] == nil
    }
    var byteCount = known.values.reduce(0) { $0 + $1.count }
    guard isHungry || byteCount < Self.stepByteCount / 2 else { return }
    var places: [Place] = []
    var isDone = false
    while !isDone {
      isDone = true
      for column in columns.indices {
        while known[Place(column: column, page: next[column])] != nil {
          next[column] = firstWanted(column, next[column] + 1)
        }
        guard isWanted(column, next[column], end) else { continue }
        let size = columns[column].descriptor.pages[next[column]].size
        if byteCount + size > reader.options.aheadBytesMax { continue }
        byteCount += size
        places.append(Place(column: column, page: next[column]))
        next[column] = firstWanted(column, next[column] + 1)
        isDone = false
      }
      if byteCount >= Self.stepByteCount { break }
    }
    if places.isEmpty { return }
    coming = Prefetch(reader.file, places.map(range)).map { (places, $0) }
  }

  /// The first page from `page` on with a row that will be read.
  private func firstWanted(_ column: Int, _ page: Int) -> Int {
    let pages = columns[column].descriptor.pages
    var page = page
    while page < pages.count {
      let place = pages[page]
      // The first range that ends behind the page's first row.
      var (low, high) = (0, wanted.count)
      while low < high {
        let middle = (low + high) / 2
        if wanted[middle].upperBound > place.firstRow { high = middle } else { low = middle + 1 }
      }
      if low < wanted.count && wanted[low].lowerBound < place.endRow { return page }
      page += 1
    }
    return page
  }

  private func isWanted(_ column: Int, _ page: Int, _ end: Int) -> Bool {
    let pages = columns[column].descriptor.pages
    return page < pages.count && pages[page].firstRow < end
  }
}
