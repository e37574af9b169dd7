// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// One column of a file that is being written: rows that wait for their page, and the pages so far.
final class ColumnWriter {
  let field: Field
  private let options: WeirFileWriteOptions
  private let context: ColumnContext
  private let encoder: ColumnEncoder
  private var pending: [ArrayData] = []
  private var pendingRows = 0
  private(set) var pendingBytes = 0
  private var pages: [ColumnDescriptor.DataPage] = []
  private var writtenRows = 0
  /// Small pages that wait for those of other columns.
  private var waiting: [(bytes: Buffer, rows: Int)] = []
  private(set) var waitingByteCount = 0
  /// Whether all pages were small, and each made as soon as its rows were there.
  private(set) var isNarrow = true
  /// Of the pages in their order; lists may wait for theirs to be written.
  private var statistics: [PageStatistics] = []
  private let hasStatistics: Bool
  private let keys: KeyIndexBuilder?
  private let quantiser: Quantiser?
  /// Fields of structs that have pages of their own.
  private var parts: AuxiliaryWriter?

  /// Bytes of rows, in memory, and values that one page can hold.
  private static let pageBytesLimit = 2 << 30
  private static let countLimit = 1 << 28

  /// - Parameters:
  ///   - hasAuxiliary: whether there may be dictionaries and pools.
  ///   - shared: dictionaries of the file's other columns.
  ///   - arrays: those that pages will refer to by their places here, and no others; for `replace`.
  init(
    _ field: Field, _ options: WeirFileWriteOptions, hasAuxiliary: Bool = true,
    shared: SharedDictionaries? = nil, arrays: [AuxiliaryWriter]? = nil
  ) {
    self.field = field
    self.options = options
    context =
      arrays.map { ColumnContext(options, arrays: $0) }
      ?? ColumnContext(options, hasAuxiliary: hasAuxiliary, shared: shared)
    encoder = ColumnEncoder.make(field.type, context)
    quantiser = options.quantise[field.name].map { Quantiser(field.type, bound: $0) }
    let isKey = options.keyColumns.contains(field.name)
    keys =
      isKey
      ? KeyIndexBuilder(
        byteCountMax: options.keyIndexBytesMax, falsePositiveRate: options.keyFalsePositiveRate)
      : nil
    hasStatistics =
      isKey
      || options.statistics && field.type != .null
        && (field.nullable || PageStatistics.hasBounds(field.type))
  }

  /// Adds rows, and writes the pages that are full.
  func append(_ array: ArrayData, _ sink: PageSink) throws(WeirFileError) {
    var rest = array
    while rest.length > 0 {
      let bytes = RowBytes.of(rest)
      let perRow = Double(bytes) / Double(rest.length)
      let left = Double(max(options.pageBytesMax - pendingBytes, 0))
      let room = Int(min(left / max(perRow, 0.01), 0x1p60))
      var rows = min(rest.length, options.pageRowsMax - pendingRows, max(room, 1))
      // A page that takes the end of its batch, too, spares the next one a copy.
      if pending.isEmpty && rest.length <= min(options.pageRowsMax, rows + rows / 4) {
        rows = rest.length
      }
      pending.append(rest.slice(offset: 0, length: rows))
      pendingRows += rows
      pendingBytes += Int(perRow * Double(rows))
      rest = rest.slice(offset: rows, length: rest.length - rows)
      if pendingRows >= options.pageRowsMax || pendingBytes >= options.pageBytesMax {
        try flush(sink)
      }
    }
  }

  /// Writes a page of the rows that wait, if there are any.
  func flush(_ sink: PageSink) throws(WeirFileError) {
    if pendingRows == 0 { return }
    var array: ArrayData
    do throws(ColumnarError) {
      array = try pending.count == 1 ? pending[0] : ArrayData.concatenate(pending)
    } catch {
      throw WeirFileError(.limitExceeded, error.description, column: field.name)
    }
    pending = []
    pendingRows = 0
    pendingBytes = 0
    guard RowBytes.of(array) < Self.pageBytesLimit, RowBytes.largestCount(array) <= Self.countLimit
    else {
      throw WeirFileError(
        .limitExceeded,
        "\(array.length) rows behind the first \(writtenRows) hold more than a page can: 2^28 items or "
          + "2 GiB; divide the values", column: field.name)
    }
    if let quantiser {
      // Bounds are of the values that readers see.
      array = quantiser.round(array)
      context.scaledGroup = quantiser.form == .int8 ? quantiser.group : nil
    }
    if hasStatistics {
      array = ColumnEncoder.plain(array)
      statistics.append(PageMeasure.of(array))
      keys?.add(array)
    }
    let nodes = encoder.encodePages(array)
    if nodes.count != 1 { isNarrow = false }
    try write(nodes, sink)
  }

