// SPDX-License-Identifier: Apache-2.0
// Safe: as in JSONLineText.swift.

/// A number, or a string that says one or names one that JSON does not have.
@inline(__always)
private func jsonFloating(
  _ text: JSONText, _ position: Int, _ state: JSONLineState
) -> (number: JSONNumber, special: Double?) {
  if text[position] != 0x22 { return (JSONNumber(text, position, state), nil) }
  return jsonQuotedFloating(text, position, state)
}

@inline(never)
private func jsonQuotedFloating(
  _ text: JSONText, _ position: Int, _ state: JSONLineState
) -> (number: JSONNumber, special: Double?) {
  for (word, value) in [
    ("\"NaN\"", .nan), ("\"Infinity\"", .infinity), ("\"-Infinity\"", -.infinity),
  ] as [(StaticString, Double)] {
    let next = jsonSkipWord(text, position, word)
    if next >= 0 {
      var number = JSONNumber(text, position, state)
      number.next = next
      return (number, value)
    }
  }
  var number = JSONNumber(text, position + 1, state)
  if number.next < 0 || text[number.next] != 0x22 {
    number.next = state.fail(text, position, wanted: "a number")
  }
  return (number, nil)
}

final class JSONDoubleSink: JSONSink {
  private let values: PrimitiveBuilder<Double>
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: PrimitiveBuilder<Double>) {
    self.values = values
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    if text[position] == UInt8(ascii: "n") {
      return readNull(text, position, state, wanted: "a number")
    }
    let (number, special) = jsonFloating(text, position, state)
    if number.next < 0 { return -1 }
    let value = special ?? number.double(text)
    guard value.isFinite || special != nil else {
      return state.fail("\(JSONLineState.token(text, position)) is out of a double's range")
    }
    values.append(value)
    return special == nil && text[position] == 0x22 ? number.next + 1 : number.next
  }
}

final class JSONFloatSink: JSONSink {
  private let values: PrimitiveBuilder<Float>
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: PrimitiveBuilder<Float>) {
    self.values = values
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    if text[position] == UInt8(ascii: "n") {
      return readNull(text, position, state, wanted: "a number")
    }
    let (number, special) = jsonFloating(text, position, state)
    if number.next < 0 { return -1 }
    let value = special.map { Float($0) } ?? number.float(text)
    guard value.isFinite || special != nil else {
      return state.fail("\(JSONLineState.token(text, position)) is out of a float's range")
    }
    values.append(value)
    return special == nil && text[position] == 0x22 ? number.next + 1 : number.next
  }
}

/// Decimals: numbers, or strings that say them.
final class JSONDecimalSink: JSONSink {
  private let values: Decimal128Builder
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: Decimal128Builder) {
    self.values = values
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    if text[position] == UInt8(ascii: "n") {
      return readNull(text, position, state, wanted: "a number")
    }
    let isQuoted = text[position] == 0x22
    let number = JSONNumber(text, isQuoted ? position + 1 : position, state)
    if number.next < 0 { return -1 }
    if isQuoted && text[number.next] != 0x22 {
      return state.fail(text, position, wanted: "a number")
    }
    guard let value = number.scaled(text, by: values.scale) else {
      return state.fail(
        "\(JSONLineState.token(text, position)) does not fit \(values.precision) digits, of them "
          + "\(values.scale) behind the point")
    }
    do throws(ColumnarError) {
      try values.append(unscaled: value)
    } catch {
      return fail(state, error)
    }
    return isQuoted ? number.next + 1 : number.next
  }
}
