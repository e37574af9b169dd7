// SPDX-License-Identifier: Apache-2.0

internal import _WeirTestSupport

/// Damages Parquet files: anywhere, and in ways that keep most of a file whole, so that the damage
/// gets past the first check.
///
/// The footer and page headers are changed as Thrift trees. A footer that changes its size gets its
/// length corrected; page headers keep their size, by padded numbers or not at all.
struct ParquetMutator {
  let corpus: [[UInt8]]

  func mutate(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
    var damaged = bytes
    for _ in 0..<random.int(1...3) {
      switch random.int(0..<10) {
      case 0..<3: mutateFooter(&damaged, &random)
      case 3..<6: mutatePageHeader(&damaged, &random)
      case 6..<9: mutateBody(&damaged, &random)
      default: mutateAnywhere(&damaged, &random)
      }
    }
    return damaged
  }

  /// Where the footer's Thrift bytes are.
  static func footer(_ bytes: [UInt8]) -> Range<Int>? {
    guard bytes.count >= 12 else { return nil }
    let end = bytes.count - 8
    let length = bytes[end..<end + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
    return length <= end - 4 ? end - length..<end : nil
  }

  private func mutateFooter(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
    guard let range = Self.footer(bytes), var (tree, _) = ThriftTree.parse(bytes[range]) else {
      return mutateAnywhere(&bytes, &random)
    }
    for _ in 0..<random.int(1...2) {
      var target = random.int(0..<tree.nodeCount)
      tree.mutate(&target, &random)
    }
    replaceFooter(&bytes, range, tree.encoded())
  }

  private func replaceFooter(_ bytes: inout [UInt8], _ range: Range<Int>, _ footer: [UInt8]) {
    bytes.replaceSubrange(range.lowerBound..., with: footer)
    for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: footer.count >> shift)) }
    bytes += Array("PAR1".utf8)
  }

  /// Positions where a page header could be: structures that begin with an i32 field 1 of a page type.
  private func pageHeaders(_ bytes: [UInt8]) -> [Int] {
    guard let footer = Self.footer(bytes) else { return [] }
    var found: [Int] = []
    for position in 4..<max(4, footer.lowerBound) where bytes[position] == 0x15 {
      if bytes[position + 1] <= 6, bytes[position + 2] == 0x15 { found.append(position) }
    }
    return found
  }

  private func mutatePageHeader(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
    let headers = pageHeaders(bytes)
    guard !headers.isEmpty else { return mutateAnywhere(&bytes, &random) }
    let start = random.pick(headers)
    guard let (parsed, count) = ThriftTree.parse(bytes[start...]) else {
      return mutateAnywhere(&bytes, &random)
    }
    var tree = parsed
    var target = random.int(0..<tree.nodeCount)
    tree.mutate(&target, &random)
    var header = tree.encoded()
    // Shorter ones are filled up with an unknown field of binary type.
    let missing = count - header.count
    if missing >= 4 && missing < 100 {
      header.removeLast()
      header += [0x08, 0xc8, 0x01, UInt8(missing - 4)] + [UInt8](repeating: 0, count: missing - 4)
      header.append(0)
      header = Array(header.prefix(count))
    }
    if header.count <= count {
      bytes.replaceSubrange(start..<start + header.count, with: header)
    } else {
      // Everything behind it moves: only chunks before this one stay whole.
      bytes.replaceSubrange(start..<start + count, with: header)
    }
  }

  /// Levels, indices, values, compressed or not.
  private func mutateBody(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
    let end = Self.footer(bytes)?.lowerBound ?? bytes.count
    guard end > 5 else { return }
    let position = random.int(4..<end)
    switch random.int(0..<6) {
    case 0: bytes[position] ^= 1 << UInt8(random.int(0..<8))
    case 1: bytes[position] = random.pick([0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff])
    case 2: bytes[position] = UInt8(truncatingIfNeeded: random.next())
    case 3:  // A long varint: run lengths and delta headers.
      let number = UInt64(bitPattern: random.pick(interestingNumbers(near: 100)))
      var rest = number
      for index in position..<min(position + 10, end) {
        bytes[index] = UInt8(truncatingIfNeeded: rest) | (rest >= 0x80 ? 0x80 : 0)
        rest >>= 7
        if rest == 0 { break }
      }
    case 4:
      let number = random.pick(interestingNumbers(near: 10))
      for index in 0..<min(random.pick([4, 8]), end - position) {
        bytes[position + index] = UInt8(truncatingIfNeeded: number >> Int64(8 * index))
      }
    default:
      let other = random.pick(corpus)
      let count = min(random.int(1...40), end - position, other.count)
      let from = random.int(0...other.count - count)
      bytes.replaceSubrange(position..<position + count, with: other[from..<from + count])
    }
  }

  private func mutateAnywhere(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
    guard bytes.count > 16 else { return }
    let position = random.int(0..<bytes.count)
    let count = min(random.int(1...64), bytes.count - position)
    switch random.int(0..<4) {
    case 0: bytes.removeSubrange(position..<position + count)
    case 1: bytes.insert(contentsOf: bytes[position..<position + count], at: position)
    case 2: bytes.removeLast(count)
    default: bytes[position] = UInt8(truncatingIfNeeded: random.next())
    }
  }
}
