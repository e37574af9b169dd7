// SPDX-License-Identifier: Apache-2.0

/// Arrow's views (`utf8_view`, `binary_view`) copied into offsets and bytes.
///
/// A view is 16 bytes: its length (int32), then up to 12 bytes inline, or 4 bytes of prefix, the number
/// of a data buffer and the position in it (int32 each).
enum ViewConversion {
  struct Result {
    /// `length + 1` 64-bit offsets.
    var offsets: Buffer
    var bytes: Buffer
  }

  private static let inlineMax = 12

  /// Converts the views `offset ..< offset + length`. Null rows become empty.
  ///
  /// Safe: every view is checked against its data buffer before it is read; `views` must hold
  /// `offset + length` views and `validity` as many bits.
  static func convert(
    views: Buffer, validity: Buffer?, offset: Int, length: Int, data: [Buffer], bytesMax: Int
  ) throws(ColumnarError) -> Result {
    precondition(views.count / 16 >= offset + length, "too few views")
    let offsets = MutableBuffer(capacity: (length + 1) * 8)
    var total = 0
    offsets.append(Int64(0))
    for row in offset..<offset + length {
      if validity.map({ Bitmap.get($0.base, row) }) ?? true {
        let size = try size(views.base + row * 16, data)
        let (sum, overflow) = total.addingReportingOverflow(size)
        guard !overflow, sum <= bytesMax else {
          throw ColumnarError(.overflow, "the column's views hold more than \(bytesMax) bytes")
        }
        total = sum
      }
      offsets.append(Int64(total))
    }
    let bytes = MutableBuffer(capacity: total)
    for row in offset..<offset + length
    where validity.map({ Bitmap.get($0.base, row) }) ?? true {
      let view = views.base + row * 16
      let size = Int(view.loadUnaligned(as: Int32.self))
      if size <= inlineMax {
        bytes.append(UnsafeRawBufferPointer(start: view + 4, count: size))
      } else {
        let source = data[Int(view.loadUnaligned(fromByteOffset: 8, as: Int32.self))]
        let start = Int(view.loadUnaligned(fromByteOffset: 12, as: Int32.self))
        bytes.append(UnsafeRawBufferPointer(start: source.base + start, count: size))
      }
    }
    withExtendedLifetime((views, validity, data)) {}
    return Result(offsets: offsets.finish(), bytes: bytes.finish())
  }

  /// The length of one view, after checking that its bytes are there.
  private static func size(_ view: UnsafeRawPointer, _ data: [Buffer]) throws(ColumnarError) -> Int
  {
    let size = Int(view.loadUnaligned(as: Int32.self))
    guard size >= 0 else { throw ColumnarError(.invalidData, "a view's length is \(size)") }
    if size <= inlineMax { return size }
    let index = Int(view.loadUnaligned(fromByteOffset: 8, as: Int32.self))
    let start = Int(view.loadUnaligned(fromByteOffset: 12, as: Int32.self))
    guard data.indices.contains(index), start >= 0, start <= data[index].count - size else {
      throw ColumnarError(.invalidData, "a view points outside its data buffers")
    }
    return size
  }

  /// The bits `offset ..< offset + length` of a bitmap, from bit 0 on.
  static func rebased(_ bitmap: Buffer, offset: Int, length: Int) -> Buffer {
    if offset & 7 == 0 {
      return bitmap.slice(offset: offset >> 3, count: Bitmap.byteCount(length))
    }
    let target = MutableBuffer(capacity: Bitmap.byteCount(length))
    target.appendZeros(Bitmap.byteCount(length))
    // Safe: both hold the bits, by the caller's contract and the line above.
    Bitmap.copy(from: bitmap.base, offset: offset, to: target.base, offset: 0, count: length)
    withExtendedLifetime(bitmap) {}
    return target.finish()
  }
}
