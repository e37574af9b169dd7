// SPDX-License-Identifier: Apache-2.0
// Safe: as ColumnEncoder.swift.

internal import CWeirKernels
internal import WeirColumnar

/// Encodings of byte strings that need nothing but their page, one after the other.
///
/// Bits and decoding time of each are guessed from a sample. zstd comes last: whoever reads one
/// string of it decompresses a block.
final class PageStrings {
  private let context: ColumnContext
  /// Symbols of the page. Each learns its own: those of another page would be parts of its strings,
  /// which erasing rows of that page alone would not find.
  private var coder: SymbolCoder?
  /// Pages until zstd is tried again.
  private var pagesUntilZstd = 0

  init(_ context: ColumnContext) { self.context = context }

  private enum Choice {
    case plain
    case alphabet([UInt8])
    case symbols
    case zstd
  }

  /// Bytes of a block of strings: few, so that a single string can be had.
  private static let blockByteCount = 16 << 10
  /// Fewer bytes are not worth symbols, or blocks.
  private static let byteCountMin = 2_048

  private func cost(_ bits: Double, _ nanoseconds: Double) -> Double {
    context.numbers.cost(bits: bits, nanoseconds: nanoseconds)
  }

  /// What a string costs, roughly, in bits.
  func cost(_ rows: StringRows) -> Double {
    defer { coder = nil }
    let lengths = context.numbers.plan(rows.lengths, rows.lengths.count).cost
    return lengths + cost(0, 4) + choice(rows).cost * rows.mean
  }

  /// The cheapest encoding of the bytes, and what a byte of it costs.
  private func choice(_ rows: StringRows) -> (Choice, cost: Double) {
    let count = rows.bytes.count
    var best = (Choice.plain, cost: cost(8, 0.1))
    if count < 16 { return best }
    var used = [UInt8](repeating: 0, count: 256)
    weir_bytes_used(rows.bytes.bytes, count, &used)
    let alphabet = used.indices.filter { used[$0] == 1 }.map { UInt8($0) }
    let codeBits = bitWidth(UInt64(alphabet.count - 1))
    let ofCodes = cost(Double(codeBits) + Double(alphabet.count * 8 + 1_024) / Double(count), 0.8)
    if codeBits < 8 && ofCodes < best.cost { best = (.alphabet(alphabet), ofCodes) }
    if count < Self.byteCountMin { return best }
    let coder = coder ?? SymbolCoder(rows)
    self.coder = coder
    let overhead = Double((coder.table.count + 100) * 8) / Double(count)
    let lengthBits = context.numbers.plan(rows.lengths, rows.lengths.count).cost
    let ofSymbols =
      cost(coder.bitsPerByte + overhead, 0.6) + (lengthBits + cost(0, 1)) / max(rows.mean, 1)
    if ofSymbols < best.cost { best = (.symbols, ofSymbols) }
    if pagesUntilZstd > 0 {
      pagesUntilZstd -= 1
      return best
    }
    let sample = rows.bytes.slice(offset: 0, count: min(count, Self.blockByteCount))
    let ratio = ZstdBlocks.ratio(sample, context.options.profile)
    let isFast = context.options.profile == .fast
    let ofBlocks = cost(ratio * 8, 1.5) + (isFast ? 2 : 0.4)
    if ofBlocks < best.cost { return (.zstd, ofBlocks) }
    pagesUntilZstd = 16
    return best
  }

  func encode(_ rows: StringRows) -> EncodedNode {
    if let one = constant(rows) { return one }
    defer { coder = nil }
    let bytes = rows.bytes
    switch choice(rows).0 {
    case .plain: return strings(rows, plain(bytes))
    case .alphabet(let alphabet): return strings(rows, coded(bytes, alphabet))
    case .symbols: return symbols(rows)
    case .zstd:
      guard
        let blocks = ZstdBlocks.encode(
          bytes, width: 1, context.options.profile, blockByteCount: Self.blockByteCount)
      else { return symbols(rows) }
      return strings(
        rows,
        EncodedNode(
          encoding: .zstd, kind: .one, count: bytes.count, b: UInt64(blocks.blockByteCount),
          buffers: [blocks.ends, blocks.frames]))
    }
  }

  /// All strings when they are equal; null ones do not matter.
  private func constant(_ rows: StringRows) -> EncodedNode? {
    let (lengths, bytes) = (rows.lengths, rows.bytes)
    guard let first = lengths.first, rows.isValid == nil,
      bytes.count == Int(first) * lengths.count, lengths.allSatisfy({ $0 == first })
    else { return nil }
    for index in Int(first)..<max(bytes.count, Int(first))
    where bytes.bytes[index] != bytes.bytes[index - Int(first)] { return nil }
    return EncodedNode(
      encoding: .constant, kind: .bytes, count: lengths.count,
      buffers: [bytes.slice(offset: 0, count: Int(first))])
  }

  private func strings(_ rows: StringRows, _ bytes: EncodedNode) -> EncodedNode {
    RaggedRows(lengths: rows.lengths).node(.strings, .bytes, items: bytes, context.numbers)
  }

  private func plain(_ bytes: Buffer) -> EncodedNode {
    bytes.count < 16
      ? context.numbers.encode(bytes.bytes, bytes.count)
      : EncodedNode(encoding: .plain, kind: .one, count: bytes.count, buffers: [bytes])
  }

  private func symbols(_ rows: StringRows) -> EncodedNode {
    let coder = coder ?? SymbolCoder(rows)
    let (bytes, lengths) = coder.encode(rows)
    let inner = RaggedRows(lengths: lengths).node(
      .strings, .bytes,
      items: EncodedNode(encoding: .plain, kind: .one, count: bytes.count, buffers: [bytes]),
      context.numbers)
    return EncodedNode(
      encoding: .fsst, kind: .bytes, count: rows.lengths.count, buffers: [coder.table],
      children: [context.numbers.encode(rows.lengths, rows.lengths.count), inner])
  }

  /// The bytes that occur, few enough, as codes.
  private func coded(_ bytes: Buffer, _ alphabet: [UInt8]) -> EncodedNode {
    var codeOf = [UInt32](repeating: 0, count: 256)
    for (code, byte) in alphabet.enumerated() { codeOf[Int(byte)] = UInt32(code) }
    let codes = Scratch(bytes.count * 4)
    let code = codes.pointer(UInt32.self)
    for index in 0..<bytes.count { code[index] = codeOf[Int(bytes.bytes[index])] }
    return EncodedNode(
      encoding: .dictionary, kind: .one, parameter: 1, count: bytes.count,
      children: [
        context.numbers.encode(UnsafePointer(code), bytes.count),
        EncodedNode(
          encoding: .plain, kind: .one, count: alphabet.count, buffers: [Buffer(alphabet)]),
      ])
  }
}
