// SPDX-License-Identifier: Apache-2.0
// Safe: a bit for each value of the array; places are checked before they are set or read.

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Which values of an auxiliary array the rows that stay refer to: a bit each.
final class UsedValues {
  let count: Int
  private let bits: Scratch

  /// Arrays of more values are not followed value by value.
  static let countMax = 1 << 28

  /// - Parameter count: up to `countMax`.
  init(count: Int) {
    precondition(count <= Self.countMax, "an array that can be followed")
    self.count = count
    bits = Scratch(count / 8 + 8)
    memset(bits.base, 0, count / 8 + 8)
  }

  func insert(_ range: Range<Int>) throws(WeirFileError) {
    guard range.lowerBound >= 0, range.upperBound <= count else {
      throw .damaged("items \(range) of a pool of \(count)")
    }
    Bitmap.fill(bits.base, offset: range.lowerBound, count: range.count, true)
  }

  fileprivate func insert(_ codes: UnsafePointer<UInt32>, _ number: Int) throws(WeirFileError) {
    for index in 0..<number {
      guard codes[index] < count else {
        throw .damaged("code \(codes[index]) of a dictionary of \(count) values")
      }
      Bitmap.set(bits.base, Int(codes[index]))
    }
  }

  /// The used values of a part of the array, numbered from its start.
  func ranges(_ part: Range<Int>) -> [Range<Int>] {
    onesOf(bits.base, part).map {
      $0.lowerBound - part.lowerBound..<$0.upperBound - part.lowerBound
    }
  }
}

/// Runs of ones among bits of a range.
private func onesOf(_ base: UnsafeRawPointer, _ range: Range<Int>) -> [Range<Int>] {
  var result: [Range<Int>] = []
  var next = range.lowerBound
  while next < range.upperBound {
    let first = Bitmap.endOfRun(base, offset: 0, from: next, count: range.upperBound, false)
    if first >= range.upperBound { break }
    let end = Bitmap.endOfRun(base, offset: 0, from: first, count: range.upperBound, true)
    result.append(first..<end)
    next = end
  }
  return result
}

extension PageNode {
  /// Whether the node or one below it takes values of an auxiliary array.
  var hasReferences: Bool {
    encoding == .window || encoding == .dictionary && parameter == 0
      || children.contains(where: \.hasReferences)
  }
}

/// Follows pages to the values of auxiliary arrays that some of their rows refer to.
///
/// `live` are ascending ranges of a node's values: those of rows that stay and are not null. Each node
/// hands on to its children what they have of them.
struct ReferenceMarker {
  /// The bits of each array that is followed.
  let used: (AuxiliaryArray) -> UsedValues?

  /// False for trees in which references are where this writer puts none: under runs or patches, say.
  func mark(
    _ node: PageNode, _ live: [Range<Int>], _ decoder: PageDecoder
  ) throws(WeirFileError) -> Bool {
    switch node.encoding {
    case .nullable:
      if node.children[0].hasReferences { return false }
      return try mark(node.children[1], try valid(node, live, decoder), decoder)
    case .list:
      if node.children[0].hasReferences { return false }
      return try mark(node.children[1], try items(node, live, decoder), decoder)
    case .fixedList:
      let size = Int(node.a)
      return try mark(
        node.children[0], live.map { $0.lowerBound * size..<$0.upperBound * size }, decoder)
    case .structure:
      for child in node.children {
        guard try mark(child, live, decoder) else { return false }
      }
      return true
    case .dictionary where node.parameter == 0:
      if node.children[0].hasReferences { return false }
      return try markCodes(node, live, decoder)
    case .window:
      if node.children.contains(where: \.hasReferences) { return false }
      return try markWindows(node, live, decoder)
    default: return !node.hasReferences
    }
  }

  private func markCodes(
    _ node: PageNode, _ live: [Range<Int>], _ decoder: PageDecoder
  ) throws(WeirFileError) -> Bool {
    let array = try decoder.auxiliary(node, .dictionary, node.kind)
    guard let used = self.used(array) else { return false }
    let codes = Scratch(min(node.count, chunkCount) * 4)
    let code = codes.pointer(UInt32.self)
    for range in live {
      try inChunks(range.count) { (offset, number) throws(WeirFileError) in
        try decoder.indices(node.children[0], range.lowerBound + offset, number, code)
        try used.insert(code, number)
      }
    }
    withExtendedLifetime(codes) {}
    return true
  }

