// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar

/// Decodes one leaf of one row group, a number of rows at a time.
///
/// 1. Levels come in stretches that stay in the first-level cache, or as one run of equal levels.
/// 2. Each stretch goes to the nested nodes that this leaf is the first of, and says how many values
///    to decode and where the nulls are.
/// 3. A repeated leaf's rows end where the next repetition level 0 is seen, which may be in the next
///    page.
///
/// Safe: the level pointers go into buffers that this object owns.
final class LeafReader {
  let leaf: LeafColumn
  let sink: LeafSink
  private let pages: PageReader
  /// The nested nodes whose levels this leaf provides.
  private let nodes: [NestedState]
  private var page: DataPage?
  /// Entries of the page whose levels are not decoded yet.
  private var pageLeft = 0
  /// Take memory when they are first needed: most columns of wide tables have one run of levels.
  private let definitions = MutableBuffer()
  private let repetitions = MutableBuffer()
  /// Level entries of the batch. Each is a row or an item, unless the levels are damaged: then a run
  /// of a few bytes could keep this busy for minutes without making either.
  private var entryCount = 0
  private var entriesMax = Int.max
  /// Decoded levels of a repeated leaf that are not consumed yet.
  private var stretch = 0..<0

  private static let stretchMax = 8192

  init(leaf: LeafColumn, sink: LeafSink, pages: PageReader, nodes: [NestedState]) {
    self.leaf = leaf
    self.sink = sink
    self.pages = pages
    self.nodes = nodes
  }

  /// Adds what is known of the place to an error.
  func located(_ error: ParquetError) -> ParquetError {
    error.adding(
      column: leaf.path, page: max(pages.pageIndex, 0), position: pages.pagePosition)
  }

  private func nextPage() throws(ParquetError) -> Bool {
    guard let next = try pages.next() else { return false }
    page = next
    pageLeft = next.entryCount
    return true
  }

  /// Bytes that the batch takes so far.
  var byteCount: Int { nodes.reduce(sink.byteCount) { $0 + $1.byteCount } }

  /// Sets what the batch may take.
  func limit(byteCount: Int) {
    sink.byteCountMax = byteCount
    entriesMax = byteCount / 4
    entryCount = 0
    for node in nodes { node.slotCountMax = byteCount / 8 }
  }

  /// Decodes the next `rows` rows into the sink and the nodes.
  func read(rows: Int) throws(ParquetError) {
    sink.begin(rows: rows, isFlat: leaf.repetitionMax == 0)
    if leaf.repetitionMax == 0 { try readFlat(rows) } else { try readRepeated(rows) }
  }

  /// Goes on at the data page at `position`.
  func seek(to position: Int, pageIndex: Int) throws(ParquetError) {
    try pages.seek(to: position, pageIndex: pageIndex)
    page = nil
    pageLeft = 0
    stretch = 0..<0
  }

  private func fewerRows(_ missing: Int) -> ParquetError {
    ParquetError(.damaged, "the column chunk's pages hold \(missing) rows fewer than its row group")
  }

  // MARK: flat

  private func readFlat(_ rows: Int) throws(ParquetError) {
    var left = rows
    while left > 0 {
      if pageLeft == 0 {
        guard try nextPage() else { throw fewerRows(left) }
        continue
      }
      let count = min(left, pageLeft)
      let taken = try readFlatStretch(count)
      left -= taken
      pageLeft -= taken
    }
  }

  /// At most `count` entries, which are rows.
  private func readFlatStretch(_ count: Int) throws(ParquetError) -> Int {
    guard page?.definition != nil else {
      try page?.values.decode(count, into: sink)
      sink.addValid(count)
      return count
    }
    if let run = try page?.definition?.uniformRun(countMax: count) {
      try checkLevel(run.value)
      try consumeUniform(UInt8(run.value), run.count)
      return run.count
    }
    let taken = min(count, Self.stretchMax)
    definitions.reserve(Self.stretchMax)
    let levels = definitions.base.assumingMemoryBound(to: UInt8.self)
    try page?.definition?.decodeLevels(levels, count: taken)
    try checkLevels(levels, taken, max: leaf.definitionMax)
    try consume(UnsafePointer(levels), nil, taken)
    return taken
  }

  private func consumeUniform(_ level: UInt8, _ count: Int) throws(ParquetError) {
    if !nodes.isEmpty {
      let stretch = LevelStretch(
        definition: nil, uniformDefinition: level, repetition: nil, count: count)
      for node in nodes { try node.consume(stretch) }
    }
    if Int(level) == leaf.definitionMax {
      try page?.values.decode(count, into: sink)
      sink.addValid(count)
    } else {
      try sink.addNulls(count)
    }
  }