  /// Writes a page that another file holds; nothing may wait, and it refers to nothing.
  ///
  /// - Parameters:
  ///   - statistics: the other file's, where the column has some.
  ///   - array: its rows, for key columns.
  func copy(
    _ bytes: Buffer, rowCount: Int, statistics: PageStatistics?, keys array: ArrayData?,
    _ sink: PageSink
  ) throws(WeirFileError) {
    let array = array.map(ColumnEncoder.plain)
    if let keys, let array { keys.add(array) }
    if hasStatistics {
      guard let record = statistics ?? array.map(PageMeasure.of) else {
        preconditionFailure("copied pages of a column with statistics have some, or are read")
      }
      self.statistics.append(record)
    }
    add(try sink.write(bytes), rowCount)
  }

  /// Writes rows in the place of a page of another file that refers to the column's arrays.
  ///
  /// - Parameters:
  ///   - page: the other file's.
  ///   - dictionaries: the arrays that can be added to, by their numbers.
  ///   - lists: what the rows become, where they are windows.
  func replace(
    _ page: PageNode, with array: ArrayData, dictionaries: [Int: AnyObject], lists: EncodedNode?,
    _ sink: PageSink
  ) throws(WeirFileError) {
    let array = ColumnEncoder.plain(array)
    if hasStatistics {
      statistics.append(PageMeasure.of(array))
      keys?.add(array)
    }
    encoder.adopt(page, dictionaries)
    try write([lists ?? encoder.encode(array)], sink)
  }

  private func write(_ nodes: [EncodedNode], _ sink: PageSink) throws(WeirFileError) {
    for array in context.auxiliary { try array.writeReady(sink) }
    for node in nodes {
      let divided = divided(node)
      try parts?.writeReady(sink)
      try write(divided, sink)
    }
  }

  /// The page with large fields of its structs as pages of their own.
  private func divided(_ node: EncodedNode) -> EncodedNode {
    if node.byteCount < options.partBytesMin || options.partBytesMin == 0 { return node }
    var result = node
    switch node.encoding {
    case .nullable: result.children[1] = divided(node.children[1])
    case .structure:
      for (index, child) in node.children.enumerated() { result.children[index] = part(child) }
    default: break
    }
    return result
  }

  private func part(_ field: EncodedNode) -> EncodedNode {
    let values = field.encoding == .nullable ? field.children[1] : field
    if values.encoding == .structure { return divided(field) }
    guard field.byteCount >= options.partBytesMin, parts != nil || context.hasRoom else {
      return field
    }
    let writer = parts ?? context.add(.parts, shift: 0).1
    parts = writer
    let number = writer.count + writer.ready.count
    writer.ready.append(field)
    let hasWidth = field.kind == .fixed || field.kind == .fixedLists
    return EncodedNode(
      encoding: .part, kind: field.kind, count: field.count, a: hasWidth ? field.a : 0,
      b: UInt64(number))
  }

  private func write(_ node: EncodedNode, _ sink: PageSink) throws(WeirFileError) {
    let bytes = node.page()
    if bytes.count <= options.bucketPageBytesMax {
      waiting.append((bytes, node.count))
      waitingByteCount += bytes.count
      return
    }
    isNarrow = false
    while firstWaitingRow != nil { try writeWaiting(sink) }
    add(try sink.write(bytes), node.count)
  }

  /// The first row of the pages that wait, `nil` without one.
  var firstWaitingRow: Int? { waiting.isEmpty ? nil : writtenRows }

  /// Writes the first of the pages that wait.
  func writeWaiting(_ sink: PageSink) throws(WeirFileError) {
    let page = waiting.removeFirst()
    waitingByteCount -= page.bytes.count
    add(try sink.write(page.bytes), page.rows)
  }

  private func add(_ part: DirectoryEntry.Part, _ rows: Int) {
    pages.append(
      ColumnDescriptor.DataPage(
        firstRow: writtenRows, rowCount: rows, offset: part.offset, size: part.size, crc: part.crc))
    writtenRows += rows
  }

  /// Bytes of values that later rows may refer to, and of keys.
  var heldByteCount: Int { encoder.heldByteCount + (keys?.heldByteCount ?? 0) }
  /// Bytes of the column's pages so far. A dictionary that columns share counts for the first.
  var writtenByteCount: Int {
    let own = context.auxiliary.indices.filter { !context.joined.contains($0) }
    return pages.reduce(waitingByteCount) { $0 + $1.size }
      + own.reduce(0) { $0 + context.auxiliary[$1].writtenByteCount }
  }

