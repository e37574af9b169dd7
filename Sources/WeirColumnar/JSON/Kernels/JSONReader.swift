// SPDX-License-Identifier: Apache-2.0
// Safe: every read is checked against `end` first; the memory outlives the reader, which lives inside
// one `withUnsafeBytes`. The stack holds initialised values at 0 ..< stackCount and nowhere else.

/// Recursive descent over JSON text.
///
/// 1. Values of open arrays and objects lie on one stack; a closing bracket moves them into an array
///    of exactly their number.
/// 2. Names of objects are looked up in a tree of shapes (`JSONShapes`): the same names in the same
///    order as in an earlier object cost one comparison of bytes each and no allocation.
/// 3. Strings without escapes are made from their bytes at once, ASCII found eight bytes at a time.
struct JSONReader: ~Copyable {
  let base: UnsafeRawPointer
  let end: Int
  var position = 0
  private var depth = 0
  private let depthMax: Int
  private let valueCountMax: Int
  private var valueCount = 0
  private var shapes = JSONShapes()

  private var stack: UnsafeMutablePointer<JSONValue>
  private var stackCount = 0
  private var stackCapacity = 64

  init(_ bytes: UnsafeRawBufferPointer, _ limits: JSONParser.Limits) {
    base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 8)!
    end = bytes.count
    depthMax = limits.depthMax
    valueCountMax = limits.valueCountMax
    stack = .allocate(capacity: stackCapacity)
  }

  init(_ bytes: UnsafeBufferPointer<UInt8>, _ limits: JSONParser.Limits) {
    self.init(UnsafeRawBufferPointer(bytes), limits)
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
  func byte(_ index: Int) -> UInt8 { base.load(fromByteOffset: index, as: UInt8.self) }

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
  func failure(_ message: String, _ code: JSONError.Code = .syntax) -> JSONError {
    var line = 1
    var lineStart = 0
    for index in 0..<min(position, end) where byte(index) == 0x0a {
      line += 1
      lineStart = index + 1
    }
    return JSONError(code, message, line: line, column: min(position, end) - lineStart + 1)
  }

  @inline(never)
  func unexpected(_ wanted: String) -> JSONError {
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
    valueCount += 1
    guard valueCount <= valueCountMax else {
      throw failure("more than \(valueCountMax) values", .limit)
    }
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
    // Not `init(unsafeUninitializedCapacity:)`: it looks up the type's metadata every time.
    var values: [JSONValue] = []
    values.reserveCapacity(count)
    for index in 0..<count { values.append((source + index).move()) }
    return values
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
}
