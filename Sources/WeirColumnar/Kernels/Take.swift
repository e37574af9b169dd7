// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  internal import Glibc
#endif

extension ArrayData {
  /// The rows at `indices`, in that order; a row may come more than once.
  ///
  /// Dictionary arrays keep their dictionary. Cost: one gather for each buffer.
  ///
  /// - Throws: `invalidArgument` for an index outside of 0 ..< length, `overflow` when strings or
  ///   lists outgrow 32-bit offsets.
  public func take(_ indices: [Int]) throws(ColumnarError) -> ArrayData {
    try checkRows(indices, length)
    return try takeRows(self, indices, .none)
  }

  /// The rows at `indices`, an array of integers; a null index gives a null row.
  public func take(_ indices: ArrayData) throws(ColumnarError) -> ArrayData {
    let rows = try rowsOf(indices)
    try checkRows(rows, length, allowNegative: indices.nullCount > 0)
    return try takeRows(self, rows, indices.nullCount > 0 ? .null : .none)
  }
}

extension RecordBatch {
  /// The rows at `indices`, in that order, see `ArrayData.take`.
  public func take(_ indices: [Int]) throws(ColumnarError) -> RecordBatch {
    try checkRows(indices, rowCount)
    var taken: [ArrayData] = []
    for (field, column) in zip(schema.fields, columns) {
      do throws(ColumnarError) {
        taken.append(try takeRows(column, indices, .none))
      } catch { throw error.inColumn(field.name) }
    }
    return RecordBatch(trusted: schema, columns: taken, rowCount: indices.count)
  }
}

/// What the row index -1 gives.
package enum NegativeRows {
  /// It does not occur.
  case none
  case null
  /// Zero or an empty value: for children, without nulls, of rows that are null.
  case placeholder
}

/// Rows -1 (as `negative` says) or 0 ..< array.length; the caller checked them.
package func takeRows(
  _ array: ArrayData, _ rows: [Int], _ negative: NegativeRows
) throws(ColumnarError) -> ArrayData {
  let result = rows.withUnsafeBufferPointer { pointer in
    Result { () throws(ColumnarError) in try Take(rows: pointer, negative: negative).take(array) }
  }
  return try result.get()
}

func checkRows(_ rows: [Int], _ length: Int, allowNegative: Bool = false) throws(ColumnarError) {
  let first = rows.withUnsafeBufferPointer { firstRowOutside($0, length, allowNegative) }
  guard let first else { return }
  throw ColumnarError(.invalidArgument, "row index \(rows[first]) is outside of 0 ..< \(length)")
}

private func firstRowOutside(_ rows: UnsafeBufferPointer<Int>, _ length: Int, _ negative: Bool)
  -> Int?
{
  let shift = negative ? 1 : 0
  let limit = UInt(length + shift)
  var largest: UInt = 0
  for row in rows { largest = max(largest, UInt(bitPattern: row &+ shift)) }
  if rows.isEmpty || largest < limit { return nil }
  return rows.firstIndex { UInt(bitPattern: $0 &+ shift) >= limit }
}

/// The values of an integer array, -1 for nulls (other negative values become -2, which no check
/// lets through).
private func rowsOf(_ indices: ArrayData) throws(ColumnarError) -> [Int] {
  func widened<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> [Int] {
    let values = indices.values(as: type)
    return [Int](unsafeUninitializedCapacity: values.count) { target, count in
      for row in 0..<values.count {
        let value = Int(truncatingIfNeeded: values[row])
        target[row] = value < 0 ? -2 : value
      }
      if let validity = indices.validity {
        for row in 0..<values.count where !Bitmap.get(validity.base, indices.offset + row) {
          target[row] = -1
        }
      }
      count = values.count
    }
  }
  switch indices.type {
  case .int8: return widened(Int8.self)
  case .int16: return widened(Int16.self)
  case .int32: return widened(Int32.self)
  case .int64: return widened(Int64.self)
  case .uint8: return widened(UInt8.self)
  case .uint16: return widened(UInt16.self)
  case .uint32: return widened(UInt32.self)
  case .uint64: return widened(UInt64.self)
  default:
    throw ColumnarError(.invalidArgument, "row indices are integers, not \(indices.type)")
  }
}

/// One gather of `rows`; goes through the buffers and children of an array.
private struct Take {
  // Safe: valid while `takeRows` or a nested call runs.
  let rows: UnsafeBufferPointer<Int>
  let negative: NegativeRows