  private func markWindows(
    _ node: PageNode, _ live: [Range<Int>], _ decoder: PageDecoder
  ) throws(WeirFileError) -> Bool {
    guard let used = self.used(try decoder.auxiliary(node, .pool, nil)) else { return false }
    let windows = try Windows(node, decoder)
    // Rows share items: each is marked once, however many windows hold it.
    var ranges: [Range<Int>] = []
    for range in live {
      for row in range where windows.lengths[row] > 0 { ranges.append(windows.range(row)) }
    }
    ranges.sort { $0.lowerBound < $1.lowerBound }
    var marked = 0
    for range in ranges where range.upperBound > marked {
      try used.insert(max(range.lowerBound, marked)..<range.upperBound)
      marked = range.upperBound
    }
    return true
  }

  /// What the values' child of a nullable node has of them.
  private func valid(
    _ node: PageNode, _ live: [Range<Int>], _ decoder: PageDecoder
  ) throws(WeirFileError) -> [Range<Int>] {
    let bits = Scratch(node.count / 8 + 8)
    defer { withExtendedLifetime(bits) {} }
    try decoder.bits(node.children[0], 0, node.count, bits.base, at: 0)
    if node.parameter == 0 { return live.flatMap { onesOf(bits.base, $0) } }
    var result: [Range<Int>] = []
    var (row, rank) = (0, 0)
    for range in live {
      rank += Bitmap.countOnes(bits.base, offset: row, count: range.lowerBound - row)
      let ones = Bitmap.countOnes(bits.base, offset: range.lowerBound, count: range.count)
      if ones > 0 { result.append(rank..<rank + ones) }
      rank += ones
      row = range.upperBound
    }
    guard result.last?.upperBound ?? 0 <= node.children[1].count else {
      throw .damaged("fewer values than valid rows")
    }
    return result
  }

  /// The items of lists.
  private func items(
    _ node: PageNode, _ live: [Range<Int>], _ decoder: PageDecoder
  ) throws(WeirFileError) -> [Range<Int>] {
    let lengths = Scratch(min(node.count, chunkCount) * 4)
    let length = lengths.pointer(UInt32.self)
    defer { withExtendedLifetime(lengths) {} }
    func sum(_ rows: Range<Int>) throws(WeirFileError) -> Int {
      var total = 0
      try inChunks(rows.count) { (offset, number) throws(WeirFileError) in
        try decoder.indices(node.children[0], rows.lowerBound + offset, number, length)
        for index in 0..<number { total += Int(length[index]) }
      }
      return total
    }
    var result: [Range<Int>] = []
    var (row, item) = (0, 0)
    for range in live {
      item += try sum(row..<range.lowerBound)
      let count = try sum(range)
      if count > 0 { result.append(item..<item + count) }
      item += count
      row = range.upperBound
    }
    guard item <= node.children[1].count else { throw .damaged("fewer items than lists have") }
    return result
  }
}

/// Starts and lengths of a window node.
struct Windows {
  var starts: [UInt32]
  var lengths: [UInt32]

  init(_ node: PageNode, _ decoder: PageDecoder) throws(WeirFileError) {
    starts = try decoder.indices(node.children[0])
    lengths = try decoder.indices(node.children[1])
  }

  func range(_ row: Int) -> Range<Int> {
    Int(starts[row])..<Int(starts[row]) + Int(lengths[row])
  }
}

extension PageDecoder {
  /// All values of a node of kind `four`.
  ///
  /// - Throws: `limitExceeded` for more of them than pages of lists have.
  func indices(_ node: PageNode) throws(WeirFileError) -> [UInt32] {
    guard node.count <= 1 << 24 else {
      throw WeirFileError(.limitExceeded, "a page of \(node.count) lists")
    }
    var result = [UInt32](repeating: 0, count: node.count)
    if node.count == 0 { return result }
    let values = Scratch(node.count * 4)
    try self.values(node, 0, node.count, values.base)
    result.withUnsafeMutableBytes {
      $0.baseAddress!.copyMemory(from: values.base, byteCount: $0.count)
    }
    return result
  }
}
