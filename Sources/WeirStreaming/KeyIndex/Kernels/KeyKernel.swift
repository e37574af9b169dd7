// SPDX-License-Identifier: Apache-2.0
// Safe: every row's bytes are counted before they are written; pointers are used while their arrays
// are held.

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// The loops of `KeyEncoder`: sizes of all rows column by column, then the bytes.
struct KeyKernel {
  let nullable: Bool

  enum Outcome {
    case done(ArrayData)
    case tooLong(row: Int)
    case tooMany
  }

  func encode(_ columns: [ArrayData], _ rowCount: Int, rowBytesMax: Int) -> Outcome {
    defer { withExtendedLifetime(columns) {} }
    let offsetBytes = (rowCount + 1) * 4
    let offsetBuffer = MutableBuffer(capacity: offsetBytes)
    let ends = offsetBuffer.reserveTail(offsetBytes).assumingMemoryBound(to: Int32.self)
    offsetBuffer.advance(by: offsetBytes)
    // `lengths[row + 1]` first, then the running sum.
    var fixed = 0
    for index in 0...rowCount { ends[index] = 0 }
    for (index, column) in columns.enumerated() {
      if let width = addLengths(column, isLast: index == columns.count - 1, rowCount, ends) {
        fixed += width
      }
    }
    var total = 0
    for row in 0..<rowCount {
      let length = fixed + Int(ends[row + 1])
      if length > rowBytesMax { return .tooLong(row: row) }
      total += length
      if total > Int(Int32.max) { return .tooMany }
      ends[row + 1] = Int32(truncatingIfNeeded: total)
    }
    let bytes = MutableBuffer(capacity: total)
    let base = bytes.reserveTail(total).assumingMemoryBound(to: UInt8.self)
    var cursors = [Int32](unsafeUninitializedCapacity: rowCount) { target, count in
      if rowCount > 0 { memcpy(target.baseAddress!, ends, rowCount * 4) }
      count = rowCount
    }
    cursors.withUnsafeMutableBufferPointer { cursors in
      for (index, column) in columns.enumerated() {
        write(column, isLast: index == columns.count - 1, base, cursors)
      }
    }
    bytes.advance(by: total)
    return .done(
      ArrayData(
        type: .binary, length: rowCount, buffers: [offsetBuffer.finish(), bytes.finish()]))
  }

  /// Adds what differs from row to row and returns what all rows have.
  private func addLengths(
    _ column: ArrayData, isLast: Bool, _ rowCount: Int, _ lengths: UnsafeMutablePointer<Int32>
  ) -> Int? {
    let mark = nullable ? 1 : 0
    let validity = column.validity
    switch column.type.layout {
    case .bits, .fixedWidth:
      let width = Self.width(column.type)
      guard let validity else { return mark + width }
      for row in 0..<rowCount where Bitmap.get(validity.base, column.offset + row) {
        lengths[row + 1] &+= Int32(truncatingIfNeeded: width)
      }
      return mark
    case .variableBinary:
      for row in 0..<rowCount {
        if let validity, !Bitmap.get(validity.base, column.offset + row) { continue }
        // A value that is far too long must not wrap around.
        let length = column.withBytes(row) { bytes in
          min(isLast ? bytes.count : bytes.count + zeros(bytes) + 2, 1 << 24)
        }
        lengths[row + 1] = min(lengths[row + 1] &+ Int32(truncatingIfNeeded: length), 1 << 24)
      }
      return mark
    default: return nil
    }
  }

  /// Numbers of all widths take as many bytes, so that a column may be widened.
  private static func width(_ type: DataType) -> Int {
    switch type {
    case .bool: 1
    case .decimal128: 16
    case .fixedSizeBinary(let width): width
    default: 8
    }
  }

  private func zeros(_ bytes: UnsafeRawBufferPointer) -> Int {
    var count = 0
    for byte in bytes where byte == 0 { count += 1 }
    return count
  }

