// SPDX-License-Identifier: Apache-2.0
// Safe: as PageDecoder.swift: writes go to room that a MutableBuffer reserved.

internal import CWeirKernels
internal import WeirColumnar

/// Lists, also maps.
final class ListSink: ColumnSink {
  private var offsets: OffsetsSink
  private let items: ColumnSink

  init(_ type: DataType, _ limit: SinkLimit, offsetWidth: Int) {
    offsets = OffsetsSink(width: offsetWidth)
    items = ColumnSink.make(type.children[0].type, limit)
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
    guard let numbers = items as? FixedSink else {
      for row in 0..<count { try reader.append(Int(starts[row]), Int(lengths[row]), to: items) }
      return
    }
    var room = try numbers.room(sum)
    let width = numbers.width
    for row in 0..<count {
      try reader.copy(Int(starts[row]), Int(lengths[row]), width, room)
      room += Int(lengths[row]) * width
    }
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
  private var packed: [Packed]

  private struct Packed {
    var bits: UnsafePointer<UInt8>?
    var byteCount = 0
    var width: CInt = 0
    var base: UInt64 = 0
    var valueWidth = 0
  }

  var count: Int { pool.count }

  init(_ pool: AuxiliaryArray) {
    self.pool = pool
    pages = Array(repeating: nil, count: pool.pageCount)
    packed = Array(repeating: Packed(), count: pool.pageCount)
  }

  @inline(never)
  private mutating func load(_ index: Int) throws(WeirFileError) -> PageNode {
    let page = try pool.page(index)
    pages[index] = page
    if page.encoding == .packed, page.kind == .four || page.kind == .eight {
      let bits = page.buffers[0]
      packed[index] = Packed(
        bits: bits.bytes, byteCount: bits.count, width: CInt(page.parameter), base: page.a,
        valueWidth: page.valueWidth)
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

  /// Writes the values `start ..< start + count`, numbers of `width` bytes, to `out`.
  mutating func copy(
    _ start: Int, _ count: Int, _ width: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    var next = start
    var target = out
    let end = start + count
    while next < end {
      let index = next >> pool.shift
      let first = next - index << pool.shift
      let number = min(end - next, 1 << pool.shift - first)
      if packed[index].bits == nil, pages[index] == nil { _ = try load(index) }
      let bits = packed[index]
      if let from = bits.bits, width == 8, bits.valueWidth == 8 {
        weir_unpack_add_64(
          from, bits.byteCount, bits.width, bits.base, first,
          target.assumingMemoryBound(to: UInt64.self), number)
      } else if let from = bits.bits, width == 4, bits.valueWidth == 4 {
        weir_unpack_add_32(
          from, bits.byteCount, bits.width, bits.base, first,
          target.assumingMemoryBound(to: UInt32.self), number)
      } else {
        let page = try page(index)
        guard page.valueWidth == width else {
          throw .damaged("a pool with values of \(page.valueWidth) bytes")
        }
        try pool.decoder.values(page, first, number, target)
      }
      target += number * width
      next += number
    }
  }
}

/// Structs: a sink for each field.
final class StructSink: ColumnSink {
  private let fields: [ColumnSink]

  override init(_ type: DataType, _ limit: SinkLimit) {
    fields = type.children.map { ColumnSink.make($0.type, limit) }
    super.init(type, limit)
  }

  override func appendValues(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    guard node.encoding == .structure, node.children.count == fields.count else {
      throw .damaged("a struct of \(node.children.count) fields for one of \(fields.count)")
    }
    for (sink, child) in zip(fields, node.children) {
      try sink.append(child, start, count, decoder)
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

  init(_ type: DataType, _ limit: SinkLimit, size: Int) {
    self.size = size
    items = ColumnSink.make(type.children[0].type, limit)
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
    try items.appendNulls(count * size)
  }

  override func finish() throws(WeirFileError) -> ArrayData {
    ArrayData(
      type: type, length: length, validity: finishValidity(), children: [try items.finish()])
  }
}
