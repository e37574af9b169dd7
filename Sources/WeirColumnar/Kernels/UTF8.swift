// SPDX-License-Identifier: Apache-2.0

/// Whether `bytes` are well-formed UTF-8 (Unicode 16, table 3-7: no surrogates, no overlong forms,
/// nothing above U+10FFFF). ASCII goes 32 bytes at a time.
package func isValidUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
  guard let base = bytes.baseAddress else { return true }
  return isValidUTF8(base, bytes.count)
}

// Safe: reads base ..< base + count only; the callers own that range.
func isValidUTF8(_ base: UnsafeRawPointer, _ count: Int) -> Bool {
  var position = 0
  while position < count {
    while count - position >= 32 {
      let a = base.loadUnaligned(fromByteOffset: position, as: SIMD4<UInt64>.self)
      let high = (a[0] | a[1] | a[2] | a[3]) & 0x8080_8080_8080_8080
      if high != 0 { break }
      position += 32
    }
    while position < count, base.load(fromByteOffset: position, as: UInt8.self) < 0x80 {
      position += 1
      if position & 31 == 0 && count - position >= 32 { break }
    }
    // A run of multi-byte sequences.
    while position < count {
      let length = multiByteLength(base + position, count - position)
      if length == 0 { return false }
      if length == 1 { break }
      position += length
    }
  }
  return true
}

/// Bytes of the sequence at `base`: 1 for ASCII, 2 to 4, or 0 when it is ill-formed.
@inline(__always)
private func multiByteLength(_ base: UnsafeRawPointer, _ available: Int) -> Int {
  @inline(__always) func byte(_ index: Int) -> UInt8 {
    base.load(fromByteOffset: index, as: UInt8.self)
  }
  @inline(__always) func continues(_ index: Int) -> Bool { byte(index) & 0xc0 == 0x80 }
  let first = byte(0)
  switch first {
  case 0x00...0x7f: return 1
  case 0xc2...0xdf: return available >= 2 && continues(1) ? 2 : 0
  case 0xe0...0xef:
    guard available >= 3, continues(1), continues(2) else { return 0 }
    if first == 0xe0 && byte(1) < 0xa0 { return 0 }
    if first == 0xed && byte(1) > 0x9f { return 0 }
    return 3
  case 0xf0...0xf4:
    guard available >= 4, continues(1), continues(2), continues(3) else { return 0 }
    if first == 0xf0 && byte(1) < 0x90 { return 0 }
    if first == 0xf4 && byte(1) > 0x8f { return 0 }
    return 4
  default: return 0
  }
}
