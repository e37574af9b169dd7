// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirColumnar
internal import WeirStreaming

/// Partial update, by what the rules say of all versions at once.
extension NaiveMerge {
  func partialUpdate(_ versions: [LoggedRow], _ groups: [SequenceGroup]) -> [Scalar]? {
    func takesPart(_ row: LoggedRow, _ group: SequenceGroup) -> Bool {
      group.sequence.contains { !(row.values[$0] ?? .null).isNull }
    }
    var result: [String: Scalar] = [:]
    var isAlive = false
    for group in groups {
      // Deletes of this group: the version whose sequence they have, and their place in the log.
      var deletes: [(sequence: LoggedRow, place: Int)] = []
      var living: [(row: LoggedRow, place: Int)] = []
      for (place, row) in versions.enumerated() {
        if !row.isDelete {
          if takesPart(row, group) { living.append((row, place)) }
        } else if takesPart(row, group) {
          deletes.append((row, place))
        } else if !groups.contains(where: { takesPart(row, $0) }) {
          let before = survivors(living, deletes, group)
          if let top = greatest(before, group) { deletes.append((top.row, place)) }
        }
      }
      let left = survivors(living, deletes, group)
      guard let top = greatest(left, group) else { continue }
      isAlive = true
      for name in group.sequence { result[name] = top.row.values[name] }
      for name in group.columns {
        let known = left.filter { !($0.row.values[name] ?? .null).isNull }
        result[name] = greatest(known, group)?.row.values[name]
      }
    }
    let grouped = Set(groups.flatMap { $0.sequence + $0.columns })
    let lastDelete = versions.lastIndex(where: \.isDelete) ?? -1
    for (place, row) in versions.enumerated() where place > lastDelete {
      if !groups.contains(where: { takesPart(row, $0) }) { isAlive = true }
      for field in definition.columns.fields where !grouped.contains(field.name) {
        if let value = row.values[field.name], !value.isNull { result[field.name] = value }
      }
    }
    guard isAlive else { return nil }
    // What was filled after the delete stays, as nobody sends it.
    for row in versions[max(0, lastDelete)...] {
      for name in FilledColumns.names { if let value = row.values[name] { result[name] = value } }
    }
    for name in definition.primaryKey { result[name] = versions[0].values[name] }
    addGreatest(groups.isEmpty ? Array(versions[(lastDelete + 1)...]) : versions, &result)
    return fileSchema.fields.map { result[$0.name] ?? .null }
  }

  private func survivors(
    _ rows: [(row: LoggedRow, place: Int)], _ deletes: [(sequence: LoggedRow, place: Int)],
    _ group: SequenceGroup
  ) -> [(row: LoggedRow, place: Int)] {
    rows.filter { version in
      !deletes.contains { delete in
        let order = order(delete.sequence, version.row, group.sequence)
        return order > 0 || (order == 0 && delete.place > version.place)
      }
    }
  }

  private func greatest(
    _ rows: [(row: LoggedRow, place: Int)], _ group: SequenceGroup
  ) -> (row: LoggedRow, place: Int)? {
    rows.max { a, b in
      let order = order(a.row, b.row, group.sequence)
      return order != 0 ? order < 0 : a.place < b.place
    }
  }

  /// What the log adds: the latest of all versions.
  func addGreatest(_ versions: [LoggedRow], _ result: inout [String: Scalar]) {
    for field in StreamColumns.added {
      result[field.name] = versions.compactMap { $0.values[field.name] }.max {
        naiveOrder($0, $1) < 0
      }
    }
  }
}

/// Aggregation, from all values at once.
extension NaiveMerge {
  func aggregation(
    _ all: [LoggedRow], _ functions: [String: AggregateFunction]
  ) -> [Scalar]? {
    let versions = Array(all[((all.lastIndex(where: \.isDelete) ?? -1) + 1)...])
    guard !versions.isEmpty else { return nil }
    let times = definition.eventTime.map { [$0] } ?? []
    var latest = versions[0]
    // What was filled belongs to the row that was the latest then.
    var filled: [String: Scalar] = [:]
    for row in versions {
      if order(row, latest, times) >= 0 {
        latest = row
        filled = [:]
      }
      for name in FilledColumns.names { if let value = row.values[name] { filled[name] = value } }
    }
    var result = latest.values
    for name in FilledColumns.names { result[name] = filled[name] }
    addGreatest(versions, &result)
    for (name, function) in functions {
      let values = versions.map { $0.values[name] ?? .null }
      result[name] = aggregate(function, name, values, versions, latest)
    }
    return fileSchema.fields.map { result[$0.name] ?? .null }
  }

