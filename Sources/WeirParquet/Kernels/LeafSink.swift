// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar

/// How a leaf's decoded values are laid out in memory.
enum SinkLayout: Equatable {
  /// One byte each, packed to bits at the end.
  case bool
  /// `width` bytes each.
  case fixed(width: Int)
  /// Offsets of 4 or 8 bytes, and the bytes.
  case binary(offsetWidth: Int)
}

/// Collects the decoded values of one leaf column for one batch.
///
/// Decoders append values densely; `spread` then moves them apart where there are nulls.
///
/// Safe: all pointers go into buffers that this object owns and are used before the next growth.
final class LeafSink {
  let layout: SinkLayout
  let isText: Bool
  /// Bytes that one batch's values may take.
  var byteCountMax: Int
  private(set) var data = MutableBuffer()
  /// The end of each value in `data`; the first value starts at 0.
  private(set) var ends = MutableBuffer()
  private var validity: LevelValidity
  /// Slots so far: values and nulls.
  private(set) var slotCount = 0
  /// Of the batch before, to know what to reserve at once.
  private var lastRowCount = 0
  private var lastDataCount = 0
  private var lastEndsCount = 0
  private var rowCount = 0

  /// - Parameter isText: what is decoded must be UTF-8.
  init(layout: SinkLayout, nullable: Bool, isText: Bool, byteCountMax: Int) {
    self.layout = layout
    self.isText = isText
    self.byteCountMax = byteCountMax
    validity = LevelValidity(nullable: nullable)
  }

  /// A batch of `rows` rows begins: reserves what it will take by the measure of the one before.
  ///
  /// - Parameter isFlat: every row is one slot.
  func begin(rows: Int, isFlat: Bool) {
    rowCount = rows
    switch layout {
    case .bool where isFlat: data.reserve(min(rows, byteCountMax))
    case .fixed(let width) where isFlat: data.reserve(min(rows * width, byteCountMax))
    case .binary(let width) where isFlat:
      ends.reserve(rows * width)
      data.reserve(min(expected(lastDataCount), byteCountMax))
    default:
      data.reserve(min(expected(lastDataCount), byteCountMax))
      ends.reserve(expected(lastEndsCount))
    }
  }

  /// As many bytes as the batch before took for its rows, and a sixteenth more.
  private func expected(_ last: Int) -> Int {
    guard lastRowCount > 0 else { return 0 }
    return Int(Double(last) / Double(lastRowCount) * Double(rowCount) * 1.0625)
  }

  @inline(never)
  private func tooLarge() -> ParquetError {
    ParquetError(
      .limitExceeded,
      "one batch of this column would take more than \(byteCountMax) bytes; "
        + "ask for fewer rows a batch")
  }

  /// Bytes that the values take so far.
  var byteCount: Int { data.count + ends.count }

  /// Room for `count` values of a fixed width; the caller fills it and calls `commitFixed`.
  func reserveFixed(_ count: Int, width: Int) throws(ParquetError) -> UnsafeMutableRawPointer {
    guard count <= (byteCountMax - data.count) / max(width, 1) else { throw tooLarge() }
    return data.reserveTail(count * width)
  }

  func commitFixed(_ byteCount: Int) { data.advance(by: byteCount) }

  /// Room for the ends of `count` byte arrays; the caller fills it and calls `commitEnds`.
  func reserveEnds(_ count: Int) throws(ParquetError) -> UnsafeMutableRawPointer {
    guard count <= (byteCountMax - ends.count) / endWidth else { throw tooLarge() }
    return ends.reserveTail(count * endWidth)
  }

  func commitEnds(_ count: Int) { ends.advance(by: count * endWidth) }

  /// Room for `byteCount` more bytes of byte arrays, and a little beyond for wide copies.
  func reserveBytes(_ byteCount: Int) throws(ParquetError) -> UnsafeMutableRawPointer {
    let limit = endWidth == 4 ? min(byteCountMax, Int(Int32.max)) : byteCountMax
    guard byteCount <= limit - data.count else { throw tooLarge() }
    return data.reserveTail(byteCount + 16)
  }

  func commitBytes(_ byteCount: Int) { data.advance(by: byteCount) }

  var endWidth: Int {
    if case .binary(let width) = layout { width } else { 4 }
  }

  /// `count` slots without nulls were decoded.
  func addValid(_ count: Int) {
    validity.appendValid(count)
    slotCount += count
  }

  /// `count` slots are null; nothing was decoded for them.
  func addNulls(_ count: Int) throws(ParquetError) {
    validity.appendNulls(count)
    slotCount += count
    switch layout {
    case .bool: try addZeros(count, width: 1)
    case .fixed(let width): try addZeros(count, width: width)
    case .binary(let width):
      let target = try reserveEnds(count)
      if width == 4 {
        target.assumingMemoryBound(to: Int32.self)
          .update(repeating: Int32(data.count), count: count)
      } else {
        target.assumingMemoryBound(to: Int64.self)
          .update(repeating: Int64(data.count), count: count)
      }
      commitEnds(count)
    }
  }

  private func addZeros(_ count: Int, width: Int) throws(ParquetError) {
    let target = try reserveFixed(count, width: width)
    target.initializeMemory(as: UInt8.self, repeating: 0, count: count * width)
    commitFixed(count * width)
  }

