// SPDX-License-Identifier: Apache-2.0
// Safe: as PageDecoder.swift; callers give ranges that lie within the node, and room for all of
// them.

internal import CWeirKernels
internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Ranges of a node's values that are wanted one behind the other, such as the items of chosen
/// lists.
struct ValueRanges {
  let starts: UnsafePointer<Int>
  let lengths: UnsafePointer<UInt32>
  let count: Int
  /// Values of all ranges.
  let total: Int
}

extension PageDecoder {
  /// The values of all ranges of a node of numbers, or of 16 or any fixed number of bytes.
  ///
  /// What is done for a node as a whole, such as looking up its dictionary, is done once for all
  /// ranges.
  func values(
    _ node: PageNode, _ ranges: ValueRanges, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    if ranges.total == 0 { return }
    switch node.encoding {
    case .dictionary:
      let source = try dictionarySource(node, ranges.total)
      let codes = Scratch(ranges.total * 4)
      let code = codes.pointer(UInt32.self)
      try values(node.children[0], ranges, code)
      try source.checkCode(Int(weir_max_u32(code, ranges.total)))
      try source.gather(
        UnsafeBufferPointer(start: code, count: ranges.total), node.valueWidth, out)
      withExtendedLifetime(codes) {}
    case .split: try split(node, ranges, out)
    default:
      let width = node.valueWidth
      var target = out
      for index in 0..<ranges.count {
        let length = Int(ranges.lengths[index])
        try values(node, ranges.starts[index], length, target)
        target += length * width
      }
    }
  }

  private func split(
    _ node: PageNode, _ ranges: ValueRanges, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let high = Scratch(ranges.total * 2)
    try values(node.children[0], ranges, high.base)
    let bits = node.buffers[0]
    let right = CInt(node.parameter)
    var done = 0
    for index in 0..<ranges.count {
      let (start, length) = (ranges.starts[index], Int(ranges.lengths[index]))
      if node.kind == .four {
        let target = out.assumingMemoryBound(to: UInt32.self) + done
        weir_unpack_add_32(bits.bytes, bits.count, right, 0, start, target, length)
      } else {
        let target = out.assumingMemoryBound(to: UInt64.self) + done
        weir_unpack_add_64(bits.bytes, bits.count, right, 0, start, target, length)
      }
      done += length
    }
    if node.kind == .four {
      weir_join_high_32(
        high.pointer(UInt16.self), right, out.assumingMemoryBound(to: UInt32.self), done)
    } else {
      weir_join_high_64(
        high.pointer(UInt16.self), right, out.assumingMemoryBound(to: UInt64.self), done)
    }
  }
}
