// SPDX-License-Identifier: Apache-2.0
// Safe: writes go to room that the caller reserved, up to the length that was checked.

internal import WeirColumnar

/// The symbols of an FSST node, whose table was checked.
struct SymbolTable {
  private var symbols = [UInt64](repeating: 0, count: 256)
  private var lengths = [UInt8](repeating: 0, count: 256)
  let count: Int

  init(_ table: Buffer) {
    count = Int(table.number(UInt8.self, at: 0))
    var at = 1 + count
    for code in 0..<count {
      let length = Int(table.number(UInt8.self, at: 1 + code))
      lengths[code] = UInt8(length)
      for byte in 0..<length {
        symbols[code] |= UInt64(table.number(UInt8.self, at: at + byte)) << UInt64(byte * 8)
      }
      at += length
    }
  }

  /// Writes the decoded bytes to `out`, which has room for `length` and 8 more; false when they are
  /// not `length` bytes.
  func decode(
    _ coded: UnsafeRawBufferPointer, _ out: UnsafeMutablePointer<UInt8>, _ length: Int
  ) -> Bool {
    var at = 0
    var index = 0
    while index < coded.count {
      let code = Int(coded[index])
      if code == 255 {
        guard index + 1 < coded.count, at < length else { return false }
        out[at] = coded[index + 1]
        at += 1
        index += 2
        continue
      }
      let size = Int(lengths[code])
      guard code < count, at + size <= length else { return false }
      UnsafeMutableRawPointer(out + at).storeBytes(of: symbols[code].littleEndian, as: UInt64.self)
      at += size
      index += 1
    }
    return at == length
  }
}
