// SPDX-License-Identifier: Apache-2.0
// Safe: rows are measured before they are written, and checked before they are read; arrays are held by
// their callers.

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Where the columns of a row are, see `RowCodec`.
struct RowPlan: Sendable {
  struct Column: Sendable {
    let type: DataType
    /// From the row's start.
    let slot: Int
    /// Bytes of the slot; 4 where the value has no fixed width.
    let width: Int
    /// Place among the columns without a fixed width.
    let variable: Int?
  }

  let columns: [Column]
  /// Bytes in front of the variable part.
  let headBytes: Int
  /// Slots of the columns without a fixed width, in order.
  let variableSlots: [Int]

  init(_ schema: Schema) {
    var columns: [Column] = []
    var next = 2 + (schema.fields.count + 7) / 8
    var variableSlots: [Int] = []
    for field in schema.fields {
      switch field.type.layout {
      case .null: columns.append(Column(type: field.type, slot: next, width: 0, variable: nil))
      case .bits: columns.append(Column(type: field.type, slot: next, width: 1, variable: nil))
      case .fixedWidth(let width):
        columns.append(Column(type: field.type, slot: next, width: width, variable: nil))
      default:
        columns.append(
          Column(type: field.type, slot: next, width: 4, variable: variableSlots.count))
        variableSlots.append(next)
      }
      next += columns[columns.count - 1].width
    }
    self.columns = columns
    self.headBytes = next
    self.variableSlots = variableSlots
  }
}

/// Writes rows.
struct RowEncoder {
  private let plan: RowPlan
  private let layoutNumber: UInt16

  /// Rows that are written column by column before the next ones, so that they stay in the cache.
  private static let blockRows = 256

  init(_ plan: RowPlan, _ layoutNumber: UInt16) {
    self.plan = plan
    self.layoutNumber = layoutNumber
  }

  /// `nil` when the rows are too large together.
  func encode(_ batch: RecordBatch) -> ArrayData? {
    let count = batch.rowCount
    defer { withExtendedLifetime(batch) {} }
    let offsetBytes = (count + 1) * 4
    let offsets = MutableBuffer(capacity: offsetBytes)
    let ends = offsets.reserveTail(offsetBytes).assumingMemoryBound(to: Int32.self)
    offsets.advance(by: offsetBytes)
    guard let total = measure(batch, ends) else { return nil }
    let bytes = MutableBuffer(capacity: total)
    let base = bytes.reserveTail(total)
    var start = 0
    while start < count {
      let rows = start..<min(start + Self.blockRows, count)
      writeHeads(rows, ends, base)
      for (index, column) in batch.columns.enumerated() {
        write(column, index, rows, ends, base)
      }
      start = rows.upperBound
    }
    bytes.advance(by: total)
    return ArrayData(type: .binary, length: count, buffers: [offsets.finish(), bytes.finish()])
  }

  /// Where the rows end; the sum of all.
  private func measure(_ batch: RecordBatch, _ ends: UnsafeMutablePointer<Int32>) -> Int? {
    var lengths = [Int](repeating: plan.headBytes, count: batch.rowCount)
    lengths.withUnsafeMutableBufferPointer { lengths in
      for (index, column) in batch.columns.enumerated()
      where plan.columns[index].variable != nil {
        addLengths(column, lengths)
      }
    }
    var total = 0
    ends[0] = 0
    for (row, length) in lengths.enumerated() {
      total += length
      if total > Int(Int32.max) { return nil }
      ends[row + 1] = Int32(truncatingIfNeeded: total)
    }
    return total
  }

