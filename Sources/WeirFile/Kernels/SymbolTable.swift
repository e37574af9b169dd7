// SPDX-License-Identifier: Apache-2.0
// Safe: the kernel writes only within the length given and the slack behind it.

internal import CWeirKernels
internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// The symbols of an FSST node, whose table was checked.
final class SymbolTable: Sendable {
  // Safe: written by the initialiser only.
  nonisolated(unsafe) private let symbols: UnsafeMutablePointer<weir_symbols>

  /// Bytes that must be writable behind what is decoded, and readable behind what is gathered.
  static let slack = Int(WEIR_STRINGS_SLACK)
  /// What a code without a symbol has for its length.
  private static let lengthOfNone: UInt8 = 64

  init(_ table: Buffer) {
    symbols = .allocate(capacity: 1)
    symbols.initialize(to: weir_symbols())
    withUnsafeMutableBytes(of: &symbols.pointee.lengths) { lengths in
      for code in 0..<256 { lengths[code] = Self.lengthOfNone }
    }
    let count = Int(table.number(UInt8.self, at: 0))
    var at = 1 + count
    for code in 0..<count {
      let length = Int(table.number(UInt8.self, at: 1 + code))
      var symbol: UInt64 = 0
      for byte in 0..<length {
        symbol |= UInt64(table.number(UInt8.self, at: at + byte)) << UInt64(byte * 8)
      }
      at += length
      withUnsafeMutableBytes(of: &symbols.pointee.lengths) { $0[code] = UInt8(length) }
      withUnsafeMutableBytes(of: &symbols.pointee.symbols) {
        $0.storeBytes(of: symbol.littleEndian, toByteOffset: code * 8, as: UInt64.self)
      }
    }
  }

  deinit { symbols.deallocate() }

  /// Writes the decoded bytes to `out`, which has room for `length` and `slack` more; false when
  /// they are not `length` bytes.
  func decode(
    _ coded: UnsafePointer<UInt8>, _ count: Int, _ out: UnsafeMutableRawPointer, _ length: Int
  ) -> Bool {
    weir_fsst_decode(symbols, coded, count, out.assumingMemoryBound(to: UInt8.self), length) == 0
  }
}

/// Symbols learned from some strings of a page, to code all of them with.
struct SymbolCoder {
  /// Bytes of the sample that one was coded with.
  private let ratio: Double
  let table: Buffer

  /// Bytes of strings that symbols are learned from, and those of a single one.
  static let sampleByteCount = 16 << 10
  private static let stringByteCountMax = 512
  private static let tableByteCountMax = 2_304

  /// Learns from some of the strings.
  init(_ strings: StringRows) {
    let coder = Scratch(weir_fsst_coder_size())
    let room = Scratch(weir_fsst_room_size())
    let (sample, lengths) = Self.sample(strings)
    weir_fsst_learn(
      OpaquePointer(coder.base), room.base, sample.bytes, sample.count, lengths, lengths.count)
    let out = MutableBuffer()
    let size = weir_fsst_table(
      OpaquePointer(coder.base),
      out.reserveTail(Self.tableByteCountMax).assumingMemoryBound(to: UInt8.self))
    out.advance(by: size)
    table = out.finish()
    let coded = Scratch(sample.count * 2 + 8)
    var codedLengths = [UInt32](repeating: 0, count: lengths.count)
    let codedSize = weir_fsst_encode(
      OpaquePointer(coder.base), sample.bytes, sample.count, lengths, lengths.count,
      coded.pointer(UInt8.self), &codedLengths)
    ratio = Double(codedSize) / Double(max(sample.count, 1))
    withExtendedLifetime((coder, room, coded)) {}
  }

  /// What a byte of such strings takes, in bits, without the table.
  var bitsPerByte: Double { ratio * 8 }

  /// Strings from all over the page, the first of each step: their bytes and lengths.
  private static func sample(_ strings: StringRows) -> (Buffer, [UInt32]) {
    let out = MutableBuffer(capacity: sampleByteCount + stringByteCountMax)
    var lengths: [UInt32] = []
    let mean = strings.bytes.count / max(strings.lengths.count, 1)
    let step = max(
      strings.lengths.count * min(max(mean, 1), stringByteCountMax) / sampleByteCount, 1)
    var at = 0
    for (index, length) in strings.lengths.enumerated() {
      if index % step == 0 && length > 0 {
        let some = min(Int(length), stringByteCountMax)
        out.append(strings.bytes.slice(offset: at, count: some))
        lengths.append(UInt32(some))
        if out.count >= sampleByteCount { break }
      }
      at += Int(length)
    }
    return (out.finish(), lengths)
  }

  /// All strings coded: the bytes, and how many each has.
  func encode(_ strings: StringRows) -> (Buffer, [UInt32]) {
    let coder = Scratch(weir_fsst_coder_size())
    weir_fsst_load(OpaquePointer(coder.base), table.bytes)
    let out = Scratch(strings.bytes.count * 2 + 8)
    var lengths = [UInt32](repeating: 0, count: strings.lengths.count)
    let size = weir_fsst_encode(
      OpaquePointer(coder.base), strings.bytes.bytes, strings.bytes.count, strings.lengths,
      strings.lengths.count, out.pointer(UInt8.self), &lengths)
    defer { withExtendedLifetime((coder, out)) {} }
    // Room for the worst case is not kept.
    return (Buffer(copying: UnsafeRawBufferPointer(start: out.base, count: size)), lengths)
  }
}
