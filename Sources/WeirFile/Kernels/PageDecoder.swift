// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Decodes ranges of a node's values.
///
/// Safe: callers give ranges within `node.count` and room for `count` values at `out`; nodes were
/// checked (`PageNode.check`), and what children say (codes, positions, lengths) is checked before
/// it is used.
struct PageDecoder {
  /// What the pages refer to by number.
  let auxiliary: [AuxiliaryArray]

  /// Values `start ..< start + count` of a node of numbers, or of 16 or any fixed number of bytes.
  func values(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    if count == 0 { return }
    let width = node.valueWidth
    switch node.encoding {
    case .plain: memcpy(out, node.buffers[0].base + start * width, count * width)
    case .constant: constant(node, count, out)
    case .packed: unpack(node, start, count, out)
    case .tiered: try tiered(node, start, count, out)
    case .dictionary: try dictionary(node, start, count, out)
    case .patched:
      try values(node.children[0], start, count, out)
      try patches(node, positions: 1, start, count, out)
    case .delta: try delta(node, start, count, out)
    case .runs: try runs(node, start, count, out)
    case .sparse:
      constant(node, count, out)
      try patches(node, positions: 0, start, count, out)
    case .decimal: try decimal(node, start, count, out)
    case .split: try split(node, start, count, out)
    case .zstd: try blocks(node, start, count, out)
    case .byteStreams: try byteStreams(node, start, count, out)
    case .float16, .bfloat16: try halfFloats(node, start, count, out)
    case .scaled: try scaled(node, start, count, out)
    case .halves: try halves(node, start, count, out)
    default: throw .damaged("encoding \(node.encoding.name) holds no values of a fixed width")
    }
  }

  /// The same as 32-bit numbers, for nodes of kind `four`: codes, lengths, positions.
  func indices(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutablePointer<UInt32>
  ) throws(WeirFileError) {
    try values(node, start, count, out)
  }

  func index(_ node: PageNode, _ at: Int) throws(WeirFileError) -> Int {
    var result: UInt32 = 0
    try values(node, at, 1, &result)
    return Int(result)
  }

  private func constant(_ node: PageNode, _ count: Int, _ out: UnsafeMutableRawPointer) {
    switch node.kind {
    case .one: fill(out, UInt8(truncatingIfNeeded: node.a), count)
    case .two: fill(out, UInt16(truncatingIfNeeded: node.a), count)
    case .four: fill(out, UInt32(truncatingIfNeeded: node.a), count)
    case .eight: fill(out, node.a, count)
    default:
      let width = node.valueWidth
      guard let value = node.buffers.first else {
        memset(out, 0, count * width)
        return
      }
      for index in 0..<count { memcpy(out + index * width, value.base, width) }
    }
  }

  private func fill<T: BitwiseCopyable>(_ out: UnsafeMutableRawPointer, _ value: T, _ count: Int) {
    out.assumingMemoryBound(to: T.self).update(repeating: value, count: count)
  }

  private func unpack(_ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer)
  {
    let bits = node.buffers[0]
    let width = CInt(node.parameter)
    switch node.kind {
    case .one:
      weir_unpack_add_8(
        bits.bytes, bits.count, width, node.a, start, out.assumingMemoryBound(to: UInt8.self), count
      )
    case .two:
      weir_unpack_add_16(
        bits.bytes, bits.count, width, node.a, start, out.assumingMemoryBound(to: UInt16.self),
        count)
    case .four:
      weir_unpack_add_32(
        bits.bytes, bits.count, width, node.a, start, out.assumingMemoryBound(to: UInt32.self),
        count)
    default:
      weir_unpack_add_64(
        bits.bytes, bits.count, width, node.a, start, out.assumingMemoryBound(to: UInt64.self),
        count)
    }
  }

  private func tiered(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let (tags, bits, starts) = (node.buffers[0].bytes, node.buffers[1], node.buffers[2].bytes)
    var widths = UInt32(truncatingIfNeeded: node.b).littleEndian
    let status = withUnsafeBytes(of: &widths) { widths -> CInt in
      let widths = widths.baseAddress!.assumingMemoryBound(to: UInt8.self)
      switch node.kind {
      case .one:
        return weir_tiered_8(
          tags, bits.bytes, bits.count, starts, widths, node.a, start,
          out.assumingMemoryBound(to: UInt8.self), count)
      case .two:
        return weir_tiered_16(
          tags, bits.bytes, bits.count, starts, widths, node.a, start,
          out.assumingMemoryBound(to: UInt16.self), count)
      case .four:
        return weir_tiered_32(
          tags, bits.bytes, bits.count, starts, widths, node.a, start,
          out.assumingMemoryBound(to: UInt32.self), count)
      default:
        return weir_tiered_64(
          tags, bits.bytes, bits.count, starts, widths, node.a, start,
          out.assumingMemoryBound(to: UInt64.self), count)
      }
    }
    if status != 0 { throw .damaged("a block of tiers leads out of its bits") }
  }

  private func dictionary(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let width = node.valueWidth
    let source = try dictionarySource(node, count)
    if count == 1 {
      let code = try index(node.children[0], start)
      try source.checkCode(code)
      try source.one(UInt32(code), out, width)
      return
    }
    let codes = Scratch(min(count, chunkCount) * 4)
    let pointer = codes.pointer(UInt32.self)
    try inChunks(count) { (offset, number) throws(WeirFileError) in
      try indices(node.children[0], start + offset, number, pointer)
      try source.checkCode(Int(weir_max_u32(pointer, number)))
      try source.gather(
        UnsafeBufferPointer(start: pointer, count: number), width, out + offset * width)
    }
    withExtendedLifetime(codes) {}
  }

  /// The dictionary of a node of kind `dictionary`, decoded where that pays for `count` values.
  func dictionarySource(_ node: PageNode, _ count: Int) throws(WeirFileError) -> DictionarySource {
    if node.parameter == 1 {
      return try DictionarySource(node.children[1], self, expecting: count)
    }
    return try DictionarySource(auxiliary(node, .dictionary, node.kind), expecting: count)
  }

  /// The node that a field of a struct is: itself, or a page of its own.
  func field(_ node: PageNode) throws(WeirFileError) -> PageNode {
    guard node.encoding == .part else { return node }
    guard let array = auxiliary.first(where: { $0.role == .parts }), node.b < array.pageCount else {
      throw .damaged("the page refers to part \(node.b), which is not there")
    }
    let page = try array.page(Int(node.b))
    let hasWidth = node.kind == .fixed || node.kind == .fixedLists
    guard page.kind == node.kind, page.count == node.count, !hasWidth || page.a == node.a else {
      throw .damaged("part \(node.b) has other values than its page says")
    }
    return page
  }

  func auxiliary(
    _ node: PageNode, _ role: AuxiliaryRole, _ kind: PageKind?
  ) throws(WeirFileError) -> AuxiliaryArray {
    let number = node.auxiliaryNumber
    guard number < UInt64(auxiliary.count) else {
      throw .damaged("the page refers to auxiliary array \(number) of \(auxiliary.count)")
    }
    let array = auxiliary[Int(number)]
    guard array.role == role else {
      throw .damaged("the page takes auxiliary array \(number) for a \(role)")
    }
    if let kind, array.count > 0 {
      let page = try array.page(0)
      guard page.kind == kind, kind != .fixed || page.valueWidth == node.valueWidth else {
        throw .damaged("auxiliary array \(number) has values of another kind")
      }
    }
    return array
  }
}
