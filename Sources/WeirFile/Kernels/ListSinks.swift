// SPDX-License-Identifier: Apache-2.0
// Safe: as PageDecoder.swift: writes go to room that a MutableBuffer reserved.

internal import CWeirKernels
internal import WeirColumnar

/// Lists, also maps.
final class ListSink: ColumnSink {
  private var offsets: OffsetsSink
  private let items: ColumnSink

  init(
    _ type: DataType, _ limit: SinkLimit, offsetWidth: Int, _ selection: FieldSelection? = nil
  ) {
    offsets = OffsetsSink(width: offsetWidth)
    items = ColumnSink.make(type.children[0].type, limit, selection?.children[0].selection)
    super.init(type, limit)
  }

  override func appendValues(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    if count == 0 { return }
    switch node.encoding {
    case .list: try appendLists(node, start, count, decoder)
    case .window: try appendWindows(node, start, count, decoder)
    default: throw .damaged("encoding \(node.encoding.name) holds no lists")
    }
  }

  override func appendBlank(_ count: Int) throws(WeirFileError) {
    try offsets.append(length: 0, times: count, limit)
  }

  override var spreads: Bool { true }

  override func spread(
    _ valid: UnsafeRawPointer, _ first: Int, _ count: Int, present: Int
  ) throws(WeirFileError) {
    try offsets.spread(valid, first, count, present: present, limit)
  }

  override func expect(_ rows: Int) {
    super.expect(rows)
    offsets.expect(rows)
  }

  /// Adds lists that are windows on a pool.
  func append(
    _ starts: UnsafePointer<UInt32>, _ lengths: UnsafePointer<UInt32>, _ count: Int,
    _ reader: inout PoolReader
  ) throws(WeirFileError) {
    if count == 0 { return }
    try appendWindows(starts, lengths, count, Int(weir_sum_u32(lengths, count)), &reader)
    try didAppend(count)
  }

  /// Adds a list without items.
  func appendEmpty() throws(WeirFileError) {
    try appendBlank(1)
    try didAppend(1)
  }

  /// Makes room for the items of all rows that are to come, once the first ones are known.
  private func expectItems(_ sum: Int, _ rows: Int) {
    if length > 0 || rows == 0 || expectedRows <= rows { return }
    items.expect(sum / rows * expectedRows + expectedRows + 64)
  }

  private func appendLists(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    let first = try decoder.itemStart(node, start)
    var next = first
    try decoder.forLengths(node.children[0], start, count) {
      (lengths, _, number, sum) throws(WeirFileError) in
      try offsets.append(lengths, number, sum: sum, limit)
      next += sum
    }
    let values = node.children[1]
    guard next <= values.count else { throw .damaged("lists that lead out of their items") }
    expectItems(next - first, count)
    try items.append(values, first, next - first, decoder)
  }

  private func appendWindows(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    var reader = PoolReader(try decoder.auxiliary(node, .pool, nil))
    let size = Self.windowsAtOnce
    let scratch = Scratch(min(count, size) * 4)
    let starts = scratch.pointer(UInt32.self)
    try decoder.forLengths(node.children[1], start, count, of: size) {
      (lengths, offset, number, sum) throws(WeirFileError) in
      try decoder.indices(node.children[0], start + offset, number, starts)
      try appendWindows(starts, lengths, number, sum, &reader)
    }
  }

  /// Rows whose items are given room at once.
  private static let windowsAtOnce = 65_536

  private func appendWindows(
    _ starts: UnsafePointer<UInt32>, _ lengths: UnsafePointer<UInt32>, _ count: Int, _ sum: Int,
    _ reader: inout PoolReader
  ) throws(WeirFileError) {
    guard weir_first_outside(starts, lengths, UInt64(reader.count), count) < 0 else {
      throw .damaged("a window that leads out of its pool")
    }
    try offsets.append(lengths, count, sum: sum, limit)
    expectItems(sum, count)
    guard let numbers = items as? FixedSink else {
      for row in 0..<count { try reader.append(Int(starts[row]), Int(lengths[row]), to: items) }
      return
    }
    try reader.copy(starts, lengths, count, numbers.width, numbers.room(sum))
  }

