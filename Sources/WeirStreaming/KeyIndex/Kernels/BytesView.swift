// SPDX-License-Identifier: Apache-2.0
// Safe: whoever makes a view holds the array for as long.

internal import WeirColumnar

/// The values of an array of `binary` that its user holds: without a call into another module for each,
/// which in loops over rows costs more than what is done with them.
struct BytesView {
  private let offsets: UnsafeBufferPointer<Int32>
  private let data: UnsafeRawPointer

  init(_ array: ArrayData) {
    precondition(array.type == .binary, "only arrays of binary have such a view")
    offsets = array.offsets(as: Int32.self)
    data = array.length == 0 ? UnsafeRawPointer(bitPattern: 1)! : array.buffers[1].base
  }

  @inline(__always)
  subscript(row: Int) -> UnsafeRawBufferPointer {
    let start = Int(offsets[row])
    return UnsafeRawBufferPointer(start: data + start, count: Int(offsets[row + 1]) - start)
  }
}