  /// Makes the last pages; small ones wait.
  func finishPages(_ sink: PageSink) throws(WeirFileError) {
    try flush(sink)
    let rest = encoder.remainingPages()
    if !rest.isEmpty { isNarrow = false }
    try write(rest, sink)
  }

  /// Writes everything that is left; `finishPages` came before.
  func finish(_ sink: PageSink) throws(WeirFileError) {
    while firstWaitingRow != nil { try writeWaiting(sink) }
    if let keys, keys.hasRows {
      let (_, writer) = context.add(.keys, shift: KeyIndexBuilder.shift)
      let numbers = context.numbers
      writer.remaining = { keys.pages(numbers) }
    }
    for array in context.auxiliary { try array.finish(sink) }
  }

  /// Writes statistics and page tables, and says where everything is; `finish` came before.
  func written(id: UInt32, _ sink: PageSink) throws(WeirFileError) -> DirectoryWriter.Column {
    var result = DirectoryWriter.Column(
      id: id, field: quantiser?.declared(field) ?? field, descriptor: try descriptor(sink))
    if let bytes = encodedStatistics() { result.statistics = try sink.write(bytes) }
    return result
  }

  /// The statistics as they are written; `nil` when the column has none. All pages must have been
  /// written.
  private func encodedStatistics() -> Buffer? {
    if statistics.isEmpty { return nil }
    precondition(statistics.count == pages.count, "each page has its statistics")
    return ColumnStatistics(pages: statistics, filter: keys?.finishFilter() ?? Buffer()).encoded()
  }

  /// What is known of all values.
  var metrics: ColumnMetrics {
    guard hasStatistics else {
      return ColumnMetrics(
        nullCount: field.type == .null
          ? Int64(writtenRows) : field.nullable && writtenRows > 0 ? nil : 0,
        valueCount: Int64(writtenRows))
    }
    return ColumnStatistics.metrics(
      statistics, rowCounts: pages.map(\.rowCount), field.type)
  }

  var averagePageByteCount: Int { pages.isEmpty ? 0 : dataByteCount / pages.count }

  /// Bytes of its data pages.
  var dataByteCount: Int { pages.reduce(0) { $0 + $1.size } }

  /// Writes the page tables; everything else must have been written.
  private func descriptor(_ sink: PageSink) throws(WeirFileError) -> ColumnDescriptor {
    var result = ColumnDescriptor()
    result.pages = pages
    for array in context.auxiliary { result.auxiliary.append(try array.record(sink)) }
    return result
  }
}

/// Bytes that the rows of an array take in memory, without what other slices of its buffers take.
enum RowBytes {
  /// The most values that the array or one below it has for its rows.
  static func largestCount(_ array: ArrayData) -> Int {
    var most = array.length
    for index in array.children.indices where array.length > 0 {
      most = max(most, largestCount(child(array, index)))
    }
    return most
  }

  /// What the rows of an array hold of one of its children.
  private static func child(_ array: ArrayData, _ index: Int) -> ArrayData {
    let child = array.children[index]
    switch array.type.layout {
    case .list(let width):
      let (first, last) = bounds(array, width)
      return child.slice(offset: first, length: last - first)
    case .fixedSizeList(let size):
      return child.slice(offset: array.offset * size, length: array.length * size)
    default: return child.slice(offset: array.offset, length: array.length)
    }
  }

  /// Where the items of the first row start, and those of the last one end.
  private static func bounds(_ array: ArrayData, _ width: Int) -> (Int, Int) {
    if width == 4 {
      let offsets = array.offsets(as: Int32.self)
      return (Int(offsets[0]), Int(offsets[array.length]))
    }
    let offsets = array.offsets(as: Int64.self)
    return (Int(offsets[0]), Int(offsets[array.length]))
  }

  static func of(_ array: ArrayData) -> Int {
    let validity = array.validity == nil ? 0 : array.length / 8
    switch array.type.layout {
    case .null: return 0
    case .bits: return validity + array.length / 8
    case .fixedWidth(let width): return validity + array.length * width
    case .variableBinary(let width), .list(let width):
      if array.length == 0 { return 0 }
      let (first, last) = bounds(array, width)
      let own = validity + array.length * width
      return own + (array.children.isEmpty ? last - first : of(child(array, 0)))
    case .fixedSizeList, .struct:
      return array.children.indices.reduce(validity) { $0 + of(child(array, $1)) }
    case .dictionary(let width): return validity + array.length * width
    }
  }
}