  func take(_ array: ArrayData) throws(ColumnarError) -> ArrayData {
    let count = rows.count
    if array.type == .null { return ArrayData(type: .null, length: count) }
    let (validity, nullCount) = takeValidity(array)
    var buffers: [Buffer] = []
    var children: [ArrayData] = []
    switch array.type.layout {
    case .null: break
    case .bits: buffers = [takeBits(array)]
    case .fixedWidth(let width), .dictionary(let width): buffers = [takeFixed(array, width)]
    case .variableBinary(let width):
      buffers =
        width == 4
        ? try takeStrings(Int32.self, array) : try takeStrings(Int64.self, array)
    case .list(let width):
      let (offsets, items) =
        width == 4
        ? try listItems(Int32.self, array) : try listItems(Int64.self, array)
      buffers = [offsets]
      children = [try takeRows(array.children[0], items, .none)]
    case .fixedSizeList(let size):
      children = [
        try takeRows(
          array.children[0], fixedSizeItems(array, size), childNegative(array.type.children[0]))
      ]
    case .struct:
      for (index, field) in array.type.children.enumerated() {
        let child = array.children[index].slice(offset: array.offset, length: array.length)
        do throws(ColumnarError) {
          children.append(try Take(rows: rows, negative: childNegative(field)).take(child))
        } catch { throw error.inColumn(field.name) }
      }
    }
    return ArrayData(
      type: array.type, length: count, nullCount: nullCount, validity: validity, buffers: buffers,
      children: children, dictionary: array.dictionary)
  }

  /// How a child of a null row looks: a null where its field allows one.
  private func childNegative(_ field: Field) -> NegativeRows {
    if case .none = negative { return .none }
    return field.nullable ? .null : .placeholder
  }

  private func takeValidity(_ array: ArrayData) -> (Buffer?, Int) {
    var negativeIsNull = false
    if case .null = negative { negativeIsNull = true }
    guard array.validity != nil || negativeIsNull else { return (nil, 0) }
    let bytes = Bitmap.byteCount(rows.count)
    let out = MutableBuffer(capacity: bytes)
    gatherBits(
      array.validity?.base, array.offset, rows, out.reserveTail(bytes),
      ofNegative: !negativeIsNull)
    out.advance(by: bytes)
    let nulls = rows.count - Bitmap.countOnes(out.base, offset: 0, count: rows.count)
    return (nulls == 0 ? nil : out.finish(), nulls)
  }

  private func takeBits(_ array: ArrayData) -> Buffer {
    let bytes = Bitmap.byteCount(rows.count)
    let out = MutableBuffer(capacity: bytes)
    gatherBits(
      array.buffers[0].base, array.offset, rows, out.reserveTail(bytes), ofNegative: false)
    out.advance(by: bytes)
    return out.finish()
  }

  private func takeFixed(_ array: ArrayData, _ width: Int) -> Buffer {
    let out = MutableBuffer(capacity: rows.count * width)
    let target = out.reserveTail(rows.count * width)
    let source = array.buffers[0].base + array.offset * width
    var checked = true
    if case .none = negative { checked = false }
    switch width {
    case 1: gather(UInt8.self, source, rows, target, checked)
    case 2: gather(UInt16.self, source, rows, target, checked)
    case 4: gather(UInt32.self, source, rows, target, checked)
    case 8: gather(UInt64.self, source, rows, target, checked)
    case 16: gather(Bytes16.self, source, rows, target, checked)
    default: gatherBytes(width, source, rows, target)
    }
    out.advance(by: rows.count * width)
    return out.finish()
  }

  /// The offsets of the taken rows, where the old ones are, and where the new ones end. `nil` for
  /// `old` when the source has no rows: then all taken rows are empty.
  private func takeOffsets<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, _ array: ArrayData
  ) throws(ColumnarError) -> (new: Buffer, old: UnsafePointer<T>?, total: Int) {
    let byteCount = (rows.count + 1) * MemoryLayout<T>.stride
    let out = MutableBuffer(capacity: byteCount)
    // Safe: reserved for rows.count + 1 offsets.
    let target = out.reserveTail(byteCount).assumingMemoryBound(to: T.self)
    target[0] = 0
    out.advance(by: byteCount)
    guard array.length > 0 else {  // Only -1 rows, or none.
      for row in 0..<rows.count { target[row + 1] = 0 }
      return (out.finish(), nil, 0)
    }
    let old = array.offsets(as: type).baseAddress!
    guard let total = gatherLengths(old, rows, array.validity?.base, array.offset, target) else {
      throw offsetsOverflow(array.type)
    }
    return (out.finish(), old, total)
  }

  private func takeStrings<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, _ array: ArrayData
  ) throws(ColumnarError) -> [Buffer] {
    let (new, old, total) = try takeOffsets(type, array)
    guard let old else { return [new, Buffer()] }
    let bytes = MutableBuffer(capacity: total)
    gatherStrings(
      old, array.buffers[1].base, rows, new.base.assumingMemoryBound(to: T.self),
      bytes.reserveTail(total))
    bytes.advance(by: total)
    return [new, bytes.finish()]
  }

  /// The new offsets, and the rows of the items in the child.
  private func listItems<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, _ array: ArrayData
  ) throws(ColumnarError) -> (Buffer, [Int]) {
    let (new, old, total) = try takeOffsets(type, array)
    guard let old else { return (new, []) }
    let ends = new.base.assumingMemoryBound(to: T.self)
    let items = [Int](unsafeUninitializedCapacity: total) { items, count in
      var next = 0
      for row in 0..<rows.count {
        let length = Int(ends[row + 1] - ends[row])
        guard length > 0 else { continue }
        let start = Int(old[rows[row]])
        for item in 0..<length { items[next + item] = start + item }
        next += length
      }
      count = total
    }
    return (new, items)
  }

  private func fixedSizeItems(_ array: ArrayData, _ size: Int) -> [Int] {
    [Int](unsafeUninitializedCapacity: rows.count * size) { items, count in
      for row in 0..<rows.count {
        let start = rows[row] < 0 ? -1 : (array.offset + rows[row]) * size
        for item in 0..<size { items[row * size + item] = start < 0 ? -1 : start + item }
      }
      count = rows.count * size
    }
  }
}

