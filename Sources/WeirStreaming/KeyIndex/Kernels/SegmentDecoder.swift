// SPDX-License-Identifier: Apache-2.0
// Safe: the cursor checks every length against the bytes that are left.

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Goes through bytes that may be anything.
struct ByteCursor {
  private let bytes: UnsafeRawBufferPointer
  private var place = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var left: Int { bytes.count - place }

  /// The next `count` bytes.
  mutating func take(_ count: Int) -> UnsafeRawPointer? {
    guard count >= 0, count <= left, let base = bytes.baseAddress else { return nil }
    defer { place += count }
    return base + place
  }

  mutating func byte() -> UInt8? { take(1)?.load(as: UInt8.self) }

  mutating func number() -> Int? {
    take(4).map { Int(UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self))) }
  }
}

/// Collects the rows of a nested array from segments, see `SegmentEncoder`. The methods that read
/// return `false` for bytes that break the format; the decoder is then of no more use.
class SegmentDecoder {
  let type: DataType
  private(set) var length = 0
  private let valid = MutableBuffer()
  private var nullCount = 0

  init(_ type: DataType) { self.type = type }

  static func make(_ type: DataType) -> SegmentDecoder {
    switch type.layout {
    case .null: NullSegments(type)
    case .bits: BitSegments(type)
    case .fixedWidth(let width): FixedSegments(type, width)
    case .variableBinary(let width): StringSegments(type, width)
    case .list(let width): ListSegments(type, width)
    case .fixedSizeList(let size): FixedSizeListSegments(type, size)
    default: StructSegments(type)
    }
  }

  fileprivate var hasBitmap: Bool { false }

  /// Reads one value, as it stands at the top of a row.
  func readValue(_ cursor: inout ByteCursor) -> Bool { false }

  /// A null, with nothing in the children but what they need.
  final func appendNull() {
    appendValidity(false)
    appendPlaceholders(1)
  }

  /// Reads a segment of `count` items.
  final func read(_ count: Int, _ cursor: inout ByteCursor) -> Bool {
    // No kind of item takes less than a bit.
    guard count <= cursor.left * 8, length + count < Int(Int32.max), let mark = cursor.byte(),
      mark <= 1, mark == 1 || !hasBitmap
    else { return false }
    if mark == 1 {
      guard let bits = cursor.take((count + 7) / 8) else { return false }
      for item in 0..<count { appendValidity(Bitmap.get(bits, item)) }
    } else {
      for _ in 0..<count { appendValidity(true) }
    }
    return readItems(count, &cursor)
  }

  fileprivate func readItems(_ count: Int, _ cursor: inout ByteCursor) -> Bool { false }
  /// What `count` nulls have in the buffers and children.
  fileprivate func appendPlaceholders(_ count: Int) {}

  final func appendValidity(_ isValid: Bool) {
    if length & 7 == 0 { valid.appendZeros(1) }
    if isValid { Bitmap.set(valid.base, length) } else { nullCount += 1 }
    length += 1
  }

  func finish() -> ArrayData { made([]) }

  fileprivate final func made(_ buffers: [Buffer], _ children: [ArrayData] = []) -> ArrayData {
    ArrayData(
      type: type, length: length, nullCount: type == .null ? nil : nullCount,
      validity: nullCount == 0 || type == .null ? nil : valid.finish(), buffers: buffers,
      children: children)
  }

  /// Placeholders for `count` valid items of a parent that is null.
  final func appendEmpty(_ count: Int) {
    for _ in 0..<count { appendValidity(true) }
    appendPlaceholders(count)
  }
}

private final class NullSegments: SegmentDecoder {
  override func readItems(_ count: Int, _ cursor: inout ByteCursor) -> Bool {
    cursor.take(count) != nil
  }
}

private final class BitSegments: SegmentDecoder {
  private let bits = MutableBuffer()
  private var bitCount = 0

  private func append(_ bit: Bool) {
    if bitCount & 7 == 0 { bits.appendZeros(1) }
    if bit { Bitmap.set(bits.base, bitCount) }
    bitCount += 1
  }

  override func readItems(_ count: Int, _ cursor: inout ByteCursor) -> Bool {
    guard let source = cursor.take((count + 7) / 8) else { return false }
    for item in 0..<count { append(Bitmap.get(source, item)) }
    return true
  }

  override func appendPlaceholders(_ count: Int) { for _ in 0..<count { append(false) } }
  override func finish() -> ArrayData { made([bits.finish()]) }
}

private final class FixedSegments: SegmentDecoder {
  private let width: Int
  private let values = MutableBuffer()

  init(_ type: DataType, _ width: Int) {
    self.width = width
    super.init(type)
  }

