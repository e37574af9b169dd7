// SPDX-License-Identifier: Apache-2.0
// Safe: as in JSONLineText.swift.

/// Reads one column's or nested field's values into its builder.
///
/// A class with one subclass a kind of type, none of them generic: calls through a generic class's
/// table are not specialised, and several times slower.
class JSONSink {
  let isNullable: Bool
  let name: String

  init(_ field: Field) {
    isNullable = field.nullable
    name = field.name
  }

  var builder: any ArrayBuilder { preconditionFailure("a sink has a builder") }

  /// Appends the value at `position`, which is no white space, and returns the position behind it; -1
  /// with a reason in `state` when there is no fitting one. The builder then has rows to cut off.
  func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    preconditionFailure("a sink reads values")
  }

  func appendNull() { builder.appendNull() }

  func truncate(to length: Int) { builder.truncate(to: length) }

  /// Appends the null at `position`, or fails because the value there is not `wanted`.
  @inline(never)
  final func readNull(
    _ text: JSONText, _ position: Int, _ state: JSONLineState, wanted: String
  ) -> Int {
    let next = jsonSkipWord(text, position, "null")
    guard next >= 0 else { return state.fail(text, position, wanted: wanted) }
    guard isNullable else { return state.fail("null in a column that does not allow it") }
    appendNull()
    return next
  }

  /// Fails because the builder refused a value.
  @inline(never)
  final func fail(_ state: JSONLineState, _ error: ColumnarError) -> Int {
    state.fail(error.message)
  }

  /// The sink for `field`, appending to `builder`.
  static func make(
    _ field: Field, _ builder: any ArrayBuilder, _ options: JSONLinesOptions, path: String
  ) throws(ColumnarError) -> JSONSink {
    let path = path.isEmpty ? field.name : "\(path).\(field.name)"
    if let words = options.words[path] {
      guard field.type.isInteger else {
        throw ColumnarError(.invalidArgument, "only whole numbers have words", column: path)
      }
      return JSONWordSink(field, builder, words)
    }
    switch builder {
    case let builder as PrimitiveBuilder<Int64> where field.type == .int64:
      return JSONInt64Sink(field, builder)
    case let builder as PrimitiveBuilder<Int32> where field.type == .int32:
      return JSONInt32Sink(field, builder)
    case let builder as PrimitiveBuilder<Double>: return JSONDoubleSink(field, builder)
    case let builder as PrimitiveBuilder<Float>: return JSONFloatSink(field, builder)
    case let builder as BooleanBuilder: return JSONBooleanSink(field, builder)
    case let builder as BinaryBuilder: return JSONStringSink(field, builder, options.binary)
    case let builder as Decimal128Builder: return JSONDecimalSink(field, builder)
    case let builder as FixedSizeBinaryBuilder:
      return JSONFixedSink(field, builder, options.binary)
    case let builder as ListBuilder:
      return JSONListSink(
        field, builder,
        try make(field.type.children[0], builder.items, options, path: path))
    case let builder as FixedSizeListBuilder:
      return JSONFixedListSink(
        field, builder,
        try make(field.type.children[0], builder.items, options, path: path))
    case let builder as StructBuilder:
      return JSONStructSink(
        field, builder,
        try JSONObjectShape(field.type.children, builder.fields, options, path: path))
    case let builder as MapBuilder:
      let entry = field.type.children[0].type.children
      return JSONMapSink(
        field, builder, try make(entry[0], builder.keys, options, path: path),
        try make(entry[1], builder.values, options, path: path))
    default: return try makeOther(field, builder, options, path)
    }
  }

  private static func makeOther(
    _ field: Field, _ builder: any ArrayBuilder, _ options: JSONLinesOptions, _ path: String
  ) throws(ColumnarError) -> JSONSink {
    switch field.type {
    case .int8, .int16, .uint8, .uint16, .uint32, .uint64: return JSONIntegerSink(field, builder)
    case .date32, .time32, .time64, .timestamp:
      return JSONTimeSink(field, builder, options.timestampUnit)
    case .null: return JSONNullSink(field, builder)
    default:
      throw ColumnarError(
        .unsupported, "values of type \(field.type) are not read from JSON", column: path)
    }
  }
}

/// The whole number at `position`, with or without quotes, and the position behind it; -1 with a
/// reason. Fast for up to 18 digits.
@inline(__always)
private func jsonInteger(
  _ text: JSONText, _ position: Int, _ state: JSONLineState
) -> (value: Int64, next: Int) {
  var at = position
  let isNegative = text[at] == 0x2d
  if isNegative { at += 1 }
  let start = at
  var value: Int64 = 0
  while text[at] &- 0x30 < 10 {
    value = value &* 10 &+ Int64(text[at] &- 0x30)
    at += 1
  }
  let count = at - start
  if count > 0 && count < 19 && (count == 1 || text[start] != 0x30) && text[at] != 0x2e
    && text[at] | 0x20 != 0x65
  {
    return (isNegative ? -value : value, at)
  }
  return jsonUnusualInteger(text, position, state)
}

