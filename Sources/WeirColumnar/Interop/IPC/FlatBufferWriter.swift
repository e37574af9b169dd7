// SPDX-License-Identifier: Apache-2.0

/// Builds FlatBuffers from front to back: a table first, then what it refers to, whose place is then
/// filled in. Every table has a vtable of its own, right before it: with shared vtables polars 2.1
/// refused the streams.
struct FlatBufferWriter {
  /// One slot of a table.
  enum Slot {
    case absent
    case uint8(UInt8)
    case int16(Int16)
    case int32(Int32)
    case int64(Int64)
    /// A table, vector or string to be written later.
    case reference

    var size: Int {
      switch self {
      case .absent: 0
      case .uint8: 1
      case .int16: 2
      case .int32, .reference: 4
      case .int64: 8
      }
    }

    static func bool(_ value: Bool) -> Slot { .uint8(value ? 1 : 0) }
  }

  private(set) var bytes: [UInt8] = [0, 0, 0, 0]  // The reference to the root.

  /// Writes a table and returns where each slot lies (0 for absent ones), for `refer`.
  mutating func table(_ slots: [Slot]) -> [Int] {
    // Fields in falling size need no gaps behind the first 4 bytes, except before the 8-byte ones.
    var offsets = [Int](repeating: 0, count: slots.count)
    var size = 4
    for width in [8, 4, 2, 1] {
      for (index, slot) in slots.enumerated() where slot.size == width {
        size = (size + width - 1) & ~(width - 1)
        offsets[index] = size
        size += width
      }
    }
    var vtable = [UInt16(4 + slots.count * 2), UInt16(size)] + offsets.map { UInt16($0) }
    while vtable.count > 2, vtable.last == 0 { vtable.removeLast() }
    vtable[0] = UInt16(vtable.count * 2)
    align(2)
    let vtablePosition = bytes.count
    for entry in vtable { append(entry) }

    align(8)
    let start = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: size))
    store(Int32(start - vtablePosition), at: start)
    for (slot, offset) in zip(slots, offsets) {
      switch slot {
      case .absent, .reference: break
      case .uint8(let value): store(value, at: start + offset)
      case .int16(let value): store(value, at: start + offset)
      case .int32(let value): store(value, at: start + offset)
      case .int64(let value): store(value, at: start + offset)
      }
    }
    lastTable = start
    return offsets.map { $0 == 0 ? 0 : start + $0 }
  }

  /// Where the table written last starts.
  private(set) var lastTable = 0

  /// Writes a table that the reference at `place` (0 for the root) points to.
  mutating func table(_ slots: [Slot], for place: Int) -> [Int] {
    let positions = table(slots)
    refer(place, to: lastTable)
    return positions
  }

  mutating func string(_ text: String, for place: Int) {
    align(4)
    refer(place, to: bytes.count)
    append(UInt32(text.utf8.count))
    bytes.append(contentsOf: text.utf8)
    bytes.append(0)
  }

  /// Writes a vector of references and returns their places.
  mutating func references(_ count: Int, for place: Int) -> [Int] {
    align(4)
    refer(place, to: bytes.count)
    append(UInt32(count))
    let start = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: count * 4))
    return (0..<count).map { start + $0 * 4 }
  }

  /// Writes a vector of structs of `fieldsPerStruct` 64-bit numbers each.
  mutating func structs(_ numbers: [Int64], fieldsPerStruct: Int, for place: Int) {
    // The elements, not the count before them, must lie at a multiple of 8.
    align(4)
    if bytes.count & 7 == 0 { bytes.append(contentsOf: [0, 0, 0, 0]) }
    refer(place, to: bytes.count)
    append(UInt32(numbers.count / fieldsPerStruct))
    bytes.reserveCapacity(bytes.count + numbers.count * 8)
    for number in numbers { append(number) }
  }

  private mutating func refer(_ place: Int, to target: Int) {
    store(UInt32(target - place), at: place)
  }

  private mutating func align(_ alignment: Int) {
    while bytes.count & (alignment - 1) != 0 { bytes.append(0) }
  }

  private mutating func append<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  private mutating func store<T: FixedWidthInteger>(_ value: T, at position: Int) {
    withUnsafeBytes(of: value.littleEndian) {
      for (index, byte) in $0.enumerated() { bytes[position + index] = byte }
    }
  }
}
