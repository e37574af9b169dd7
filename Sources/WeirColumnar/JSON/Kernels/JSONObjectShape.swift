// SPDX-License-Identifier: Apache-2.0
// Safe: the shape owns its tables, of `count` (or `count` + 2) elements, for as long as it lives;
// every index is one of a field; reads of the text are as in JSONLineText.swift, reads of names lie
// within their padding to whole words.

/// The fields of an object, by their names: those of a record or of a struct.
///
/// Which field comes next is guessed from what came after the same one in the object before: then a
/// name costs one comparison of its bytes.
final class JSONObjectShape {
  /// A name in `words`, padded with zeros, with the quote that ends it.
  private struct Name {
    var word: Int
    var byteCount: Int
  }

  private let count: Int
  private let sinks: [JSONSink]
  private let defaults: [Scalar?]
  private let fieldNames: [String]
  private let places: [String: Int]
  private let rejectsUnknown: Bool

  private let table: UnsafeMutablePointer<Unmanaged<JSONSink>>
  private let names: UnsafeMutablePointer<Name>
  private let words: UnsafeMutablePointer<UInt64>
  /// The field that came after each field; at `count` the first one, behind that the one that came
  /// after an unknown one. -1 where none is known.
  private let followers: UnsafeMutablePointer<Int>
  /// The number of the last object that had each field.
  private let stamps: UnsafeMutablePointer<Int>
  private var objectNumber = 0

  init(
    _ fields: [Field], _ builders: [any ArrayBuilder], _ options: JSONLinesOptions, path: String
  ) throws(ColumnarError) {
    var sinks: [JSONSink] = []
    var places: [String: Int] = [:]
    for (index, field) in fields.enumerated() {
      sinks.append(try JSONSink.make(field, builders[index], options, path: path))
      guard places.updateValue(index, forKey: field.name) == nil else {
        throw ColumnarError(.invalidArgument, "two columns have this name", column: field.name)
      }
    }
    self.sinks = sinks
    self.places = places
    count = fields.count
    fieldNames = fields.map(\.name)
    defaults = fields.map { path.isEmpty ? options.defaults[$0.name] : nil }
    rejectsUnknown = options.unknownFields == .error

    table = .allocate(capacity: count + 1)
    names = .allocate(capacity: count + 1)
    followers = .allocate(capacity: count + 2)
    stamps = .allocate(capacity: count + 1)
    followers.initialize(repeating: -1, count: count + 2)
    stamps.initialize(repeating: 0, count: count + 1)
    var packed: [UInt64] = []
    for (index, field) in fields.enumerated() {
      table[index] = .passUnretained(sinks[index])
      let bytes = Array(field.name.utf8) + [0x22]
      names[index] = Name(word: packed.count, byteCount: bytes.count)
      for start in stride(from: 0, to: bytes.count, by: 8) {
        var word: UInt64 = 0
        for byte in bytes[start..<min(start + 8, bytes.count)].reversed() {
          word = word << 8 | UInt64(byte)
        }
        packed.append(word)
      }
    }
    words = .allocate(capacity: packed.count + 1)
    for (index, word) in packed.enumerated() { words[index] = word }
  }

  deinit {
    table.deallocate()
    names.deallocate()
    words.deallocate()
    followers.deallocate()
    stamps.deallocate()
  }

  /// Takes back what an object that was refused left.
  func truncate(to length: Int) {
    for sink in sinks { sink.truncate(to: length) }
  }

