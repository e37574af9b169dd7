// SPDX-License-Identifier: Apache-2.0

/// The C data interface's short notation of types, without their children.
enum CDataFormat {
  /// The format of `type`; a dictionary's is its indices'.
  static func text(of type: DataType) -> String {
    switch type {
    case .null: "n"
    case .bool: "b"
    case .int8: "c"
    case .uint8: "C"
    case .int16: "s"
    case .uint16: "S"
    case .int32: "i"
    case .uint32: "I"
    case .int64: "l"
    case .uint64: "L"
    case .float16: "e"
    case .float32: "f"
    case .float64: "g"
    case .decimal128(let precision, let scale): "d:\(precision),\(scale)"
    case .date32: "tdD"
    case .date64: "tdm"
    case .time32(let unit), .time64(let unit): "tt\(letter(unit))"
    case .timestamp(let unit, let zone): "ts\(letter(unit)):\(zone ?? "")"
    case .duration(let unit): "tD\(letter(unit))"
    case .utf8: "u"
    case .largeUtf8: "U"
    case .binary: "z"
    case .largeBinary: "Z"
    case .fixedSizeBinary(let width): "w:\(width)"
    case .list: "+l"
    case .largeList: "+L"
    case .fixedSizeList(_, let size): "+w:\(size)"
    case .struct: "+s"
    case .map: "+m"
    case .dictionary(let index, _, _): text(of: index)
    }
  }

  /// A parsed format.
  enum Parsed {
    case leaf(DataType)
    /// `utf8_view` or `binary_view`, and what Weir makes of it.
    case view(DataType)
    case list, largeList, map
    case fixedSizeList(Int)
    case `struct`
  }

  static func parse(_ text: String) throws(ColumnarError) -> Parsed {
    if let leaf = leaves[text] { return .leaf(leaf) }
    switch text {
    case "vu": return .view(.largeUtf8)
    case "vz": return .view(.largeBinary)
    case "+l": return .list
    case "+L": return .largeList
    case "+m": return .map
    case "+s": return .struct
    default: break
    }
    if text.hasPrefix("ts") { return .leaf(try timestamp(text)) }
    if text.hasPrefix("d:") { return .leaf(try decimal(text)) }
    if text.hasPrefix("w:"), let width = size(text.dropFirst(2)) {
      return .leaf(.fixedSizeBinary(width))
    }
    if text.hasPrefix("+w:"), let size = size(text.dropFirst(3)) { return .fixedSizeList(size) }
    throw unsupported(text)
  }

  private static let leaves: [String: DataType] = {
    var leaves: [String: DataType] = [
      "n": .null, "b": .bool, "c": .int8, "C": .uint8, "s": .int16, "S": .uint16, "i": .int32,
      "I": .uint32, "l": .int64, "L": .uint64, "e": .float16, "f": .float32, "g": .float64,
      "tdD": .date32, "tdm": .date64, "u": .utf8, "U": .largeUtf8, "z": .binary,
      "Z": .largeBinary, "tts": .time32(.second), "ttm": .time32(.millisecond),
      "ttu": .time64(.microsecond), "ttn": .time64(.nanosecond),
    ]
    for unit in TimeUnit.allCases { leaves["tD\(letter(unit))"] = .duration(unit) }
    return leaves
  }()

  private static func letter(_ unit: TimeUnit) -> Character {
    switch unit {
    case .second: "s"
    case .millisecond: "m"
    case .microsecond: "u"
    case .nanosecond: "n"
    }
  }

  private static func timestamp(_ text: String) throws(ColumnarError) -> DataType {
    let rest = text.dropFirst(2)
    guard let first = rest.first,
      let unit = TimeUnit.allCases.first(where: { letter($0) == first }),
      rest.dropFirst().first == ":"
    else { throw unsupported(text) }
    let zone = String(rest.dropFirst(2))
    return .timestamp(unit, timeZone: zone.isEmpty ? nil : zone)
  }

  private static func decimal(_ text: String) throws(ColumnarError) -> DataType {
    let parts = text.dropFirst(2).split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Int($0) }
    guard numbers.count == parts.count, numbers.count == 2 || numbers.count == 3 else {
      throw unsupported(text)
    }
    return try WireType.decimal(
      precision: numbers[0], scale: numbers[1], bits: numbers.count == 3 ? numbers[2] : 128)
  }

  private static func size(_ text: Substring) -> Int? {
    Int32(text).flatMap { $0 >= 0 ? Int($0) : nil }
  }

  private static func unsupported(_ text: String) -> ColumnarError {
    let (name, remedy): (String, String)
    if text == "+vl" || text == "+vL" {
      (name, remedy) = (text == "+vl" ? "list_view" : "large_list_view", WireType.listViewRemedy)
    } else if text == "+r" {
      (name, remedy) = ("run_end_encoded", WireType.runEndRemedy)
    } else if text.hasPrefix("+u") {
      (name, remedy) = ("union", WireType.unionRemedy)
    } else if text.hasPrefix("ti") {
      (name, remedy) = ("interval", WireType.intervalRemedy)
    } else {
      (name, remedy) = ("of an unknown format", "cast the column to a type that Weir knows")
    }
    return WireType.unsupported("\(name) (format \"\(text)\")", remedy: remedy)
  }
}
