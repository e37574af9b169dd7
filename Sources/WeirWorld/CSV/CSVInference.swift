// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Guesses the types of a CSV text's columns from its first records.
///
/// A column is int64, float64, bool (`true` and `false`), timestamp[ms, UTC] when all its non-empty
/// values in the sample have that form, in this order; utf8 otherwise. A later value of another form
/// is an error that names it: guesses are never widened behind anybody's back.
package enum CSVInference {
  private static let sampleRecords = 5_000

  private struct Candidate {
    var isInteger = true
    var isNumber = true
    var isBool = true
    var isTime = true
    var hasValue = false

    mutating func add(_ bytes: ArraySlice<UInt8>) {
      if bytes.isEmpty { return }
      hasValue = true
      if isCode(bytes) { (isInteger, isNumber) = (false, false) }
      if isInteger && FieldParsing.int64(bytes) == nil { isInteger = false }
      if isNumber && FieldParsing.double(bytes) == nil { isNumber = false }
      if isBool && (bytes.count < 4 || FieldParsing.bool(bytes) == nil) { isBool = false }
      if isTime && EventTime.milliseconds(parsing: bytes) == nil { isTime = false }
    }

    /// Leading zeros tell of codes (postal codes, phone numbers), which are text.
    private func isCode(_ bytes: ArraySlice<UInt8>) -> Bool {
      let digits = bytes.first == 0x2d ? bytes.dropFirst() : bytes
      guard digits.first == 0x30, let second = digits.dropFirst().first else { return false }
      return second >= 0x30 && second <= 0x39
    }

    var type: DataType {
      if !hasValue { return .utf8 }
      if isInteger { return .int64 }
      if isNumber { return .float64 }
      if isBool { return .bool }
      if isTime { return EventSchema.eventTime.type }
      return .utf8
    }
  }

  /// The columns of the CSV file at `path`, all nullable.
  package static func columns(_ path: String) throws(WorldError) -> [CSVColumn] {
    try columns(CSVReader(FileSource.text(path)))
  }

  package static func columns(_ reader: CSVReader) throws(WorldError) -> [CSVColumn] {
    guard try reader.next() else {
      throw WorldError(
        .invalidData, "the file is empty; a first line with column names was expected",
        file: reader.name)
    }
    let names = (0..<reader.fieldCount).map { reader.text($0) }
    if let double = names.first(where: { name in names.count { $0 == name } > 1 }) {
      throw reader.error("the first line names \"\(double)\" twice")
    }
    var candidates = [Candidate](repeating: Candidate(), count: names.count)
    for _ in 0..<sampleRecords {
      guard try reader.next() else { break }
      // Another number of fields is the table's error to report.
      for index in 0..<min(names.count, reader.fieldCount) {
        candidates[index].add(reader.field(index))
      }
    }
    return zip(names, candidates).enumerated().map { index, column in
      let name = column.0.isEmpty ? "column_\(index)" : column.0
      return CSVColumn(Field(name, column.1.type), from: column.0)
    }
  }
}
