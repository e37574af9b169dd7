// SPDX-License-Identifier: Apache-2.0

/// A type as another implementation sends it, next to the type that Weir makes of it.
///
/// The two differ only for views (`utf8_view`, `binary_view`), which become large utf8 and large
/// binary by a copy: their total size is not known when the type must be.
final class WireType: Sendable {
  /// What the array becomes.
  let type: DataType
  /// The array comes as 16-byte views, to be converted.
  let isView: Bool
  /// One each of `type.children`.
  let children: [WireType]
  /// Of a dictionary-encoded column: how its values come.
  let dictionary: WireType?
  /// Of a dictionary-encoded column in the IPC format: the dictionary's number there.
  let dictionaryID: Int64

  /// Levels of nesting that are accepted from outside; the same bound as pyarrow's.
  static let depthMax = 64

  init(
    _ type: DataType, isView: Bool = false, children: [WireType] = [], dictionary: WireType? = nil,
    dictionaryID: Int64 = 0
  ) {
    self.type = type
    self.isView = isView
    self.children = children
    self.dictionary = dictionary
    self.dictionaryID = dictionaryID
  }

  static func tooDeep() -> ColumnarError {
    ColumnarError(.unsupported, "the type is nested more than \(depthMax) levels deep")
  }

  /// The type of a map whose one child is `entries`: Arrow demands a struct of key and value that is
  /// never null, with a key that is never null; senders often forget to say so.
  static func map(entries: Field, keysSorted: Bool) throws(ColumnarError) -> DataType {
    guard case .struct(var parts) = entries.type, parts.count == 2 else {
      throw ColumnarError(
        .invalidData, "a map's entries must be a struct of two fields, not \(entries.type)")
    }
    parts[0].nullable = false
    var fixed = entries
    fixed.nullable = false
    fixed.type = .struct(parts)
    return .map(entries: fixed, keysSorted: keysSorted)
  }

  static func dictionary(
    index: DataType, values: DataType, ordered: Bool
  ) throws(ColumnarError) -> DataType {
    guard index.isInteger else {
      throw ColumnarError(.invalidData, "a dictionary's indices must be integers, not \(index)")
    }
    return .dictionary(index: index, value: values, ordered: ordered)
  }

  static func decimal(precision: Int, scale: Int, bits: Int) throws(ColumnarError) -> DataType {
    guard bits == 128 else {
      throw ColumnarError(
        .unsupported,
        "decimal\(bits)(\(precision), \(scale)): only decimal128 is supported; cast the column")
    }
    guard (1...38).contains(precision), (-1_000...1_000).contains(scale) else {
      throw ColumnarError(
        .invalidData, "decimal128(\(precision), \(scale)) does not exist: 1 to 38 digits")
    }
    return .decimal128(precision: precision, scale: scale)
  }

  /// An error for types of Arrow that Weir does not hold, with what the sender can do instead.
  static func unsupported(_ name: String, remedy: String) -> ColumnarError {
    ColumnarError(.unsupported, "the type \(name) is not supported; \(remedy)")
  }

  static let listViewRemedy = "cast the column to list or large_list"
  static let runEndRemedy = "decode it first (pyarrow.compute.run_end_decode)"
  static let unionRemedy = "send a struct with one nullable field for each alternative"
  static let intervalRemedy = "send a duration, or months, days and nanoseconds as a struct"
}

/// Arithmetic on sizes that come from outside.
enum WireSize {
  /// Items that an array from outside may have; past this, memory could not hold them anyway.
  static let lengthMax = 1 << 48

  /// `count * width` bytes.
  static func bytes(_ count: Int, _ width: Int) throws(ColumnarError) -> Int {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: width)
    guard !overflow, bytes >= 0, bytes <= lengthMax << 4 else {
      throw ColumnarError(.invalidData, "\(count) items of \(width) bytes cannot exist in memory")
    }
    return bytes
  }

  /// `value` as a length or offset of an array.
  static func checked(_ value: Int64, _ what: String) throws(ColumnarError) -> Int {
    guard value >= 0, value <= Int64(lengthMax) else {
      throw ColumnarError(.invalidData, "\(what) is \(value)")
    }
    return Int(value)
  }
}

/// What an array's values pointer must be aligned to: wide loads trap or tear otherwise.
extension DataType {
  var valueAlignment: Int {
    switch layout {
    case .fixedWidth(let width):
      if case .fixedSizeBinary = self { 1 } else { width }
    case .variableBinary(let width), .list(let width), .dictionary(let width): width
    default: 1
    }
  }
}