  /// Appends one row to every field from the object whose brace is at `position`.
  func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    objectNumber += 1
    let number = objectNumber
    var seenCount = 0
    var last = count
    var at = jsonSkipSpace(text, position + 1)
    if text[at] == UInt8(ascii: "}") {
      return readMissing(number, state) ? at + 1 : -1
    }
    while true {
      guard text[at] == 0x22 else { return state.fail(text, at, wanted: "a field's name") }
      var field = followers[last]
      if field >= 0, isName(text, at + 1, field) {
        at += 1 + names[field].byteCount
      } else {
        (field, at) = find(text, at, state)
        if at < 0 { return -1 }
        followers[last] = field
      }
      at = jsonSkipSpace(text, at)
      guard text[at] == UInt8(ascii: ":") else { return state.fail(text, at, wanted: "':'") }
      at = jsonSkipSpace(text, at + 1)
      if field >= 0 {
        guard stamps[field] != number else { return repeated(field, state) }
        stamps[field] = number
        seenCount += 1
        at = table[field]._withUnsafeGuaranteedRef { $0.read(text, at, state) }
        if at < 0 { return inside(field, state) }
        last = field
      } else {
        at = jsonSkipValue(text, at, 1, state)
        if at < 0 { return -1 }
        last = count + 1
      }
      at = jsonSkipSpace(text, at)
      if text[at] == UInt8(ascii: ",") {
        at = jsonSkipSpace(text, at + 1)
      } else if text[at] == UInt8(ascii: "}") {
        break
      } else {
        return state.fail(text, at, wanted: "',' or '}'")
      }
    }
    if seenCount < count, !readMissing(number, state) { return -1 }
    return at + 1
  }

  /// Whether the name of `field`, with its quote, stands at `position`.
  @inline(__always)
  private func isName(_ text: JSONText, _ position: Int, _ field: Int) -> Bool {
    let name = names[field]
    var rest = name.byteCount
    var word = name.word
    var at = position
    while rest > 8 {
      // Words up to here are inside the line only if those before were equal, which they were.
      if UnsafeRawPointer(text).loadUnaligned(fromByteOffset: at, as: UInt64.self) != words[word] {
        return false
      }
      at += 8
      word += 1
      rest -= 8
    }
    let mask = UInt64.max >> UInt64(64 - 8 * rest)
    return UnsafeRawPointer(text).loadUnaligned(fromByteOffset: at, as: UInt64.self) & mask
      == words[word]
  }

  /// The field whose name begins at `position`, and the position behind it; -1 for one that may be
  /// passed over.
  @inline(never)
  private func find(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> (Int, Int) {
    let span = jsonString(text, position, state)
    if span.next < 0 { return (-1, -1) }
    let name = String(
      decoding: UnsafeBufferPointer(start: span.start, count: span.count), as: UTF8.self)
    if let field = places[name] { return (field, span.next) }
    guard rejectsUnknown else { return (-1, span.next) }
    state.path = []
    return (-1, state.fail(unknown(name)))
  }

  private func unknown(_ name: String) -> String {
    let shown = name.utf8.count > 100 ? String(name.prefix(100)) + "…" : name
    var message = "there is no column '\(shown)'"
    if let close = NameSuggestion.closest(to: name, fieldNames) {
      message += "; did you mean '\(close)'?"
    }
    return message
  }

  @inline(never)
  private func repeated(_ field: Int, _ state: JSONLineState) -> Int {
    state.path = [fieldNames[field]]
    return state.fail("the record has the field twice")
  }

  @inline(never)
  private func inside(_ field: Int, _ state: JSONLineState) -> Int {
    state.path.insert(fieldNames[field], at: 0)
    return -1
  }

  /// Appends defaults and nulls for fields that object `number` did not have.
  @inline(never)
  private func readMissing(_ number: Int, _ state: JSONLineState) -> Bool {
    for field in 0..<count where stamps[field] != number {
      if let value = defaults[field] {
        do throws(ColumnarError) {
          try sinks[field].builder.append(value)
        } catch {
          _ = state.fail(error.message)
          _ = inside(field, state)
          return false
        }
      } else if sinks[field].isNullable {
        sinks[field].appendNull()
      } else {
        _ = state.fail("the record lacks the field, which may not be null")
        _ = inside(field, state)
        return false
      }
    }
    return true
  }
}
