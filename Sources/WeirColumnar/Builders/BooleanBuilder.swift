// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are the caller's bits, which hold offset + count of them, read during the call only.

/// Builds arrays of bools, one bit each.
public final class BooleanBuilder: ArrayBuilder {
  public var type: DataType { .bool }
  /// Bits past `length` in the last byte are 0.
  private let bits = MutableBuffer()
  private let validity = ValidityBuilder()

  public var length: Int { validity.length }

  public init() {}

  public func reserve(_ additional: Int) { bits.reserve(Bitmap.byteCount(length + additional)) }

  public func append(_ value: Bool) {
    grow(1)
    if value { Bitmap.set(bits.base, length) }
    validity.appendValid()
  }

  public func append(contentsOf values: [Bool]) {
    grow(values.count)
    for (index, value) in values.enumerated() where value { Bitmap.set(bits.base, length + index) }
    validity.appendValid(count: values.count)
  }

  /// Appends the bits `offset ..< offset + count` of `source`, all valid.
  package func append(bits source: UnsafeRawPointer, offset: Int, count: Int) {
    grow(count)
    Bitmap.copy(from: source, offset: offset, to: bits.base, offset: length, count: count)
    validity.appendValid(count: count)
  }

  public func appendNull() {
    grow(1)
    validity.appendNull()
  }

  public func appendPlaceholder() { append(false) }

  public func append(_ scalar: Scalar) throws(ColumnarError) {
    switch scalar {
    case .null: appendNull()
    case .bool(let value): append(value)
    default: throw mismatch(scalar)
    }
  }

  public func truncate(to length: Int) {
    validity.truncate(to: length)
    bits.truncate(to: Bitmap.byteCount(length))
    if length & 7 > 0 { Bitmap.fill(bits.base, offset: length, count: 8 - length & 7, false) }
  }

  public func finish() -> ArrayData {
    validity.finish(as: .bool, buffers: [bits.finish()])
  }

  private func grow(_ count: Int) {
    let missing = Bitmap.byteCount(length + count) - bits.count
    if missing > 0 { bits.appendZeros(missing) }
  }
}