  private func write(
    _ column: ArrayData, isLast: Bool, _ base: UnsafeMutablePointer<UInt8>,
    _ cursors: UnsafeMutableBufferPointer<Int32>
  ) {
    switch column.type {
    case .bool:
      let bits = column.buffers[0].base
      each(column, base, cursors, UInt8.self) {
        Bitmap.get(bits, column.offset + $0) ? 1 : 0
      }
    case .int8: signed(column, base, cursors, Int8.self)
    case .int16: signed(column, base, cursors, Int16.self)
    case .int32, .date32, .time32: signed(column, base, cursors, Int32.self)
    case .int64, .date64, .time64, .timestamp, .duration:
      signed(column, base, cursors, Int64.self)
    case .uint8: signed(column, base, cursors, UInt8.self)
    case .uint16: signed(column, base, cursors, UInt16.self)
    case .uint32: signed(column, base, cursors, UInt32.self)
    case .uint64:
      let values = column.values(as: UInt64.self)
      each(column, base, cursors, UInt64.self) { values[$0] }
    case .float16:
      let values = column.values(as: Float16.self)
      each(column, base, cursors, UInt64.self) { Self.ordered(Double(values[$0])) }
    case .float32:
      let values = column.values(as: Float.self)
      each(column, base, cursors, UInt64.self) { Self.ordered(Double(values[$0])) }
    case .float64:
      let values = column.values(as: Double.self)
      each(column, base, cursors, UInt64.self) { Self.ordered(values[$0]) }
    case .decimal128:
      let values = (column.buffers[0].base + column.offset * 16)
      each(column, base, cursors, UInt128.self) {
        let value = values.loadUnaligned(fromByteOffset: $0 * 16, as: UInt128.self)
        return UInt128(littleEndian: value) ^ (1 << 127)
      }
    case .fixedSizeBinary, .utf8, .largeUtf8, .binary, .largeBinary:
      writeBytes(column, escaped: column.type.isVariableBinary && !isLast, base, cursors)
    default: break
    }
  }

  @inline(__always)
  private func signed<S: FixedWidthInteger & BitwiseCopyable>(
    _ column: ArrayData, _ base: UnsafeMutablePointer<UInt8>,
    _ cursors: UnsafeMutableBufferPointer<Int32>, _ type: S.Type
  ) {
    let values = column.values(as: S.self)
    each(column, base, cursors, UInt64.self) {
      UInt64(truncatingIfNeeded: values[$0]) ^ (1 << 63)
    }
  }

  /// Writes one number for each row, big-endian, behind the mark of nulls.
  @inline(__always)
  private func each<U: FixedWidthInteger & BitwiseCopyable>(
    _ column: ArrayData, _ base: UnsafeMutablePointer<UInt8>,
    _ cursors: UnsafeMutableBufferPointer<Int32>, _ type: U.Type, _ value: (Int) -> U
  ) {
    let target = UnsafeMutableRawPointer(base)
    let validity = column.validity
    for row in 0..<cursors.count {
      var place = Int(cursors[row])
      if nullable {
        let isValid = validity.map { Bitmap.get($0.base, column.offset + row) } ?? true
        base[place] = isValid ? 1 : 0
        place += 1
        if !isValid {
          cursors[row] = Int32(truncatingIfNeeded: place)
          continue
        }
      }
      target.storeBytes(of: value(row).bigEndian, toByteOffset: place, as: U.self)
      cursors[row] = Int32(truncatingIfNeeded: place + MemoryLayout<U>.size)
    }
  }

  private func writeBytes(
    _ column: ArrayData, escaped: Bool, _ base: UnsafeMutablePointer<UInt8>,
    _ cursors: UnsafeMutableBufferPointer<Int32>
  ) {
    for row in 0..<cursors.count {
      var place = Int(cursors[row])
      let isValid = column.isValid(row)
      if nullable {
        base[place] = isValid ? 1 : 0
        place += 1
      }
      if isValid {
        column.withBytes(row) { bytes in
          if escaped {
            for byte in bytes {
              base[place] = byte
              place += 1
              if byte == 0 {
                base[place] = 0xff
                place += 1
              }
            }
            base[place] = 0
            base[place + 1] = 0
            place += 2
          } else if let start = bytes.baseAddress {
            memcpy(base + place, start, bytes.count)
            place += bytes.count
          }
        }
      }
      cursors[row] = Int32(truncatingIfNeeded: place)
    }
  }

  /// Bits that order as the numbers do: NaN greatest, one zero.
  @inline(__always)
  static func ordered(_ value: Double) -> UInt64 {
    let bits = value.isNaN ? 0x7ff8_0000_0000_0000 : (value == 0 ? 0 : value.bitPattern)
    return bits >> 63 == 1 ? ~bits : bits | 1 << 63
  }
}
