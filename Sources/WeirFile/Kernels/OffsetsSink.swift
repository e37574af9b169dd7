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

  /// Spreads the offsets of the last `present` rows over the last `count`, of which the bits of
  /// `valid` from `first` on say that they are valid; the others are empty.
  mutating func spread(
    _ valid: UnsafeRawPointer, _ first: Int, _ count: Int, present: Int, _ limit: SinkLimit
  ) throws(WeirFileError) {
    try limit.take(count - present, width)
    _ = buffer.reserveTail((count - present) * width)
    let start = buffer.base + (buffer.count - present * width)
    let valid = valid.assumingMemoryBound(to: UInt8.self)
    if width == 4 {
      let offsets = start.assumingMemoryBound(to: Int32.self)
      weir_spread_offsets_32(offsets, valid, first, count, present)
    } else {
      let offsets = start.assumingMemoryBound(to: Int64.self)
      weir_spread_offsets_64(offsets, valid, first, count, present)
    }
    buffer.advance(by: (count - present) * width)
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
    if node.buffers[0].count > 0 {
      // Behind the last value: from the start of its block.
      let block = min(index, node.count - 1) >> 8
      start = Int(node.buffers[0].number(UInt32.self, at: block * 4))
      first = block << 8
    }
    if index == first { return start }
    try forLengths(lengths, first, index - first) { (_, _, _, sum) in start += sum }
    return start
  }
}
