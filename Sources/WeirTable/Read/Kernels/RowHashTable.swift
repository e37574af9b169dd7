// SPDX-License-Identifier: Apache-2.0
// Safe: loops run over values of arrays that are held, within their lengths.

internal import WeirColumnar

/// A hash table of rows of several columns: open addressing, 64-bit hashes, rows compared on a hit.
struct RowHashTable: Sendable {
  /// Row + 1 by slot; 0 for an empty one. The number of slots is a power of two.
  private let slots: [Int32]
  private let hashes: [UInt64]
  /// A row that equals one before it, and that one.
  let duplicate: (row: Int, first: Int)?

  var byteCount: Int { slots.count * 4 + hashes.count * 8 }

  /// - Parameter keys: columns of the same length, of fewer than 2^31 rows.
  init(_ keys: [ArrayData]) {
    let rows = keys.first?.length ?? 0
    let hashes = RowHash.hashes(keys, rows: rows)
    var size = 16
    while size < rows * 2 { size *= 2 }
    var slots = [Int32](repeating: 0, count: size)
    var duplicate: (row: Int, first: Int)?
    for row in 0..<rows {
      var slot = Int(truncatingIfNeeded: hashes[row]) & (size - 1)
      var known = false
      while slots[slot] != 0 {
        let other = Int(slots[slot]) - 1
        if hashes[other] == hashes[row], RowHash.equal(keys, other, keys, row) {
          known = true
          if duplicate == nil { duplicate = (row, other) }
          break
        }
        slot = (slot + 1) & (size - 1)
      }
      if !known { slots[slot] = Int32(truncatingIfNeeded: row + 1) }
    }
    self.slots = slots
    self.hashes = hashes
    self.duplicate = duplicate
  }

  /// For each row of `columns` the first row of `keys` that equals it, or -1.
  func find(_ columns: [ArrayData], keys: [ArrayData], rows: Int) -> [Int] {
    let found = RowHash.hashes(columns, rows: rows)
    var result = [Int](repeating: -1, count: rows)
    for row in 0..<rows {
      var slot = Int(truncatingIfNeeded: found[row]) & (slots.count - 1)
      while slots[slot] != 0 {
        let key = Int(slots[slot]) - 1
        if hashes[key] == found[row], RowHash.equal(keys, key, columns, row) {
          result[row] = key
          break
        }
        slot = (slot + 1) & (slots.count - 1)
      }
    }
    return result
  }

  /// Which rows of `columns` are in the table; `nil` when none is.
  func mask(
    _ columns: [ArrayData], keys: [ArrayData], rows: Int, negated: Bool
  ) -> ArrayData? {
    let found = RowHash.hashes(columns, rows: rows)
    var bits = [UInt64](repeating: negated ? .max : 0, count: (rows + 63) / 64)
    var any = false
    for row in 0..<rows {
      var slot = Int(truncatingIfNeeded: found[row]) & (slots.count - 1)
      while slots[slot] != 0 {
        let key = Int(slots[slot]) - 1
        if hashes[key] == found[row], RowHash.equal(keys, key, columns, row) {
          bits[row >> 6] ^= 1 << UInt64(row & 63)
          any = true
          break
        }
        slot = (slot + 1) & (slots.count - 1)
      }
    }
    guard any else { return nil }
    return ArrayData(
      type: .bool, length: rows, buffers: [Buffer(bits.map(\.littleEndian))])
  }
}

/// Hashes and equality of rows.
enum RowHash {
  /// One hash for each row. Null is a value.
  static func hashes(_ columns: [ArrayData], rows: Int) -> [UInt64] {
    var result = [UInt64](repeating: 0x9e37_79b9_7f4a_7c15, count: rows)
    for column in columns { mix(column, into: &result) }
    return result
  }

  private static func mix(_ column: ArrayData, into hashes: inout [UInt64]) {
    defer { withExtendedLifetime(column) {} }
    switch (column.type, column.type.layout) {
    case (.float32, _):
      let values = column.values(as: Float.self)
      combine(column, &hashes) { UInt64(bits(values[$0])) }
    case (.float64, _):
      let values = column.values(as: Double.self)
      combine(column, &hashes) { bits(values[$0]) }
    case (_, .fixedWidth(4)):
      let values = column.values(as: UInt32.self)
      combine(column, &hashes) { UInt64(values[$0]) }
    case (_, .fixedWidth(8)):
      let values = column.values(as: UInt64.self)
      combine(column, &hashes) { values[$0] }
    case (_, .bits):
      combine(column, &hashes) {
        Bitmap.get(column.buffers[0].base, column.offset + $0) ? 1 : 2
      }
    case (.null, _): combine(column, &hashes) { _ in 0 }
    default: combine(column, &hashes) { row in column.withBytes(row) { bytesHash($0) } }
    }
  }

