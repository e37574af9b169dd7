// SPDX-License-Identifier: Apache-2.0
// Safe: as PageDecoder.swift.

internal import WeirColumnar

extension PageDecoder {
  /// Bits `start ..< start + count` of a node of kind bits, to `out` from bit `at` on.
  func bits(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer, at: Int
  ) throws(WeirFileError) {
    if count == 0 { return }
    switch node.encoding {
    case .plain:
      Bitmap.copy(from: node.buffers[0].base, offset: start, to: out, offset: at, count: count)
    case .constant: Bitmap.fill(out, offset: at, count: count, node.a & 1 == 1)
    case .runs:
      try forRuns(node, start, count) { (run, offset, number) throws(WeirFileError) in
        Bitmap.fill(out, offset: at + offset, count: number, try bit(node.children[1], run))
      }
    case .sparse:
      Bitmap.fill(out, offset: at, count: count, node.a & 1 == 1)
      let positions = node.children[0]
      for index in try lowerBound(positions, start)..<lowerBound(positions, start + count) {
        let place = try self.index(positions, index) - start
        guard place >= 0 && place < count else {
          throw .damaged("positions that are not ascending")
        }
        Bitmap.assign(out, at + place, try bit(node.children[1], index))
      }
    default: throw .damaged("encoding \(node.encoding.name) holds no bits")
    }
  }

  private func bit(_ node: PageNode, _ index: Int) throws(WeirFileError) -> Bool {
    var byte: UInt8 = 0
    try bits(node, index, 1, &byte, at: 0)
    return byte & 1 == 1
  }

  private static let bitsAtOnce = 1 << 20

  /// How many of the first `count` bits of a node are 1.
  func ones(_ node: PageNode, before count: Int) throws(WeirFileError) -> Int {
    if node.encoding == .plain {
      return Bitmap.countOnes(node.buffers[0].base, offset: 0, count: count)
    }
    if node.encoding == .constant { return node.a & 1 == 1 ? count : 0 }
    let scratch = Scratch(min(count, Self.bitsAtOnce) / 8 + 8)
    var ones = 0
    try inChunks(count, of: Self.bitsAtOnce) { (offset, number) throws(WeirFileError) in
      try bits(node, offset, number, scratch.base, at: 0)
      ones += Bitmap.countOnes(scratch.base, offset: 0, count: number)
    }
    return ones
  }
}
