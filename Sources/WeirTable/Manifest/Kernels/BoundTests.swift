// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are views of the bytes of one entry, within the ranges that the cursor checked, and
// of literals that are held during the call.

internal import WeirColumnar

/// The parts of a filter that one bound of a column can refute, in the form in which bounds lie in
/// manifests: most files of a selective scan are passed over by looking at a few bytes in place,
/// without making a value of anything.
///
/// It only ever says no where `BoundPredicate.mayMatch` does; what it leaves open is decided there.
struct BoundTests: Sendable {
  private enum Literal: Sendable {
    /// Integers, dates and times, also from bounds of 4 bytes when the column was promoted from `int`.
    case integer(Int64, allowsNarrow: Bool)
    case double(Double)
    /// Text and binary; `isPrefix`: only as many bytes of the bound count.
    case bytes([UInt8], isPrefix: Bool)
  }

  private struct Test: Sendable {
    let fieldID: Int64
    /// Whether a bound that equals the literal refutes, too.
    let isStrict: Bool
    let literal: Literal
  }

  /// Refuted by a lower bound above the literal.
  private var lower: [Test] = []
  /// Refuted by an upper bound below the literal.
  private var upper: [Test] = []

  var isEmpty: Bool { lower.isEmpty && upper.isEmpty }

  /// The tests that must all hold, of those that `filter` joins by AND.
  init(_ filter: BoundPredicate, _ schema: TableSchema) {
    switch filter.root {
    case .and(let parts): for part in parts { add(part, filter.columns, schema) }
    default: add(filter.root, filter.columns, schema)
    }
  }

  private mutating func add(_ node: BoundNode, _ columns: [BoundColumn], _ schema: TableSchema) {
    guard case .test(let index, let test, negated: false) = node,
      let id = columns[index].field.id, let type = schema.field(id: id)?.type
    else { return }
    switch test {
    case .compare(let op, let value):
      guard let literal = Self.literal(value, type) else { return }
      switch op {
      case .equal:
        lower.append(Test(fieldID: Int64(id), isStrict: false, literal: literal))
        upper.append(Test(fieldID: Int64(id), isStrict: false, literal: literal))
      case .less, .lessOrEqual:
        lower.append(Test(fieldID: Int64(id), isStrict: op == .less, literal: literal))
      case .greater, .greaterOrEqual:
        upper.append(Test(fieldID: Int64(id), isStrict: op == .greater, literal: literal))
      case .notEqual: break
      }
    case .isIn(let set):
      guard let first = set.values.first.flatMap({ Self.literal($0, type) }),
        let last = set.values.last.flatMap({ Self.literal($0, type) })
      else { return }
      lower.append(Test(fieldID: Int64(id), isStrict: false, literal: last))
      upper.append(Test(fieldID: Int64(id), isStrict: false, literal: first))
    case .startsWith(let prefix):
      guard type == .string || type == .binary else { return }
      let literal = Literal.bytes(prefix, isPrefix: true)
      lower.append(Test(fieldID: Int64(id), isStrict: false, literal: literal))
      upper.append(Test(fieldID: Int64(id), isStrict: false, literal: literal))
    case .isNull, .any, .isNaN, .like: break
    }
  }

  private static func literal(_ value: Scalar, _ type: TableType) -> Literal? {
    switch (type, value) {
    case (.int, .int(let value)), (.date, .int(let value)), (.long, .int(let value)),
      (.time, .int(let value)):
      .integer(value, allowsNarrow: true)
    case (.timestamp, .int(let value)), (.timestamptz, .int(let value)),
      (.timestampNs, .int(let value)), (.timestamptzNs, .int(let value)):
      // Four bytes would be days, from when the column was a date.
      .integer(value, allowsNarrow: false)
    case (.float, .float32(let value)), (.double, .float32(let value)): .double(Double(value))
    case (.double, .float64(let value)), (.float, .float64(let value)): .double(value)
    case (.string, .string(let value)): .bytes([UInt8](value.utf8), isPrefix: false)
    case (.string, .binary(let value)), (.binary, .binary(let value)):
      .bytes(value, isPrefix: false)
    default: nil
    }
  }

  /// Whether the bounds of a file exclude the filter.
  ///
  /// - Parameters:
  ///   - lower: At the file's map of lower bounds, which has been passed over before; `nil` without.
  ///   - upper: At its upper bounds.
  @inline(__always)
  func refute(_ lower: AvroCursor?, _ upper: AvroCursor?) throws(TableError) -> Bool {
    if let lower, !self.lower.isEmpty, try Self.refute(self.lower, lower, isLower: true) {
      return true
    }
    if let upper, !self.upper.isEmpty, try Self.refute(self.upper, upper, isLower: false) {
      return true
    }
    return false
  }

  private static func refute(
    _ tests: [Test], _ map: AvroCursor, isLower: Bool
  ) throws(TableError) -> Bool {
    var cursor = map
    var left = tests.count
    while true {
      var (count, _) = try cursor.blockCount(itemBytesMin: 2)
      if count == 0 { return false }
      while count > 0 {
        let key = try cursor.long()
        let range = try cursor.bytesRange()
        for index in tests.indices where tests[index].fieldID == key {
          if refutes(tests[index], cursor.view(range), isLower: isLower) { return true }
          left &-= 1
        }
        if left <= 0 { return false }
        count &-= 1
      }
    }
  }

  @inline(__always)
  private static func refutes(
    _ test: Test, _ bound: UnsafeRawBufferPointer, isLower: Bool
  ) -> Bool {
    switch test.literal {
    case .integer(let literal, let allowsNarrow):
      let value: Int64
      if bound.count == 8 {
        value = Int64(littleEndian: bound.loadUnaligned(as: Int64.self))
      } else if bound.count == 4 && allowsNarrow {
        value = Int64(Int32(littleEndian: bound.loadUnaligned(as: Int32.self)))
      } else {
        return false
      }
      if value == literal { return test.isStrict }
      return (value > literal) == isLower
    case .double(let literal):
      let value: Double
      if bound.count == 8 {
        let bits = UInt64(littleEndian: bound.loadUnaligned(as: UInt64.self))
        value = Double(bitPattern: bits)
      } else if bound.count == 4 {
        let bits = UInt32(littleEndian: bound.loadUnaligned(as: UInt32.self))
        value = Double(Float(bitPattern: bits))
      } else {
        return false
      }
      // All of these are false when either is NaN.
      if value == literal { return test.isStrict }
      return isLower ? value > literal : value < literal
    case .bytes(let literal, let isPrefix):
      return literal.withUnsafeBytes { literal in
        let start = isPrefix ? bound.prefix(literal.count) : bound[...]
        if start.elementsEqual(literal) { return test.isStrict }
        return start.lexicographicallyPrecedes(literal) != isLower
      }
    }
  }
}
