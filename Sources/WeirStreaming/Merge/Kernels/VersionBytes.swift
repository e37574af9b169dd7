// SPDX-License-Identifier: Apache-2.0
// Safe: bytes are used within the closures that lend them.

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Operations on the bytes of versions.
enum VersionBytes {
  /// Below 0 when row `i` of `a` comes before row `j` of `b`, byte by byte.
  static func compare(_ a: ArrayData, _ i: Int, _ b: ArrayData, _ j: Int) -> Int {
    a.withBytes(i) { x in b.withBytes(j) { y in compare(x, y) } }
  }

  @inline(__always)
  static func compare(_ a: BytesView, _ i: Int, _ b: BytesView, _ j: Int) -> Int {
    compare(a[i], b[j])
  }

  @inline(__always)
  static func compare(_ x: UnsafeRawBufferPointer, _ y: UnsafeRawBufferPointer) -> Int {
    let count = min(x.count, y.count)
    if count > 0, let a = x.baseAddress, let b = y.baseAddress {
      let order = memcmp(a, b, count)
      if order != 0 { return Int(order) }
    }
    return x.count - y.count
  }

  /// Each row's bytes behind a byte that is 0 for a delete and 1 for others.
  static func marked(_ bytes: ArrayData?, _ deletes: [Bool], count: Int) -> ArrayData {
    let builder = BinaryBuilder(.binary)
    builder.reserve(count)
    var value: [UInt8] = []
    for row in 0..<count {
      value.removeAll(keepingCapacity: true)
      value.append(!deletes.isEmpty && deletes[row] ? 0 : 1)
      bytes?.withBytes(row) { value.append(contentsOf: $0) }
      do throws(ColumnarError) {
        try builder.append(value)
      } catch {
        preconditionFailure("versions are as bounded as keys: \(error)")
      }
    }
    return builder.finish()
  }
}
