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
    let pool = try decoder.auxiliary(node, .pool, nil)
    var reader = PoolReader(pool)
    let scratch = Scratch(min(count, chunkCount) * 4)
    let starts = scratch.pointer(UInt32.self)
    try decoder.forLengths(node.children[1], start, count) {
      (lengths, offset, number, sum) throws(WeirFileError) in
      try decoder.indices(node.children[0], start + offset, number, starts)
      guard weir_first_outside(starts, lengths, UInt64(pool.count), number) < 0 else {
        throw WeirFileError.damaged("a window that leads out of its pool")
      }
      try offsets.append(lengths, number, sum: sum, limit)
      for row in 0..<number {
        try reader.append(Int(starts[row]), Int(lengths[row]), to: items)
      }
    }
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

  init(_ pool: AuxiliaryArray) {
    self.pool = pool
    pages = Array(repeating: nil, count: pool.pageCount)
  }

  /// Appends the values `start ..< start + count`, which lie within the pool.
  mutating func append(_ start: Int, _ count: Int, to sink: ColumnSink) throws(WeirFileError) {
    var next = start
    let end = start + count
    while next < end {
      let index = next >> pool.shift
      let page: PageNode
      if let known = pages[index] {
        page = known
      } else {
        page = try pool.page(index)
        pages[index] = page
      }
      let first = next - index << pool.shift
      let number = min(end - next, page.count - first)
      try sink.append(page, first, number, pool.decoder)
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
    for (sink, child) in zip(fields, node.children) { try sink.append(child, start, count, decoder) }
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

  override func appendBlank(_ count: Int) throws(WeirFileError) {
    try items.appendNulls(count * size)
  }

  override func finish() throws(WeirFileError) -> ArrayData {
    ArrayData(type: type, length: length, validity: finishValidity(), children: [try items.finish()])
  }
}
