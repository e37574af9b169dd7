// SPDX-License-Identifier: Apache-2.0
// Safe: as PageDecoder.swift.

internal import CWeirKernels
internal import Synchronization
internal import WeirColumnar
internal import WeirCompression

#if canImport(Glibc)
  internal import Glibc
#endif

extension PageDecoder {
  func delta(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    switch node.kind {
    case .one: try delta(node, start, count, out.assumingMemoryBound(to: UInt8.self))
    case .two: try delta(node, start, count, out.assumingMemoryBound(to: UInt16.self))
    case .four: try delta(node, start, count, out.assumingMemoryBound(to: UInt32.self))
    default: try delta(node, start, count, out.assumingMemoryBound(to: UInt64.self))
    }
  }

  /// The differences are decoded in place, all at once, and summed up block by block.
  private func delta<T: FixedWidthInteger & BitwiseCopyable>(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutablePointer<T>
  ) throws(WeirFileError) {
    let shift = Int(node.parameter)
    try values(node.children[1], start, count, out)
    let firstBlock = start >> shift
    let lastBlock = (start + count - 1) >> shift
    let atOnce = min(lastBlock - firstBlock + 1, chunkCount)
    let scratch = Scratch(atOnce * MemoryLayout<T>.size)
    let firsts = scratch.pointer(T.self)
    try inChunks(lastBlock - firstBlock + 1) { (offset, number) throws(WeirFileError) in
      try values(node.children[0], firstBlock + offset, number, firsts)
      for index in 0..<number {
        let blockStart = (firstBlock + offset + index) << shift
        let end = min(start + count, blockStart + 1 << shift)
        var value = firsts[index]
        var place = blockStart
        if blockStart < start {
          value &+= try sumOfDifferences(node.children[1], blockStart + 1, start)
          value &+= out[0]
          out[0] = value
          place = start
        } else {
          out[blockStart - start] = value
        }
        place += 1
        while place < end {
          value &+= out[place - start]
          out[place - start] = value
          place += 1
        }
      }
    }
    withExtendedLifetime(scratch) {}
  }

  /// The sum of the differences `start ..< end`, which lie in one block.
  private func sumOfDifferences<T: FixedWidthInteger & BitwiseCopyable>(
    _ node: PageNode, _ start: Int, _ end: Int
  ) throws(WeirFileError) -> T {
    var sum: T = 0
    if end <= start { return sum }
    let scratch = Scratch(min(end - start, chunkCount) * MemoryLayout<T>.size)
    let differences = scratch.pointer(T.self)
    try inChunks(end - start) { (offset, number) throws(WeirFileError) in
      try values(node, start + offset, number, differences)
      for index in 0..<number { sum &+= differences[index] }
    }
    withExtendedLifetime(scratch) {}
    return sum
  }

  func runs(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let width = node.valueWidth
    let value = Scratch(width)
    try forRuns(node, start, count) { (run, offset, number) throws(WeirFileError) in
      try values(node.children[1], run, 1, value.base)
      let target = out + offset * width
      switch width {
      case 1: memset(target, CInt(value.base.load(as: UInt8.self)), number)
      case 2: spread(value.base.load(as: UInt16.self), target, number)
      case 4: spread(value.base.load(as: UInt32.self), target, number)
      case 8: spread(value.base.load(as: UInt64.self), target, number)
      default: for index in 0..<number { memcpy(target + index * width, value.base, width) }
      }
    }
  }

  /// Calls `body(run, offset, count)` for each run within the range.
  func forRuns(
    _ node: PageNode, _ start: Int, _ count: Int,
    _ body: (Int, Int, Int) throws(WeirFileError) -> Void
  ) throws(WeirFileError) {
    let ends = node.children[0]
    var run = try lowerBound(ends, start + 1)
    var next = start
    while next < start + count {
      guard run < ends.count else { throw .damaged("the runs end before the values") }
      let end = min(try index(ends, run), start + count)
      guard end > next else { throw .damaged("ends of runs that are not ascending") }
      try body(run, next - start, end - next)
      next = end
      run += 1
    }
  }

  private func spread<T: BitwiseCopyable>(
    _ value: T, _ out: UnsafeMutableRawPointer, _ count: Int
  ) {
    out.assumingMemoryBound(to: T.self).update(repeating: value, count: count)
  }

  func decimal(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let width = node.valueWidth
    let integers = Scratch(min(count, chunkCount) * width)
    try inChunks(count) { (offset, number) throws(WeirFileError) in
      try values(node.children[0], start + offset, number, integers.base)
      quotients(node, integers.base, number, out + offset * width)
    }
    try patches(node, positions: 1, start, count, out)
  }

  /// What integers are as the decimals of a node.
  func quotients(
    _ node: PageNode, _ integers: UnsafeRawPointer, _ count: Int, _ out: UnsafeMutableRawPointer
  ) {
    let divisor = powersOfTen[Int(node.parameter)]
    if node.valueWidth == 4 {
      weir_quotients_f32(
        integers.assumingMemoryBound(to: Int32.self), divisor,
        out.assumingMemoryBound(to: Float.self), count)
    } else {
      weir_quotients_f64(
        integers.assumingMemoryBound(to: Int64.self), divisor,
        out.assumingMemoryBound(to: Double.self), count)
    }
  }

