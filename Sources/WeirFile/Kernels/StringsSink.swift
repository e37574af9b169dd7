// SPDX-License-Identifier: Apache-2.0
// Safe: as PageDecoder.swift: writes go to room that a MutableBuffer reserved.

internal import CWeirKernels
internal import WeirColumnar

/// Running totals of lengths, 4 or 8 bytes each, beginning with 0.
struct OffsetsSink {
  private let buffer = MutableBuffer()
  private let width: Int
  private(set) var last = 0

  init(width: Int) {
    self.width = width
    buffer.appendZeros(width)
  }

  /// Makes room for the offsets of so many rows.
  func expect(_ rows: Int) {
    if rows < 1 << 20 { buffer.reserve((rows + 1) * width) }
  }

  /// Adds `count` lengths of the given sum.
  mutating func append(
    _ lengths: UnsafePointer<UInt32>, _ count: Int, sum: Int, _ limit: SinkLimit
  ) throws(WeirFileError) {
    try check(sum, count, limit)
    let room = buffer.reserveTail(count * width)
    if width == 4 {
      weir_offsets_32(lengths, Int32(last), room.assumingMemoryBound(to: Int32.self), count)
    } else {
      weir_offsets_64(lengths, Int64(last), room.assumingMemoryBound(to: Int64.self), count)
    }
    buffer.advance(by: count * width)
    last += sum
  }

  /// Adds `count` times the same length.
  mutating func append(length: Int, times count: Int, _ limit: SinkLimit) throws(WeirFileError) {
    let (sum, overflow) = length.multipliedReportingOverflow(by: count)
    try check(overflow ? Int.max : sum, count, limit)
    for _ in 0..<count {
      last += length
      if width == 4 { buffer.append(Int32(last)) } else { buffer.append(Int64(last)) }
    }
  }

  private func check(_ sum: Int, _ count: Int, _ limit: SinkLimit) throws(WeirFileError) {
    try limit.take(count, width)
    guard width == 8 || sum <= Int(Int32.max) - last else {
      throw WeirFileError(
        .limitExceeded, "more than 2^31 items or bytes in one array; read fewer rows at once")
    }
  }

  func finish() -> Buffer { buffer.finish() }
}

extension PageDecoder {
  /// Calls `body(lengths, offset, count, sum)` for chunks of the range of a node of lengths.
  func forLengths(
    _ node: PageNode, _ start: Int, _ count: Int, of size: Int = chunkCount,
    _ body: (UnsafePointer<UInt32>, Int, Int, Int) throws(WeirFileError) -> Void
  ) throws(WeirFileError) {
    let scratch = Scratch(min(count, size) * 4)
    let lengths = scratch.pointer(UInt32.self)
    try inChunks(count, of: size) { (offset, number) throws(WeirFileError) in
      try indices(node, start + offset, number, lengths)
      try body(lengths, offset, number, Int(weir_sum_u32(lengths, number)))
    }
  }

  /// Where the item (or byte) of value `index` of a ragged node starts.
  func itemStart(_ node: PageNode, _ index: Int) throws(WeirFileError) -> Int {
    let lengths = node.children[0]
    if lengths.encoding == .constant { return index * Int(UInt32(truncatingIfNeeded: lengths.a)) }
    var start = 0
    var first = 0
    if node.buffers[0].count > 0 && index < node.count {
      start = Int(node.buffers[0].number(UInt32.self, at: (index >> 8) * 4))
      first = index & ~255
    }
    if index == first { return start }
    try forLengths(lengths, first, index - first) { (_, _, _, sum) in start += sum }
    return start
  }
}

/// Byte strings.
final class StringsSink: ColumnSink {
  private var offsets: OffsetsSink
  private let bytes = MutableBuffer()

  init(_ type: DataType, _ limit: SinkLimit, offsetWidth: Int) {
    offsets = OffsetsSink(width: offsetWidth)
    super.init(type, limit)
  }

  override func appendValues(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    if count == 0 { return }
    switch node.encoding {
    case .strings: try appendStrings(node, start, count, decoder)
    case .constant: for _ in 0..<count { try appendOne(node.buffers[0]) }
    case .fsst: try appendCoded(node, start, count, decoder)
    case .dictionary: try appendDictionary(node, start, count, decoder)
    case .runs:
      try decoder.forRuns(node, start, count) { (run, _, number) throws(WeirFileError) in
        for _ in 0..<number { try appendValues(node.children[1], run, 1, decoder) }
      }
    case .sparse: try appendSparse(node, start, count, decoder)
    default: throw .damaged("encoding \(node.encoding.name) holds no byte strings")
    }
  }

