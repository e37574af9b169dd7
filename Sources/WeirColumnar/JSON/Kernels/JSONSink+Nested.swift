// SPDX-License-Identifier: Apache-2.0
// Safe: as in JSONLineText.swift. Readers call each other as deep as the column's type is.

/// Reads `[a, b, …]`, each item by `read`; returns the position behind it, -1 with a reason.
@inline(__always)
private func jsonArray(
  _ text: JSONText, _ position: Int, _ state: JSONLineState, _ read: (Int) -> Int
) -> Int {
  var at = jsonSkipSpace(text, position + 1)
  if text[at] == UInt8(ascii: "]") { return at + 1 }
  while true {
    at = read(at)
    if at < 0 { return -1 }
    at = jsonSkipSpace(text, at)
    if text[at] == UInt8(ascii: "]") { return at + 1 }
    guard text[at] == UInt8(ascii: ",") else {
      return state.fail(text, at, wanted: "',' or ']'")
    }
    at = jsonSkipSpace(text, at + 1)
  }
}

final class JSONListSink: JSONSink {
  private let values: ListBuilder
  private let items: JSONSink
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: ListBuilder, _ items: JSONSink) {
    self.values = values
    self.items = items
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    guard text[position] == UInt8(ascii: "[") else {
      return readNull(text, position, state, wanted: "an array")
    }
    let items = items
    let next = jsonArray(text, position, state) { items.read(text, $0, state) }
    if next < 0 { return -1 }
    do throws(ColumnarError) { try values.appendList() } catch { return fail(state, error) }
    return next
  }
}

final class JSONFixedListSink: JSONSink {
  private let values: FixedSizeListBuilder
  private let items: JSONSink
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: FixedSizeListBuilder, _ items: JSONSink) {
    self.values = values
    self.items = items
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    let wanted = "an array of \(values.size) items"
    guard text[position] == UInt8(ascii: "[") else {
      return readNull(text, position, state, wanted: wanted)
    }
    let items = items
    var count = 0
    let next = jsonArray(text, position, state) {
      count += 1
      return items.read(text, $0, state)
    }
    if next < 0 { return -1 }
    guard count == values.size else {
      return state.fail("an array of \(count) items where \(wanted) should be")
    }
    values.appendList()
    return next
  }
}

final class JSONStructSink: JSONSink {
  private let values: StructBuilder
  private let shape: JSONObjectShape
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: StructBuilder, _ shape: JSONObjectShape) {
    self.values = values
    self.shape = shape
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    guard text[position] == UInt8(ascii: "{") else {
      return readNull(text, position, state, wanted: "an object")
    }
    let next = shape.read(text, position, state)
    if next >= 0 { values.appendStruct() }
    return next
  }
}

/// Maps: `{"key": value, …}`, or as an array of `{"key": …, "value": …}` for keys that are no strings.
final class JSONMapSink: JSONSink {
  private let values: MapBuilder
  private let keys: JSONSink
  private let items: JSONSink
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: MapBuilder, _ keys: JSONSink, _ items: JSONSink) {
    self.values = values
    self.keys = keys
    self.items = items
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    let next: Int
    switch text[position] {
    case UInt8(ascii: "{"): next = readObject(text, position, state)
    case UInt8(ascii: "["):
      next = jsonArray(text, position, state) { readEntry(text, $0, state) }
    default: return readNull(text, position, state, wanted: "an object")
    }
    if next < 0 { return -1 }
    do throws(ColumnarError) { try values.appendMap() } catch { return fail(state, error) }
    return next
  }

  private func readObject(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    var at = jsonSkipSpace(text, position + 1)
    if text[at] == UInt8(ascii: "}") { return at + 1 }
    while true {
      guard text[at] == 0x22 else { return state.fail(text, at, wanted: "a key") }
      at = keys.read(text, at, state)
      if at < 0 { return -1 }
      at = jsonSkipSpace(text, at)
      guard text[at] == UInt8(ascii: ":") else { return state.fail(text, at, wanted: "':'") }
      at = items.read(text, jsonSkipSpace(text, at + 1), state)
      if at < 0 { return -1 }
      at = jsonSkipSpace(text, at)
      if text[at] == UInt8(ascii: "}") { return at + 1 }
      guard text[at] == UInt8(ascii: ",") else {
        return state.fail(text, at, wanted: "',' or '}'")
      }
      at = jsonSkipSpace(text, at + 1)
    }
  }

  /// One `{"key": …, "value": …}`, in either order.
  private func readEntry(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    guard text[position] == UInt8(ascii: "{") else {
      return state.fail(text, position, wanted: "{\"key\": …, \"value\": …}")
    }
    var at = jsonSkipSpace(text, position + 1)
    var hasKey = false
    var hasValue = false
    while text[at] != UInt8(ascii: "}") {
      let isKey = jsonSkipWord(text, at, "\"key\"")
      let isValue = jsonSkipWord(text, at, "\"value\"")
      guard isKey >= 0 ? !hasKey : isValue >= 0 && !hasValue else {
        return state.fail(text, at, wanted: "\"key\" or \"value\"")
      }
      at = jsonSkipSpace(text, max(isKey, isValue))
      guard text[at] == UInt8(ascii: ":") else { return state.fail(text, at, wanted: "':'") }
      at = jsonSkipSpace(text, at + 1)
      at = isKey >= 0 ? keys.read(text, at, state) : items.read(text, at, state)
      if at < 0 { return -1 }
      if isKey >= 0 { hasKey = true } else { hasValue = true }
      at = jsonSkipSpace(text, at)
      if text[at] == UInt8(ascii: ",") {
        at = jsonSkipSpace(text, at + 1)
        guard text[at] == 0x22 else { return state.fail(text, at, wanted: "a field's name") }
      } else if text[at] != UInt8(ascii: "}") {
        return state.fail(text, at, wanted: "',' or '}'")
      }
    }
    guard hasKey else { return state.fail("an entry of a map without a key") }
    if !hasValue {
      guard items.isNullable else { return state.fail("an entry of a map without a value") }
      items.appendNull()
    }
    return at + 1
  }
}