/// A number of any form that is whole: `1e3`, `12.0`, `"9007199254740993"`.
@inline(never)
private func jsonUnusualInteger(
  _ text: JSONText, _ position: Int, _ state: JSONLineState
) -> (value: Int64, next: Int) {
  let (wide, next) = jsonWideInteger(text, position, state)
  if next < 0 { return (0, next) }
  guard let value = Int64(exactly: wide) else {
    return (0, state.fail("\(wide) is out of the range of 64 bits"))
  }
  return (value, next)
}

private func jsonWideInteger(
  _ text: JSONText, _ position: Int, _ state: JSONLineState
) -> (value: Int128, next: Int) {
  // JavaScript cannot hold all long numbers: its programs send them as strings.
  let isQuoted = text[position] == 0x22
  let first = isQuoted ? position + 1 : position
  guard text[first] &- 0x30 < 10 || text[first] == 0x2d else {
    return (0, state.fail(text, position, wanted: "a whole number"))
  }
  let number = JSONNumber(text, first, state)
  if number.next < 0 { return (0, -1) }
  guard !isQuoted || text[number.next] == 0x22 else {
    return (0, state.fail(text, position, wanted: "a whole number"))
  }
  guard let value = number.scaled(text, by: 0) else {
    return (0, state.fail("\(JSONLineState.token(text, position)) is no whole number that fits"))
  }
  return (value, isQuoted ? number.next + 1 : number.next)
}

final class JSONInt64Sink: JSONSink {
  private let values: PrimitiveBuilder<Int64>
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: PrimitiveBuilder<Int64>) {
    self.values = values
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    if text[position] == UInt8(ascii: "n") {
      return readNull(text, position, state, wanted: "a whole number")
    }
    let (value, next) = jsonInteger(text, position, state)
    if next >= 0 { values.append(value) }
    return next
  }
}

final class JSONInt32Sink: JSONSink {
  private let values: PrimitiveBuilder<Int32>
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: PrimitiveBuilder<Int32>) {
    self.values = values
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    if text[position] == UInt8(ascii: "n") {
      return readNull(text, position, state, wanted: "a whole number")
    }
    let (value, next) = jsonInteger(text, position, state)
    if next < 0 { return next }
    guard let narrow = Int32(exactly: value) else {
      return state.fail("\(value) is out of the range of 32 bits")
    }
    values.append(narrow)
    return next
  }
}

/// Integers of other widths.
final class JSONIntegerSink: JSONSink {
  private let values: any ArrayBuilder
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: any ArrayBuilder) {
    self.values = values
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    if text[position] == UInt8(ascii: "n") {
      return readNull(text, position, state, wanted: "a whole number")
    }
    let (value, next) = jsonWideInteger(text, position, state)
    if next < 0 { return next }
    do throws(ColumnarError) {
      if let value = Int64(exactly: value) {
        try values.append(.int(value))
      } else {
        try values.append(.decimal(value, scale: 0))
      }
    } catch {
      return fail(state, error)
    }
    return next
  }
}

/// Whole numbers of which some have names.
final class JSONWordSink: JSONSink {
  private let values: any ArrayBuilder
  private let words: [String: Int64]
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: any ArrayBuilder, _ words: [String: Int64]) {
    self.values = values
    self.words = words
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    if text[position] == UInt8(ascii: "n") {
      return readNull(text, position, state, wanted: wanted)
    }
    var value: Int64?
    var next: Int
    if text[position] == 0x22 {
      let span = jsonString(text, position, state)
      next = span.next
      if next < 0 { return next }
      value =
        words[
          String(
            decoding: UnsafeBufferPointer(start: span.start, count: span.count), as: UTF8.self)]
    } else {
      let (number, behind) = jsonInteger(text, position, state)
      next = behind
      if next < 0 { return next }
      if words.values.contains(number) { value = number }
    }
    guard let value else { return state.fail(text, position, wanted: wanted) }
    do throws(ColumnarError) { try values.append(.int(value)) } catch { return fail(state, error) }
    return next
  }

  private var wanted: String {
    words.sorted { $0.value < $1.value }.map { "\"\($0.key)\" (\($0.value))" }
      .joined(separator: " or ")
  }
}

final class JSONBooleanSink: JSONSink {
  private let values: BooleanBuilder
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: BooleanBuilder) {
    self.values = values
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    var next = jsonSkipWord(text, position, "true")
    if next >= 0 {
      values.append(true)
      return next
    }
    next = jsonSkipWord(text, position, "false")
    if next >= 0 {
      values.append(false)
      return next
    }
    return readNull(text, position, state, wanted: "true or false")
  }
}

/// Columns of type null.
final class JSONNullSink: JSONSink {
  private let values: any ArrayBuilder
  override var builder: any ArrayBuilder { values }

  init(_ field: Field, _ values: any ArrayBuilder) {
    self.values = values
    super.init(field)
  }

  override func read(_ text: JSONText, _ position: Int, _ state: JSONLineState) -> Int {
    readNull(text, position, state, wanted: "null")
  }
}
