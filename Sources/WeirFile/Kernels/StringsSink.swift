// SPDX-License-Identifier: Apache-2.0
// Safe: as PageDecoder.swift: writes go to room that a MutableBuffer reserved.

internal import CWeirKernels
internal import WeirColumnar

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
    case .dictionary:
      let source = try decoder.dictionarySource(node, count)
      let codes = Scratch(min(count, chunkCount) * 4)
      let code = codes.pointer(UInt32.self)
      try inChunks(count) { (offset, number) throws(WeirFileError) in
        try decoder.indices(node.children[0], start + offset, number, code)
        try append(code, number, of: source)
      }
      withExtendedLifetime(codes) {}
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
    if rows.isEmpty { return }
    switch node.encoding {
    case .strings:
      let picked = try RaggedPick(node, rows, decoder)
      try append(picked.lengths, rows.count, sum: picked.ranges.total) {
        (room) throws(WeirFileError) in
        try picked.copy(node.children[1], decoder, room)
      }
    case .fsst: try pickCoded(node, rows, decoder)
    case .dictionary:
      let source = try decoder.dictionarySource(node, rows.count)
      let codes = Scratch(rows.count * 4)
      let code = codes.pointer(UInt32.self)
      try decoder.pick(node.children[0], rows, code)
      try append(code, rows.count, of: source)
      withExtendedLifetime(codes) {}
    default: try super.pickValues(node, rows, decoder)
    }
  }

  /// Items of lists: all at once, unless lists repeat.
  override func append(
    _ node: PageNode, _ ranges: ValueRanges, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    var end = 0
    for index in 0..<ranges.count where ranges.lengths[index] > 0 {
      guard ranges.starts[index] >= end else { return try super.append(node, ranges, decoder) }
      end = ranges.starts[index] + Int(ranges.lengths[index])
    }
    try limit.take(ranges.total, 4)
    let scratch = Scratch(ranges.total * 4)
    let rows = scratch.pointer(UInt32.self)
    var count = 0
    for index in 0..<ranges.count {
      for item in 0..<Int(ranges.lengths[index]) {
        rows[count] = UInt32(truncatingIfNeeded: ranges.starts[index] + item)
        count += 1
      }
    }
    try pick(node, UnsafeBufferPointer(start: rows, count: count), decoder)
    withExtendedLifetime(scratch) {}
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

  private func appendOne(_ value: Buffer) throws(WeirFileError) {
    try limit.take(value.count, 1)
    try offsets.append(length: value.count, times: 1, limit)
    bytes.append(value)
  }

  /// Adds strings of the given lengths, whose `sum` bytes `body` writes to the room that it gets:
  /// there is slack behind them.
  private func append(
    _ lengths: UnsafePointer<UInt32>, _ count: Int, sum: Int,
    _ body: (UnsafeMutableRawPointer) throws(WeirFileError) -> Void
  ) throws(WeirFileError) {
    try limit.take(sum, 1)
    try offsets.append(lengths, count, sum: sum, limit)
    try body(bytes.reserveTail(sum + SymbolTable.slack))
    bytes.advance(by: sum)
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
      try append(lengths, number, sum: sum) { (room) throws(WeirFileError) in
        try decoder.values(data, next, sum, room)
      }
      next += sum
    }
  }

  /// Adds the strings of codes, which are looked up at once where the dictionary is decoded.
  private func append(
    _ codes: UnsafeMutablePointer<UInt32>, _ count: Int, of source: DictionarySource
  ) throws(WeirFileError) {
    try source.checkCode(Int(weir_max_u32(codes, count)))
    guard let values = try source.strings() else {
      for index in 0..<count {
        let (page, place) = try source.place(Int(codes[index]))
        var row = UInt32(place)
        try withUnsafePointer(to: &row) { (row) throws(WeirFileError) in
          try pickValues(page, UnsafeBufferPointer(start: row, count: 1), source.decoder)
        }
      }
      return
    }
    let scratch = Scratch(count * 4)
    let lengths = scratch.pointer(UInt32.self)
    let sum = values.lengths(codes, count, lengths)
    try append(lengths, count, sum: sum) { (room) in values.gather(codes, count, room) }
    withExtendedLifetime(scratch) {}
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

  /// FSST: all coded bytes of a chunk at once, for symbols end where strings do.
  private func appendCoded(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    let symbols = node.symbols
    let inner = node.children[1]
    guard inner.encoding == .strings else {
      let rows = Scratch(min(count, chunkCount) * 4)
      let row = rows.pointer(UInt32.self)
      try inChunks(count) { (offset, number) throws(WeirFileError) in
        for index in 0..<number { row[index] = UInt32(start + offset + index) }
        try pickCoded(node, UnsafeBufferPointer(start: row, count: number), decoder)
      }
      withExtendedLifetime(rows) {}
      return
    }
    let data = inner.children[1]
    var next = try decoder.itemStart(inner, start)
    try decoder.forLengths(node.children[0], start, count) {
      (lengths, offset, number, sum) throws(WeirFileError) in
      var size = 0
      try decoder.forLengths(inner.children[0], start + offset, number) { size += $3 }
      guard next <= data.count && size <= data.count - next else {
        throw WeirFileError.damaged("strings that lead out of their bytes")
      }
      let coded = try decoder.bytes(data, next, size)
      try append(lengths, number, sum: sum) { (room) throws(WeirFileError) in
        guard symbols.decode(coded.bytes, size, room, sum) else {
          throw WeirFileError.damaged("coded strings of another length")
        }
      }
      next += size
    }
  }

  private func pickCoded(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    let symbols = node.symbols
    let sink = StringsSink(.binary, limit, offsetWidth: 4)
    try sink.pickValues(node.children[1], rows, decoder)
    let scratch = Scratch(rows.count * 4)
    let lengths = scratch.pointer(UInt32.self)
    try decoder.pick(node.children[0], rows, lengths)
    let coded = sink.values()
    let count = rows.count
    try append(lengths, count, sum: Int(weir_sum_u32(lengths, count))) {
      (room) throws(WeirFileError) in
      var target = room
      for index in 0..<count {
        let length = Int(lengths[index])
        let size = Int(coded.length(index))
        guard symbols.decode(coded.start(index), size, target, length) else {
          throw WeirFileError.damaged("a coded string of another length")
        }
        target += length
      }
    }
    withExtendedLifetime(scratch) {}
  }

  override func finish() throws(WeirFileError) -> ArrayData {
    ArrayData(
      type: type, length: length, validity: finishValidity(),
      buffers: [offsets.finish(), bytes.finish()])
  }

  /// What was added, to be looked up; the sink, of offsets of 4 bytes, is of no more use then.
  func values() -> StringValues {
    bytes.appendZeros(SymbolTable.slack)
    return StringValues(offsets: offsets.finish(), bytes: bytes.finish())
  }
}

