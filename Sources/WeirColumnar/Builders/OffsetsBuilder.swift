// SPDX-License-Identifier: Apache-2.0
// Safe: pointers lead into the builder's own bytes, within their count.

/// Offsets of 4 or 8 bytes, starting with 0. A class for the reason that `ValidityBuilder` gives.
final class OffsetsBuilder {
  let width: Int
  private let buffer = MutableBuffer()
  private(set) var last = 0

  init(width: Int) {
    self.width = width
    store(0)
  }

  func reserve(_ additional: Int) { buffer.reserve(buffer.count + additional * width) }

  /// Appends where the next row ends.
  func append(_ end: Int) throws(ColumnarError) {
    if width == 4 && end > Int(Int32.max) {
      throw ColumnarError(
        .overflow,
        "\(end) items or bytes do not fit 32-bit offsets; use the large type or smaller batches")
    }
    store(end)
    last = end
  }

  /// Appends an empty row.
  func appendSame() { store(last) }

  func truncate(to length: Int) {
    buffer.truncate(to: (length + 1) * width)
    last =
      width == 4
      ? Int((buffer.base + length * 4).load(as: Int32.self))
      : Int((buffer.base + length * 8).load(as: Int64.self))
  }

  func finish() -> Buffer {
    let result = buffer.finish()
    last = 0
    store(0)
    return result
  }

  private func store(_ end: Int) {
    if width == 4 {
      buffer.append(Int32(truncatingIfNeeded: end))
    } else {
      buffer.append(Int64(end))
    }
  }
}