  override func pickValues(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    let count = rows.count
    let scratch = Scratch(count * 12)
    let starts = scratch.pointer(Int.self)
    let lengths = (scratch.base + count * 8).assumingMemoryBound(to: UInt32.self)
    switch node.encoding {
    case .window:
      var reader = PoolReader(try decoder.auxiliary(node, .pool, nil))
      let start = scratch.pointer(UInt32.self)
      try decoder.pick(node.children[0], rows, start)
      try decoder.pick(node.children[1], rows, lengths)
      try appendWindows(start, lengths, count, Int(weir_sum_u32(lengths, count)), &reader)
    case .list:
      try decoder.pickRagged(node, rows, lengths, starts)
      try offsets.append(lengths, count, sum: Int(weir_sum_u32(lengths, count)), limit)
      let values = node.children[1]
      for index in 0..<count {
        let length = Int(lengths[index])
        guard starts[index] <= values.count && length <= values.count - starts[index] else {
          throw .damaged("lists that lead out of their items")
        }
      }
      let ranges = ValueRanges(
        starts: starts, lengths: lengths, count: count,
        total: Int(weir_sum_u32(lengths, count)))
      try items.append(values, ranges, decoder)
    default: try super.pickValues(node, rows, decoder)
    }
    withExtendedLifetime(scratch) {}
  }

  override func finish() throws(WeirFileError) -> ArrayData {
    ArrayData(
      type: type, length: length, validity: finishValidity(), buffers: [offsets.finish()],
      children: [try items.finish()])
  }
}

/// Runs of a pool's values, with its pages at hand.
struct PoolReader {
  private let pool: AuxiliaryArray
  private var pages: [PageNode?]
  /// For pages of packed numbers, where their bits are: what most runs are copied from.
  private var packed: [weir_pool_page]

  var count: Int { pool.count }

  init(_ pool: AuxiliaryArray) {
    self.pool = pool
    pages = Array(repeating: nil, count: pool.pageCount)
    packed = Array(repeating: weir_pool_page(), count: pool.pageCount)
  }

  @inline(never)
  private mutating func load(_ index: Int) throws(WeirFileError) -> PageNode {
    let page = try pool.page(index)
    pages[index] = page
    if page.encoding == .packed, page.kind == .four || page.kind == .eight {
      let bits = page.buffers[0]
      packed[index] = weir_pool_page(
        bits: bits.bytes, size: bits.count, width: Int32(page.parameter),
        value_width: Int32(page.valueWidth), base: page.a)
    }
    return page
  }

  private mutating func page(_ index: Int) throws(WeirFileError) -> PageNode {
    if let known = pages[index] { return known }
    return try load(index)
  }

  /// Appends the values `start ..< start + count`, which lie within the pool.
  mutating func append(_ start: Int, _ count: Int, to sink: ColumnSink) throws(WeirFileError) {
    var next = start
    let end = start + count
    while next < end {
      let index = next >> pool.shift
      let page = try page(index)
      let first = next - index << pool.shift
      let number = min(end - next, page.count - first)
      try sink.append(page, first, number, pool.decoder)
      next += number
    }
  }

  /// Writes the values of windows, which lie within the pool, one behind the other to `out`:
  /// numbers of `width` bytes.
  mutating func copy(
    _ starts: UnsafePointer<UInt32>, _ lengths: UnsafePointer<UInt32>, _ count: Int, _ width: Int,
    _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    var target = out
    var done = 0
    while done < count {
      if width == 4 || width == 8 {
        let more = weir_windows(
          packed, CInt(pool.shift), CInt(width), starts + done, lengths + done, count - done,
          target)
        target += Int(weir_sum_u32(lengths + done, more)) * width
        done += more
        if done == count { return }
      }
      // Pages that are seen for the first time or are not packed, windows across pages.
      try copy(Int(starts[done]), Int(lengths[done]), width, target)
      target += Int(lengths[done]) * width
      done += 1
    }
  }