  private func addLengths(_ column: ArrayData, _ lengths: UnsafeMutableBufferPointer<Int>) {
    @inline(__always)
    func add<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) {
      if column.length == 0 { return }
      let offsets = column.offsets(as: type)
      if let validity = column.validity {
        for row in 0..<lengths.count where Bitmap.get(validity.base, column.offset + row) {
          lengths[row] += Int(offsets[row + 1] - offsets[row])
        }
      } else {
        for row in 0..<lengths.count { lengths[row] += Int(offsets[row + 1] - offsets[row]) }
      }
    }
    switch column.type.layout {
    case .variableBinary(4): add(Int32.self)
    case .variableBinary: add(Int64.self)
    default:
      for row in 0..<lengths.count where column.isValid(row) {
        lengths[row] += SegmentEncoder.valueByteCount(column, row)
      }
    }
  }

  private func writeHeads(
    _ rows: Range<Int>, _ ends: UnsafeMutablePointer<Int32>, _ base: UnsafeMutableRawPointer
  ) {
    for row in rows {
      let place = base + Int(ends[row])
      memset(place, 0, plan.headBytes)
      place.storeBytes(of: layoutNumber.littleEndian, as: UInt16.self)
    }
  }

  private func write(
    _ column: ArrayData, _ index: Int, _ rows: Range<Int>, _ ends: UnsafeMutablePointer<Int32>,
    _ base: UnsafeMutableRawPointer
  ) {
    if column.nullCount > 0 {
      let byte = 2 + index >> 3
      let bit = UInt8(1) << UInt8(index & 7)
      for row in rows where column.isNull(row) {
        let place = base + Int(ends[row]) + byte
        place.storeBytes(of: place.load(as: UInt8.self) | bit, as: UInt8.self)
      }
    }
    let slot = plan.columns[index].slot
    switch column.type.layout {
    case .null: break
    case .bits:
      let bits = column.buffers[0].base
      for row in rows where Bitmap.get(bits, column.offset + row) && column.isValid(row) {
        (base + Int(ends[row]) + slot).storeBytes(of: 1, as: UInt8.self)
      }
    case .fixedWidth(1): fixed(column, UInt8.self, rows, ends, base + slot)
    case .fixedWidth(2): fixed(column, UInt16.self, rows, ends, base + slot)
    case .fixedWidth(4): fixed(column, UInt32.self, rows, ends, base + slot)
    case .fixedWidth(8): fixed(column, UInt64.self, rows, ends, base + slot)
    case .fixedWidth(let width):
      let values = column.buffers[0].base + column.offset * width
      for row in rows where column.isValid(row) {
        memcpy(base + Int(ends[row]) + slot, values + row * width, width)
      }
    case .variableBinary(4): bytes(column, Int32.self, index, rows, ends, base)
    case .variableBinary: bytes(column, Int64.self, index, rows, ends, base)
    default: nested(column, index, rows, ends, base)
    }
  }

  @inline(__always)
  private func fixed<T: BitwiseCopyable>(
    _ column: ArrayData, _ type: T.Type, _ rows: Range<Int>,
    _ ends: UnsafeMutablePointer<Int32>, _ slots: UnsafeMutableRawPointer
  ) {
    let values = column.values(as: type)
    if let validity = column.validity {
      for row in rows where Bitmap.get(validity.base, column.offset + row) {
        (slots + Int(ends[row])).storeBytes(of: values[row], as: T.self)
      }
    } else {
      for row in rows { (slots + Int(ends[row])).storeBytes(of: values[row], as: T.self) }
    }
  }

  /// Where the variable part has been written to so far, and the slot for the next end. Columns are
  /// written in order, so the slot before holds the end of what is there.
  @inline(__always)
  private func variableStart(_ index: Int, _ row: UnsafeMutableRawPointer) -> Int {
    guard let place = plan.columns[index].variable, place > 0 else { return 0 }
    return Int(
      row.loadUnaligned(fromByteOffset: plan.variableSlots[place - 1], as: UInt32.self))
  }

  @inline(__always)
  private func bytes<T: FixedWidthInteger & BitwiseCopyable>(
    _ column: ArrayData, _ type: T.Type, _ index: Int, _ rows: Range<Int>,
    _ ends: UnsafeMutablePointer<Int32>, _ base: UnsafeMutableRawPointer
  ) {
    let offsets = column.offsets(as: type)
    let data = column.buffers[1].base
    let slot = plan.columns[index].slot
    for row in rows {
      let place = base + Int(ends[row])
      var end = variableStart(index, place)
      if column.validity == nil || Bitmap.get(column.validity!.base, column.offset + row) {
        let length = Int(offsets[row + 1] - offsets[row])
        memcpy(place + plan.headBytes + end, data + Int(offsets[row]), length)
        end += length
      }
      place.storeBytes(
        of: UInt32(truncatingIfNeeded: end), toByteOffset: slot, as: UInt32.self)
    }
  }

  private func nested(
    _ column: ArrayData, _ index: Int, _ rows: Range<Int>, _ ends: UnsafeMutablePointer<Int32>,
    _ base: UnsafeMutableRawPointer
  ) {
    let slot = plan.columns[index].slot
    for row in rows {
      let place = base + Int(ends[row])
      var end = variableStart(index, place)
      if column.isValid(row) {
        end += SegmentEncoder.writeValue(column, row, place + plan.headBytes + end)
      }
      place.storeBytes(
        of: UInt32(truncatingIfNeeded: end), toByteOffset: slot, as: UInt32.self)
    }
  }
}
