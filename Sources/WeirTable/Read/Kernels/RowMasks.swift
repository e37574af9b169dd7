// SPDX-License-Identifier: Apache-2.0
// Safe: bits are read within the length of arrays that are held.

internal import WeirColumnar

/// Sets of rows as arrays of truth values without nulls.
enum RowMasks {
  /// Rows that are in one of the sets and not in the other; `nil` when there is none.
  static func union(_ masks: [ArrayData], without other: ArrayData? = nil) -> ArrayData? {
    guard let first = masks.first else { return nil }
    let rows = first.length
    defer { withExtendedLifetime((masks, other)) {} }
    var bits = [UInt64](repeating: 0, count: (rows + 63) / 64)
    for mask in masks {
      for row in 0..<rows where get(mask, row) { bits[row >> 6] |= 1 << UInt64(row & 63) }
    }
    if let other {
      for row in 0..<rows where get(other, row) { bits[row >> 6] &= ~(1 << UInt64(row & 63)) }
    }
    guard bits.contains(where: { $0 != 0 }) else { return nil }
    return ArrayData(type: .bool, length: rows, buffers: [Buffer(bits.map(\.littleEndian))])
  }

  @inline(__always)
  private static func get(_ mask: ArrayData, _ row: Int) -> Bool {
    Bitmap.get(mask.buffers[0].base, mask.offset + row)
  }
}
