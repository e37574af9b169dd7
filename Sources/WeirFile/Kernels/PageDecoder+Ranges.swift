// SPDX-License-Identifier: Apache-2.0
// Safe: as PageDecoder.swift; callers give ranges that lie within the node, and room for all of
// them.

internal import CWeirKernels
internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Ranges of a node's values that are wanted one behind the other, such as the items of chosen
/// lists: ascending, and apart or equal, unless bytes are damaged.
struct ValueRanges {
  let starts: UnsafePointer<Int>
  let lengths: UnsafePointer<UInt32>
  let count: Int
  /// Values of all ranges.
  let total: Int

  /// From the first range's start to the last one's end.
  var span: Range<Int> {
    if count == 0 { return 0..<0 }
    return starts[0]..<max(starts[0], starts[count - 1] + Int(lengths[count - 1]))
  }
}

extension PageDecoder {
  /// The values of all ranges of a node of numbers, or of 16 or any fixed number of bytes.
  ///
  /// What is done for a node as a whole, such as looking up its dictionary, is done once for all
  /// ranges; ranges that lie near each other are decoded together with what lies between them.
  func values(
    _ node: PageNode, _ ranges: ValueRanges, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    if ranges.total == 0 { return }
    switch node.encoding {
    case .constant: try values(node, 0, ranges.total, out)
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
    case .patched:
      try values(node.children[0], ranges, out)
      try patches(node, positions: 1, ranges, out)
    case .sparse:
      try values(node.constantOfDefault, 0, ranges.total, out)
      try patches(node, positions: 0, ranges, out)
    case .decimal:
      let integers = Scratch(ranges.total * node.valueWidth)
      try values(node.children[0], ranges, integers.base)
      quotients(node, integers.base, ranges.total, out)
      try patches(node, positions: 1, ranges, out)
    default: try stretches(node, ranges, out)
    }
  }

  private func stretches(
    _ node: PageNode, _ ranges: ValueRanges, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let width = node.valueWidth
    let passing = node.passingCount
    var scratch: Scratch?
    var target = out
    var first = 0
    while first < ranges.count {
      let start = ranges.starts[first]
      var end = start + Int(ranges.lengths[first])
      var last = first + 1
      while last < ranges.count {
        let next = ranges.starts[last]
        let nextEnd = next + Int(ranges.lengths[last])
        guard next >= start, next - end <= passing, nextEnd - start <= chunkCount else { break }
        end = max(end, nextEnd)
        last += 1
      }
      if last == first + 1 {
        try values(node, start, end - start, target)
        target += (end - start) * width
      } else {
        let decoded = scratch ?? Scratch(chunkCount * width)
        scratch = decoded
        try values(node, start, end - start, decoded.base)
        for index in first..<last {
          let length = Int(ranges.lengths[index]) * width
          memcpy(target, decoded.base + (ranges.starts[index] - start) * width, length)
          target += length
        }
      }
      first = last
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

extension PageNode {
  /// Values that are sooner decoded in passing than left out by beginning anew (measured: a value
  /// takes .1 to 1 ns, beginning 20 ns to a microsecond).
  var passingCount: Int {
    switch encoding {
    case .plain, .constant: 0
    case .packed: 64
    case .tiered, .byteStreams, .halves, .float16, .bfloat16: 256
    case .delta, .scaled: 512
    case .zstd: valueWidth > 0 ? Int(b) / valueWidth : 0
    default: 1024
    }
  }
}
