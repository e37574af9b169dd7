// SPDX-License-Identifier: Apache-2.0
// Safe: every read is checked against `end` first; the memory outlives the reader, which lives inside
// one `withUnsafeBytes`. The stack holds initialised values at 0 ..< stackCount and nowhere else.

internal import CWeirKernels

/// Recursive descent over JSON text.
///
/// 1. Values of open arrays and objects lie on one stack; a closing bracket moves them into an array
///    of exactly their number.
/// 2. Names of objects are looked up in a tree of shapes (`JSONShapes`): the same names in the same
///    order as in an earlier object cost one comparison of bytes each and no allocation.
/// 3. Strings without escapes are made from their bytes at once, ASCII found eight bytes at a time.
struct JSONReader: ~Copyable {
  private let base: UnsafeRawPointer
  private let end: Int
  private var position = 0
  private var depth = 0
  private let depthMax: Int
  private var shapes = JSONShapes()

  private var stack: UnsafeMutablePointer<JSONValue>
  private var stackCount = 0
  private var stackCapacity = 64

  init(_ bytes: UnsafeRawBufferPointer, depthMax: Int) {
    base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 8)!
    end = bytes.count
    self.depthMax = depthMax
    stack = .allocate(capacity: stackCapacity)
  }

  init(_ bytes: UnsafeBufferPointer<UInt8>, depthMax: Int) {
    self.init(UnsafeRawBufferPointer(bytes), depthMax: depthMax)
  }

  deinit {
    stack.deinitialize(count: stackCount)
    stack.deallocate()
  }

  mutating func readDocument() throws(JSONError) -> JSONValue {
    if end >= 3, byte(0) == 0xef, byte(1) == 0xbb, byte(2) == 0xbf { position = 3 }
    skipSpace()
    guard position < end else { throw failure("no JSON value, only white space or nothing") }
    let value = try readValue()
    skipSpace()
    guard position == end else { throw failure("something follows the JSON value") }
    return value
  }

  // MARK: Bytes

  @inline(__always)
  private func byte(_ index: Int) -> UInt8 { base.load(fromByteOffset: index, as: UInt8.self) }

  @inline(__always)
  private mutating func skipSpace() {
    while position < end {
      switch byte(position) {
      case 0x20, 0x0a, 0x0d, 0x09: position += 1
      default: return
      }
    }
  }

  @inline(never)
  private func failure(_ message: String, _ code: JSONError.Code = .syntax) -> JSONError {
    var line = 1
    var lineStart = 0
    for index in 0..<min(position, end) where byte(index) == 0x0a {
      line += 1
      lineStart = index + 1
    }
    return JSONError(code, message, line: line, column: min(position, end) - lineStart + 1)
  }

  @inline(never)
  private func unexpected(_ wanted: String) -> JSONError {
    guard position < end else { return failure("the JSON text ends where \(wanted) should be") }
    let found = byte(position)
    let shown =
      found > 0x20 && found < 0x7f
      ? "'\(Character(UnicodeScalar(found)))'" : "byte 0x" + String(found, radix: 16)
    return failure("\(shown) where \(wanted) should be")
  }

  // MARK: Values

  private mutating func readValue() throws(JSONError) -> JSONValue {
    guard position < end else { throw unexpected("a value") }
    switch byte(position) {
    case UInt8(ascii: "\""): return .string(try readString())
    case UInt8(ascii: "{"): return .object(try readObject())
    case UInt8(ascii: "["): return .array(try readArray())
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try readNumber()
    case UInt8(ascii: "t"):
      try expectWord("true")
      return .bool(true)
    case UInt8(ascii: "f"):
      try expectWord("false")
      return .bool(false)
    case UInt8(ascii: "n"):
      try expectWord("null")
      return .null
    default: throw unexpected("a value")
    }
  }

  private mutating func expectWord(_ word: StaticString) throws(JSONError) {
    let count = word.utf8CodeUnitCount
    guard end - position >= count,
      (0..<count).allSatisfy({ byte(position + $0) == word.utf8Start[$0] })
    else { throw unexpected("a value") }
    position += count
  }

  private mutating func enter() throws(JSONError) {
    depth += 1
    guard depth <= depthMax else {
      throw failure("arrays and objects lie more than \(depthMax) deep in each other", .limit)
    }
    position += 1
    skipSpace()
  }

  @inline(__always)
  private mutating func push(_ value: consuming JSONValue) {
    if stackCount == stackCapacity { growStack() }
    (stack + stackCount).initialize(to: value)
    stackCount += 1
  }

  @inline(never)
  private mutating func growStack() {
    let larger = UnsafeMutablePointer<JSONValue>.allocate(capacity: stackCapacity * 2)
    larger.moveInitialize(from: stack, count: stackCount)
    stack.deallocate()
    stack = larger
    stackCapacity *= 2
  }

  /// The values from `start` on, taken off the stack.
  @inline(__always)
  private mutating func pop(from start: Int) -> [JSONValue] {
    let count = stackCount - start
    if count == 0 { return [] }
    let source = stack + start
    stackCount = start
    return [JSONValue](unsafeUninitializedCapacity: count) { target, initialized in
      target.baseAddress!.moveInitialize(from: source, count: count)
      initialized = count
    }
  }

  private mutating func readArray() throws(JSONError) -> [JSONValue] {
    try enter()
    let start = stackCount
    if position < end, byte(position) == UInt8(ascii: "]") {
      position += 1
      depth -= 1
      return []
    }
    while true {
      skipSpace()
      do { push(try readValue()) } catch { throw error.inside(stackCount - start) }
      skipSpace()
      guard position < end else { throw unexpected("',' or ']'") }
      switch byte(position) {
      case UInt8(ascii: ","): position += 1
      case UInt8(ascii: "]"):
        position += 1
        depth -= 1
        return pop(from: start)
      default: throw unexpected("',' or ']'")
      }
    }
  }

  private mutating func readObject() throws(JSONError) -> JSONObject {
    try enter()
    let start = stackCount
    if position < end, byte(position) == UInt8(ascii: "}") {
      position += 1
      depth -= 1
      return JSONObject()
    }
    var shape = JSONShapes.root
    while true {
      skipSpace()
      guard position < end, byte(position) == UInt8(ascii: "\"") else {
        throw unexpected("a name in quotes")
      }
      let nameStart = position
      if let next = shapes.known(after: shape, base, end, nameStart + 1) {
        shape = next
        position += shapes.nameLength(next) + 2
      } else {
        let name = try readString()
        guard
          let next = shapes.add(
            name, after: shape, offset: nameStart + 1, length: position - nameStart - 2)
        else {
          // A name that comes twice, or more shapes than are worth keeping.
          return try readRest(start, shapes.names(shape), firstName: name)
        }
        shape = next
      }
      try readMember(nameStart)
      if try !readSeparator() {
        return JSONObject(names: shapes.shared(shape), values: pop(from: start))
      }
    }
  }

  /// `: value`, pushed.
  @inline(__always)
  private mutating func readMember(_ nameStart: Int) throws(JSONError) {
    skipSpace()
    guard position < end, byte(position) == UInt8(ascii: ":") else { throw unexpected("':'") }
    position += 1
    skipSpace()
    do { push(try readValue()) } catch { throw named(error, nameStart) }
  }

  @inline(never)
  private mutating func named(_ error: JSONError, _ nameStart: Int) -> JSONError {
    let failedAt = position
    defer { position = failedAt }
    position = nameStart
    guard let name = try? readString() else { return error }
    return error.inside(name)
  }

  /// True after a comma, false after the end of the object.
  @inline(__always)
  private mutating func readSeparator() throws(JSONError) -> Bool {
    skipSpace()
    guard position < end else { throw unexpected("',' or '}'") }
    switch byte(position) {
    case UInt8(ascii: ","):
      position += 1
      return true
    case UInt8(ascii: "}"):
      position += 1
      depth -= 1
      return false
    default: throw unexpected("',' or '}'")
    }
  }

  /// The rest of an object whose shape is not shared; the values from `start` on belong to `names`.
  @inline(never)
  private mutating func readRest(
    _ start: Int, _ names: [String], firstName: String
  ) throws(JSONError) -> JSONObject {
    var object = JSONObject(names: JSONObject.Names(names), values: pop(from: start))
    var name = firstName
    while true {
      do {
        try readMember(position)
      } catch {
        throw error.inside(name)
      }
      object[name] = pop(from: stackCount - 1)[0]
      if try !readSeparator() { return object }
      skipSpace()
      guard position < end, byte(position) == UInt8(ascii: "\"") else {
        throw unexpected("a name in quotes")
      }
      name = try readString()
    }
  }

  // MARK: Strings

  /// The string whose opening quote is at `position`.
  private mutating func readString() throws(JSONError) -> String {
    let start = position + 1
    var index = start
    var highBits: UInt64 = 0
    scan: while true {
      while end - index >= 8 {
        let word = base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        let stops = Self.stops(word)
        if stops != 0 {
          let count = stops.trailingZeroBitCount >> 3
          if count > 0 { highBits |= word << UInt64(64 - 8 * count) }
          index += count
          break
        }
        highBits |= word
        index += 8
      }
      while index < end {
        let next = byte(index)
        if next == UInt8(ascii: "\"") { break scan }
        if next == UInt8(ascii: "\\") || next < 0x20 { break scan }
        highBits |= UInt64(next)
        index += 1
        if end - index >= 8 { continue scan }
      }
      break
    }
    guard index < end else {
      position = end
      throw failure("the JSON text ends within a string")
    }
    if byte(index) != UInt8(ascii: "\"") { return try readEscapedString(start, index) }
    if highBits & 0x8080_8080_8080_8080 != 0 { try checkUTF8(start, index) }
    position = index + 1
    return String(
      decoding: UnsafeRawBufferPointer(start: base + start, count: index - start), as: UTF8.self)
  }

  /// A 1 in the highest bit of every byte that is a quote, a backslash or a control character; bits
  /// above the lowest such byte may be wrong.
  @inline(__always)
  private static func stops(_ word: UInt64) -> UInt64 {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let quotes = word ^ (ones &* 0x22)
    let slashes = word ^ (ones &* 0x5c)
    let isQuote = (quotes &- ones) & ~quotes
    let isSlash = (slashes &- ones) & ~slashes
    let isControl = (word &- ones &* 0x20) & ~word
    return (isQuote | isSlash | isControl) & 0x8080_8080_8080_8080
  }

  private mutating func checkUTF8(_ start: Int, _ stop: Int) throws(JSONError) {
    guard weir_is_utf8((base + start).assumingMemoryBound(to: UInt8.self), stop - start) != 0 else {
      position = start
      throw failure("a string that is not UTF-8")
    }
  }

  @inline(never)
  private mutating func readEscapedString(
    _ start: Int, _ firstStop: Int
  ) throws(JSONError) -> String {
    var text: [UInt8] = []
    var copied = start
    var index = firstStop
    while true {
      guard index < end else {
        position = end
        throw failure("the JSON text ends within a string")
      }
      let next = byte(index)
      if next >= 0x20 && next != UInt8(ascii: "\"") && next != UInt8(ascii: "\\") {
        index += 1
        continue
      }
      try checkUTF8(copied, index)
      text.append(contentsOf: UnsafeRawBufferPointer(start: base + copied, count: index - copied))
      position = index
      switch next {
      case UInt8(ascii: "\""):
        position += 1
        return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"):
        try readEscape(&text)
        index = position
        copied = index
      default: throw failure("a control character within a string; it must be escaped")
      }
    }
  }

  /// The escape whose backslash is at `position`.
  private mutating func readEscape(_ text: inout [UInt8]) throws(JSONError) {
    guard end - position >= 2 else { throw failure("the JSON text ends within a string") }
    let kind = byte(position + 1)
    let plain: UInt8
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): plain = kind
    case UInt8(ascii: "b"): plain = 8
    case UInt8(ascii: "f"): plain = 12
    case UInt8(ascii: "n"): plain = 10
    case UInt8(ascii: "r"): plain = 13
    case UInt8(ascii: "t"): plain = 9
    case UInt8(ascii: "u"):
      var code = try readHex4(position + 2)
      var length = 6
      if code & 0xfc00 == 0xd800, end - position >= 8, byte(position + 6) == UInt8(ascii: "\\"),
        byte(position + 7) == UInt8(ascii: "u")
      {
        let low = try readHex4(position + 8)
        if low & 0xfc00 == 0xdc00 {
          code = 0x10000 + (code & 0x3ff) << 10 + (low & 0x3ff)
          length = 12
        }
      }
      guard let scalar = Unicode.Scalar(code) else {
        throw failure("an escape that is half a surrogate pair")
      }
      text.append(contentsOf: UTF8.encode(scalar)!)
      position += length
      return
    default: throw failure("an escape that JSON does not have")
    }
    text.append(plain)
    position += 2
  }

  private func readHex4(_ start: Int) throws(JSONError) -> UInt32 {
    guard end - start >= 4 else { throw failure("the JSON text ends within a string") }
    var code: UInt32 = 0
    for index in start..<start + 4 {
      guard let digit = Character(UnicodeScalar(byte(index))).hexDigitValue, byte(index) < 0x80
      else { throw failure("'\\u' without four hexadecimal digits") }
      code = code << 4 | UInt32(digit)
    }
    return code
  }

  // MARK: Numbers

  private mutating func readNumber() throws(JSONError) -> JSONValue {
    let start = position
    var index = position
    let negative = byte(index) == UInt8(ascii: "-")
    if negative { index += 1 }
    let digitsStart = index
    var magnitude: UInt64 = 0
    while index < end, byte(index) &- 0x30 < 10 {
      if index - digitsStart < 19 { magnitude = magnitude &* 10 &+ UInt64(byte(index) &- 0x30) }
      index += 1
    }
    let digitCount = index - digitsStart
    position = index
    guard digitCount > 0 else { throw unexpected("a digit") }
    if digitCount > 1 && byte(digitsStart) == UInt8(ascii: "0") {
      throw failure("a number with a leading zero")
    }
    let isWhole =
      index == end
      || (byte(index) != UInt8(ascii: ".") && byte(index) | 0x20 != UInt8(ascii: "e"))
    if isWhole {
      if digitCount <= 19 && !(negative && magnitude == 0) {
        if negative, magnitude <= 1 << 63 { return .int(Int64(truncatingIfNeeded: 0 &- magnitude)) }
        if !negative, magnitude < 1 << 63 { return .int(Int64(magnitude)) }
      } else if digitCount == 1 {
        return .double(-0.0)
      }
      return .number(text(start))
    }
    return try readFraction(start)
  }

  @inline(never)
  private mutating func readFraction(_ start: Int) throws(JSONError) -> JSONValue {
    if byte(position) == UInt8(ascii: ".") {
      position += 1
      try readDigits()
    }
    if position < end, byte(position) | 0x20 == UInt8(ascii: "e") {
      position += 1
      if position < end, byte(position) == UInt8(ascii: "+") || byte(position) == UInt8(ascii: "-")
      {
        position += 1
      }
      try readDigits()
    }
    let lexeme = text(start)
    guard let value = Double(lexeme), value.isFinite else { return .number(lexeme) }
    // Fifteen digits always survive; with more, the double must print as what was read.
    if position - start <= 16 || value.description == lexeme {
      return value == 0 && lexeme.utf8.contains(where: { $0 > 0x30 && $0 < 0x3a })
        ? .number(lexeme) : .double(value)
    }
    return .number(lexeme)
  }

  private mutating func readDigits() throws(JSONError) {
    guard position < end, byte(position) &- 0x30 < 10 else { throw unexpected("a digit") }
    while position < end, byte(position) &- 0x30 < 10 { position += 1 }
  }

  private func text(_ start: Int) -> String {
    String(
      decoding: UnsafeRawBufferPointer(start: base + start, count: position - start), as: UTF8.self)
  }
}
