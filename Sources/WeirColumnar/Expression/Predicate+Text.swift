// SPDX-License-Identifier: Apache-2.0

/// The SQL form, which `Predicate(parsing:)` reads back as the same predicate. (Exceptions, as they
/// say the same in a longer way: ANDs and ORs of fewer than two parts, IN without values, `like`
/// with a pattern that has no wildcard or is a prefix, and values that no text stands for, like a
/// time of 25 hours.)
extension Predicate: CustomStringConvertible {
  public var description: String {
    var text = ""
    append(to: &text, inside: .top)
    return text
  }

  /// What the text stands in; each level binds tighter than the one before.
  private enum Precedence: Int {
    case top, or, and, not
  }

  private func append(to text: inout String, inside outer: Precedence) {
    switch self {
    case .always(let value): text += value ? "TRUE" : "FALSE"
    case .compare(let op, let term, let literal):
      text += "\(term) \(op.rawValue) \(literal)"
    case .isIn(let term, let values): appendList(term, "IN", values, to: &text)
    case .notIn(let term, let values): appendList(term, "NOT IN", values, to: &text)
    case .isNull(let term): text += "\(term) IS NULL"
    case .notNull(let term): text += "\(term) IS NOT NULL"
    case .isNaN(let term): text += "\(term) IS NAN"
    case .notNaN(let term): text += "\(term) IS NOT NAN"
    case .startsWith(let term, let prefix): text += "\(term) LIKE \(Self.pattern(prefix))"
    case .notStartsWith(let term, let prefix): text += "\(term) NOT LIKE \(Self.pattern(prefix))"
    case .like(let term, let pattern): text += "\(term) LIKE \(Literal.string(pattern))"
    case .notLike(let term, let pattern): text += "\(term) NOT LIKE \(Literal.string(pattern))"
    case .and(let parts): appendParts(parts, "AND", .and, outer, empty: "TRUE", to: &text)
    case .or(let parts): appendParts(parts, "OR", .or, outer, empty: "FALSE", to: &text)
    case .not(let inner):
      text += "NOT "
      inner.append(to: &text, inside: .not)
    }
  }

  private func appendList(
    _ term: Term, _ word: String, _ values: [Literal], to text: inout String
  ) {
    text += "\(term) \(word) ("
    for (index, value) in values.enumerated() {
      if index > 0 { text += ", " }
      text += value.description
    }
    text += ")"
  }

  private func appendParts(
    _ parts: [Predicate], _ word: String, _ level: Precedence, _ outer: Precedence, empty: String,
    to text: inout String
  ) {
    if parts.isEmpty {
      text += empty
      return
    }
    if parts.count == 1 { return parts[0].append(to: &text, inside: outer) }
    let grouped = outer.rawValue >= level.rawValue
    if grouped { text += "(" }
    for (index, part) in parts.enumerated() {
      if index > 0 { text += " \(word) " }
      part.append(to: &text, inside: level)
    }
    if grouped { text += ")" }
  }

  private static func pattern(_ prefix: String) -> String {
    var pattern = ""
    for scalar in prefix.unicodeScalars {
      if scalar == "%" || scalar == "_" || scalar == "\\" { pattern += "\\" }
      pattern.unicodeScalars.append(scalar)
    }
    return Literal.string(pattern + "%").description
  }
}

extension Term: CustomStringConvertible {
  /// As the parser reads it: names in quotes where they need them.
  public var description: String {
    let column = path.map(Self.quoted).joined(separator: ".")
    guard let transform else { return column }
    let name = Self.quoted(transform.name)
    guard let argument = transform.argument else { return "\(name)(\(column))" }
    return "\(name)(\(argument), \(column))"
  }

  static func quoted(_ name: String) -> String {
    var plain = !name.isEmpty && !PredicateLexer.isReserved(name)
    for (index, byte) in name.utf8.enumerated() where plain {
      plain =
        PredicateLexer.isNameStart(byte) || (index > 0 && PredicateLexer.isDigit(byte))
    }
    if plain { return name }
    var text = "\""
    for scalar in name.unicodeScalars {
      if scalar == "\"" { text += "\"" }
      text.unicodeScalars.append(scalar)
    }
    return text + "\""
  }
}

extension Literal: CustomStringConvertible {
  /// As the parser reads it.
  public var description: String {
    switch self {
    case .bool(let value): return value ? "TRUE" : "FALSE"
    case .integer(let value): return String(value)
    case .decimal(let unscaled, let scale):
      if (1...60).contains(scale) { return Scalar.decimalText(unscaled, scale: scale) }
      return scale == 0 ? "decimal '\(unscaled)'" : "decimal '\(unscaled)e\(0 - Int128(scale))'"
    case .double(let value):
      if value.isNaN { return "double 'NaN'" }
      if value.isInfinite { return value < 0 ? "double '-Infinity'" : "double 'Infinity'" }
      let plain = value.description
      return plain.utf8.contains(UInt8(ascii: "e")) ? plain : plain + "e0"
    case .string(let value): return Self.quoted(value)
    case .binary(let bytes):
      var text = "X'"
      for byte in bytes { Self.appendHex(byte, to: &text) }
      return text + "'"
    case .date(let days):
      var text = "date '"
      CivilTime.appendDate(daysSinceEpoch: Self.printable(days: Int128(days)), to: &text)
      return text + "'"
    case .time(let nanoseconds):
      var text = "time '"
      Self.appendTime(max(0, nanoseconds), to: &text)
      return text + "'"
    case .timestamp(let nanoseconds, let zoned):
      var text = "timestamp '"
      Self.appendTimestamp(nanoseconds, to: &text)
      return text + (zoned ? "Z'" : "'")
    case .uuid(let value):
      var text = "uuid '"
      for index in 0..<16 {
        if index == 4 || index == 6 || index == 8 || index == 10 { text += "-" }
        Self.appendHex(UInt8(truncatingIfNeeded: value >> UInt128(120 - 8 * index)), to: &text)
      }
      return text + "'"
    }
  }

  private static func quoted(_ value: String) -> String {
    var text = "'"
    text.reserveCapacity(value.utf8.count + 2)
    for scalar in value.unicodeScalars {
      if scalar == "'" { text += "'" }
      text.unicodeScalars.append(scalar)
    }
    text.unicodeScalars.append("'")
    return text
  }

  private static func appendHex(_ byte: UInt8, to text: inout String) {
    if byte < 16 { text += "0" }
    text += String(byte, radix: 16)
  }

  /// What the calendar can print; only values that no text gives are cut.
  private static func printable(days: Int128) -> Int {
    Int(min(max(days, -(1 << 60)), 1 << 60))
  }

  /// With as many decimals as the value needs: none, 3, 6 or 9.
  private static func appendTime(_ nanoseconds: Int64, to text: inout String) {
    let unit: TimeUnit =
      nanoseconds % 1_000 != 0
      ? .nanosecond
      : nanoseconds % 1_000_000 != 0
        ? .microsecond : nanoseconds % 1_000_000_000 != 0 ? .millisecond : .second
    CivilTime.appendTimeOfDay(Int(nanoseconds / unit.nanoseconds), unit, to: &text)
  }

  private static func appendTimestamp(_ nanoseconds: Int128, to text: inout String) {
    let perDay: Int128 = 86_400_000_000_000
    var (days, rest) = nanoseconds.quotientAndRemainder(dividingBy: perDay)
    if rest < 0 {
      days -= 1
      rest += perDay
    }
    CivilTime.appendDate(daysSinceEpoch: printable(days: days), to: &text)
    text += " "
    appendTime(Int64(rest), to: &text)
  }
}
