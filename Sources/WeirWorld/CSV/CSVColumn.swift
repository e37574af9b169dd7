// SPDX-License-Identifier: Apache-2.0

package import WeirColumnar

/// How one column of a table is made from the records of a CSV text.
package struct CSVColumn: Sendable {
  /// Where the value comes from.
  package enum Origin: Sendable {
    /// The CSV column of that name.
    case column(String)
    /// The CSV columns of those names, as one vector.
    case columns([String])
    /// The same text in every row.
    case constant(String)
    /// The name of the row's `CSVPass`.
    case passName
    /// Null in every row.
    case null
  }

  /// What the text of a timestamp counts.
  package enum TimeForm: Sendable {
    /// Seconds since 1970, as an integer.
    case unixSeconds
    /// `2021-11-02 20:52:59` and its relatives, see `EventTime.milliseconds(parsing:)`.
    case calendar
  }

  package var field: Field
  package var origin: Origin
  package var timeForm = TimeForm.calendar
  /// A text that means null; the empty text always does in a nullable column, unless `keepsEmpty`.
  package var nullText: String?
  /// Whether the empty text is a value (of a text column).
  package var keepsEmpty = false
  /// Added to int64 values, so that ids of several files do not meet.
  package var idOffset: Int64 = 0

  package init(_ field: Field, _ origin: Origin) {
    self.field = field
    self.origin = origin
  }

  /// The CSV column `name` under a name of our own.
  package init(
    _ field: Field, from name: String, timeForm: TimeForm = .calendar, nullText: String? = nil,
    idOffset: Int64 = 0
  ) {
    self.field = field
    self.origin = .column(name)
    self.timeForm = timeForm
    self.nullText = nullText
    self.idOffset = idOffset
  }
}

/// One row that a record may become.
package struct CSVPass: Sendable {
  package var name: String
  /// Only records whose column of that name has that text; `nil`: all records.
  package var condition: (column: String, text: String)?

  package init(_ name: String, when column: String? = nil, is text: String = "1") {
    self.name = name
    condition = column.map { ($0, text) }
  }
}

/// Takes the text of one column's values and makes an array of them.
protocol ColumnSink: AnyObject {
  /// False when the text does not have the type's form; then nothing was appended.
  func append(_ bytes: ArraySlice<UInt8>) -> Bool
  func appendNull()
  func finish() -> ArrayData
}

/// Integers of all widths; they are narrowed when the batch is made.
final class IntegerSink: ColumnSink {
  private var column = FixedColumn<Int64>(.int64)
  private let type: DataType
  private let range: ClosedRange<Int64>
  private let offset: Int64

  init(_ type: DataType, _ range: ClosedRange<Int64>, offset: Int64 = 0) {
    self.type = type
    self.range = range
    self.offset = offset
  }

  func append(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let number = FieldParsing.int64(bytes) else { return false }
    let (value, overflowed) = number.addingReportingOverflow(offset)
    guard !overflowed, range.contains(value) else { return false }
    column.append(value)
    return true
  }

  func appendNull() { column.appendNull() }

  func finish() -> ArrayData {
    switch type {
    case .int8: column.finish(as: type) { Int8(truncatingIfNeeded: $0) }
    case .int16: column.finish(as: type) { Int16(truncatingIfNeeded: $0) }
    case .int32: column.finish(as: type) { Int32(truncatingIfNeeded: $0) }
    default: column.finish()
    }
  }
}

/// Floating point numbers; they are narrowed when the batch is made.
final class FloatSink: ColumnSink {
  private var column = FixedColumn<Double>(.float64)
  private let type: DataType

  init(_ type: DataType) { self.type = type }

  func append(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let value = FieldParsing.double(bytes) else { return false }
    column.append(value)
    return true
  }

  func appendNull() { column.appendNull() }

  func finish() -> ArrayData {
    type == .float32 ? column.finish(as: type) { Float($0) } : column.finish()
  }
}

final class BoolSink: ColumnSink {
  private var column = BoolColumn()

  func append(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let value = FieldParsing.bool(bytes) else { return false }
    column.append(value)
    return true
  }

  func appendNull() { column.append(nil) }
  func finish() -> ArrayData { column.finish() }
}

final class TimestampSink: ColumnSink {
  private var column: FixedColumn<Int64>
  private let form: CSVColumn.TimeForm

  init(_ type: DataType, form: CSVColumn.TimeForm) {
    column = FixedColumn(type)
    self.form = form
  }

  func append(_ bytes: ArraySlice<UInt8>) -> Bool {
    let time: Int64?
    switch form {
    case .calendar: time = EventTime.milliseconds(parsing: bytes)
    case .unixSeconds:
      let scaled = FieldParsing.int64(bytes)?.multipliedReportingOverflow(by: 1_000)
      time = scaled.flatMap { $0.overflow ? nil : $0.partialValue }
    }
    guard let time else { return false }
    column.append(time)
    return true
  }

  func appendNull() { column.appendNull() }
  func finish() -> ArrayData { column.finish() }
}

final class TextSink: ColumnSink {
  private var column = TextColumn()

  func append(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard FieldParsing.isUTF8(bytes) else { return false }
    column.append(bytes)
    return true
  }

  func appendNull() { column.appendNull() }
  func finish() -> ArrayData { column.finish() }
}

final class CategorySink: ColumnSink {
  private var column = CategoryColumn()

  func append(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard FieldParsing.isUTF8(bytes) else { return false }
    column.append(bytes)
    return true
  }

  func appendNull() { column.appendNull() }
  func finish() -> ArrayData { column.finish() }
}

/// Lists written as Python writes them; items that are not of the item's form are null.
final class ListSink: ColumnSink {
  private let type: DataType
  private let items: any ColumnSink
  private var offsets = FixedColumn<Int32>(.int32)
  private var itemCount: Int32 = 0
  private var validity = GrowingValidity()

  init(_ type: DataType, items: any ColumnSink) {
    self.type = type
    self.items = items
    offsets.append(0)
  }

  func append(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let parts = FieldParsing.pythonList(bytes) else { return false }
    for part in parts where !items.append(part) { items.appendNull() }
    itemCount += Int32(parts.count)
    offsets.append(itemCount)
    validity.append(true)
    return true
  }

  func appendNull() {
    offsets.append(itemCount)
    validity.append(false)
  }

  func finish() -> ArrayData {
    let (bits, nulls) = validity.finish()
    let rows = offsets.count - 1
    let ends = offsets.finish()
    let result = ArrayData(
      type: type, length: rows, nullCount: nulls, validity: bits, buffers: ends.buffers,
      children: [items.finish()])
    itemCount = 0
    offsets.append(0)
    return result
  }
}
