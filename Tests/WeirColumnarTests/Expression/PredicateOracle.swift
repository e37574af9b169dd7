// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Evaluates predicates row by row on scalars, as slowly and plainly as the rules are written down;
/// shares no code with the library beyond the types.
struct PredicateOracle {
  let schema: Schema

  /// True, false, or `nil` for null.
  func value(_ predicate: Predicate, _ row: [Scalar]) -> Bool? {
    switch predicate {
    case .always(let value): return value
    case .and(let parts):
      let values = parts.map { value($0, row) }
      return values.contains(false) ? false : values.contains(nil) ? nil : true
    case .or(let parts):
      let values = parts.map { value($0, row) }
      return values.contains(true) ? true : values.contains(nil) ? nil : false
    case .not(let inner): return value(inner, row).map { !$0 }
    case .isNull(let term): return column(term, row).0.isNull
    case .notNull(let term): return !column(term, row).0.isNull
    case .compare(let op, let term, let literal):
      return test(term, row) { compare($0, $1, literal, op) }
    case .isIn(let term, let values):
      return test(term, row) { value, type in values.contains { compare(value, type, $0, .equal) } }
    case .notIn(let term, let values):
      return test(term, row) { value, type in !values.contains { compare(value, type, $0, .equal) }
      }
    case .isNaN(let term): return test(term, row) { value, _ in isNaN(value) }
    case .notNaN(let term): return test(term, row) { value, _ in !isNaN(value) }
    case .startsWith(let term, let prefix):
      return test(term, row) { value, _ in bytes(value).starts(with: Array(prefix.utf8)) }
    case .notStartsWith(let term, let prefix):
      return test(term, row) { value, _ in !bytes(value).starts(with: Array(prefix.utf8)) }
    case .like(let term, let pattern):
      return test(term, row) { value, _ in like(value, pattern) }
    case .notLike(let term, let pattern):
      return test(term, row) { value, _ in !like(value, pattern) }
    }
  }

  private func test(_ term: Term, _ row: [Scalar], _ body: (Scalar, DataType) -> Bool) -> Bool? {
    let (value, type) = column(term, row)
    return value.isNull ? nil : body(value, type)
  }

  private func column(_ term: Term, _ row: [Scalar]) -> (Scalar, DataType) {
    var fields = schema.fields
    var value = Scalar.struct(zip(fields, row).map { Scalar.Member($0.name, $1) })
    var type = DataType.struct(fields)
    for name in term.path {
      let index = fields.firstIndex { $0.name == name }!
      type = fields[index].type
      if case .struct(let members) = value { value = members[index].value } else { value = .null }
      fields = type.children
    }
    if case .dictionary(_, let valueType, _) = type { type = valueType }
    return (value, type)
  }

  private func isNaN(_ value: Scalar) -> Bool { double(value)?.isNaN ?? false }

  private func double(_ value: Scalar) -> Double? {
    switch value {
    case .float16(let value): Double(value)
    case .float32(let value): Double(value)
    case .float64(let value): value
    default: nil
    }
  }

  private func bytes(_ value: Scalar) -> [UInt8] {
    switch value {
    case .string(let text): Array(text.utf8)
    case .binary(let bytes): bytes
    default: []
    }
  }

  private func compare(
    _ value: Scalar, _ type: DataType, _ literal: Literal, _ op: Predicate.Operator
  ) -> Bool {
    guard let order = order(value, type, literal) else { return op == .notEqual }
    return switch op {
    case .equal: order == 0
    case .notEqual: order != 0
    case .less: order < 0
    case .lessOrEqual: order <= 0
    case .greater: order > 0
    case .greaterOrEqual: order >= 0
    }
  }

