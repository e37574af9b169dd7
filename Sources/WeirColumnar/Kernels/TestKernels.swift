// SPDX-License-Identifier: Apache-2.0
// Safe: kernels read as many values as the array they take has; it lives while they run.

internal import CWeirKernels

extension ArrayData {
  /// For each row whether its value passes `test`; bits of null rows, and of rows outside of `among`,
  /// mean nothing. The array is no dictionary and fits the test, as binding and the evaluator see to.
  ///
  /// Cost: fixed-width comparisons about 0.2 ns a row, whatever `among` is; tests of bytes go over
  /// the rows of `among` only.
  func passing(_ test: BoundTest, among: RowBits?) -> RowBits {
    switch test {
    case .any, .isNull: return RowBits(repeating: true, count: length)
    case .compare(let op, let value): return comparing(op, value, among)
    case .isIn(let set): return within(set, among)
    case .isNaN: return areNaN(among)
    case .startsWith(let prefix): return bytesPassing(.prefix(prefix), among)
    case .like(let pattern): return bytesPassing(.like(pattern), among)
    }
  }

  // MARK: Comparisons

  private func comparing(
    _ op: Predicate.Operator, _ value: Scalar, _ among: RowBits?
  ) -> RowBits {
    let code = op.kernelCode
    switch (type, value) {
    case (.bool, .bool(let value)): return comparingBits(op, value)
    case (.int8, .int(let value)):
      return kernel(Int8.self) {
        weir_compare_i8($0, Int8(truncatingIfNeeded: value), code, $1, $2)
      }
    case (.int16, .int(let value)):
      return kernel(Int16.self) {
        weir_compare_i16($0, Int16(truncatingIfNeeded: value), code, $1, $2)
      }
    case (.int32, .int(let value)), (.date32, .int(let value)), (.time32, .int(let value)):
      return kernel(Int32.self) {
        weir_compare_i32($0, Int32(truncatingIfNeeded: value), code, $1, $2)
      }
    case (.int64, .int(let value)), (.date64, .int(let value)), (.time64, .int(let value)),
      (.timestamp, .int(let value)), (.duration, .int(let value)):
      return kernel(Int64.self) { weir_compare_i64($0, value, code, $1, $2) }
    case (.uint8, .uint(let value)):
      return kernel(UInt8.self) {
        weir_compare_u8($0, UInt8(truncatingIfNeeded: value), code, $1, $2)
      }
    case (.uint16, .uint(let value)):
      return kernel(UInt16.self) {
        weir_compare_u16($0, UInt16(truncatingIfNeeded: value), code, $1, $2)
      }
    case (.uint32, .uint(let value)):
      return kernel(UInt32.self) {
        weir_compare_u32($0, UInt32(truncatingIfNeeded: value), code, $1, $2)
      }
    case (.uint64, .uint(let value)):
      return kernel(UInt64.self) { weir_compare_u64($0, value, code, $1, $2) }
    case (.float16, .float16(let value)):
      return comparingValues(Float16.self, op, value, among)
    case (.float32, .float32(let value)):
      return kernel(Float.self) { weir_compare_f32($0, value, code, $1, $2) }
    case (.float64, .float64(let value)):
      return kernel(Double.self) { weir_compare_f64($0, value, code, $1, $2) }
    case (.decimal128, .decimal(let value, _)):
      return comparingValues(Int128.self, op, value, among)
    case (_, .string(var text)):
      return text.withUTF8 { bytesPassing(.compare(op, Array($0)), among) }
    case (_, .binary(let bytes)): return bytesPassing(.compare(op, bytes), among)
    default: preconditionFailure("\(value) was bound to a column of \(type)")
    }
  }

