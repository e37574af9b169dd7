// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are the caller's bits, which hold offset + count of them, read during the call only.

/// The validity of a builder's rows: a count alone until the first null comes, then a bitmap.
///
/// A class, not a struct, so that owners' appends need no exclusivity checks at run time (they were a
/// third of the cost of an append).
@usableFromInline
final class ValidityBuilder {
  private(set) var length = 0
  private(set) var nullCount = 0
  /// `nil` while there is no null. Bits past `length` in the last byte are 0.
  private var bits: MutableBuffer?

  init() {}

  @usableFromInline
  func appendValid() {
    if bits != nil { appendBit(true) }
    length += 1
  }

  func appendNull() {
    makeBits()
    appendBit(false)
    length += 1
    nullCount += 1
  }

  @usableFromInline
  func append(_ valid: Bool) {
    if valid { appendValid() } else { appendNull() }
  }

  func appendValid(count: Int) {
    guard count > 0 else { return }
    if let bits {
      grow(bits, count)
      Bitmap.fill(bits.base, offset: length, count: count, true)
    }
    length += count
  }

  func appendNull(count: Int) {
    guard count > 0 else { return }
    makeBits()
    grow(bits!, count)
    length += count
    nullCount += count
  }

  /// Appends the bits `offset ..< offset + count` of `bitmap`.
  func append(bitmap: UnsafeRawPointer, offset: Int, count: Int) {
    let ones = Bitmap.countOnes(bitmap, offset: offset, count: count)
    if ones == count { return appendValid(count: count) }
    makeBits()
    grow(bits!, count)
    Bitmap.copy(from: bitmap, offset: offset, to: bits!.base, offset: length, count: count)
    length += count
    nullCount += count - ones
  }

  func truncate(to newLength: Int) {
    precondition(newLength >= 0 && newLength <= length, "truncate may only shorten")
    if let bits {
      bits.truncate(to: Bitmap.byteCount(newLength))
      let lastBits = newLength & 7
      if lastBits > 0 {
        Bitmap.fill(bits.base, offset: newLength, count: 8 - lastBits, false)
      }
      nullCount = newLength - Bitmap.countOnes(bits.base, offset: 0, count: newLength)
    }
    length = newLength
  }

  /// The bitmap, `nil` without nulls; starts again empty.
  func finish() -> Buffer? {
    let result = nullCount > 0 ? bits?.finish() : nil
    (length, nullCount, bits) = (0, 0, nil)
    return result
  }

  /// The rows as an array of `type` over its other parts; starts again empty.
  func finish(
    as type: DataType, buffers: [Buffer] = [], children: [ArrayData] = [],
    dictionary: ArrayData? = nil
  ) -> ArrayData {
    let (length, nullCount) = (length, nullCount)
    return ArrayData(
      type: type, length: length, nullCount: nullCount, validity: finish(), buffers: buffers,
      children: children, dictionary: dictionary)
  }

  private func appendBit(_ bit: Bool) {
    grow(bits!, 1)
    if bit { Bitmap.set(bits!.base, length) }
  }

  /// Makes room for `count` bits after `length`, all 0.
  private func grow(_ bits: MutableBuffer, _ count: Int) {
    let missing = Bitmap.byteCount(length + count) - bits.count
    if missing > 0 { bits.appendZeros(missing) }
  }

  private func makeBits() {
    guard bits == nil else { return }
    let made = MutableBuffer(capacity: Bitmap.byteCount(length + 64))
    made.appendZeros(Bitmap.byteCount(length))
    Bitmap.fill(made.base, offset: 0, count: length, true)
    bits = made
  }
}
