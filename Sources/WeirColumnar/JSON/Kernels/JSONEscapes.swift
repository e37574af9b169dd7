// SPDX-License-Identifier: Apache-2.0
// Safe: reads within `text` only.

/// Whether UTF-8 text has bytes that JSON strings escape (quotes, backslashes, control characters,
/// DEL) or that may begin U+2028; eight at a time.
func needsEscapes(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
  let ones: UInt64 = 0x0101_0101_0101_0101
  let highs: UInt64 = 0x8080_8080_8080_8080
  @inline(__always) func zeros(_ word: UInt64) -> UInt64 { (word &- ones) & ~word }
  @inline(__always) func found(_ word: UInt64) -> UInt64 {
    let marks = zeros(word ^ (ones &* 0x22)) | zeros(word ^ (ones &* 0x5c))
    let others = zeros(word ^ (ones &* 0x7f)) | zeros(word ^ (ones &* 0xe2))
    return (marks | others | ((word &- ones &* 0x20) & ~word)) & highs
  }
  guard let base = text.baseAddress.map({ UnsafeRawPointer($0) }) else { return false }
  var position = 0
  while text.count - position >= 8 {
    if found(base.loadUnaligned(fromByteOffset: position, as: UInt64.self)) != 0 { return true }
    position += 8
  }
  // The rest, filled up with letters.
  var word = ones &* 0x61
  while position < text.count {
    word = word << 8 | UInt64(text[position])
    position += 1
  }
  return found(word) != 0
}
