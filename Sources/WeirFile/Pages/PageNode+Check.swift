// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

extension PageNode {
  /// Checks the node's own numbers and the shape of its children by the rules of its encoding.
  func check() throws(WeirFileError) {
    if kind == .fixed { try need(a < 1 << 31, "values of \(a) bytes") }
    if encoding != .structure {
      try need(!children.contains { $0.encoding == .part }, "a part that is no field of a struct")
    }
    switch encoding {
    case .plain:
      try need(kind.rawValue <= PageKind.fixed.rawValue, buffers: 1, children: 0)
      let size = kind == .bits ? (count + 7) / 8 : try product(count, valueWidth)
      try need(buffers[0].count == size, "plain values of another size")
    case .constant:
      try need(kind.rawValue <= PageKind.bytes.rawValue, buffers: isShort ? 0 : 1, children: 0)
      if kind == .sixteen || kind == .fixed {
        try need(buffers[0].count == valueWidth, "a constant of another size")
      }
    case .packed:
      try need(kind.isNumber, buffers: 1, children: 0)
      try need(Int(parameter) <= valueWidth * 8, "a width of \(parameter) bits")
      try need(buffers[0].count >= packedByteCount(count, Int(parameter)), "too few packed bits")
    case .patched:
      try need(kind.isNumber, buffers: 0, children: 3)
      try child(0, kind, count)
      try pairs(1, 2)
    case .delta:
      try need(kind.isNumber && parameter <= 20, buffers: 0, children: 2)
      try child(0, kind, (count + (1 << Int(parameter)) - 1) >> Int(parameter))
      try child(1, kind, count)
    case .runs:
      try need(kind.rawValue <= PageKind.bytes.rawValue, buffers: 0, children: 2)
      try pairs(0, 1)
    case .dictionary:
      let kinds = PageKind.one.rawValue...PageKind.bytes.rawValue
      try need(kinds.contains(kind.rawValue), buffers: 0, children: parameter == 1 ? 2 : 1)
      try child(0, .four, count)
      if parameter == 1 { try child(1, kind, nil) }
    case .tiered: try checkTiered()
    case .sparse:
      try need(kind.rawValue <= PageKind.bytes.rawValue, buffers: 0, children: 2)
      try pairs(0, 1)
    case .nullable:
      try need(true, buffers: 0, children: 2)
      try child(0, .bits, count)
      try child(1, kind, parameter == 1 ? nil : count)
    case .decimal:
      try need(kind == .four || kind == .eight, buffers: 0, children: 3)
      try need(parameter <= 18, "a power of \(parameter)")
      try child(0, kind, count)
      try pairs(1, 2)
    case .split:
      try need(kind == .four || kind == .eight, buffers: 1, children: 1)
      let right = Int(parameter)
      try need(right >= valueWidth * 8 - 16 && right < valueWidth * 8, "a split at \(right)")
      try child(0, .two, count)
      try need(buffers[0].count >= packedByteCount(count, right), "too few packed bits")
    case .strings: try checkRagged(.bytes, items: .one)
    case .fsst:
      try need(kind == .bytes, buffers: 1, children: 2)
      try child(0, .four, count)
      try child(1, .bytes, count)
      try checkSymbols()
    case .list: try checkRagged(.lists, items: nil)
    case .window:
      try need(kind == .lists, buffers: 0, children: 2)
      try child(0, .four, count)
      try child(1, .four, count)
    case .fixedList:
      try need(kind == .fixedLists && a < 1 << 31, buffers: 0, children: 1)
      try child(0, nil, try product(count, Int(a)))
    case .structure:
      try need(kind == .structs, buffers: 0, children: children.count)
      for index in children.indices { try child(index, nil, count) }
    case .zstd: try checkBlocks()
    case .byteStreams:
      try need(
        (PageKind.two.rawValue...PageKind.sixteen.rawValue).contains(kind.rawValue),
        buffers: 0, children: kind.width ?? 0)
      for index in children.indices { try child(index, .one, count) }
    case .float16, .bfloat16:
      try need(kind == .four, buffers: 0, children: 1)
      try child(0, .two, count)
    case .scaled:
      try need(kind == .four && a > 0 && a < 1 << 31, buffers: 0, children: 2)
      try child(0, .one, count)
      try child(1, .four, (count + Int(a) - 1) / Int(a))
    case .halves:
      try need(kind == .sixteen, buffers: 0, children: 2)
      try child(0, .eight, count)
      try child(1, .eight, count)
    case .nulls: try need(kind == .nulls, buffers: 0, children: 0)
    case .part: try need(true, buffers: 0, children: 0)
    }
  }

