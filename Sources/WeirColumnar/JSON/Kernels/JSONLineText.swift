// SPDX-License-Identifier: Apache-2.0
// Safe: `text[end]` of every line is a line feed, which no token holds, so that loops over bytes end
// there; eight more bytes behind it may be read, whatever they are.

internal import CWeirKernels

/// The bytes of a parser's buffer; positions count from its start.
typealias JSONText = UnsafePointer<UInt8>

/// What the readers of one parser share.
final class JSONLineState {
  let options: JSONLinesOptions
  /// Why the record at hand is refused, once a reader has returned -1.
  var reason = ""
  /// Names from the column inwards.
  var path: [String] = []
  /// The last string that had escapes.
  let scratch = MutableBuffer()

  init(_ options: JSONLinesOptions) { self.options = options }

  @inline(never)
  func fail(_ reason: String) -> Int {
    self.reason = reason
    return -1
  }

  /// Fails because of what stands at `position`.
  @inline(never)
  func fail(_ text: JSONText, _ position: Int, wanted: String) -> Int {
    fail("\(Self.token(text, position)) where \(wanted) should be")
  }

  /// The begin of what stands at `position`, for messages.
  static func token(_ text: JSONText, _ position: Int) -> String {
    if text[position] == 0x0a { return "the record ends" }
    var shown: [UInt8] = []
    var index = position
    while shown.count < 40, text[index] >= 0x20 {
      if index > position, text[position] != 0x22 {
        if text[index] == 0x2c || text[index] == 0x7d || text[index] == 0x5d { break }
      }
      shown.append(text[index])
      index += 1
      if text[position] == 0x22, shown.count > 1, text[index - 1] == 0x22 { break }
    }
    // A control character alone.
    if shown.isEmpty { return "byte 0x" + String(text[position], radix: 16) }
    return String(decoding: shown, as: UTF8.self)
  }
}

/// Bytes of a string without its quotes, in the text or in the scratch buffer.
struct JSONStringSpan {
  var start: JSONText
  var count: Int
  /// Behind the closing quote; -1 when the string is none.
  var next: Int
}

@inline(__always)
func jsonSkipSpace(_ text: JSONText, _ position: Int) -> Int {
  var position = position
  while text[position] == 0x20 || text[position] == 0x09 || text[position] == 0x0d {
    position += 1
  }
  return position
}

/// Behind `word` when it stands at `position`, else -1 without a reason.
@inline(__always)
func jsonSkipWord(_ text: JSONText, _ position: Int, _ word: StaticString) -> Int {
  let count = word.utf8CodeUnitCount
  for index in 0..<count where text[position + index] != word.utf8Start[index] { return -1 }
  return position + count
}

