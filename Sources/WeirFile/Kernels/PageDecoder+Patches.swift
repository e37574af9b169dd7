// SPDX-License-Identifier: Apache-2.0
// Safe: as PageDecoder.swift; a place is checked to lie within what was asked for before it is
// written.

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

extension PageDecoder {
  /// Positions that are read at once: a block of differences.
  private static let positionsAtOnce = 256

  /// Writes the values at positions within the range over `out`.
  func patches(
    _ node: PageNode, positions: Int, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let width = node.valueWidth
    try forPatches(node, positions: positions, start..<start + count) { place, value in
      copyValue(value, out + (place - start) * width, width)
    }
  }

  /// Writes the values at those positions that lie in one of the ascending ranges over `out`.
  ///
  /// Safe: damage may make ranges that do not ascend; nothing is written outside their room then.
  func patches(
    _ node: PageNode, positions: Int, _ ranges: ValueRanges, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let width = node.valueWidth
    // The first range that ends behind the position, and where its values go.
    var range = 0
    var done = 0
    try forPatches(node, positions: positions, ranges.span) { place, value in
      while range < ranges.count && ranges.starts[range] + Int(ranges.lengths[range]) <= place {
        done += Int(ranges.lengths[range])
        range += 1
      }
      // Lists of rows that repeat hold it, too.
      var (next, before) = (range, done)
      while next < ranges.count && ranges.starts[next] <= place {
        let within = place - ranges.starts[next]
        if within < Int(ranges.lengths[next]) {
          copyValue(value, out + (before + within) * width, width)
        }
        before += Int(ranges.lengths[next])
        next += 1
      }
    }
  }

  /// Writes the values at those positions that are among the ascending rows over `out`.
  func pickPatches(
    _ node: PageNode, positions: Int, _ rows: UnsafeBufferPointer<UInt32>,
    _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let width = node.valueWidth
    let range = Int(rows[0])..<Int(rows[rows.count - 1]) + 1
    var index = 0
    try forPatches(node, positions: positions, range) { place, value in
      while index < rows.count && Int(rows[index]) < place { index += 1 }
      // Rows may repeat.
      var same = index
      while same < rows.count && Int(rows[same]) == place {
        copyValue(value, out + same * width, width)
        same += 1
      }
    }
  }

  /// Calls `body(position, value)` for the positions in the range, ascending.
  private func forPatches(
    _ node: PageNode, positions: Int, _ range: Range<Int>,
    _ body: (Int, UnsafeRawPointer) -> Void
  ) throws(WeirFileError) {
    let (positionNode, valueNode) = (node.children[positions], node.children[positions + 1])
    if positionNode.count == 0 { return }
    let width = node.valueWidth
    let scratch = Scratch(Self.positionsAtOnce * (width + 8))
    let values = scratch.base
    let places = (values + Self.positionsAtOnce * width).assumingMemoryBound(to: UInt32.self)
    var next = try lowerBound(positionNode, range.lowerBound)
    var last = -1
    while next < positionNode.count {
      let size = Self.positionsAtOnce
      let number = min(size - next & (size - 1), positionNode.count - next)
      try indices(positionNode, next, number, places)
      var wanted = 0
      while wanted < number && Int(places[wanted]) < range.upperBound {
        guard Int(places[wanted]) >= range.lowerBound && Int(places[wanted]) > last else {
          throw .damaged("positions that are not ascending")
        }
        last = Int(places[wanted])
        wanted += 1
      }
      if wanted == 0 { break }
      try self.values(valueNode, next, wanted, values)
      for index in 0..<wanted { body(Int(places[index]), values + index * width) }
      if wanted < number { break }
      next += number
    }
    withExtendedLifetime(scratch) {}
  }

  /// How many of the ascending numbers of `node` are below `value`. Cost: its logarithm, and a
  /// block of differences.
  func lowerBound(_ node: PageNode, _ value: Int) throws(WeirFileError) -> Int {
    var low = 0
    var high = node.count
    if node.encoding == .delta, node.parameter <= 8 {
      let shift = Int(node.parameter)
      // The block before the first one that begins with the value or more.
      let block = try lowerBound(node.children[0], value) - 1
      if block < 0 { return 0 }
      low = block << shift
      high = min(low + 1 << shift, node.count)
      let scratch = Scratch((high - low) * 4)
      let numbers = scratch.pointer(UInt32.self)
      try indices(node, low, high - low, numbers)
      var below = 0
      while below < high - low && Int(numbers[below]) < value { below += 1 }
      withExtendedLifetime(scratch) {}
      return low + below
    }
    while low < high {
      let middle = (low + high) / 2
      if try index(node, middle) < value { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// Copies one value of `width` bytes.
@inline(__always)
func copyValue(_ value: UnsafeRawPointer, _ out: UnsafeMutableRawPointer, _ width: Int) {
  switch width {
  case 4: out.storeBytes(of: value.loadUnaligned(as: UInt32.self), as: UInt32.self)
  case 8: out.storeBytes(of: value.loadUnaligned(as: UInt64.self), as: UInt64.self)
  default: memcpy(out, value, width)
  }
}
