// SPDX-License-Identifier: Apache-2.0
// Safe: callers reserve what `byteCount` says; arrays are held by their callers.

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Writes nested values.
///
/// A value: of a list or map, the number of its items (4 bytes) and their segment; of a fixed-size list,
/// the segment of its items; of a struct, a segment of one item for each field.
///
/// A segment of n items begins with a byte: 1 when the bitmap of valid items follows ((n + 7) / 8 bytes;
/// always for structs and fixed-size lists), else 0. Then, by the items' type: null, n zeros; bool, n
/// bits in (n + 7) / 8 bytes; fixed width, n values; text and binary, n lengths of 4 bytes and the bytes;
/// lists and maps, n counts of 4 bytes and the segment of all their items; fixed-size lists, the
/// segment of their items; structs, a segment for each field.
enum SegmentEncoder {
  static func valueByteCount(_ array: ArrayData, _ row: Int) -> Int {
    switch array.type.layout {
    case .list: 4 + byteCount(array.children[0], array.itemRange(row))
    case .fixedSizeList: byteCount(array.children[0], array.itemRange(row))
    default:
      array.children.reduce(0) {
        $0 + byteCount($1, array.offset + row..<array.offset + row + 1)
      }
    }
  }

  /// Returns how many bytes it wrote.
  static func writeValue(_ array: ArrayData, _ row: Int, _ start: UnsafeMutableRawPointer) -> Int {
    var target = start
    switch array.type.layout {
    case .list:
      let items = array.itemRange(row)
      put(items.count, &target)
      write(array.children[0], items, &target)
    case .fixedSizeList: write(array.children[0], array.itemRange(row), &target)
    default:
      for child in array.children {
        write(child, array.offset + row..<array.offset + row + 1, &target)
      }
    }
    return target - start
  }

  private static func hasBitmap(_ array: ArrayData) -> Bool {
    switch array.type.layout {
    case .struct, .fixedSizeList: true
    default: array.validity != nil
    }
  }

  /// Bytes of one value (offset width 4 or 8 as the array has).
  private static func offset(_ array: ArrayData, _ row: Int, _ width: Int) -> Int {
    let place = array.buffers[0].base + (array.offset + row) * width
    return width == 4
      ? Int(place.loadUnaligned(as: Int32.self)) : Int(place.loadUnaligned(as: Int64.self))
  }

  private static func byteCount(_ array: ArrayData, _ rows: Range<Int>) -> Int {
    let count = rows.count
    var total = 1 + (hasBitmap(array) ? (count + 7) / 8 : 0)
    switch array.type.layout {
    case .null: total += count
    case .bits: total += (count + 7) / 8
    case .fixedWidth(let width): total += count * width
    case .variableBinary(let width):
      total += 4 * count
      for row in rows where array.isValid(row) {
        total += offset(array, row + 1, width) - offset(array, row, width)
      }
    case .list:
      total += 4 * count + 0
      let (items, isRun) = itemRows(array, rows)
      total += isRun ? byteCount(array.children[0], items) : scatteredByteCount(array, rows)
    case .fixedSizeList(let size):
      total += byteCount(
        array.children[0],
        (array.offset + rows.lowerBound) * size..<(array.offset + rows.upperBound) * size)
    default:
      for child in array.children {
        total += byteCount(
          child, array.offset + rows.lowerBound..<array.offset + rows.upperBound)
      }
    }
    return total
  }

  /// The items of all rows, when they follow each other without items of nulls in between.
  private static func itemRows(_ array: ArrayData, _ rows: Range<Int>) -> (Range<Int>, Bool) {
    guard let first = rows.first, let last = rows.last else { return (0..<0, true) }
    let all = array.itemRange(first).lowerBound..<array.itemRange(last).upperBound
    guard array.validity != nil else { return (all, true) }
    let hidden = rows.contains { array.isNull($0) && !array.itemRange($0).isEmpty }
    return (all, !hidden)
  }

  /// The segment of items that null rows hide some of: they are taken out first.
  private static func visibleItems(_ array: ArrayData, _ rows: Range<Int>) -> ArrayData {
    var items: [Int] = []
    for row in rows where array.isValid(row) { items += array.itemRange(row) }
    do {
      return try array.children[0].take(items)
    } catch {
      preconditionFailure("items of a list fit an array, as they are fewer: \(error)")
    }
  }

  private static func scatteredByteCount(_ array: ArrayData, _ rows: Range<Int>) -> Int {
    let items = visibleItems(array, rows)
    return byteCount(items, 0..<items.length)
  }

  private static func put(_ number: Int, _ target: inout UnsafeMutableRawPointer) {
    target.storeBytes(of: UInt32(truncatingIfNeeded: number).littleEndian, as: UInt32.self)
    target += 4
  }

  private static func putBits(
    _ bits: UnsafeRawPointer, _ offset: Int, _ count: Int,
    _ target: inout UnsafeMutableRawPointer
  ) {
    let bytes = (count + 7) / 8
    memset(target, 0, bytes)
    Bitmap.copy(from: bits, offset: offset, to: target, offset: 0, count: count)
    target += bytes
  }

  private static func write(
    _ array: ArrayData, _ rows: Range<Int>, _ target: inout UnsafeMutableRawPointer
  ) {
    let count = rows.count
    let start = array.offset + rows.lowerBound
    target.storeBytes(of: hasBitmap(array) ? 1 : 0, as: UInt8.self)
    target += 1
    if let validity = array.validity {
      putBits(validity.base, start, count, &target)
    } else if hasBitmap(array) {
      memset(target, 0xff, (count + 7) / 8)
      target += (count + 7) / 8
    }
    switch array.type.layout {
    case .null:
      memset(target, 0, count)
      target += count
    case .bits: putBits(array.buffers[0].base, start, count, &target)
    case .fixedWidth(let width):
      memcpy(target, array.buffers[0].base + start * width, count * width)
      target += count * width
    case .variableBinary(let width): writeStrings(array, rows, width, &target)
    case .list: writeLists(array, rows, &target)
    case .fixedSizeList(let size):
      write(array.children[0], start * size..<(start + count) * size, &target)
    default: for child in array.children { write(child, start..<start + count, &target) }
    }
  }

  private static func writeStrings(
    _ array: ArrayData, _ rows: Range<Int>, _ width: Int,
    _ target: inout UnsafeMutableRawPointer
  ) {
    for row in rows {
      put(
        array.isValid(row) ? offset(array, row + 1, width) - offset(array, row, width) : 0,
        &target)
    }
    for row in rows where array.isValid(row) {
      let first = offset(array, row, width)
      let length = offset(array, row + 1, width) - first
      memcpy(target, array.buffers[1].base + first, length)
      target += length
    }
  }

  private static func writeLists(
    _ array: ArrayData, _ rows: Range<Int>, _ target: inout UnsafeMutableRawPointer
  ) {
    for row in rows { put(array.isValid(row) ? array.itemRange(row).count : 0, &target) }
    let (items, isRun) = itemRows(array, rows)
    if isRun {
      write(array.children[0], items, &target)
    } else {
      let visible = visibleItems(array, rows)
      write(visible, 0..<visible.length, &target)
    }
  }
}
