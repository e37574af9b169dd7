// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// Chooses the records among dead letters that tell of rows: those that read as JSON and for whose members
/// the condition is true, those that hold a marker, and those that do not read as JSON but say somewhere
/// that a column has a value that the condition names.
struct DeadLetterChooser: ErasureChooser {
  let filter: Predicate
  /// The stream's.
  let input: Schema
  let markers: [[UInt8]]
  private let wanted: [(name: [UInt8], value: [UInt8])]

  let columns = ["bytes"]
  var text: String { "the record says \(filter.textWithoutValues)" }

  init(filter: Predicate, columns: Schema, markers: [[UInt8]]) {
    self.filter = filter
    input = columns
    self.markers = markers
    wanted = filter.equalities.map { (Array("\"\($0.name)\"".utf8), Array($0.value.utf8)) }
  }

  func rows(of batch: RecordBatch) throws(TableError) -> [Int] {
    (0..<batch.rowCount).filter { row in
      guard case .binary(let bytes) = batch.columns[0].scalar(at: row) else { return false }
      return holds(bytes)
    }
  }

  /// Whether a record tells of such a row.
  func holds(_ bytes: [UInt8]) -> Bool {
    let buffer = Buffer(bytes)
    if markers.contains(where: { buffer.contains($0) }) { return true }
    guard let value = try? JSONValue(parsing: bytes), case .object(let record) = value else {
      return mentions(bytes)
    }
    return matches(record)
  }

  /// Whether the condition is true for the members; what does not fit its column is left away.
  private func matches(_ record: JSONObject) -> Bool {
    var fields: [Field] = []
    var columns: [ArrayData] = []
    for field in input.fields {
      let builder = makeBuilder(for: field.type)
      if let scalar = Self.scalar(record[field.name], field.type) {
        do throws(ColumnarError) { try builder.append(scalar) } catch { builder.appendNull() }
      } else {
        builder.appendNull()
      }
      fields.append(Field(field.name, field.type))
      columns.append(builder.finish())
    }
    let batch = RecordBatch(trusted: Schema(fields), columns: columns, rowCount: 1)
    do throws(ColumnarError) {
      return try batch.filter(try filter.bind(to: batch.schema)).rowCount > 0
    } catch { return mentions(JSONValue.object(record).bytes) }
  }

  /// A value as it would be in the column; `nil` for one that is none.
  private static func scalar(_ value: JSONValue?, _ type: DataType) -> Scalar? {
    switch (value, type) {
    case (.bool(let value), .bool): .bool(value)
    case (.int(let value), .int8), (.int(let value), .int16), (.int(let value), .int32),
      (.int(let value), .int64):
      .int(value)
    case (.int(let value), .float64): .float64(Double(value))
    case (.double(let value), .float64): .float64(value)
    case (.string(let text), .utf8), (.string(let text), .largeUtf8): .string(text)
    // Numbers come as text, and text as numbers, in records that were refused for it.
    case (.string(let text), .int32), (.string(let text), .int64): Int64(text).map { .int($0) }
    case (.int(let value), .utf8): .string(String(value))
    default: nil
    }
  }

  /// Whether the text says that a column has a value of the condition.
  private func mentions(_ bytes: [UInt8]) -> Bool {
    wanted.contains { name, value in
      var start = 0
      while let place = Self.first(name, in: bytes, from: start) {
        start = place + name.count
        var next = start
        while next < bytes.count, " \t\r\n:\"".utf8.contains(bytes[next]) { next += 1 }
        guard bytes[next...].starts(with: value) else { continue }
        let behind = next + value.count
        if behind >= bytes.count || !Self.goesOn(bytes[behind]) { return true }
      }
      return false
    }
  }

  private static func goesOn(_ byte: UInt8) -> Bool {
    UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte
      || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
  }

  private static func first(_ pattern: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
    guard !pattern.isEmpty, bytes.count - start >= pattern.count else { return nil }
    return (start...bytes.count - pattern.count).first { place in
      bytes[place] == pattern[0] && bytes[place...].starts(with: pattern)
    }
  }
}

extension Predicate {
  /// Columns and values, as JSON has them, that it names as equal.
  fileprivate var equalities: [(name: String, value: String)] {
    func text(_ literal: Literal) -> String? {
      switch literal {
      case .integer(let value): String(value)
      case .string(let value): value
      case .double(let value): String(value)
      case .bool(let value): String(value)
      default: nil
      }
    }
    switch self {
    case .compare(.equal, let term, let literal):
      return text(literal).map { [(term.name, $0)] } ?? []
    case .isIn(let term, let values):
      return values.compactMap { value in text(value).map { (term.name, $0) } }
    case .and(let parts), .or(let parts): return parts.flatMap(\.equalities)
    default: return []
    }
  }
}
