// SPDX-License-Identifier: Apache-2.0

package import WeirColumnar
package import WeirStreaming
internal import WeirTable

/// A row of the log, as the oracle sees it.
package struct LoggedRow: Hashable, Sendable {
  /// By column of the file schema, as sent; the added columns too.
  package var values: [String: Scalar]
  package var isDelete: Bool

  package init(values: [String: Scalar], isDelete: Bool) {
    self.values = values
    self.isDelete = isDelete
  }
}

/// What a stream's rows are, by its definition, one key at a time and one row after the other; slow and
/// obvious. It keeps every row of the log.
package struct NaiveMerge {
  let definition: StreamDefinition
  let fileSchema: Schema
  /// What a sketch of a distinct count says.
  private let sketchCount: ([UInt8]) -> Int64

  package init(
    definition: StreamDefinition, fileSchema: Schema,
    sketchCount: @escaping ([UInt8]) -> Int64 = { _ in -1 }
  ) {
    self.definition = definition
    self.fileSchema = fileSchema
    self.sketchCount = sketchCount
  }

  /// The visible rows in the file schema's order, sorted as text.
  package func rows(_ log: [LoggedRow]) -> [String] {
    var byKey: [[Scalar]: [LoggedRow]] = [:]
    var plain: [[Scalar]] = []
    for row in log {
      if definition.primaryKey.isEmpty {
        plain.append(values(row))
      } else {
        byKey[definition.primaryKey.map { row.values[$0] ?? .null }, default: []].append(row)
      }
    }
    let merged = byKey.values.compactMap { versions in merge(versions) }
    return (plain + merged).map(text).sorted()
  }

  /// A row as text, with what may differ between equal rows made the same: states are left out, sketches
  /// are shown as what they count, decayed sums are rounded.
  package func text(_ row: [Scalar]) -> String {
    var row = row
    for (place, field) in fileSchema.fields.enumerated() {
      if field.name == StreamColumns.mergeState { row[place] = .null }
      guard case .aggregation(let functions) = definition.merge else { continue }
      switch (functions[field.name], row[place]) {
      case (.distinctCount, .binary(let bytes)):
        row[place] = .int(sketchCount(bytes))
      case (.decayedSum, .float64(let value)) where value.isFinite:
        // Sums that cancel out leave rounding errors of their greatest part.
        row[place] = .string("\((value * 1e6).rounded() / 1e6 + 0)")
      default: continue
      }
    }
    return rowText(row)
  }

  private func values(_ row: LoggedRow) -> [Scalar] {
    fileSchema.fields.map { row.values[$0.name] ?? .null }
  }

  /// `nil` for a key without row.
  package func merge(_ versions: [LoggedRow]) -> [Scalar]? {
    switch definition.merge {
    case .lastWrite(let sequence):
      var best = versions[0]
      for row in versions.dropFirst() where order(row, best, sequence) >= 0 { best = row }
      return best.isDelete ? nil : values(best)
    case .firstRow(let sequence):
      if versions.contains(where: \.isDelete) { return nil }
      var best = versions[0]
      for row in versions.dropFirst() where order(row, best, sequence) < 0 { best = row }
      return values(best)
    case .partialUpdate(let groups): return partialUpdate(versions, groups)
    case .aggregation(let functions): return aggregation(versions, functions)
    }
  }

  /// By the sequence columns, nulls first.
  func order(_ a: LoggedRow, _ b: LoggedRow, _ sequence: [String]) -> Int {
    for name in sequence {
      let order = naiveOrder(a.values[name] ?? .null, b.values[name] ?? .null)
      if order != 0 { return order }
    }
    return 0
  }
}

/// Null before all values, NaN after all numbers, one zero.
package func naiveOrder(_ a: Scalar, _ b: Scalar) -> Int {
  func compare<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : a == b ? 0 : 1 }
  switch (a, b) {
  case (.null, .null): return 0
  case (.null, _): return -1
  case (_, .null): return 1
  case (.bool(let a), .bool(let b)): return compare(a ? 1 : 0, b ? 1 : 0)
  case (.int(let a), .int(let b)): return compare(a, b)
  case (.uint(let a), .uint(let b)): return compare(a, b)
  case (.decimal(let a, _), .decimal(let b, _)): return compare(a, b)
  case (.float16(let a), .float16(let b)):
    return naiveOrder(.float64(Double(a)), .float64(Double(b)))
  case (.float32(let a), .float32(let b)):
    return naiveOrder(.float64(Double(a)), .float64(Double(b)))
  case (.float64(let a), .float64(let b)):
    if a.isNaN || b.isNaN { return compare(a.isNaN ? 1 : 0, b.isNaN ? 1 : 0) }
    return compare(a, b)
  case (.string(let a), .string(let b)):
    return a.utf8.elementsEqual(b.utf8) ? 0 : a.utf8.lexicographicallyPrecedes(b.utf8) ? -1 : 1
  case (.binary(let a), .binary(let b)):
    return a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
  default: preconditionFailure("values of different types")
  }
}

/// A row as text that is equal exactly for equal rows, for comparing sets of rows.
package func rowText(_ row: [Scalar]) -> String {
  var text = ""
  for value in row { append(value, to: &text) }
  return text
}

/// Descriptions that Swift makes of values by itself take most of a simulation's time.
private func append(_ value: Scalar, to text: inout String) {
  switch value {
  case .null: text += "null"
  case .int(let number): text += String(number)
  case .string(let string):
    text += "'"
    text += string
    text += "'"
  case .float64(let number) where number.isFinite && number != 0: text += number.description
  case .list(let items):
    text += "["
    for item in items { append(item, to: &text) }
    text += "]"
  case .struct(let members):
    text += "("
    for member in members { append(member.value, to: &text) }
    text += ")"
  default: text += "\(normal(value))"
  }
  text += " "
}

private func normal(_ value: Scalar) -> Scalar {
  switch value {
  case .float32(let number): number.isNaN ? .string("nan") : number == 0 ? .float32(0) : value
  case .float64(let number): number.isNaN ? .string("nan") : number == 0 ? .float64(0) : value
  case .list(let items): .list(items.map(normal))
  case .struct(let members): .struct(members.map { .init($0.name, normal($0.value)) })
  case .map(let entries): .map(entries.map { .init(normal($0.key), normal($0.value)) })
  default: value
  }
}
