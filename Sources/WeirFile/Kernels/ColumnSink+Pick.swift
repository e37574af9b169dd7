// SPDX-License-Identifier: Apache-2.0
// Safe: as PageDecoder.swift: writes go to room that a MutableBuffer or Scratch reserved.

internal import WeirColumnar

extension ColumnSink {
  final func pick(
    _ node: PageNode, rows: [UInt32], _ decoder: PageDecoder
  ) throws(WeirFileError) {
    let copy = Scratch(rows.count * 4)
    let pointer = copy.pointer(UInt32.self)
    for (index, row) in rows.enumerated() { pointer[index] = row }
    try pick(node, UnsafeBufferPointer(start: pointer, count: rows.count), decoder)
    withExtendedLifetime(copy) {}
  }

  /// The values of valid rows only are there: row by row, the valid ones by their rank.
  func pickPresent(
    _ valid: PageNode, _ values: PageNode, _ rows: UnsafeBufferPointer<UInt32>,
    _ decoder: PageDecoder
  ) throws(WeirFileError) {
    let first = Int(rows[0])
    let count = Int(rows[rows.count - 1]) - first + 1
    let bits = Scratch(count / 8 + 8)
    try decoder.bits(valid, first, count, bits.base, at: 0)
    var rank = try decoder.ones(valid, before: first)
    var counted = first
    let scratch = Scratch(rows.count * 4)
    let ranks = scratch.pointer(UInt32.self)
    var waiting = 0
    for (index, row) in rows.enumerated() {
      rank += Bitmap.countOnes(bits.base, offset: counted - first, count: Int(row) - counted)
      counted = Int(row)
      let isValid = Bitmap.get(bits.base, Int(row) - first)
      Bitmap.assign(validity.base, length + index, isValid)
      if isValid {
        guard rank < values.count else { throw .damaged("fewer values than valid rows") }
        ranks[waiting] = UInt32(rank)
        waiting += 1
        continue
      }
      if spreads { continue }
      if waiting > 0 {
        try pickValues(values, UnsafeBufferPointer(start: ranks, count: waiting), decoder)
        waiting = 0
      }
      try appendBlank(1)
    }
    if waiting > 0 {
      try pickValues(values, UnsafeBufferPointer(start: ranks, count: waiting), decoder)
    }
    if spreads { try spread(validity.base, length, rows.count, present: waiting) }
    withExtendedLifetime((bits, scratch)) {}
  }
}

extension PageDecoder {
  /// Bits of ascending rows, to `out` from bit `at` on: from one range where places would have to be
  /// looked for.
  func pickBits(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ out: UnsafeMutableRawPointer, at: Int
  ) throws(WeirFileError) {
    if node.encoding == .plain {
      let bits = node.buffers[0]
      for (index, row) in rows.enumerated() {
        Bitmap.assign(out, at + index, Bitmap.get(bits.base, Int(row)))
      }
      return
    }
    if rows.count < 8 {
      for (index, row) in rows.enumerated() { try bits(node, Int(row), 1, out, at: at + index) }
      return
    }
    let first = Int(rows[0])
    let count = Int(rows[rows.count - 1]) - first + 1
    let range = Scratch(count / 8 + 8)
    try bits(node, first, count, range.base, at: 0)
    for (index, row) in rows.enumerated() {
      Bitmap.assign(out, at + index, Bitmap.get(range.base, Int(row) - first))
    }
    withExtendedLifetime(range) {}
  }
}