  /// Whether a constant of the kind fits `a`.
  private var isShort: Bool { kind.rawValue <= PageKind.eight.rawValue }

  private func checkTiered() throws(WeirFileError) {
    try need(kind.isNumber, buffers: 3, children: 0)
    for tier in 0..<4 { try need(tierWidth(tier) <= 57, "a tier of \(tierWidth(tier)) bits") }
    let blocks = (count + 255) / 256
    try need(buffers[0].count >= packedByteCount(count, 2), "too few tags")
    try need(buffers[1].count >= 8, "no zeros behind the blocks")
    try need(buffers[2].count == blocks * 4, "another number of blocks")
  }

  /// Width of the values with this tag.
  func tierWidth(_ tier: Int) -> Int { Int(truncatingIfNeeded: b >> UInt64(tier * 8)) & 0xff }

  private func checkRagged(_ own: PageKind, items: PageKind?) throws(WeirFileError) {
    try need(kind == own, buffers: 1, children: 2)
    try child(0, .four, count)
    try child(1, items, nil)
    let blocks = (count + 255) / 256
    try need(buffers[0].count == 0 || buffers[0].count == blocks * 4, "another number of blocks")
  }

  private func checkSymbols() throws(WeirFileError) {
    let table = buffers[0]
    try need(table.count >= 1, "no symbols")
    let symbols = Int(table.number(UInt8.self, at: 0))
    try need(table.count >= 1 + symbols, "the lengths of symbols are cut")
    var total = 1 + symbols
    for index in 0..<symbols {
      let length = Int(table.number(UInt8.self, at: 1 + index))
      try need(length >= 1 && length <= 8, "a symbol of \(length) bytes")
      total += length
    }
    try need(symbols < 256 && table.count == total, "symbols of another size")
  }

  private func checkBlocks() throws(WeirFileError) {
    let kinds = PageKind.one.rawValue...PageKind.fixed.rawValue
    try need(kinds.contains(kind.rawValue), buffers: 2, children: 0)
    let width = valueWidth
    try need(width > 0 && b >= 1 && b <= 1 << 24 && b % UInt64(width) == 0, "blocks of \(b) bytes")
    let size = try product(count, width)
    try need(buffers[0].count == (size + Int(b) - 1) / Int(b) * 4, "another number of blocks")
  }

  /// A list of positions or ends and as many values.
  private func pairs(_ positions: Int, _ values: Int) throws(WeirFileError) {
    try child(positions, .four, nil)
    try child(values, kind, children[positions].count)
  }

  private func child(_ index: Int, _ wanted: PageKind?, _ number: Int?) throws(WeirFileError) {
    let child = children[index]
    if let wanted { try need(child.kind == wanted, "child \(index) of another kind") }
    if wanted == .fixed { try need(child.a == a, "child \(index) with values of another size") }
    if let number { try need(child.count == number, "child \(index) of \(child.count) values") }
  }

  private func need(_ fits: Bool, buffers: Int, children: Int) throws(WeirFileError) {
    try need(fits, "values of kind \(kind)")
    try need(
      self.buffers.count == buffers && self.children.count == children,
      "\(self.buffers.count) buffers and \(self.children.count) children")
  }

  private func need(_ holds: Bool, _ what: @autoclosure () -> String) throws(WeirFileError) {
    if !holds { throw .damaged("encoding \(encoding.name) of \(count) values has \(what())") }
  }

  private func product(_ x: Int, _ y: Int) throws(WeirFileError) -> Int {
    let (result, overflow) = x.multipliedReportingOverflow(by: y)
    if overflow || result < 0 { throw .damaged("\(x) values of \(y) bytes or items") }
    return result
  }
}

/// Bytes of `count` values of `width` bits; both were checked not to be large (2^40 by 64).
func packedByteCount(_ count: Int, _ width: Int) -> Int { (count * width + 7) >> 3 }
