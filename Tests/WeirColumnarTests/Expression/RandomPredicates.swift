// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import _WeirTestSupport

/// Random predicates on the columns of a batch, with literals in and around its values.
struct RandomPredicates {
  /// A column, or a field within structs, with the values of its rows.
  struct Leaf {
    var term: Term
    var type: DataType
    var values: [Scalar]
  }

  let leaves: [Leaf]

  init(_ batch: RecordBatch) {
    var leaves: [Leaf] = []
    func visit(_ path: [String], _ field: Field, _ values: [Scalar]) {
      let path = path + [field.name]
      if case .struct(let fields) = field.type {
        for (index, inner) in fields.enumerated() {
          visit(
            path, inner,
            values.map { value in
              if case .struct(let members) = value { members[index].value } else { .null }
            })
        }
      }
      var type = field.type
      if case .dictionary(_, let value, _) = type { type = value }
      leaves.append(Leaf(term: Term(path: path), type: type, values: values))
    }
    let all = rows(batch)
    for (index, field) in batch.schema.fields.enumerated() {
      visit([], field, all.map { $0[index] })
    }
    self.leaves = leaves
  }

  func predicate(_ random: inout SeededRandom, depth: Int) -> Predicate {
    if depth > 0 && random.chance(0.6) {
      let parts = (0..<random.int(2...3)).map { _ in predicate(&random, depth: depth - 1) }
      switch random.int(0..<3) {
      case 0: return .and(parts)
      case 1: return .or(parts)
      default: return .not(parts[0])
      }
    }
    return test(&random)
  }

  private func test(_ random: inout SeededRandom) -> Predicate {
    guard !leaves.isEmpty, !random.chance(0.03) else { return .always(random.chance(0.5)) }
    let leaf = random.pick(leaves)
    let term = leaf.term
    if random.chance(0.1) { return random.chance(0.5) ? .isNull(term) : .notNull(term) }
    switch leaf.type {
    case .list, .largeList, .fixedSizeList, .struct, .map:
      return random.chance(0.5) ? .isNull(term) : .notNull(term)
    case .utf8,
      .largeUtf8 where random.chance(0.4):
      return textTest(leaf, &random)
    case .float16, .float32, .float64:
      if random.chance(0.1) { return random.chance(0.5) ? .isNaN(term) : .notNaN(term) }
    default: break
    }
    if random.chance(0.3) {
      let values = (0..<random.pick([1, 2, 3, 8, 40])).map { _ in literal(leaf, &random) }
      return random.chance(0.7) ? .isIn(term, values) : .notIn(term, values)
    }
    return .compare(random.pick(Predicate.Operator.allCases), term, literal(leaf, &random))
  }

  private func textTest(_ leaf: Leaf, _ random: inout SeededRandom) -> Predicate {
    var scalars: [UnicodeScalar] = []
    if case .string(let text) = random.pick(leaf.values.isEmpty ? [.null] : leaf.values) {
      scalars = Array(text.unicodeScalars)
    }
    var text = String.UnicodeScalarView()
    if random.chance(0.5) {
      text.append(contentsOf: scalars.prefix(random.int(0...3)))
      let prefix = String(text)
      return random.chance(0.6) ? .startsWith(leaf.term, prefix) : .notStartsWith(leaf.term, prefix)
    }
    // Two wildcards make it neither a plain text nor a prefix.
    text.append("%")
    for scalar in scalars.dropFirst(random.int(0...2)).prefix(6) {
      switch random.int(0..<5) {
      case 0: text.append("_")
      case 1: if text.last != "%" { text.append("%") }
      default:
        if scalar == "%" || scalar == "_" || scalar == "\\" { text.append("\\") }
        text.append(scalar)
      }
    }
    text.append("_")
    if random.chance(0.5) { text.append("%") }
    return random.chance(0.6)
      ? .like(leaf.term, String(text)) : .notLike(leaf.term, String(text))
  }