  func split(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let bits = node.buffers[0]
    let right = CInt(node.parameter)
    let high = Scratch(min(count, chunkCount) * 2)
    try inChunks(count) { (offset, number) throws(WeirFileError) in
      let first = start + offset
      try values(node.children[0], first, number, high.base)
      if node.kind == .four {
        let target = (out + offset * 4).assumingMemoryBound(to: UInt32.self)
        weir_unpack_add_32(bits.bytes, bits.count, right, 0, first, target, number)
        weir_join_high_32(high.pointer(UInt16.self), right, target, number)
      } else {
        let target = (out + offset * 8).assumingMemoryBound(to: UInt64.self)
        weir_unpack_add_64(bits.bytes, bits.count, right, 0, first, target, number)
        weir_join_high_64(high.pointer(UInt16.self), right, target, number)
      }
    }
  }

  /// zstd: the blocks that hold the range, one after the other.
  func blocks(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let width = node.valueWidth
    let size = node.count * width
    let block = Int(node.b)
    let (from, to) = (start * width, (start + count) * width)
    for number in from / block..<(to + block - 1) / block {
      let plain = min(block, size - number * block)
      let (first, last) = (max(from, number * block), min(to, number * block + plain))
      if last - first == plain {
        try decompress(node, number, out + (first - from), plain)
      } else {
        let bytes = try self.block(node, number, plain)
        memcpy(out + (first - from), bytes.base + (first - number * block), last - first)
        withExtendedLifetime(bytes) {}
      }
    }
  }

  /// A whole block, which is kept for the next part of it: strings are read one by one.
  private func block(
    _ node: PageNode, _ number: Int, _ plain: Int
  ) throws(WeirFileError) -> Buffer {
    if let known = node.lastBlock.withLock({ $0 }), known.number == number { return known.bytes }
    let room = MutableBuffer(capacity: plain)
    try decompress(node, number, room.base, plain)
    room.advance(by: plain)
    let bytes = room.finish()
    if plain <= PlainBlock.keptByteCountMax {
      node.lastBlock.withLock { $0 = PlainBlock(number: number, bytes: bytes) }
    }
    return bytes
  }

  private func decompress(
    _ node: PageNode, _ number: Int, _ out: UnsafeMutableRawPointer, _ plain: Int
  ) throws(WeirFileError) {
    let zstd = Decompressor(.zstd)
    let room = UnsafeMutableRawBufferPointer(start: out, count: plain)
    let got = try frame(node, number).withUnsafeBytes {
      (try? zstd.decompress($0, into: room)) ?? -1
    }
    guard got == plain else { throw .damaged("a block of zstd that does not give its bytes") }
  }

  private func frame(_ node: PageNode, _ number: Int) throws(WeirFileError) -> Buffer {
    let (ends, frames) = (node.buffers[0], node.buffers[1])
    let from = number == 0 ? 0 : Int(ends.number(UInt32.self, at: number * 4 - 4))
    let to = Int(ends.number(UInt32.self, at: number * 4))
    guard from <= to && to <= frames.count else { throw .damaged("frames outside their page") }
    return frames.slice(offset: from, count: to - from)
  }

  func byteStreams(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let width = node.valueWidth
    let streams = Scratch(min(count, chunkCount) * width)
    let target = out.assumingMemoryBound(to: UInt8.self)
    try inChunks(count) { (offset, number) throws(WeirFileError) in
      for stream in 0..<width {
        try values(node.children[stream], start + offset, number, streams.base + stream * number)
      }
      weir_byte_stream_join(
        streams.pointer(UInt8.self), number, 0, CInt(width), target + offset * width, number)
    }
  }

  func halfFloats(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let halves = Scratch(min(count, chunkCount) * 2)
    let target = out.assumingMemoryBound(to: Float.self)
    try inChunks(count) { (offset, number) throws(WeirFileError) in
      try values(node.children[0], start + offset, number, halves.base)
      let bits = halves.pointer(UInt16.self)
      if node.encoding == .bfloat16 {
        for index in 0..<number {
          target[offset + index] = Float(bitPattern: UInt32(bits[index]) << 16)
        }
      } else {
        for index in 0..<number { target[offset + index] = HalfFloat.value(bits[index]) }
      }
    }
  }

  func scaled(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let group = Int(node.a)
    let codes = Scratch(min(count, chunkCount))
    let target = out.assumingMemoryBound(to: Float.self)
    try inChunks(count) { (offset, number) throws(WeirFileError) in
      try values(node.children[0], start + offset, number, codes.base)
      let code = codes.pointer(Int8.self)
      var index = 0
      while index < number {
        let place = start + offset + index
        var scale: Float = 0
        try values(node.children[1], place / group, 1, &scale)
        let end = min(number, index + group - place % group)
        while index < end {
          target[offset + index] = Float(code[index]) * scale
          index += 1
        }
      }
    }
  }

  func halves(
    _ node: PageNode, _ start: Int, _ count: Int, _ out: UnsafeMutableRawPointer
  ) throws(WeirFileError) {
    let words = Scratch(min(count, chunkCount) * 8)
    let target = out.assumingMemoryBound(to: UInt64.self)
    try inChunks(count) { (offset, number) throws(WeirFileError) in
      for half in 0..<2 {
        try values(node.children[half], start + offset, number, words.base)
        let word = words.pointer(UInt64.self)
        for index in 0..<number { target[(offset + index) * 2 + half] = word[index] }
      }
    }
  }
}

/// 10^0 ... 10^18, all exact as doubles.
let powersOfTen: [Double] = (0...18).map { exponent in
  Double((0..<exponent).reduce(Int64(1)) { power, _ in power * 10 })
}

/// IEEE 754 binary16.
enum HalfFloat {
  /// The float32 of equal value; NaN keeps its leading bits.
  static func value(_ bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10) & 0x1f
    let fraction = UInt32(bits) & 0x3ff
    if exponent == 31 { return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13) }
    if exponent != 0 { return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13) }
    let value = Float(fraction) * 0x1p-24
    return sign == 0 ? value : -value
  }
}