  private func order(_ value: Scalar, _ type: DataType, _ literal: Literal) -> Int? {
    func compare<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : a > b ? 1 : 0 }
    func compareBytes(_ a: [UInt8], _ b: [UInt8]) -> Int {
      a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
    }
    switch (value, literal) {
    case (.bool(let a), .bool(let b)): return compare(a ? 1 : 0, b ? 1 : 0)
    case (.string, .string(let text)): return compareBytes(bytes(value), Array(text.utf8))
    case (.binary(let a), .binary(let b)): return compareBytes(a, b)
    case (.binary(let a), .uuid(let b)):
      return compareBytes(a, withUnsafeBytes(of: b.bigEndian) { Array($0) })
    case (.int(let a), .date(let days)) where type == .date32: return compare(a, days)
    case (.int(let a), .date(let days)) where type == .date64:
      return compare(Int128(a), Int128(days) * 86_400_000)
    case (.int(let a), .time(let nanoseconds)):
      return compare(Int128(a) * Int128(unit(type)), Int128(nanoseconds))
    case (.int(let a), .timestamp(let nanoseconds, _)):
      return compare(Int128(a) * Int128(unit(type)), nanoseconds)
    case (.int(let a), .date(let days)):
      return compare(Int128(a) * Int128(unit(type)), Int128(days) * 86_400_000_000_000)
    default: break
    }
    if let a = double(value) {
      var b: Double
      switch literal {
      case .double(let number): b = number
      case .decimal(let unscaled, let scale):
        let text = Scalar.decimalText(unscaled, scale: scale)
        switch value {
        case .float16: b = Double(Float16(text)!)
        case .float32: b = Double(Float(text)!)
        default: b = Double(text)!
        }
      case .integer(let number): b = Double(number)  // the tests use small ones
      default: preconditionFailure("\(value) against \(literal)")
      }
      return a.isNaN || b.isNaN ? nil : compare(a, b)
    }
    if case .double(let b) = literal, !b.isFinite { return b.isNaN ? nil : b < 0 ? 1 : -1 }
    return compareDigits(digits(value), digits(literal))
  }

  /// Nanoseconds in one unit of a type of time.
  private func unit(_ type: DataType) -> Int64 {
    switch type {
    case .time32(let unit), .time64(let unit), .timestamp(let unit, _):
      1_000_000_000 / unit.perSecond
    case .date64: 1_000_000
    default: 86_400_000_000_000
    }
  }

  // MARK: Numbers as written

  private func digits(_ value: Scalar) -> String {
    switch value {
    case .int(let value): String(value)
    case .uint(let value): String(value)
    case .decimal(let unscaled, let scale): Scalar.decimalText(unscaled, scale: scale)
    default: preconditionFailure("\(value) is no number")
    }
  }

  private func digits(_ literal: Literal) -> String {
    switch literal {
    case .integer(let value): return String(value)
    case .decimal(let unscaled, let scale): return Scalar.decimalText(unscaled, scale: scale)
    case .double(let value):
      precondition(abs(value) < 1e15, "written without an exponent")
      return value.description
    default: preconditionFailure("\(literal) is no number")
    }
  }

  private func compareDigits(_ a: String, _ b: String) -> Int {
    func parts(_ text: String) -> (negative: Bool, whole: String, fraction: String) {
      let unsigned = text.drop { $0 == "-" }
      let halves = unsigned.split(separator: ".", omittingEmptySubsequences: false)
      let whole = String(halves[0].drop { $0 == "0" })
      var fraction = halves.count > 1 ? String(halves[1]) : ""
      while fraction.hasSuffix("0") { fraction.removeLast() }
      return (text.hasPrefix("-") && !(whole + fraction).isEmpty, whole, fraction)
    }
    let (a, b) = (parts(a), parts(b))
    if a.negative != b.negative { return a.negative ? -1 : 1 }
    let sign = a.negative ? -1 : 1
    if a.whole.count != b.whole.count { return a.whole.count < b.whole.count ? -sign : sign }
    if a.whole != b.whole { return a.whole < b.whole ? -sign : sign }
    return a.fraction == b.fraction ? 0 : a.fraction < b.fraction ? -sign : sign
  }

  // MARK: Patterns

  private func like(_ value: Scalar, _ pattern: String) -> Bool {
    guard case .string(let text) = value else { return false }
    return like(Array(text.unicodeScalars)[...], Array(pattern.unicodeScalars)[...])
  }

  private func like(_ text: ArraySlice<UnicodeScalar>, _ pattern: ArraySlice<UnicodeScalar>) -> Bool
  {
    guard let first = pattern.first else { return text.isEmpty }
    let rest = pattern.dropFirst()
    switch first {
    case "%": return like(text, rest) || (!text.isEmpty && like(text.dropFirst(), pattern))
    case "_": return !text.isEmpty && like(text.dropFirst(), rest)
    case "\\": return text.first == rest.first && like(text.dropFirst(), rest.dropFirst())
    default: return text.first == first && like(text.dropFirst(), rest)
    }
  }
}
