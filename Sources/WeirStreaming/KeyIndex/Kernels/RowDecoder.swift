// SPDX-License-Identifier: Apache-2.0
// Safe: `firstDamagedRow` has checked every row's ends before columns are read; arrays are held by their
// callers.

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Reads columns out of rows.
struct RowDecoder {
  private let plan: RowPlan
  private let layoutNumber: UInt16

  init(_ plan: RowPlan, _ layoutNumber: UInt16) {
    self.plan = plan
    self.layoutNumber = layoutNumber
  }

  /// The first row whose head, or ends of variable parts, cannot be.
  func firstDamagedRow(_ rows: ArrayData) -> Int? {
    defer { withExtendedLifetime(rows) {} }
    guard rows.length > 0 else { return nil }
    let offsets = rows.offsets(as: Int32.self)
    let data = rows.buffers[1]
    for row in 0..<rows.length where rows.validity == nil || rows.isValid(row) {
      let (start, end) = (Int(offsets[row]), Int(offsets[row + 1]))
      guard start >= 0, end <= data.count, end - start >= plan.headBytes else { return row }
      let base = data.base + start
      guard UInt16(littleEndian: base.loadUnaligned(as: UInt16.self)) == layoutNumber else {
        return row
      }
      var last = 0
      for slot in plan.variableSlots {
        let next = Int(base.loadUnaligned(fromByteOffset: slot, as: UInt32.self))
        guard next >= last else { return row }
        last = next
      }
      guard last == end - start - plan.headBytes else { return row }
    }
    return nil
  }

  /// `nil` when a nested value breaks its format.
  func column(_ index: Int, _ rows: ArrayData) -> ArrayData? {
    defer { withExtendedLifetime(rows) {} }
    let column = plan.columns[index]
    let count = rows.length
    if count == 0 { return makeBuilder(for: column.type).finish() }
    if column.type == .null { return ArrayData(type: .null, length: count) }
    let offsets = rows.offsets(as: Int32.self)
    let data = rows.buffers[1].base
    let (validity, nullCount) = validity(index, rows, offsets, data)
    var buffers: [Buffer] = []
    switch column.type.layout {
    case .bits: buffers = [bits(column.slot, rows, offsets, data)]
    case .fixedWidth(let width): buffers = [fixed(column.slot, width, rows, offsets, data)]
    case .variableBinary(let width):
      guard let parts = strings(column, width, rows, offsets, data) else { return nil }
      buffers = parts
    default:
      return nested(column, rows, offsets, data, validity)
    }
    return ArrayData(
      type: column.type, length: count, nullCount: nullCount, validity: validity,
      buffers: buffers)
  }

  private func validity(
    _ index: Int, _ rows: ArrayData, _ offsets: UnsafeBufferPointer<Int32>,
    _ data: UnsafeRawPointer
  ) -> (Buffer?, Int) {
    let count = rows.length
    let byteCount = Bitmap.byteCount(count)
    let out = MutableBuffer(capacity: byteCount)
    let target = out.reserveTail(byteCount)
    memset(target, 0xff, byteCount)
    out.advance(by: byteCount)
    let byte = 2 + index >> 3
    let bit = UInt8(1) << UInt8(index & 7)
    var nulls = 0
    for row in 0..<count {
      let isNull =
        (rows.validity != nil && rows.isNull(row))
        || (data + Int(offsets[row]) + byte).load(as: UInt8.self) & bit != 0
      if isNull {
        Bitmap.clear(target, row)
        nulls += 1
      }
    }
    return nulls == 0 ? (nil, 0) : (out.finish(), nulls)
  }

  private func bits(
    _ slot: Int, _ rows: ArrayData, _ offsets: UnsafeBufferPointer<Int32>,
    _ data: UnsafeRawPointer
  ) -> Buffer {
    let byteCount = Bitmap.byteCount(rows.length)
    let out = MutableBuffer(capacity: byteCount)
    out.appendZeros(byteCount)
    for row in 0..<rows.length where rows.validity == nil || rows.isValid(row) {
      if (data + Int(offsets[row]) + slot).load(as: UInt8.self) != 0 { Bitmap.set(out.base, row) }
    }
    return out.finish()
  }

