// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

extension Transform {
  /// A transformed value for people and paths, as the reference implementation writes it: `2026-01-31`
  /// for days, `2026-01` for months, bytes in Base64, `null`.
  ///
  /// - Parameter source: the type of the column, not of the value.
  public func text(_ value: Scalar, source: TableType) -> String {
    if value.isNull { return "null" }
    guard case .int(let ordinal) = value else {
      return PartitionText.text(value, resultType(of: source) ?? source)
    }
    switch self {
    case .year: return PartitionText.padded(1970 + Int(ordinal), 4)
    case .month:
      let year = CivilTime.floorDivide(Int(ordinal), 12)
      return PartitionText.padded(1970 + year, 4) + "-"
        + PartitionText.padded(Int(ordinal) - year * 12 + 1, 2)
    case .hour:
      let days = CivilTime.floorDivide(Int(ordinal), 24)
      return PartitionText.date(days) + "-" + PartitionText.padded(Int(ordinal) - days * 24, 2)
    default: return PartitionText.text(value, resultType(of: source) ?? source)
    }
  }
}

extension PartitionSpec {
  /// The folder of a partition: `name=value/name=value`, both parts encoded as in URL forms. Empty
  /// without fields.
  ///
  /// - Parameter values: in the order of the fields.
  public func path(_ values: [Scalar], _ schema: TableSchema) -> String {
    var path = ""
    for (field, value) in zip(fields, values) {
      if !path.isEmpty { path += "/" }
      let source = schema.field(id: field.sourceID)?.type ?? .unknown
      PartitionText.appendEncoded(field.name, to: &path)
      path += "="
      PartitionText.appendEncoded(field.transform.text(value, source: source), to: &path)
    }
    return path
  }
}

enum PartitionText {
  static func padded(_ value: Int, _ digits: Int) -> String {
    let text = String(value.magnitude)
    let sign = value < 0 ? "-" : ""
    let width = max(0, digits - sign.utf8.count - text.utf8.count)
    return sign + String(repeating: "0", count: width) + text
  }

  static func date(_ days: Int) -> String {
    let date = CivilTime.date(daysSinceEpoch: days)
    return padded(date.year, 4) + "-" + padded(date.month, 2) + "-" + padded(date.day, 2)
  }

  /// A value of `type`, not null.
  static func text(_ value: Scalar, _ type: TableType) -> String {
    switch (value, type) {
    case (.int(let days), .date): return date(Int(days))
    case (.int, .time): return clock(value.text(as: type.arrowType))
    case (.int, .timestamp), (.int, .timestampNs):
      return withoutZeros(value.text(as: type.arrowType))
    case (.int, .timestamptz), (.int, .timestamptzNs):
      return withoutZeros(String(value.text(as: type.arrowType).dropLast())) + "+00:00"
    case (.binary(let bytes), .uuid) where bytes.count == 16: return UUIDText.text(bytes)
    case (.binary(let bytes), _): return Base64.encode(bytes)
    default: return value.text(as: type.arrowType)
    }
  }

  /// A fraction of seconds without the zeros at its end.
  private static func withoutZeros(_ text: String) -> String {
    guard text.contains(".") else { return text }
    var text = text[...]
    while text.last == "0" { text.removeLast() }
    if text.last == "." { text.removeLast() }
    return String(text)
  }

  /// A time of day as Java prints it: without seconds when they are 0, with 3 or 6 decimals.
  private static func clock(_ text: String) -> String {
    if text.hasSuffix(":00.000000") { return String(text.dropLast(10)) }
    if text.hasSuffix(".000000") { return String(text.dropLast(7)) }
    return text.hasSuffix("000") ? String(text.dropLast(3)) : text
  }

  /// As `application/x-www-form-urlencoded` has it: letters, digits and `.-*_` stay, a space is `+`.
  static func appendEncoded(_ text: String, to result: inout String) {
    let digits = Array("0123456789ABCDEF".unicodeScalars)
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
        UInt8(ascii: "*"), UInt8(ascii: "_"):
        result.unicodeScalars.append(Unicode.Scalar(byte))
      case UInt8(ascii: " "): result += "+"
      default:
        result += "%"
        result.unicodeScalars.append(digits[Int(byte >> 4)])
        result.unicodeScalars.append(digits[Int(byte & 15)])
      }
    }
  }
}