  override func pickValues(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    guard node.encoding == .strings else {
      return try super.pickValues(node, rows, decoder)
    }
    let scratch = Scratch(rows.count * 12)
    let starts = scratch.pointer(Int.self)
    let lengths = (scratch.base + rows.count * 8).assumingMemoryBound(to: UInt32.self)
    try decoder.pickRagged(node, rows, lengths, starts)
    let sum = Int(weir_sum_u32(lengths, rows.count))
    let data = node.children[1]
    try limit.take(sum, 1)
    try offsets.append(lengths, rows.count, sum: sum, limit)
    var room = bytes.reserveTail(sum)
    for index in rows.indices {
      let length = Int(lengths[index])
      guard starts[index] <= data.count && length <= data.count - starts[index] else {
        throw .damaged("strings that lead out of their bytes")
      }
      try decoder.values(data, starts[index], length, room)
      room += length
    }
    bytes.advance(by: sum)
  }

  override func appendBlank(_ count: Int) throws(WeirFileError) {
    try offsets.append(length: 0, times: count, limit)
  }

  override func expect(_ rows: Int) {
    super.expect(rows)
    offsets.expect(rows)
  }

  private func appendOne(_ value: Buffer) throws(WeirFileError) {
    try limit.take(value.count, 1)
    try offsets.append(length: value.count, times: 1, limit)
    bytes.append(value)
  }

  private func appendStrings(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    let data = node.children[1]
    var next = try decoder.itemStart(node, start)
    try decoder.forLengths(node.children[0], start, count) {
      (lengths, _, number, sum) throws(WeirFileError) in
      guard next <= data.count && sum <= data.count - next else {
        throw WeirFileError.damaged("strings that lead out of their bytes")
      }
      try limit.take(sum, 1)
      try offsets.append(lengths, number, sum: sum, limit)
      try decoder.values(data, next, sum, bytes.reserveTail(sum))
      bytes.advance(by: sum)
      next += sum
    }
  }

  private func appendDictionary(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    let source = try decoder.dictionarySource(node, count)
    let values = try source.strings()
    let scratch = Scratch(min(count, chunkCount) * 8)
    let codes = scratch.pointer(UInt32.self)
    let lengths = codes + min(count, chunkCount)
    try inChunks(count) { (offset, number) throws(WeirFileError) in
      try decoder.indices(node.children[0], start + offset, number, codes)
      try source.checkCode(Int(weir_max_u32(codes, number)))
      guard let values else {
        for index in 0..<number {
          let (page, place) = try source.place(Int(codes[index]))
          try appendValues(page, place, 1, source.decoder)
        }
        return
      }
      var sum = 0
      for index in 0..<number {
        lengths[index] = values.length(Int(codes[index]))
        sum += Int(lengths[index])
      }
      try limit.take(sum, 1)
      try offsets.append(lengths, number, sum: sum, limit)
      var room = bytes.reserveTail(sum)
      for index in 0..<number {
        let length = Int(lengths[index])
        room.copyMemory(from: values.start(Int(codes[index])), byteCount: length)
        room += length
      }
      bytes.advance(by: sum)
    }
  }

  private func appendSparse(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    let positions = node.children[0]
    var row = start
    for index in try decoder.lowerBound(
      positions, start)..<decoder.lowerBound(positions, start + count)
    {
      let place = try decoder.index(positions, index)
      guard place >= row && place < start + count else {
        throw .damaged("positions that are not ascending")
      }
      try appendBlank(place - row)
      try appendValues(node.children[1], index, 1, decoder)
      row = place + 1
    }
    try appendBlank(start + count - row)
  }

  private func appendCoded(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    let symbols = SymbolTable(node.buffers[0])
    let coded = StringsSink(.binary, limit, offsetWidth: 4)
    try coded.append(node.children[1], start, count, decoder)
    let array = try coded.finish()
    var row = 0
    try decoder.forLengths(node.children[0], start, count) {
      (lengths, _, number, sum) throws(WeirFileError) in
      try limit.take(sum, 1)
      try offsets.append(lengths, number, sum: sum, limit)
      let room = bytes.reserveTail(sum + 8).assumingMemoryBound(to: UInt8.self)
      var at = 0
      for index in 0..<number {
        let length = Int(lengths[index])
        let fits = array.withBytes(row + index) { symbols.decode($0, room + at, length) }
        guard fits else { throw WeirFileError.damaged("a coded string of another length") }
        at += length
      }
      bytes.advance(by: sum)
      row += number
    }
  }

  override func finish() throws(WeirFileError) -> ArrayData {
    ArrayData(
      type: type, length: length, validity: finishValidity(),
      buffers: [offsets.finish(), bytes.finish()])
  }
}
