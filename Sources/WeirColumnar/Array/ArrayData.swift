// SPDX-License-Identifier: Apache-2.0

/// One immutable Arrow array of any type.
///
/// `buffers` holds, by `type.layout`:
///
/// | layout | buffers | children |
/// |---|---|---|
/// | null | | |
/// | bits | values, one bit each | |
/// | fixedWidth | values | |
/// | variableBinary | offsets (`offset + length + 1`), bytes | |
/// | list (also map) | offsets | items (a map's entries) |
/// | fixedSizeList | | items, at least `size * (offset + length)` |
/// | struct | | one a field, each at least `offset + length` long |
/// | dictionary | indices | (the values are `dictionary`) |
///
/// All of them, and `validity`, count from `offset`, as in the Arrow C data interface: a slice shares
/// its buffers and its children. An array of length 0 may have empty buffers, also for offsets.
///
/// The initialiser trusts its arguments beyond sizes that it can check at once; arrays from outside
/// the process go through `validate()`.
public final class ArrayData: Sendable {
  public let type: DataType
  /// Number of rows.
  public let length: Int
  /// Rows of the buffers that come before the first row.
  public let offset: Int
  /// How many rows are null. Always exact; 0 for the null type's own nulls is never the case: it is
  /// `length` there.
  public let nullCount: Int
  /// Bit 1 means valid; `nil` when no row is null.
  public let validity: Buffer?
  public let buffers: [Buffer]
  public let children: [ArrayData]
  public let dictionary: ArrayData?

  /// - Parameter nullCount: counted from `validity` when `nil`.
  public init(
    type: DataType, length: Int, offset: Int = 0, nullCount: Int? = nil, validity: Buffer? = nil,
    buffers: [Buffer] = [], children: [ArrayData] = [], dictionary: ArrayData? = nil
  ) {
    precondition(length >= 0 && offset >= 0, "an array has no negative length or offset")
    self.type = type
    self.length = length
    self.offset = offset
    self.buffers = buffers
    self.children = children
    self.dictionary = dictionary
    if type == .null {
      self.nullCount = length
      self.validity = nil
    } else if let validity {
      precondition(
        validity.count >= Bitmap.byteCount(offset + length), "the validity bitmap is too short")
      let nulls =
        nullCount
        ?? (length - Bitmap.countOnes(validity.base, offset: offset, count: length))
      self.nullCount = nulls
      self.validity = nulls == 0 ? nil : validity
    } else {
      precondition((nullCount ?? 0) == 0, "nulls need a validity bitmap")
      self.nullCount = 0
      self.validity = nil
    }
  }

  /// Whether row `index` (0 ..< length) holds a value.
  public func isValid(_ index: Int) -> Bool {
    precondition(index >= 0 && index < length, "row index out of range")
    if type == .null { return false }
    guard let validity else { return true }
    return Bitmap.get(validity.base, offset + index)
  }

  public func isNull(_ index: Int) -> Bool { !isValid(index) }

  /// Rows `start ..< start + count`, sharing all memory. Cost: counting the nulls.
  public func slice(offset start: Int, length count: Int) -> ArrayData {
    precondition(
      start >= 0 && count >= 0 && start <= length - count, "slice lies outside its array")
    if start == 0 && count == length { return self }
    return ArrayData(
      type: type, length: count, offset: offset + start, validity: validity, buffers: buffers,
      children: children, dictionary: dictionary)
  }

  /// The same memory under another type of the same layout (a timestamp read as int64, say).
  public func reinterpreted(as newType: DataType) -> ArrayData {
    precondition(newType.layout == type.layout, "only a type of the same layout fits the memory")
    return ArrayData(
      type: newType, length: length, offset: offset, nullCount: nullCount, validity: validity,
      buffers: buffers, children: children, dictionary: dictionary)
  }

  /// Values of a fixed-width array or indices of a dictionary array, from the first row on.
  ///
  /// Safe: the pointer is valid while this array is alive; keep it by `withExtendedLifetime` or as a
  /// parameter.
  package func values<T: BitwiseCopyable>(as type: T.Type) -> UnsafeBufferPointer<T> {
    let bytes = buffers[0]
    let start = bytes.base.assumingMemoryBound(to: T.self) + offset
    precondition(
      (offset + length) * MemoryLayout<T>.stride <= bytes.count, "the values buffer is too short")
    return UnsafeBufferPointer(start: start, count: length)
  }

  /// Offsets of a variable-size array, `length + 1` of them (one, 0, for an empty array without an
  /// offsets buffer). `T` is Int32 or Int64 by the type. Safe: as `values(as:)`.
  package func offsets<T: BitwiseCopyable>(as type: T.Type) -> UnsafeBufferPointer<T> {
    let bytes = buffers[0]
    if length == 0 && bytes.count < (offset + 1) * MemoryLayout<T>.stride {
      // Zeros that are never freed.
      return UnsafeBufferPointer(start: Buffer().base.assumingMemoryBound(to: T.self), count: 1)
    }
    precondition(
      (offset + length + 1) * MemoryLayout<T>.stride <= bytes.count,
      "the offsets buffer is too short")
    return UnsafeBufferPointer(
      start: bytes.base.assumingMemoryBound(to: T.self) + offset, count: length + 1)
  }

  /// The items of row `index` of a list, large list, map or fixed-size list, as a range of
  /// `children[0]`'s rows.
  public func itemRange(_ index: Int) -> Range<Int> {
    precondition(index >= 0 && index < length, "row index out of range")
    switch type.layout {
    case .list(let width) where width == 4:
      let offsets = offsets(as: Int32.self)
      return Int(offsets[index])..<Int(offsets[index + 1])
    case .list:
      let offsets = offsets(as: Int64.self)
      return Int(offsets[index])..<Int(offsets[index + 1])
    case .fixedSizeList(let size):
      return (offset + index) * size..<(offset + index + 1) * size
    default: preconditionFailure("\(type) has no items")
    }
  }

  /// The bytes of row `index` of a utf8, binary or fixed-size binary array, valid within `body`.
  /// Safe: the range was checked against the data buffer, and this array lives until `body` is done.
  public func withBytes<R>(_ index: Int, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows
    -> R
  {
    defer { withExtendedLifetime(self) {} }
    let range = byteRange(index)
    let data = buffers[buffers.count - 1]
    precondition(
      range.lowerBound >= 0 && range.upperBound <= data.count, "offsets lead out of the data buffer"
    )
    return try body(
      UnsafeRawBufferPointer(start: data.base + range.lowerBound, count: range.count))
  }

  private func byteRange(_ index: Int) -> Range<Int> {
    precondition(index >= 0 && index < length, "row index out of range")
    switch type.layout {
    case .variableBinary(let width) where width == 4:
      let offsets = offsets(as: Int32.self)
      return Int(offsets[index])..<Int(offsets[index + 1])
    case .variableBinary:
      let offsets = offsets(as: Int64.self)
      return Int(offsets[index])..<Int(offsets[index + 1])
    case .fixedWidth(let width): return (offset + index) * width..<(offset + index + 1) * width
    default: preconditionFailure("\(type) has no bytes")
    }
  }

  /// Bytes that the buffers, the children and the dictionary hold. Memory shared by slices counts in
  /// full for each of them.
  public var byteCount: Int {
    buffers.reduce(validity?.count ?? 0) { $0 + $1.count }
      + children.reduce(0) { $0 + $1.byteCount } + (dictionary?.byteCount ?? 0)
  }
}