/// Where ragged values at ascending rows lie.
private struct RaggedPick {
  private let memory: Scratch
  let lengths: UnsafePointer<UInt32>
  let ranges: ValueRanges

  init(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    let count = rows.count
    memory = Scratch(count * 12)
    let starts = memory.pointer(Int.self)
    let lengths = (memory.base + count * 8).assumingMemoryBound(to: UInt32.self)
    try decoder.pickRagged(node, rows, lengths, starts)
    let most = node.children[1].count
    for index in 0..<count {
      guard starts[index] <= most && Int(lengths[index]) <= most - starts[index] else {
        throw .damaged("strings that lead out of their bytes")
      }
    }
    self.lengths = UnsafePointer(lengths)
    ranges = ValueRanges(
      starts: starts, lengths: lengths, count: count, total: Int(weir_sum_u32(lengths, count)))
  }

  /// Writes the bytes to `out`, which has slack.
  func copy(
    _ data: PageNode, _ decoder: PageDecoder, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    guard data.encoding == .plain else { return try decoder.values(data, ranges, out) }
    let bytes = data.buffers[0]
    weir_copy_ranges(
      bytes.bytes, bytes.count, ranges.starts, ranges.lengths, ranges.count,
      out.assumingMemoryBound(to: UInt8.self))
  }
}

extension PageDecoder {
  /// Bytes `start ..< start + count` of a node of kind `one`: where they are, when they are plain.
  fileprivate func bytes(
    _ node: PageNode, _ start: Int, _ count: Int
  ) throws(WeirFileError) -> Buffer {
    if node.encoding == .plain { return node.buffers[0].slice(offset: start, count: count) }
    let out = MutableBuffer()
    try values(node, start, count, out.reserveTail(count))
    out.advance(by: count)
    return out.finish()
  }
}
