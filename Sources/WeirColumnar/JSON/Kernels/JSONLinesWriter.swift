// SPDX-License-Identifier: Apache-2.0
// Safe: values and strings are read through their arrays, by rows within them; the buffer's tail is
// written within what was reserved.

/// Writes batches as lines of JSON, one object each, in the forms that `JSONLinesParser` reads: whole
/// numbers and floats as numbers ("NaN", "Infinity", "-Infinity" as strings), decimals as strings,
/// dates and times by ISO 8601, bytes in base64 or hex, UUIDs in their usual form, maps with strings as
/// keys as objects and others as arrays of `{"key":…,"value":…}`.
public struct JSONLinesWriter: Sendable {
  public var binary: JSONLinesOptions.BinaryText
  /// Whether columns that are null are left out.
  public var omitsNulls: Bool

  public init(binary: JSONLinesOptions.BinaryText = .base64, omitsNulls: Bool = false) {
    self.binary = binary
    self.omitsNulls = omitsNulls
  }

  /// Appends one line for each row of `rows`, each ended by a line feed.
  public func append(_ batch: RecordBatch, rows: Range<Int>? = nil, to bytes: inout [UInt8]) {
    let rows = rows ?? 0..<batch.rowCount
    precondition(rows.lowerBound >= 0 && rows.upperBound <= batch.rowCount, "rows of the batch")
    let output = MutableBuffer(capacity: 64 * rows.count)
    let columns = zip(batch.schema.fields, batch.columns).map { field, column in
      (name: Self.name(field.name), cell: JSONCell.make(field, column, binary))
    }
    for row in rows {
      output.append(UInt8(ascii: "{"))
      var isFirst = true
      for (name, cell) in columns {
        if omitsNulls && cell.isNull(row) { continue }
        if !isFirst { output.append(UInt8(ascii: ",")) }
        isFirst = false
        output.append(contentsOf: name)
        cell.write(row, to: output)
      }
      output.append(UInt8(ascii: "}"))
      output.append(UInt8(0x0a))
    }
    output.withUnsafeBytes { bytes.append(contentsOf: $0) }
  }

  /// One line for each row.
  public func bytes(_ batch: RecordBatch) -> [UInt8] {
    var bytes: [UInt8] = []
    append(batch, to: &bytes)
    return bytes
  }

  /// A member's name as it stands before its value.
  static func name(_ name: String) -> [UInt8] {
    var bytes: [UInt8] = []
    JSONWriter.append(name, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    return bytes
  }
}

/// Writes one array's values.
class JSONCell {
  let array: ArrayData
  private let hasNulls: Bool

  init(_ array: ArrayData) {
    self.array = array
    hasNulls = array.nullCount > 0
  }

  final func isNull(_ row: Int) -> Bool { hasNulls && array.isNull(row) }

  final func write(_ row: Int, to output: MutableBuffer) {
    if isNull(row) {
      output.append(UInt32(0x6c6c_756e).littleEndian)
    } else {
      writeValue(row, to: output)
    }
  }

  /// Writes a row that is not null: by default as `Scalar.json(as:)`.
  func writeValue(_ row: Int, to output: MutableBuffer) {
    output.append(utf8: array.scalar(at: row).json(as: array.type))
  }

  static func make(
    _ field: Field, _ array: ArrayData, _ binary: JSONLinesOptions.BinaryText
  ) -> JSONCell {
    switch field.type {
    case .bool: return JSONBooleanCell(array)
    case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32: return JSONIntegerCell(array)
    case .utf8, .largeUtf8: return JSONStringCell(array)
    case .binary, .largeBinary: return JSONBytesCell(array, binary)
    case .fixedSizeBinary:
      let isUUID = field.metadata["ARROW:extension:name"] == "arrow.uuid"
      return isUUID ? JSONUUIDCell(array) : JSONBytesCell(array, binary)
    case .list(let item), .largeList(let item), .fixedSizeList(let item, _):
      return JSONListCell(array, make(item, array.children[0], binary))
    case .struct(let fields):
      return JSONStructCell(
        array,
        zip(fields, array.children).map {
          (name: JSONLinesWriter.name($0.name), cell: make($0, $1, binary))
        })
    case .map(let entries, _):
      let parts = array.children[0]
      return JSONMapCell(
        array, make(entries.type.children[0], parts.children[0], binary),
        make(entries.type.children[1], parts.children[1], binary), entries: parts)
    case .dictionary(_, let value, _):
      guard let dictionary = array.dictionary else { return JSONCell(array) }
      var field = field
      field.type = value
      return JSONDictionaryCell(array, make(field, dictionary, binary))
    default: return JSONCell(array)
    }
  }
}

extension MutableBuffer {
  /// Appends text.
  func append(utf8 text: String) {
    var text = text
    text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
  }

  /// Appends a whole number in decimal digits.
  func append(decimal value: Int64) {
    let tail = reserveTail(20).assumingMemoryBound(to: UInt8.self)
    var magnitude = value.magnitude
    var count = 1
    var bound = magnitude
    while bound >= 10 {
      bound /= 10
      count += 1
    }
    var start = 0
    if value < 0 {
      tail[0] = UInt8(ascii: "-")
      start = 1
    }
    var index = start + count
    while index > start {
      index -= 1
      tail[index] = UInt8(truncatingIfNeeded: 0x30 + magnitude % 10)
      magnitude /= 10
    }
    advance(by: start + count)
  }

  /// Appends UTF-8 text as a JSON string with its quotes.
  func append(jsonString text: UnsafeRawBufferPointer) {
    append(UInt8(ascii: "\""))
    if needsEscapes(text.bindMemory(to: UInt8.self)) {
      var bytes: [UInt8] = []
      JSONWriter.append(String(decoding: text, as: UTF8.self), to: &bytes)
      bytes.dropFirst().dropLast().withUnsafeBytes { append($0) }
    } else {
      append(text)
    }
    append(UInt8(ascii: "\""))
  }
}