  @inline(__always)
  private static func combine(
    _ column: ArrayData, _ hashes: inout [UInt64], _ value: (Int) -> UInt64
  ) {
    for row in 0..<column.length {
      let hash = column.isValid(row) ? value(row) : 0x5bd1_e995_0000_0001
      var mixed = (hashes[row] ^ hash) &* 0x9fb2_1c65_1e98_df25
      mixed ^= mixed >> 32
      hashes[row] = mixed &* 0xd6e8_feb8_6659_fd93
    }
  }

  private static func bytesHash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash = UInt64(bytes.count) &* 0x9e37_79b9_7f4a_7c15
    var index = 0
    while index + 8 <= bytes.count {
      hash =
        (hash ^ bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        &* 0x9fb2_1c65_1e98_df25
      hash ^= hash >> 29
      index += 8
    }
    while index < bytes.count {
      hash = (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01b3
      index += 1
    }
    return hash
  }

  /// All NaNs are one.
  @inline(__always)
  private static func bits(_ value: Double) -> UInt64 {
    value.isNaN ? Double.nan.bitPattern : value.bitPattern
  }
  @inline(__always)
  private static func bits(_ value: Float) -> UInt32 {
    value.isNaN ? Float.nan.bitPattern : value.bitPattern
  }

  /// Whether two rows are equal in all columns; both sides have the same types.
  static func equal(_ a: [ArrayData], _ i: Int, _ b: [ArrayData], _ j: Int) -> Bool {
    for (x, y) in zip(a, b) where !equal(x, i, y, j) { return false }
    return true
  }

  private static func equal(_ a: ArrayData, _ i: Int, _ b: ArrayData, _ j: Int) -> Bool {
    let valid = a.isValid(i)
    guard valid == b.isValid(j) else { return false }
    guard valid else { return true }
    switch a.type {
    case .float32: return bits(a.values(as: Float.self)[i]) == bits(b.values(as: Float.self)[j])
    case .float64: return bits(a.values(as: Double.self)[i]) == bits(b.values(as: Double.self)[j])
    case .bool:
      return Bitmap.get(a.buffers[0].base, a.offset + i)
        == Bitmap.get(b.buffers[0].base, b.offset + j)
    default:
      return a.withBytes(i) { x in
        b.withBytes(j) { y in x.count == y.count && x.elementsEqual(y) }
      }
    }
  }
}

/// Nulls of a struct, put into its fields.
enum StructValidity {
  /// `array`, also null where `outer` is; both of the same length.
  static func pushed(_ outer: ArrayData, into array: ArrayData) -> ArrayData {
    guard outer.nullCount > 0, array.type != .null else { return array }
    var bits = [UInt64](repeating: 0, count: (array.length + 63) / 64)
    for row in 0..<array.length where outer.isValid(row) && array.isValid(row) {
      bits[row >> 6] |= 1 << UInt64(row & 63)
    }
    // Bitmaps count from the array's offset: children and buffers stay, so the bits move there.
    let shifted = shift(bits, by: array.offset, count: array.length)
    return ArrayData(
      type: array.type, length: array.length, offset: array.offset, validity: shifted,
      buffers: array.buffers, children: array.children, dictionary: array.dictionary)
  }

  private static func shift(_ bits: [UInt64], by offset: Int, count: Int) -> Buffer {
    let byteCount = Bitmap.byteCount(offset + count)
    let out = MutableBuffer(capacity: byteCount)
    let target = out.reserveTail(byteCount)
    target.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    for row in 0..<count where bits[row >> 6] >> UInt64(row & 63) & 1 == 1 {
      Bitmap.set(target, offset + row)
    }
    out.advance(by: byteCount)
    return out.finish()
  }
}

/// Rows with equal keys, together.
struct RowGroups {
  /// The first row of each group; groups come in the order of these.
  var firstRows: [Int] = []
  /// The rows of each group, ascending. Left out when there is one group.
  var rows: [[Int]] = []

  static func numbers(_ keys: [ArrayData], rows count: Int) -> RowGroups {
    var result = RowGroups()
    if keys.isEmpty || count == 0 { return result }
    let hashes = RowHash.hashes(keys, rows: count)
    // Groups by hash; several where hashes collide.
    var known: [UInt64: [Int]] = [:]
    var numbers = [Int32](repeating: 0, count: count)
    var last = -1
    for row in 0..<count {
      if last >= 0, hashes[row] == hashes[row - 1], RowHash.equal(keys, row - 1, keys, row) {
        numbers[row] = Int32(truncatingIfNeeded: last)
        continue
      }
      let candidates = known[hashes[row]] ?? []
      let found = candidates.first { RowHash.equal(keys, result.firstRows[$0], keys, row) }
      last = found ?? result.firstRows.count
      if found == nil {
        known[hashes[row], default: []].append(last)
        result.firstRows.append(row)
      }
      numbers[row] = Int32(truncatingIfNeeded: last)
    }
    if result.firstRows.count == 1 { return result }
    result.rows = [[Int]](repeating: [], count: result.firstRows.count)
    for row in 0..<count { result.rows[Int(numbers[row])].append(row) }
    return result
  }
}
