// SPDX-License-Identifier: Apache-2.0
// Safe: as PageDecoder.swift; callers give ascending rows that lie within the node.

internal import CWeirKernels
internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

extension PageDecoder {
  /// The values at ascending rows of a node of numbers, 16 or any fixed number of bytes.
  ///
  /// Encodings that find a value by its place pick it; of the others, rows that lie near each other
  /// are picked from one range.
  func pick(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let width = node.valueWidth
    let count = rows.count
    if count == 0 { return }
    switch node.encoding {
    case .constant: try values(node, 0, count, out)
    case .plain: pickPlain(rows, node.buffers[0].base, from: 0, width, out)
    case .packed: pickPacked(node, rows, out)
    case .dictionary:
      let source = try dictionarySource(node, count)
      let codes = Scratch(count * 4)
      let code = codes.pointer(UInt32.self)
      try pick(node.children[0], rows, code)
      try source.checkCode(Int(weir_max_u32(code, count)))
      try source.gather(UnsafeBufferPointer(start: code, count: count), width, out)
      withExtendedLifetime(codes) {}
    case .split:
      let high = Scratch(count * 2)
      try pick(node.children[0], rows, high.base)
      let bits = node.buffers[0]
      let right = CInt(node.parameter)
      if width == 4 {
        let target = out.assumingMemoryBound(to: UInt32.self)
        weir_pick_32(bits.bytes, bits.count, right, 0, rows.baseAddress!, target, count)
        weir_join_high_32(high.pointer(UInt16.self), right, target, count)
      } else {
        let target = out.assumingMemoryBound(to: UInt64.self)
        weir_pick_64(bits.bytes, bits.count, right, 0, rows.baseAddress!, target, count)
        weir_join_high_64(high.pointer(UInt16.self), right, target, count)
      }
    case .patched:
      try pick(node.children[0], rows, out)
      try pickPatches(node, positions: 1, rows, out)
    case .sparse:
      try values(node.constantOfDefault, 0, count, out)
      try pickPatches(node, positions: 0, rows, out)
    case .decimal:
      let integers = Scratch(count * width)
      try pick(node.children[0], rows, integers.base)
      quotients(node, integers.base, count, out)
      try pickPatches(node, positions: 1, rows, out)
    default: try pickRanges(node, rows, out)
    }
  }

  /// The values at ascending rows of plain ones, of which `base` has those from row `first` on.
  private func pickPlain(
    _ rows: UnsafeBufferPointer<UInt32>, _ base: UnsafeRawPointer, from first: Int, _ width: Int,
    _ out: UnsafeMutableRawPointer
  ) {
    switch width {
    case 4: pickPlain(rows, base, from: first, out, UInt32.self)
    case 8: pickPlain(rows, base, from: first, out, UInt64.self)
    default:
      for (index, row) in rows.enumerated() {
        memcpy(out + index * width, base + (Int(row) - first) * width, width)
      }
    }
  }

  private func pickPlain<T: BitwiseCopyable>(
    _ rows: UnsafeBufferPointer<UInt32>, _ base: UnsafeRawPointer, from first: Int,
    _ out: UnsafeMutableRawPointer, _ type: T.Type
  ) {
    let values = base.assumingMemoryBound(to: T.self)
    let target = out.assumingMemoryBound(to: T.self)
    for (index, row) in rows.enumerated() { target[index] = values[Int(row) - first] }
  }

  private func pickPacked(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ out: UnsafeMutableRawPointer
  ) {
    let bits = node.buffers[0]
    let (width, row, count) = (CInt(node.parameter), rows.baseAddress!, rows.count)
    switch node.kind {
    case .one:
      weir_pick_8(
        bits.bytes, bits.count, width, node.a, row, out.assumingMemoryBound(to: UInt8.self), count)
    case .two:
      weir_pick_16(
        bits.bytes, bits.count, width, node.a, row, out.assumingMemoryBound(to: UInt16.self), count)
    case .four:
      weir_pick_32(
        bits.bytes, bits.count, width, node.a, row, out.assumingMemoryBound(to: UInt32.self), count)
    default:
      weir_pick_64(
        bits.bytes, bits.count, width, node.a, row, out.assumingMemoryBound(to: UInt64.self), count)
    }
  }

  /// Rows that lie near each other are decoded together, from the first to the last.
  private func pickRanges(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let width = node.valueWidth
    var scratch: Scratch?
    try forStretches(rows, passing: node.passingCount) { (first, last) throws(WeirFileError) in
      let start = Int(rows[first])
      let number = Int(rows[last - 1]) - start + 1
      if last - first == number && isRun(rows, first, last) {
        try values(node, start, number, out + first * width)
        return
      }
      let decoded = scratch ?? Scratch(chunkCount * width)
      scratch = decoded
      try values(node, start, number, decoded.base)
      let some = UnsafeBufferPointer(rebasing: rows[first..<last])
      pickPlain(some, decoded.base, from: start, width, out + first * width)
    }
  }

  /// Whether `rows[first ..< last]` follow each other: rows may repeat.
  private func isRun(_ rows: UnsafeBufferPointer<UInt32>, _ first: Int, _ last: Int) -> Bool {
    for index in first + 1..<max(last, first + 1) where rows[index] != rows[index - 1] + 1 {
      return false
    }
    return true
  }

  /// Calls `body(first, last)` for ascending rows `rows[first ..< last]` that lie within a chunk and
  /// not farther from each other than `passing`.
  func forStretches(
    _ rows: UnsafeBufferPointer<UInt32>, passing: Int,
    _ body: (Int, Int) throws(WeirFileError) -> Void
  ) throws(WeirFileError) {
    var first = 0
    while first < rows.count {
      var last = first + 1
      while last < rows.count, Int(rows[last] - rows[last - 1]) <= passing,
        Int(rows[last] - rows[first]) < chunkCount
      {
        last += 1
      }
      try body(first, last)
      first = last
    }
  }

  /// The lengths of ragged values at ascending rows, and where the items of each start.
  func pickRagged(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ lengths: UnsafeMutablePointer<UInt32>,
    _ starts: UnsafeMutablePointer<Int>
  ) throws(WeirFileError) {
    let lengthNode = node.children[0]
    if lengthNode.encoding == .constant {
      let length = UInt32(truncatingIfNeeded: lengthNode.a)
      for (index, row) in rows.enumerated() {
        lengths[index] = length
        starts[index] = Int(row) * Int(length)
      }
      return
    }
    // Sums begin anew at blocks of 256, whose starts the node has or that are summed up to.
    let scratch = Scratch((chunkCount + 256) * 4)
    let decoded = scratch.pointer(UInt32.self)
    try forStretches(rows, passing: max(256, lengthNode.passingCount)) {
      (first, last) throws(WeirFileError) in
      let blockStart = Int(rows[first]) & ~255
      let number = Int(rows[last - 1]) - blockStart + 1
      var start = try itemStart(node, blockStart)
      try indices(lengthNode, blockStart, number, decoded)
      var place = 0
      for index in first..<last {
        let target = Int(rows[index]) - blockStart
        while place < target {
          start += Int(decoded[place])
          place += 1
        }
        lengths[index] = decoded[target]
        starts[index] = start
      }
    }
    withExtendedLifetime(scratch) {}
  }
}