func offsetsOverflow(_ type: DataType) -> ColumnarError {
  ColumnarError(
    .overflow, "the result does not fit the 32-bit offsets of \(type); use smaller batches")
}

// MARK: - Loops. Safe: rows were checked against the source, targets are as large as rows.

/// 16 bytes without the 16-byte alignment that Int128 would claim.
struct Bytes16: BitwiseCopyable {
  var low: UInt64 = 0
  var high: UInt64 = 0
}

@inline(__always)
private func gather<T: BitwiseCopyable>(
  _ type: T.Type, _ source: UnsafeRawPointer, _ rows: UnsafeBufferPointer<Int>,
  _ target: UnsafeMutableRawPointer, _ checked: Bool
) {
  let from = source.assumingMemoryBound(to: T.self)
  let to = target.assumingMemoryBound(to: T.self)
  if checked {
    target.initializeMemory(
      as: UInt8.self, repeating: 0, count: rows.count * MemoryLayout<T>.stride)
    for index in 0..<rows.count where rows[index] >= 0 { to[index] = from[rows[index]] }
  } else {
    for index in 0..<rows.count { to[index] = from[rows[index]] }
  }
}

private func gatherBytes(
  _ width: Int, _ source: UnsafeRawPointer, _ rows: UnsafeBufferPointer<Int>,
  _ target: UnsafeMutableRawPointer
) {
  for index in 0..<rows.count {
    if rows[index] >= 0 {
      memcpy(target + index * width, source + rows[index] * width, width)
    } else {
      memset(target + index * width, 0, width)
    }
  }
}

/// Bits at `offset + row` (1 without a source), eight at a time; `ofNegative` for rows below 0.
private func gatherBits(
  _ source: UnsafeRawPointer?, _ offset: Int, _ rows: UnsafeBufferPointer<Int>,
  _ target: UnsafeMutableRawPointer, ofNegative: Bool
) {
  var index = 0
  var byte = 0
  while index < rows.count {
    var bits: UInt8 = 0
    for place in 0..<min(8, rows.count - index) {
      let row = rows[index + place]
      let bit = row < 0 ? ofNegative : source == nil || Bitmap.get(source!, offset + row)
      bits |= (bit ? 1 : 0) << UInt8(place)
    }
    target.storeBytes(of: bits, toByteOffset: byte, as: UInt8.self)
    index += 8
    byte += 1
  }
}

/// Fills target[1...] with the ends of the rows, null ones empty, and returns the last; `nil` when
/// they outgrow `T`.
@inline(__always)
private func gatherLengths<T: FixedWidthInteger & BitwiseCopyable>(
  _ offsets: UnsafePointer<T>, _ rows: UnsafeBufferPointer<Int>, _ validity: UnsafeRawPointer?,
  _ bitOffset: Int, _ target: UnsafeMutablePointer<T>
) -> Int? {
  var end = 0
  for index in 0..<rows.count {
    let row = rows[index]
    if row >= 0 && (validity == nil || Bitmap.get(validity!, bitOffset + row)) {
      end += Int(offsets[row + 1] - offsets[row])
    }
    target[index + 1] = T(truncatingIfNeeded: end)
  }
  // Ends only grow, so the last one tells whether any was cut off.
  return end <= Int(T.max) ? end : nil
}

@inline(__always)
private func gatherStrings<T: FixedWidthInteger & BitwiseCopyable>(
  _ offsets: UnsafePointer<T>, _ bytes: UnsafeRawPointer, _ rows: UnsafeBufferPointer<Int>,
  _ ends: UnsafePointer<T>, _ target: UnsafeMutableRawPointer
) {
  var index = 0
  while index < rows.count {
    let row = rows[index]
    let start = Int(ends[index])
    var last = index + 1
    if row >= 0 {
      // Rows that follow each other in the source are one copy, unless a null's bytes lie between.
      while last < rows.count && rows[last] == row + (last - index)
        && Int(ends[last]) - start == Int(offsets[rows[last]]) - Int(offsets[row])
      {
        last += 1
      }
      memcpy(target + start, bytes + Int(offsets[row]), Int(ends[last]) - start)
    }
    index = last
  }
}
