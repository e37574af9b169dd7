// SPDX-License-Identifier: Apache-2.0
// Safe: as in JSONLineText.swift; strings' spans lie in the text or in the state's scratch buffer, and
// are used before the next string is read.

/// Strings, and bytes written as strings.
final class JSONStringSink: JSONSink {
  private let values: BinaryBuilder
  private let isText: Bool
  private let form: JSONLinesOptions.BinaryText
  private let decoded = MutableBuffer()
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: BinaryBuilder, _ form: JSONLinesOptions.BinaryText) {
    self.values = values
    self.form = form
    isText = field.type == .utf8 || field.type == .largeUtf8
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    guard text[position] == 0x22 else {
      return readNull(text, position, state, wanted: "a string")
    }
    let span = jsonString(text, position, state)
    if span.next < 0 { return -1 }
    do throws(ColumnarError) {
      if isText {
        try values.append(UnsafeRawBufferPointer(start: span.start, count: span.count))
      } else {
        decoded.truncate(to: 0)
        guard jsonBytes(span, form, to: decoded) else {
          return state.fail(text, position, wanted: "bytes in \(form.rawValue)")
        }
        try values.append(UnsafeRawBufferPointer(start: decoded.base, count: decoded.count))
      }
    } catch {
      return fail(state, error)
    }
    return span.next
  }
}

/// Bytes of a fixed number; UUIDs also in their usual form.
final class JSONFixedSink: JSONSink {
  private let values: FixedSizeBinaryBuilder
  private let width: Int
  private let isUUID: Bool
  private let form: JSONLinesOptions.BinaryText
  private let decoded = MutableBuffer()
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: FixedSizeBinaryBuilder, _ form: JSONLinesOptions.BinaryText) {
    self.values = values
    self.form = form
    width = field.type.byteWidth ?? 0
    isUUID = field.metadata["ARROW:extension:name"] == "arrow.uuid"
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    let wanted = isUUID ? "a UUID" : "\(width) bytes in \(form.rawValue)"
    guard text[position] == 0x22 else { return readNull(text, position, state, wanted: wanted) }
    let span = jsonString(text, position, state)
    if span.next < 0 { return -1 }
    decoded.truncate(to: 0)
    let isRead = isUUID ? readUUID(span) : jsonBytes(span, form, to: decoded)
    guard isRead, decoded.count == width else {
      return state.fail(text, position, wanted: wanted)
    }
    do throws(ColumnarError) {
      try values.append(.binary(decoded.withUnsafeBytes { [UInt8]($0) }))
    } catch {
      return fail(state, error)
    }
    return span.next
  }

  private func readUUID(_ span: JSONStringSpan) -> Bool {
    guard span.count == 36 else { return span.count == 32 && jsonBytes(span, .hex, to: decoded) }
    var index = 0
    while index < 36 {
      if index == 8 || index == 13 || index == 18 || index == 23 {
        guard span.start[index] == 0x2d else { return false }
        index += 1
        continue
      }
      guard let high = hexDigit(span.start[index]), let low = hexDigit(span.start[index + 1])
      else { return false }
      decoded.append(high << 4 | low)
      index += 2
    }
    return true
  }
}

/// Appends the bytes that a string says; false when it says none.
func jsonBytes(
  _ span: JSONStringSpan, _ form: JSONLinesOptions.BinaryText, to bytes: MutableBuffer
) -> Bool {
  switch form {
  case .hex:
    guard span.count & 1 == 0 else { return false }
    for index in stride(from: 0, to: span.count, by: 2) {
      guard let high = hexDigit(span.start[index]), let low = hexDigit(span.start[index + 1])
      else { return false }
      bytes.append(high << 4 | low)
    }
    return true
  case .base64: return jsonBase64(span, to: bytes)
  }
}

private func jsonBase64(_ span: JSONStringSpan, to bytes: MutableBuffer) -> Bool {
  var count = span.count
  while count > 0, span.count - count < 2, span.start[count - 1] == UInt8(ascii: "=") {
    count -= 1
  }
  // With padding there are whole groups of four; one letter alone says nothing.
  guard count == span.count || span.count & 3 == 0, count & 3 != 1 else { return false }
  var word: UInt32 = 0
  for index in 0..<count {
    guard let value = base64Digit(span.start[index]) else { return false }
    word = word << 6 | UInt32(value)
    if index & 3 == 3 {
      bytes.append(UInt8(truncatingIfNeeded: word >> 16))
      bytes.append(UInt8(truncatingIfNeeded: word >> 8))
      bytes.append(UInt8(truncatingIfNeeded: word))
    }
  }
  switch count & 3 {
  case 2:
    guard word & 0xf == 0 else { return false }
    bytes.append(UInt8(truncatingIfNeeded: word >> 4))
  case 3:
    guard word & 0x3 == 0 else { return false }
    bytes.append(UInt8(truncatingIfNeeded: word >> 10))
    bytes.append(UInt8(truncatingIfNeeded: word >> 2))
  default: break
  }
  return true
}

@inline(__always)
private func base64Digit(_ byte: UInt8) -> UInt8? {
  switch byte {
  case 0x41...0x5a: byte - 0x41
  case 0x61...0x7a: byte - 0x61 + 26
  case 0x30...0x39: byte - 0x30 + 52
  case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
  case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
  default: nil
  }
}