  private func checkLevel(_ level: UInt32) throws(ParquetError) {
    guard level <= UInt32(leaf.definitionMax) else {
      throw ParquetError(
        .damaged, "definition level \(level), but the column's largest is \(leaf.definitionMax)")
    }
  }

  private func checkLevels(
    _ levels: UnsafePointer<UInt8>, _ count: Int, max: Int
  ) throws(ParquetError) {
    // Widths whose every value is a level need no look.
    if (max + 1).nonzeroBitCount == 1 { return }
    guard weir_count_at_least_u8(levels, UInt8(max + 1), count) == 0 else {
      throw ParquetError(.damaged, "a level is larger than the column's largest, \(max)")
    }
  }

  /// Entries with their levels, of the current page.
  private func consume(
    _ definition: UnsafePointer<UInt8>, _ repetition: UnsafePointer<UInt8>?, _ count: Int
  ) throws(ParquetError) {
    let full = UInt8(leaf.definitionMax)
    let values = weir_count_equal_u8(definition, full, count)
    let stretch = LevelStretch(
      definition: values == count ? nil : definition, uniformDefinition: full,
      repetition: repetition, count: count)
    for node in nodes { try node.consume(stretch) }
    try page?.values.decode(values, into: sink)
    if values == count {
      sink.addValid(count)
    } else {
      try sink.spread(
        valueCount: values, levels: definition, levelCount: count,
        slotLevel: UInt8(leaf.slotLevel), full: full)
    }
  }

  // MARK: repeated

  private func readRepeated(_ rows: Int) throws(ParquetError) {
    var begun = 0
    while true {
      if stretch.isEmpty {
        if pageLeft == 0 {
          if try nextPage() { continue }
          if begun < rows { throw fewerRows(rows - begun) }
          return
        }
        try loadStretch()
      }
      let repetition = repetitions.base.assumingMemoryBound(to: UInt8.self)
      let count = stretch.count
      let start = stretch.lowerBound
      let zeros = weir_count_equal_u8(repetition + start, 0, count)
      if begun == 0 && repetition[start] != 0 {
        throw ParquetError(.damaged, "a row begins in the middle of a list")
      }
      var taken = count
      if zeros > rows - begun {
        taken = Self.position(ofZero: rows - begun, repetition + start, count)
      }
      entryCount += taken
      guard entryCount <= entriesMax else { throw tooManyEntries() }
      if taken > 0 {
        let definition = definitions.base.assumingMemoryBound(to: UInt8.self)
        try consume(
          UnsafePointer(definition + start), UnsafePointer(repetition + start), taken)
        stretch = start + taken..<stretch.upperBound
      }
      begun += min(zeros, rows - begun)
      if taken < count { return }
    }
  }

  @inline(never)
  private func tooManyEntries() -> ParquetError {
    ParquetError(
      .limitExceeded,
      "one batch of this column would have more than \(entriesMax) items; "
        + "ask for fewer rows a batch")
  }

  private func loadStretch() throws(ParquetError) {
    let count = min(pageLeft, Self.stretchMax)
    repetitions.reserve(Self.stretchMax)
    definitions.reserve(Self.stretchMax)
    let repetition = repetitions.base.assumingMemoryBound(to: UInt8.self)
    let definition = definitions.base.assumingMemoryBound(to: UInt8.self)
    try page?.repetition?.decodeLevels(repetition, count: count)
    try checkLevels(repetition, count, max: leaf.repetitionMax)
    try page?.definition?.decodeLevels(definition, count: count)
    try checkLevels(definition, count, max: leaf.definitionMax)
    pageLeft -= count
    stretch = 0..<count
  }

  /// Where the zero number `ordinal` (from 0) is among `count` levels, which have more of them.
  private static func position(
    ofZero ordinal: Int, _ levels: UnsafePointer<UInt8>, _ count: Int
  ) -> Int {
    var seen = 0
    for index in 0..<count where levels[index] == 0 {
      if seen == ordinal { return index }
      seen += 1
    }
    preconditionFailure("the caller counted the zeros")
  }

  /// Passes over `rows` rows, a bounded number at a time.
  func discard(rows: Int) throws(ParquetError) {
    var left = rows
    while left > 0 {
      let step = min(left, Self.stretchMax)
      entryCount = 0
      try read(rows: step)
      sink.reset()
      for node in nodes { node.reset() }
      left -= step
    }
  }
}