  /// A literal that compares with the leaf's type, mostly near one of its values.
  func literal(_ leaf: Leaf, _ random: inout SeededRandom) -> Literal {
    let values = leaf.values.filter { !$0.isNull }
    let value = values.isEmpty ? nil : random.pick(values)
    switch leaf.type {
    case .bool: return .bool(random.chance(0.5))
    case .float16, .float32, .float64: return floatLiteral(value, &random)
    case .utf8, .largeUtf8:
      guard case .string(let text) = value else { return "x" }
      return .string(random.chance(0.8) ? text : text + "a")
    case .binary, .largeBinary, .fixedSizeBinary:
      guard case .binary(var bytes) = value else { return .binary([1]) }
      if random.chance(0.2) { bytes.append(0) }
      if bytes.count == 16 && random.chance(0.5) {
        return .uuid(bytes.reduce(0) { $0 << 8 | UInt128($1) })
      }
      return .binary(bytes)
    case .decimal128:
      guard case .decimal(let unscaled, let scale) = value, random.chance(0.8) else {
        return random.pick([0, .double(-2.25), .double(.infinity), .integer(.max), .integer(.min)])
      }
      let (finer, overflow) = unscaled.multipliedReportingOverflow(by: 10)
      if !overflow && random.chance(0.3) {
        return .decimal(finer &+ Int128(random.int(-1...1)), scale: scale + 1)
      }
      return .decimal(unscaled, scale: scale)
    case .date32, .date64, .time32, .time64, .timestamp: return timeLiteral(leaf, value, &random)
    default:
      let whole: Int128 =
        switch value {
        case .int(let value): Int128(value)
        case .uint(let value): Int128(value)
        default: 1
        }
      switch random.int(0..<6) {
      case 0: return .integer(whole + Int128(random.int(-2...2)))
      case 1: return .decimal(whole * 10 + Int128(random.int(-5...5)), scale: 1)
      case 2: return .double(Double(random.int(-3_000...3_000)) / 8)
      case 3:
        return random.pick([
          .integer(Int128(Int64.max) + 1), .integer(-1), .integer(300), .double(.nan),
          .double(-.infinity), .integer(.min),
        ])
      default: return .integer(whole)
      }
    }
  }

  private func floatLiteral(_ value: Scalar?, _ random: inout SeededRandom) -> Literal {
    let number: Double =
      switch value {
      case .float16(let value): Double(value)
      case .float32(let value): Double(value)
      case .float64(let value): value
      default: 0
      }
    switch random.int(0..<5) {
    case 0: return .double(random.chance(0.5) ? number.nextUp : number.nextDown)
    case 1: return .decimal(Int128(random.int(-300...300)), scale: 2)
    case 2: return .integer(Int128(random.int(-100...100)))
    default: return .double(number)
    }
  }

  private func timeLiteral(
    _ leaf: Leaf, _ value: Scalar?, _ random: inout SeededRandom
  ) -> Literal {
    let literal = value.flatMap { Literal($0, as: leaf.type) }
    let step = Int64(random.int(-1...1))
    switch (leaf.type, literal) {
    case (.time32, .time(let nanoseconds)), (.time64, .time(let nanoseconds)):
      return .time(min(max(nanoseconds, 1), 86_399_999_999_998) + step)
    case (.time32, _), (.time64, _): return .time(3_600_000_000_000)
    case (_, .date(let days)) where abs(days) < 1_000_000:
      if random.chance(0.4) {
        return .timestamp(Int128(days) * 86_400_000_000_000 + Int128(step), zoned: false)
      }
      return .date(days + step)
    case (.timestamp(_, let zone), .timestamp(let nanoseconds, _)):
      guard abs(nanoseconds) < 1_000_000_000_000_000_000_000 else { return .date(step) }
      return .timestamp(nanoseconds + Int128(step), zoned: zone != nil && random.chance(0.5))
    default: return .date(step)
    }
  }
}