  private func kernel<T: BitwiseCopyable>(
    _ type: T.Type,
    _ body: (UnsafeRawPointer, UnsafeMutablePointer<UInt64>, Int) -> Void
  ) -> RowBits {
    let wordCount = (length + 63) / 64
    guard wordCount > 0 else { return RowBits(count: 0, words: []) }
    let values = UnsafeRawPointer(values(as: type).baseAddress!)
    return RowBits(
      count: length,
      words: [UInt64](unsafeUninitializedCapacity: wordCount) { target, initialized in
        body(values, target.baseAddress!, length)
        initialized = wordCount
      })
  }

  private func comparingValues<T: Comparable & BitwiseCopyable>(
    _ type: T.Type, _ op: Predicate.Operator, _ value: T, _ among: RowBits?
  ) -> RowBits {
    guard length > 0 else { return RowBits(count: 0, words: []) }
    let values = UnsafeRawPointer(values(as: type).baseAddress!)
    @inline(__always) func at(_ row: Int) -> T {
      values.loadUnaligned(fromByteOffset: row * MemoryLayout<T>.stride, as: type)
    }
    switch op {
    case .equal, .notEqual: return RowBits(count: length, among: among) { at($0) == value }
    case .less: return RowBits(count: length, among: among) { at($0) < value }
    case .lessOrEqual: return RowBits(count: length, among: among) { at($0) <= value }
    case .greater: return RowBits(count: length, among: among) { at($0) > value }
    case .greaterOrEqual: return RowBits(count: length, among: among) { at($0) >= value }
    }
  }

  /// Each of the four outcomes for false and true rows is the bits, their opposite, all or none.
  private func comparingBits(_ op: Predicate.Operator, _ value: Bool) -> RowBits {
    let whenFalse = op.holds(value ? -1 : 0)
    let whenTrue = op.holds(value ? 0 : 1)
    if whenFalse == whenTrue { return RowBits(repeating: whenTrue, count: length) }
    let bits = RowBits(buffers[0], offset: offset, count: length)
    return whenTrue ? bits : bits.inverted
  }

  private func areNaN(_ among: RowBits?) -> RowBits {
    guard length > 0 else { return RowBits(count: 0, words: []) }
    switch type {
    case .float16:
      let values = values(as: Float16.self)
      return RowBits(count: length, among: among) { values[$0].isNaN }
    case .float32:
      let values = values(as: Float.self)
      return RowBits(count: length, among: among) { values[$0].isNaN }
    case .float64:
      let values = values(as: Double.self)
      return RowBits(count: length, among: among) { values[$0].isNaN }
    default: return RowBits(repeating: false, count: length)
    }
  }

  // MARK: Lists of values

  /// Values up to which comparing with each is faster than looking each row up.
  private static let comparedMax = 4

  private func within(_ set: ValueSet, _ among: RowBits?) -> RowBits {
    switch set.lookup {
    case .scalars(let values): return withinEach(values, among)
    case .integers where set.values.count <= Self.comparedMax:
      return withinEach(set.values, among)
    case .integers(let table): return withinIntegers(table, among)
    case .bytes(let table): return bytesPassing(.isIn(table), among)
    }
  }

  private func withinEach(_ values: [Scalar], _ among: RowBits?) -> RowBits {
    var result = RowBits(repeating: false, count: length)
    for value in values { result.formOr(comparing(.equal, value, among)) }
    return result
  }

  private func withinIntegers(_ table: IntegerTable, _ among: RowBits?) -> RowBits {
    guard length > 0 else { return RowBits(count: 0, words: []) }
    switch type {
    case .int8: return withinIntegers(Int8.self, table, among)
    case .int16: return withinIntegers(Int16.self, table, among)
    case .int32, .date32, .time32: return withinIntegers(Int32.self, table, among)
    case .uint8: return withinIntegers(UInt8.self, table, among)
    case .uint16: return withinIntegers(UInt16.self, table, among)
    case .uint32: return withinIntegers(UInt32.self, table, among)
    case .float16: return withinTable(Float16.self, table, among) { IntegerTable.key(Double($0)) }
    case .float32: return withinTable(Float.self, table, among) { IntegerTable.key(Double($0)) }
    case .float64: return withinTable(Double.self, table, among) { IntegerTable.key($0) }
    case .decimal128:
      return withinTable(Int128.self, table, among) {
        Int64(exactly: $0).map { UInt64(bitPattern: $0) }
      }
    default: return withinIntegers(UInt64.self, table, among)
    }
  }

