// SPDX-License-Identifier: Apache-2.0
// Safe: loops fill buffers of the count that they reserved.

internal import WeirColumnar

/// Columns that are computed from rows' places.
enum Lineage {
  /// `start`, `start + 1`, …
  static func sequence(from start: Int64, count: Int) -> ArrayData {
    let out = MutableBuffer(capacity: count * 8)
    let target = out.reserveTail(count * 8).assumingMemoryBound(to: Int64.self)
    for row in 0..<count { target[row] = start &+ Int64(row) }
    out.advance(by: count * 8)
    return ArrayData(type: .int64, length: count, buffers: [out.finish()])
  }

  /// 64-bit integers without nulls.
  static func values(_ array: ArrayData) -> [Int64] {
    defer { withExtendedLifetime(array) {} }
    return Array(array.values(as: Int64.self))
  }

  /// The stored 64-bit integers, and the inherited ones where they are null.
  static func filled(_ stored: ArrayData, _ inherited: ArrayData) -> ArrayData {
    if stored.nullCount == 0 { return stored }
    if stored.nullCount == stored.length || inherited.nullCount > 0 {
      return stored.nullCount == stored.length ? inherited : stored
    }
    defer { withExtendedLifetime((stored, inherited)) {} }
    let count = stored.length
    let values = stored.values(as: Int64.self)
    let others = inherited.values(as: Int64.self)
    let out = MutableBuffer(capacity: count * 8)
    let target = out.reserveTail(count * 8).assumingMemoryBound(to: Int64.self)
    for row in 0..<count { target[row] = stored.isValid(row) ? values[row] : others[row] }
    out.advance(by: count * 8)
    return ArrayData(type: .int64, length: count, buffers: [out.finish()])
  }
}