  private func aggregate(
    _ function: AggregateFunction, _ name: String, _ values: [Scalar], _ versions: [LoggedRow],
    _ latest: LoggedRow
  ) -> Scalar {
    let known = values.filter { !$0.isNull }
    switch function {
    case .count: return .int(Int64(known.count))
    case .min: return known.min { naiveOrder($0, $1) < 0 } ?? .null
    case .max: return known.max { naiveOrder($0, $1) < 0 } ?? .null
    case .sum: return sum(known)
    case .lastK(let count):
      return items(name, count, definition.eventTime ?? "", "time", versions)
    case .topK(let count, let by): return items(name, count, by, "by", versions)
    case .distinctCount: return .int(Int64(Set(known.map { rowText([$0]) }).count))
    case .decayedSum(let halfLife):
      guard let time = definition.eventTime, case .int(let now)? = latest.values[time] else {
        return known.isEmpty ? .null : .null
      }
      var sum = 0.0
      var any = false
      for row in versions {
        guard case .int(let then)? = row.values[time], let value = row.values[name],
          let number = double(value)
        else { continue }
        any = true
        sum += number * pow(2, -Double(now - then) / (halfLife * 1e6))
      }
      return any ? .float64(sum) : .null
    }
  }

  private func double(_ value: Scalar) -> Double? {
    switch value {
    case .float32(let number): Double(number)
    case .float64(let number): number
    default: nil
    }
  }

  /// Doubles are summed as whole numbers of the smallest there is.
  private func sum(_ values: [Scalar]) -> Scalar {
    guard let first = values.first else { return .null }
    switch first {
    case .int:
      return .int(values.reduce(0) { if case .int(let value) = $1 { $0 &+ value } else { $0 } })
    case .decimal(_, let scale):
      let total = values.reduce(Int128(0)) {
        if case .decimal(let value, _) = $1 { $0 + value } else { $0 }
      }
      return .decimal(total, scale: scale)
    default:
      let numbers = values.compactMap(double)
      let special = numbers.filter { !$0.isFinite }
      if !special.isEmpty { return .float64(special.reduce(0, +)) }
      return .float64(fixedPointSum(numbers))
    }
  }

  private func items(
    _ name: String, _ count: Int, _ by: String, _ byName: String, _ versions: [LoggedRow]
  ) -> Scalar {
    var items: [(value: Scalar, by: Scalar)] = []
    for row in versions {
      guard let value = row.values[name], !value.isNull else { continue }
      items.append((value, row.values[by] ?? .null))
    }
    items.sort { a, b in
      let order = naiveOrder(a.by, b.by)
      return order != 0 ? order > 0 : naiveOrder(a.value, b.value) > 0
    }
    return .list(
      items.prefix(count).map { item in
        .struct([.init("value", item.value), .init(byName, item.by)])
      })
  }
}

/// The nearest double of the exact sum: numbers of 2,200 bits below and above the point.
package func fixedPointSum(_ values: [Double]) -> Double {
  // Digits of 32 bits, the lowest first; the lowest bit of digit 0 is 2^-1088.
  var digits = [Int64](repeating: 0, count: 70)
  for value in values where value != 0 {
    let exponent = Int(value.exponent) - 52
    let significand = Int64(scalbn(value.magnitude, -exponent))
    let place = exponent + 1_088
    var bits = UInt128(significand) << UInt128(place % 32)
    var digit = place / 32
    while bits != 0 {
      digits[digit] += (value < 0 ? -1 : 1) * Int64(bits & 0xffff_ffff)
      bits >>= 32
      digit += 1
    }
  }
  for digit in 0..<69 {
    let carry = digits[digit] >> 32
    digits[digit] &= 0xffff_ffff
    digits[digit + 1] += carry
  }
  let isNegative = digits[69] < 0
  if isNegative {
    var carry: Int64 = 1
    for digit in 0..<70 {
      let flipped = (digit == 69 ? ~digits[digit] : ~digits[digit] & 0xffff_ffff) + carry
      carry = digit == 69 ? 0 : flipped >> 32
      digits[digit] = digit == 69 ? flipped : flipped & 0xffff_ffff
    }
  }
  guard let top = digits.lastIndex(where: { $0 != 0 }) else { return 0 }
  // The highest bits, and whether anything is below them: enough to round once.
  var head = UInt128(0)
  for digit in stride(from: top, through: max(0, top - 2), by: -1) {
    head = head << 32 | UInt128(UInt64(digits[digit]))
  }
  let low = max(0, top - 2)
  let sticky = digits[..<low].contains { $0 != 0 }
  let length = 128 - head.leadingZeroBitCount
  var exponent = low * 32 - 1_088
  if length > 62 {
    let shift = length - 62
    let rest = head & ((UInt128(1) << UInt128(shift)) - 1)
    head >>= UInt128(shift)
    exponent += shift
    if rest != 0 || sticky { head |= 1 }
  } else if sticky {
    head |= 1
  }
  let value = scalbn(Double(UInt64(head)), exponent)
  return isNegative ? -value : value
}