  private func withinIntegers<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, _ table: IntegerTable, _ among: RowBits?
  ) -> RowBits {
    withinTable(type, table, among) { UInt64(truncatingIfNeeded: $0) }
  }

  /// - Parameter key: the number that stands for a value in the table, `nil` when none does.
  @inline(__always)
  private func withinTable<T: BitwiseCopyable>(
    _ type: T.Type, _ table: IntegerTable, _ among: RowBits?, _ key: (T) -> UInt64?
  ) -> RowBits {
    let values = UnsafeRawPointer(values(as: type).baseAddress!)
    @inline(__always) func at(_ row: Int) -> T {
      values.loadUnaligned(fromByteOffset: row * MemoryLayout<T>.stride, as: type)
    }
    return table.withLookup { lookup in
      if let bitmap = lookup.bitmap {
        return RowBits(count: length, among: among) { row in
          key(at(row)).map { bitmap.contains($0) } ?? false
        }
      }
      return RowBits(count: length, among: among) { row in
        key(at(row)).map { lookup.contains($0) } ?? false
      }
    }
  }
}

extension Predicate.Operator {
  /// As weir_kernels.h numbers them. `notEqual` is never bound.
  fileprivate var kernelCode: Int32 {
    switch self {
    case .equal, .notEqual: Int32(WEIR_EQUAL)
    case .less: Int32(WEIR_LESS)
    case .lessOrEqual: Int32(WEIR_LESS_OR_EQUAL)
    case .greater: Int32(WEIR_GREATER)
    case .greaterOrEqual: Int32(WEIR_GREATER_OR_EQUAL)
    }
  }
}

extension ArrayData {
  /// Which values of the dictionary some row of `among` has; `nil` where there are no more values
  /// than rows, so that finding out would not pay.
  func usedValues(_ valueCount: Int, among: RowBits?) -> RowBits? {
    guard valueCount > length else { return nil }
    var used = [UInt64](repeating: 0, count: (valueCount + 63) / 64)
    let rows = among ?? RowBits(repeating: true, count: length)
    for row in rows.indices where isValid(row) {
      let index = dictionaryIndex(row)
      if index >= 0 && index < valueCount { used[index >> 6] |= 1 << UInt64(index & 63) }
    }
    return RowBits(count: valueCount, words: used)
  }

  /// Of a dictionary array, for each row the bit that `bits` has for its index; 0 for indices outside
  /// of the dictionary, which null rows may hold.
  func gatheringByIndex(_ bits: RowBits, among: RowBits?) -> RowBits {
    guard length > 0, case .dictionary(let index, _, _) = type else {
      return RowBits(repeating: false, count: length)
    }
    switch index {
    case .int8: return gathering(Int8.self, bits, among)
    case .uint8: return gathering(UInt8.self, bits, among)
    case .int16: return gathering(Int16.self, bits, among)
    case .uint16: return gathering(UInt16.self, bits, among)
    case .int32: return gathering(Int32.self, bits, among)
    case .uint32: return gathering(UInt32.self, bits, among)
    default: return gathering(UInt64.self, bits, among)
    }
  }

  private func gathering<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, _ bits: RowBits, _ among: RowBits?
  ) -> RowBits {
    let indices = values(as: type)
    let count = UInt64(bits.count)
    return bits.words.withUnsafeBufferPointer { words in
      RowBits(count: length, among: among) { row in
        let index = UInt64(truncatingIfNeeded: indices[row])
        return index < count
          && words[Int(truncatingIfNeeded: index >> 6)] >> (index & 63) & 1 != 0
      }
    }
  }
}