/// The string whose opening quote is at `position`.
@inline(__always)
func jsonString(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> JSONStringSpan {
  let ones: UInt64 = 0x0101_0101_0101_0101
  let start = position + 1
  var index = start
  var highBits: UInt64 = 0
  let raw = UnsafeRawPointer(text)
  while true {
    let word = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
    let quotes = word ^ (ones &* 0x22)
    let slashes = word ^ (ones &* 0x5c)
    // Bits above the lowest byte that is found may be wrong.
    let stops =
      ((quotes &- ones) & ~quotes | (slashes &- ones) & ~slashes
        | (word &- ones &* 0x20) & ~word) & 0x8080_8080_8080_8080
    if stops != 0 {
      let count = stops.trailingZeroBitCount >> 3
      if count > 0 { highBits |= word << UInt64(64 - 8 * count) }
      index += count
      break
    }
    highBits |= word
    index += 8
  }
  if text[index] != 0x22 || highBits & 0x8080_8080_8080_8080 != 0 {
    return jsonUnusualString(text, start, index, state)
  }
  return JSONStringSpan(start: text + start, count: index - start, next: index + 1)
}

/// A string that has bytes beyond ASCII before `stop`, or an escape or its end there.
@inline(never)
private func jsonUnusualString(
  _ text: JSONText, _ start: Int, _ stop: Int, _ state: JSONLineState
) -> JSONStringSpan {
  let failed = JSONStringSpan(start: text, count: 0, next: -1)
  let scratch = state.scratch
  scratch.truncate(to: 0)
  var copied = start
  var index = stop
  var hasEscapes = false
  while true {
    let next = text[index]
    if next >= 0x20 && next != 0x22 && next != 0x5c {
      index += 1
      continue
    }
    guard weir_is_utf8(text + copied, index - copied) != 0 else {
      _ = state.fail("a string that is not UTF-8")
      return failed
    }
    if next == 0x22 && !hasEscapes {
      return JSONStringSpan(start: text + start, count: index - start, next: index + 1)
    }
    scratch.append(UnsafeRawBufferPointer(start: text + copied, count: index - copied))
    switch next {
    case 0x22:
      return JSONStringSpan(
        start: JSONText(scratch.base.assumingMemoryBound(to: UInt8.self)), count: scratch.count,
        next: index + 1)
    case 0x5c:
      hasEscapes = true
      index = jsonEscape(text, index, state)
      if index < 0 { return failed }
      copied = index
    case 0x0a:
      _ = state.fail("the record ends within a string")
      return failed
    default:
      _ = state.fail("a control character within a string; it must be escaped")
      return failed
    }
  }
}

/// Appends what the escape at `position` means to the scratch buffer; returns the position behind it.
private func jsonEscape(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
  let plain: UInt8
  switch text[position + 1] {
  case 0x22, 0x5c, 0x2f: plain = text[position + 1]
  case UInt8(ascii: "b"): plain = 8
  case UInt8(ascii: "f"): plain = 12
  case UInt8(ascii: "n"): plain = 10
  case UInt8(ascii: "r"): plain = 13
  case UInt8(ascii: "t"): plain = 9
  case UInt8(ascii: "u"):
    guard var code = jsonHex4(text, position + 2) else {
      return state.fail("'\\u' without four hexadecimal digits in a string")
    }
    var next = position + 6
    if code & 0xfc00 == 0xd800, text[next] == 0x5c, text[next + 1] == UInt8(ascii: "u"),
      let low = jsonHex4(text, next + 2), low & 0xfc00 == 0xdc00
    {
      code = 0x10000 + (code & 0x3ff) << 10 + (low & 0x3ff)
      next += 6
    }
    guard let scalar = Unicode.Scalar(code) else {
      return state.fail("an escape that is half a surrogate pair in a string")
    }
    for byte in UTF8.encode(scalar)! { state.scratch.append(byte) }
    return next
  case 0x0a: return state.fail("the record ends within a string")
  default: return state.fail("an escape that JSON does not have in a string")
  }
  state.scratch.append(plain)
  return position + 2
}

private func jsonHex4(_ text: JSONText, _ position: Int) -> UInt32? {
  var code: UInt32 = 0
  for index in position..<position + 4 {
    guard let digit = hexDigit(text[index]) else { return nil }
    code = code << 4 | UInt32(digit)
  }
  return code
}

@inline(__always)
func hexDigit(_ byte: UInt8) -> UInt8? {
  switch byte {
  case 0x30...0x39: byte - 0x30
  case 0x41...0x46: byte - 0x37
  case 0x61...0x66: byte - 0x57
  default: nil
  }
}

/// Behind the value at `position`, which is checked and passed over; -1 with a reason.
func jsonSkipValue(_ text: JSONText, _ position: Int, _ depth: Int, _ state: JSONLineState) -> Int {
  switch text[position] {
  case 0x22: return jsonString(text, position, state).next
  case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
    for word in ["true", "false", "null"] as [StaticString] {
      let next = jsonSkipWord(text, position, word)
      if next >= 0 { return next }
    }
    return state.fail(text, position, wanted: "a value")
  case UInt8(ascii: "{"), UInt8(ascii: "["):
    guard depth < state.options.depthMax else {
      return state.fail(
        "arrays and objects lie more than \(state.options.depthMax) deep in each other")
    }
    return jsonSkipNested(text, position, depth, state)
  default: return JSONNumber(text, position, state).next
  }
}

private func jsonSkipNested(
  _ text: JSONText, _ position: Int, _ depth: Int, _ state: JSONLineState
) -> Int {
  let isObject = text[position] == UInt8(ascii: "{")
  let close: UInt8 = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
  var at = jsonSkipSpace(text, position + 1)
  if text[at] == close { return at + 1 }
  while true {
    if isObject {
      guard text[at] == 0x22 else { return state.fail(text, at, wanted: "a field's name") }
      at = jsonString(text, at, state).next
      if at < 0 { return -1 }
      at = jsonSkipSpace(text, at)
      guard text[at] == UInt8(ascii: ":") else { return state.fail(text, at, wanted: "':'") }
      at = jsonSkipSpace(text, at + 1)
    }
    at = jsonSkipValue(text, at, depth + 1, state)
    if at < 0 { return -1 }
    at = jsonSkipSpace(text, at)
    if text[at] == close { return at + 1 }
    guard text[at] == UInt8(ascii: ",") else {
      return state.fail(text, at, wanted: isObject ? "',' or '}'" : "',' or ']'")
    }
    at = jsonSkipSpace(text, at + 1)
  }
}