  /// The last `valueCount` values belong to the slots whose level is `full`, of those of `levels` that
  /// are at least `slotLevel`; the others are null. Moves the values apart.
  func spread(
    valueCount: Int, levels: UnsafePointer<UInt8>, levelCount: Int, slotLevel: UInt8, full: UInt8
  ) throws(ParquetError) {
    let slots =
      slotLevel == 0 ? levelCount : weir_count_at_least_u8(levels, slotLevel, levelCount)
    if slots == valueCount { return addValid(slots) }
    validity.append(levels: levels, count: levelCount, slotLevel: slotLevel, full: full)
    slotCount += slots
    let move = SpreadPlan(
      levels: levels, levelCount: levelCount, slotLevel: slotLevel, full: full, slots: slots,
      values: valueCount)
    switch layout {
    case .bool: try spreadFixed(move, width: 1)
    case .fixed(let width): try spreadFixed(move, width: width)
    case .binary(let width): try spreadEnds(move, width: width)
    }
  }

  private func spreadFixed(_ move: SpreadPlan, width: Int) throws(ParquetError) {
    let extra = (move.slots - move.values) * width
    _ = try reserveFixed(move.slots - move.values, width: width)
    commitFixed(extra)
    let start = data.base + (data.count - move.slots * width)
    switch width {
    case 1: move.apply(start.assumingMemoryBound(to: UInt8.self), null: 0)
    case 2: move.apply(start.assumingMemoryBound(to: UInt16.self), null: 0)
    case 4: move.apply(start.assumingMemoryBound(to: UInt32.self), null: 0)
    case 8: move.apply(start.assumingMemoryBound(to: UInt64.self), null: 0)
    case 16: move.apply(start.assumingMemoryBound(to: UInt128.self), null: 0)
    default: move.applyWide(start, width: width)
    }
  }

  private func spreadEnds(_ move: SpreadPlan, width: Int) throws(ParquetError) {
    _ = try reserveEnds(move.slots - move.values)
    commitEnds(move.slots - move.values)
    let start = ends.base + (ends.count - move.slots * width)
    let isFirst = ends.count == move.slots * width
    if width == 4 {
      let ends = start.assumingMemoryBound(to: Int32.self)
      move.applyEnds(ends, before: isFirst ? 0 : ends[-1])
    } else {
      let ends = start.assumingMemoryBound(to: Int64.self)
      move.applyEnds(ends, before: isFirst ? 0 : ends[-1])
    }
  }

  /// Hands over the batch as an array of `type`, and starts again empty.
  func finish(type: DataType) -> ArrayData {
    lastRowCount = rowCount
    lastDataCount = data.count
    lastEndsCount = ends.count
    defer { slotCount = 0 }
    let (validity, nullCount) = validity.finish()
    let buffers: [Buffer]
    switch layout {
    case .fixed: buffers = [data.finish()]
    case .bool:
      let bits = MutableBuffer(capacity: Bitmap.byteCount(slotCount))
      weir_pack_bools(
        data.base.assumingMemoryBound(to: UInt8.self),
        bits.base.assumingMemoryBound(to: UInt8.self), slotCount)
      bits.advance(by: Bitmap.byteCount(slotCount))
      data.truncate(to: 0)
      buffers = [bits.finish()]
    case .binary(let width):
      let offsets = MutableBuffer(capacity: ends.count + width)
      offsets.appendZeros(width)
      ends.withUnsafeBytes { offsets.append($0) }
      ends.truncate(to: 0)
      buffers = [offsets.finish(), data.finish()]
    }
    return ArrayData(
      type: type, length: slotCount, nullCount: nullCount, validity: validity, buffers: buffers)
  }

  /// Forgets what was decoded, for rows that are passed over.
  func reset() {
    data.truncate(to: 0)
    ends.truncate(to: 0)
    _ = validity.finish()
    slotCount = 0
  }
}

/// Which of a page part's slots hold a value.
private struct SpreadPlan {
  let levels: UnsafePointer<UInt8>
  let levelCount: Int
  let slotLevel: UInt8
  let full: UInt8
  let slots: Int
  let values: Int

  /// From the end, so that a value is read before its place is written.
  func apply<T: BitwiseCopyable>(_ start: UnsafeMutablePointer<T>, null: T) {
    var slot = slots - 1
    var value = values - 1
    var index = levelCount - 1
    while index >= 0 {
      let level = levels[index]
      if level >= slotLevel {
        if level == full {
          start[slot] = start[value]
          value -= 1
        } else {
          start[slot] = null
        }
        slot -= 1
      }
      index -= 1
    }
  }

  func applyWide(_ start: UnsafeMutableRawPointer, width: Int) {
    var slot = slots - 1
    var value = values - 1
    for index in stride(from: levelCount - 1, through: 0, by: -1) {
      let level = levels[index]
      guard level >= slotLevel else { continue }
      let target = start + slot * width
      if level == full {
        target.copyMemory(from: start + value * width, byteCount: width)
        value -= 1
      } else {
        target.initializeMemory(as: UInt8.self, repeating: 0, count: width)
      }
      slot -= 1
    }
  }

  /// A null ends where the value before it ends.
  func applyEnds<T: FixedWidthInteger>(_ start: UnsafeMutablePointer<T>, before: T) {
    var slot = slots - 1
    var value = values - 1
    for index in stride(from: levelCount - 1, through: 0, by: -1) {
      let level = levels[index]
      guard level >= slotLevel else { continue }
      start[slot] = value >= 0 ? start[value] : before
      if level == full { value -= 1 }
      slot -= 1
    }
  }
}
