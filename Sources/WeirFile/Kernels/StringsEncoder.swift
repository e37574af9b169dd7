// SPDX-License-Identifier: Apache-2.0
// Safe: as ColumnEncoder.swift.

internal import WeirColumnar

/// Byte strings: lengths, and the bytes one behind the other.
final class StringsEncoder: ColumnEncoder {
  override func encodeValues(_ array: ArrayData, isValid: ValidRows?) -> EncodedNode {
    let ragged = RaggedRows(array, isValid)
    let data = array.buffers.count > 1 ? array.buffers[1] : Buffer()
    let parts = ragged.ranges.map { data.slice(offset: $0.lowerBound, count: $0.count) }
    let bytes: Buffer
    if parts.count == 1 {
      bytes = parts[0]
    } else {
      let joined = MutableBuffer(capacity: parts.reduce(0) { $0 + $1.count })
      for part in parts { joined.append(part) }
      bytes = joined.finish()
    }
    return ragged.node(.strings, .bytes, items: encodeBytes(bytes), context.numbers)
  }

  /// Bytes of strings: the few that occur as codes of fewer bits, zstd, or plain.
  private func encodeBytes(_ bytes: Buffer) -> EncodedNode {
    let count = bytes.count
    if count < 16 { return context.numbers.encode(bytes.bytes, count) }
    var isUsed = [Bool](repeating: false, count: 256)
    for byte in UnsafeBufferPointer(start: bytes.bytes, count: count) { isUsed[Int(byte)] = true }
    let alphabet = isUsed.indices.filter { isUsed[$0] }.map { UInt8($0) }
    let codeBits = bitWidth(UInt64(alphabet.count - 1))
    let costOfCodes = context.numbers.cost(bits: Double(codeBits), nanoseconds: 1)
    let blocks = ZstdBlocks.encode(bytes, width: 1, context.options.profile)
    let zstdBits = blocks.map { Double(($0.frames.count + $0.ends.count) * 8) / Double(count) } ?? 8
    let costOfZstd = context.numbers.cost(bits: zstdBits, nanoseconds: 1.5)
    if codeBits < 8 && costOfCodes < costOfZstd {
      var codeOf = [UInt32](repeating: 0, count: 256)
      for (code, byte) in alphabet.enumerated() { codeOf[Int(byte)] = UInt32(code) }
      let codes = Scratch(count * 4)
      let code = codes.pointer(UInt32.self)
      for index in 0..<count { code[index] = codeOf[Int(bytes.bytes[index])] }
      return EncodedNode(
        encoding: .dictionary, kind: .one, parameter: 1, count: count,
        children: [
          context.numbers.encode(UnsafePointer(code), count),
          EncodedNode(
            encoding: .plain, kind: .one, count: alphabet.count, buffers: [Buffer(alphabet)]),
        ])
    }
    if let blocks, costOfZstd < 8 {
      return EncodedNode(
        encoding: .zstd, kind: .one, count: count, b: UInt64(blocks.blockByteCount),
        buffers: [blocks.ends, blocks.frames])
    }
    return EncodedNode(encoding: .plain, kind: .one, count: count, buffers: [bytes])
  }
}
