// SPDX-License-Identifier: Apache-2.0
// Safe: decodes into scratch memory of the size of the values, and reads within it.

internal import WeirColumnar

/// Values of an auxiliary array in which those that nothing uses have gone.
///
/// Places stay: an unused number becomes the used one before it in its page (the first used one, where
/// none comes before; 0 in a page without), an unused string the empty one.
enum ScrubbedValues {
  /// Replaces the numbers outside the ranges. Whether one changed.
  static func scrub<T: PageNumber>(
    _ values: UnsafeMutablePointer<T>, _ count: Int, used: [Range<Int>]
  ) -> Bool {
    var isChanged = false
    var blank = used.first.map { values[$0.lowerBound] } ?? 0
    var next = 0
    func fill(to end: Int) {
      while next < end {
        if values[next] != blank {
          values[next] = blank
          isChanged = true
        }
        next += 1
      }
    }
    for range in used {
      fill(to: range.lowerBound)
      next = range.upperBound
      blank = values[next - 1]
    }
    fill(to: count)
    return isChanged
  }

  /// A pool's page of numbers, or its codes of a dictionary, without what is not used; `nil` when
  /// nothing changes.
  static func pool<T: PageNumber>(
    _ type: T.Type, _ page: PageNode, used: [Range<Int>], _ decoder: PageDecoder,
    _ numbers: NumberEncoder
  ) throws(WeirFileError) -> EncodedNode? {
    if page.encoding == .dictionary && page.parameter == 0 {
      guard let codes = try pool(UInt32.self, page.children[0], used: used, decoder, numbers) else {
        return nil
      }
      return EncodedNode(
        encoding: .dictionary, kind: page.kind, count: page.count, a: page.a, children: [codes])
    }
    let scratch = Scratch(page.count * MemoryLayout<T>.size)
    defer { withExtendedLifetime(scratch) {} }
    let values = scratch.pointer(T.self)
    try decoder.values(page, 0, page.count, scratch.base)
    guard scrub(values, page.count, used: used) else { return nil }
    return numbers.encode(UnsafePointer(values), page.count)
  }

  /// A dictionary of numbers that can be added to, and which of its pages changed.
  static func numbers<T: PageNumber>(
    _ type: T.Type, _ array: AuxiliaryArray, _ used: UsedValues
  ) throws(WeirFileError) -> (GrowingDictionary<T>, changed: Set<Int>) {
    let scratch = Scratch(array.count * MemoryLayout<T>.size)
    defer { withExtendedLifetime(scratch) {} }
    let values = scratch.pointer(T.self)
    var changed: Set<Int> = []
    for index in 0..<array.pageCount {
      let page = try array.page(index)
      guard page.kind == T.kind else { throw .damaged("pages of different widths") }
      let first = index << array.shift
      try array.decoder.values(page, 0, page.count, UnsafeMutableRawPointer(values + first))
      let range = first..<first + page.count
      if scrub(values + first, page.count, used: used.ranges(range)) { changed.insert(index) }
    }
    return (GrowingDictionary(UnsafePointer(values), array.count), changed)
  }

  /// A dictionary of byte strings, as `numbers`.
  static func strings(
    _ array: AuxiliaryArray, _ used: UsedValues
  ) throws(WeirFileError) -> (StringDictionary, changed: Set<Int>) {
    let dictionary = StringDictionary()
    var changed: Set<Int> = []
    for index in 0..<array.pageCount {
      let page = try array.page(index)
      let first = index << array.shift
      let sink = StringsSink(
        .largeBinary, SinkLimit(AuxiliaryArray.decodedByteCountMax), offsetWidth: 8)
      try sink.append(page, 0, page.count, array.decoder)
      let all = StringRows(try sink.finish(), nil)
      let kept = all.keeping(used.ranges(first..<first + page.count))
      if kept.bytes.count < all.bytes.count { changed.insert(index) }
      guard dictionary.append(kept) else {
        throw WeirFileError(.limitExceeded, "a dictionary of more than 2 GiB")
      }
    }
    return (dictionary, changed)
  }
}

extension StringRows {
  /// The strings in the ranges; others are empty.
  fileprivate func keeping(_ used: [Range<Int>]) -> StringRows {
    var kept = [UInt32](repeating: 0, count: lengths.count)
    let out = MutableBuffer(capacity: bytes.count)
    var (row, byte) = (0, 0)
    for range in used {
      while row < range.lowerBound {
        byte += Int(lengths[row])
        row += 1
      }
      let start = byte
      while row < range.upperBound {
        kept[row] = lengths[row]
        byte += Int(lengths[row])
        row += 1
      }
      out.append(bytes.slice(offset: start, count: byte - start))
    }
    return StringRows(lengths: kept, bytes: out.finish())
  }
}
