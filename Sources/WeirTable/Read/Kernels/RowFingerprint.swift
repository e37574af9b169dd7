// SPDX-License-Identifier: Apache-2.0
// Safe: loops run over values of arrays that are held, within their lengths.

internal import WeirColumnar

/// 128 bits that stand for a row's values: equal for equal rows, and for different rows with a chance
/// of about 2^-100, whoever made them, because the keys are random. Null equals null, NaN equals NaN,
/// -0.0 is not 0.0; lists and maps are equal item by item.
struct RowFingerprint: Sendable {
  /// Two independent hashes of each row.
  struct Lanes {
    var a: [UInt64]
    var b: [UInt64]
  }

  private let seeds: (UInt64, UInt64)
  private let keys: (UInt64, UInt64)
  private let null: UInt64

  init(random: () -> UInt64) {
    seeds = (random(), random())
    keys = (random() | 1, random() | 1)
    null = random()
  }

  /// The fingerprints of the rows of some columns of the same length.
  func lanes(_ columns: [ArrayData], rows: Int) throws(TableError) -> Lanes {
    var lanes = Lanes(
      a: [UInt64](repeating: seeds.0, count: rows), b: [UInt64](repeating: seeds.1, count: rows))
    for column in columns { try mix(column, into: &lanes) }
    return lanes
  }

  private func mix(_ column: ArrayData, into lanes: inout Lanes) throws(TableError) {
    defer { withExtendedLifetime(column) {} }
    switch (column.type, column.type.layout) {
    case (.float32, _):
      let values = column.values(as: Float.self)
      combine(column, &lanes) { values[$0].isNaN ? 0x7fc0_0000 : UInt64(values[$0].bitPattern) }
    case (.float64, _):
      let values = column.values(as: Double.self)
      combine(column, &lanes) {
        values[$0].isNaN ? Double.nan.bitPattern : values[$0].bitPattern
      }
    case (_, .fixedWidth(4)):
      let values = column.values(as: UInt32.self)
      combine(column, &lanes) { UInt64(values[$0]) }
    case (_, .fixedWidth(8)):
      let values = column.values(as: UInt64.self)
      combine(column, &lanes) { values[$0] }
    case (_, .bits):
      combine(column, &lanes) {
        Bitmap.get(column.buffers[0].base, column.offset + $0) ? 1 : 2
      }
    case (_, .null): combine(column, &lanes) { _ in 0 }
    case (_, .fixedWidth), (_, .variableBinary): mixBytes(column, into: &lanes)
    case (_, .list), (_, .fixedSizeList): try mixItems(column, into: &lanes)
    case (_, .struct): try mixFields(column, into: &lanes)
    case (_, .dictionary):
      throw TableError(.unsupported, "rows with values of type \(column.type) cannot be compared")
    }
  }

  @inline(__always)
  private func combine(_ column: ArrayData, _ lanes: inout Lanes, _ value: (Int) -> UInt64) {
    for row in 0..<column.length {
      add(column.isValid(row) ? value(row) : null, to: &lanes, row)
    }
  }

  @inline(__always)
  private func add(_ value: UInt64, to lanes: inout Lanes, _ row: Int) {
    add(value, value, to: &lanes, row)
  }

  @inline(__always)
  private func add(_ a: UInt64, _ b: UInt64, to lanes: inout Lanes, _ row: Int) {
    lanes.a[row] = Self.fold(lanes.a[row] ^ a, keys.0) &+ a
    lanes.b[row] = Self.fold(lanes.b[row] ^ b, keys.1) &+ b
  }

  /// Both halves of a product mixed (as in wyhash).
  @inline(__always)
  private static func fold(_ x: UInt64, _ y: UInt64) -> UInt64 {
    let product = x.multipliedFullWidth(by: y)
    return product.high ^ product.low
  }

  private func mixBytes(_ column: ArrayData, into lanes: inout Lanes) {
    for row in 0..<column.length {
      guard column.isValid(row) else {
        add(null, to: &lanes, row)
        continue
      }
      column.withBytes(row) { bytes in
        add(UInt64(bytes.count), to: &lanes, row)
        var index = 0
        while index + 8 <= bytes.count {
          add(bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self), to: &lanes, row)
          index += 8
        }
        guard index < bytes.count else { return }
        var rest: UInt64 = 0
        for place in index..<bytes.count { rest = rest << 8 | UInt64(bytes[place]) }
        add(rest, to: &lanes, row)
      }
    }
  }

  /// Lists and maps: the count of the items and then each.
  private func mixItems(_ column: ArrayData, into lanes: inout Lanes) throws(TableError) {
    guard column.length > 0 else { return }
    let start = column.itemRange(0).lowerBound
    let end = column.itemRange(column.length - 1).upperBound
    let items = column.children[0].slice(offset: start, length: end - start)
    let inner = try self.lanes([items], rows: items.length)
    for row in 0..<column.length {
      guard column.isValid(row) else {
        add(null, to: &lanes, row)
        continue
      }
      let range = column.itemRange(row)
      add(UInt64(range.count), to: &lanes, row)
      for item in range { add(inner.a[item - start], inner.b[item - start], to: &lanes, row) }
    }
  }

  /// Structs; what lies below a null one does not count.
  private func mixFields(_ column: ArrayData, into lanes: inout Lanes) throws(TableError) {
    let fields = column.children.map { $0.slice(offset: column.offset, length: column.length) }
    let inner = try self.lanes(fields, rows: column.length)
    for row in 0..<column.length {
      if column.isValid(row) {
        add(inner.a[row], inner.b[row], to: &lanes, row)
      } else {
        add(null, to: &lanes, row)
      }
    }
  }
}