  /// Writes the values `start ..< start + count`, numbers of `width` bytes, to `out`.
  private mutating func copy(
    _ start: Int, _ count: Int, _ width: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    var next = start
    var target = out
    let end = start + count
    while next < end {
      let index = next >> pool.shift
      let first = next - index << pool.shift
      let number = min(end - next, 1 << pool.shift - first)
      let page = try page(index)
      guard page.valueWidth == width else {
        throw .damaged("a pool with values of \(page.valueWidth) bytes")
      }
      try pool.decoder.values(page, first, number, target)
      target += number * width
      next += number
    }
  }
}

/// Structs: a sink for each field.
final class StructSink: ColumnSink {
  private let fields: [ColumnSink]
  /// Where the fields are among those of the file, ascending; `nil` for all.
  private let places: [Int]?

  init(_ type: DataType, _ limit: SinkLimit, _ selection: FieldSelection?) {
    fields = type.children.enumerated().map { index, field in
      ColumnSink.make(field.type, limit, selection?.children[index].selection)
    }
    places = selection?.children.map(\.place)
    super.init(type, limit)
  }

  override func appendValues(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    guard node.encoding == .structure,
      places.map({ $0.last ?? 0 < node.children.count }) ?? (node.children.count == fields.count)
    else {
      throw .damaged("a struct of \(node.children.count) fields for one of \(fields.count)")
    }
    for (index, sink) in fields.enumerated() {
      let field = try decoder.field(node.children[places?[index] ?? index])
      try sink.append(field, start, count, decoder)
    }
  }

  override func appendBlank(_ count: Int) throws(WeirFileError) {
    for sink in fields { try sink.appendNulls(count) }
  }

  override func finish() throws(WeirFileError) -> ArrayData {
    var children: [ArrayData] = []
    for field in fields { children.append(try field.finish()) }
    return ArrayData(
      type: type, length: length, validity: finishValidity(), children: children)
  }
}

/// Lists of one size.
final class FixedListSink: ColumnSink {
  private let size: Int
  private let items: ColumnSink

  init(_ type: DataType, _ limit: SinkLimit, size: Int, _ selection: FieldSelection?) {
    self.size = size
    items = ColumnSink.make(type.children[0].type, limit, selection?.children[0].selection)
    super.init(type, limit)
  }

  override func appendValues(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    guard node.encoding == .fixedList, node.a == UInt64(size) else {
      throw .damaged("lists of \(node.a) items in a column of type \(type)")
    }
    try items.append(node.children[0], start * size, count * size, decoder)
  }

  override func pickValues(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    guard node.encoding == .fixedList, node.a == UInt64(size) else {
      throw .damaged("lists of \(node.a) items in a column of type \(type)")
    }
    let scratch = Scratch(rows.count * 12)
    let starts = scratch.pointer(Int.self)
    let lengths = (scratch.base + rows.count * 8).assumingMemoryBound(to: UInt32.self)
    for (index, row) in rows.enumerated() {
      starts[index] = Int(row) * size
      lengths[index] = UInt32(size)
    }
    let ranges = ValueRanges(
      starts: starts, lengths: lengths, count: rows.count, total: rows.count * size)
    try items.append(node.children[0], ranges, decoder)
    withExtendedLifetime(scratch) {}
  }

  override func appendBlank(_ count: Int) throws(WeirFileError) {
    let (number, overflow) = count.multipliedReportingOverflow(by: size)
    guard !overflow && number <= Int(PageParser.byteCountMax) else {
      throw WeirFileError(
        .limitExceeded, "\(count) lists of \(size) items; read fewer rows at once")
    }
    try items.appendNulls(number)
  }

  override func expect(_ rows: Int) {
    super.expect(rows)
    items.expect(rows.multipliedReportingOverflow(by: size).partialValue)
  }

  override func finish() throws(WeirFileError) -> ArrayData {
    ArrayData(
      type: type, length: length, validity: finishValidity(), children: [try items.finish()])
  }
}