  private func fixed(
    _ slot: Int, _ width: Int, _ rows: ArrayData, _ offsets: UnsafeBufferPointer<Int32>,
    _ data: UnsafeRawPointer
  ) -> Buffer {
    let count = rows.length
    let out = MutableBuffer(capacity: count * width)
    let target = out.reserveTail(count * width)
    out.advance(by: count * width)
    if rows.validity != nil {
      memset(target, 0, count * width)
      for row in 0..<count where rows.isValid(row) {
        memcpy(target + row * width, data + Int(offsets[row]) + slot, width)
      }
      return out.finish()
    }
    @inline(__always)
    func gather<T: BitwiseCopyable>(_ type: T.Type) {
      let values = target.assumingMemoryBound(to: T.self)
      for row in 0..<count {
        values[row] = (data + Int(offsets[row]) + slot).loadUnaligned(as: T.self)
      }
    }
    switch width {
    case 1: gather(UInt8.self)
    case 2: gather(UInt16.self)
    case 4: gather(UInt32.self)
    case 8: gather(UInt64.self)
    default:
      for row in 0..<count {
        memcpy(target + row * width, data + Int(offsets[row]) + slot, width)
      }
    }
    return out.finish()
  }

  /// Where the bytes of a column without a fixed width are in a row.
  @inline(__always)
  private func range(_ column: RowPlan.Column, _ row: UnsafeRawPointer) -> Range<Int> {
    let place = column.variable ?? 0
    let start =
      place == 0
      ? 0
      : Int(row.loadUnaligned(fromByteOffset: plan.variableSlots[place - 1], as: UInt32.self))
    let end = Int(row.loadUnaligned(fromByteOffset: column.slot, as: UInt32.self))
    return plan.headBytes + start..<plan.headBytes + end
  }

  private func strings(
    _ column: RowPlan.Column, _ width: Int, _ rows: ArrayData,
    _ offsets: UnsafeBufferPointer<Int32>, _ data: UnsafeRawPointer
  ) -> [Buffer]? {
    let count = rows.length
    let newOffsets = MutableBuffer(capacity: (count + 1) * width)
    let ends = newOffsets.reserveTail((count + 1) * width)
    newOffsets.advance(by: (count + 1) * width)
    func put(_ index: Int, _ end: Int) {
      if width == 4 {
        ends.storeBytes(
          of: Int32(truncatingIfNeeded: end), toByteOffset: index * 4, as: Int32.self)
      } else {
        ends.storeBytes(of: Int64(end), toByteOffset: index * 8, as: Int64.self)
      }
    }
    let bytes = MutableBuffer()
    put(0, 0)
    for row in 0..<count {
      if rows.validity == nil || rows.isValid(row) {
        let base = data + Int(offsets[row])
        let range = range(column, base)
        bytes.append(
          UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
      }
      put(row + 1, bytes.count)
    }
    return [newOffsets.finish(), bytes.finish()]
  }

  private func nested(
    _ column: RowPlan.Column, _ rows: ArrayData, _ offsets: UnsafeBufferPointer<Int32>,
    _ data: UnsafeRawPointer, _ validity: Buffer?
  ) -> ArrayData? {
    let decoder = SegmentDecoder.make(column.type)
    for row in 0..<rows.length {
      guard validity.map({ Bitmap.get($0.base, row) }) ?? true else {
        decoder.appendNull()
        continue
      }
      let base = data + Int(offsets[row])
      let range = range(column, base)
      var cursor = ByteCursor(
        UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
      guard decoder.readValue(&cursor), cursor.left == 0 else { return nil }
    }
    return decoder.finish()
  }
}