  override func readItems(_ count: Int, _ cursor: inout ByteCursor) -> Bool {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: width)
    guard !overflow, let source = cursor.take(bytes) else { return false }
    values.append(UnsafeRawBufferPointer(start: source, count: bytes))
    return true
  }

  override func appendPlaceholders(_ count: Int) { values.appendZeros(count * width) }
  override func finish() -> ArrayData { made([values.finish()]) }
}

/// Offsets of 4 or 8 bytes.
private struct SegmentOffsets {
  let width: Int
  private let buffer = MutableBuffer()
  private(set) var last = 0

  init(_ width: Int) {
    self.width = width
    put(0)
  }

  /// False when the offsets would not fit.
  mutating func append(length: Int) -> Bool {
    guard width == 8 || last + length <= Int(Int32.max) else { return false }
    last += length
    put(last)
    return true
  }

  private func put(_ end: Int) {
    if width == 4 {
      buffer.append(Int32(truncatingIfNeeded: end))
    } else {
      buffer.append(Int64(end))
    }
  }

  func finish() -> Buffer { buffer.finish() }
}

private final class StringSegments: SegmentDecoder {
  private var offsets: SegmentOffsets
  private let bytes = MutableBuffer()

  init(_ type: DataType, _ width: Int) {
    offsets = SegmentOffsets(width)
    super.init(type)
  }

  override func readItems(_ count: Int, _ cursor: inout ByteCursor) -> Bool {
    var total = 0
    for _ in 0..<count {
      guard let length = cursor.number(), offsets.append(length: length) else { return false }
      total += length
    }
    guard let source = cursor.take(total) else { return false }
    bytes.append(UnsafeRawBufferPointer(start: source, count: total))
    return true
  }

  override func appendPlaceholders(_ count: Int) {
    for _ in 0..<count { _ = offsets.append(length: 0) }
  }
  override func finish() -> ArrayData { made([offsets.finish(), bytes.finish()]) }
}

private final class ListSegments: SegmentDecoder {
  private var offsets: SegmentOffsets
  private let items: SegmentDecoder

  init(_ type: DataType, _ width: Int) {
    offsets = SegmentOffsets(width)
    items = SegmentDecoder.make(type.children[0].type)
    super.init(type)
  }

  override func readValue(_ cursor: inout ByteCursor) -> Bool {
    guard let count = cursor.number(), offsets.append(length: count) else { return false }
    appendValidity(true)
    return items.read(count, &cursor)
  }

  override func readItems(_ count: Int, _ cursor: inout ByteCursor) -> Bool {
    var total = 0
    for _ in 0..<count {
      guard let length = cursor.number(), offsets.append(length: length) else { return false }
      total += length
    }
    return items.read(total, &cursor)
  }

  override func appendPlaceholders(_ count: Int) {
    for _ in 0..<count { _ = offsets.append(length: 0) }
  }
  override func finish() -> ArrayData { made([offsets.finish()], [items.finish()]) }
}

private final class FixedSizeListSegments: SegmentDecoder {
  private let size: Int
  private let items: SegmentDecoder

  init(_ type: DataType, _ size: Int) {
    self.size = size
    items = SegmentDecoder.make(type.children[0].type)
    super.init(type)
  }

  override var hasBitmap: Bool { true }

  override func readValue(_ cursor: inout ByteCursor) -> Bool {
    appendValidity(true)
    return items.read(size, &cursor)
  }

  override func readItems(_ count: Int, _ cursor: inout ByteCursor) -> Bool {
    let (total, overflow) = count.multipliedReportingOverflow(by: size)
    return !overflow && items.read(total, &cursor)
  }

  override func appendPlaceholders(_ count: Int) { items.appendEmpty(count * size) }
  override func finish() -> ArrayData { made([], [items.finish()]) }
}

private final class StructSegments: SegmentDecoder {
  private let fields: [SegmentDecoder]

  override init(_ type: DataType) {
    fields = type.children.map { SegmentDecoder.make($0.type) }
    super.init(type)
  }

  override var hasBitmap: Bool { true }

  override func readValue(_ cursor: inout ByteCursor) -> Bool {
    appendValidity(true)
    for field in fields where !field.read(1, &cursor) { return false }
    return true
  }

  override func readItems(_ count: Int, _ cursor: inout ByteCursor) -> Bool {
    for field in fields where !field.read(count, &cursor) { return false }
    return true
  }

  override func appendPlaceholders(_ count: Int) {
    for field in fields { field.appendEmpty(count) }
  }
  override func finish() -> ArrayData { made([], fields.map { $0.finish() }) }
}
