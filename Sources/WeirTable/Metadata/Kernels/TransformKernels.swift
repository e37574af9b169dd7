// SPDX-License-Identifier: Apache-2.0
// Safe: arrays were validated; every pointer comes from an array that is a parameter of the function
// that uses it, and is read within that array's rows.

public import WeirColumnar

extension Transform {
  /// Transforms a column at once. Dictionary arrays are transformed by their dictionary.
  ///
  /// - Parameter type: the column's type in the table; `array` has its `arrowType`, or the large
  ///   variant of it, or a dictionary of it.
  /// - Returns: an array of the result type's `arrowType` (truncate: of the array's own type;
  ///   identity: the array itself).
  /// - Throws: `invalidArgument` when the transform does not take the type or the array has another.
  public func apply(_ array: ArrayData, _ type: TableType) throws(TableError) -> ArrayData {
    try check(type)
    if self == .identity { return array }
    if self == .void { return nullArray(type, array.length) }
    if case .dictionary(let index, _, _) = array.type, let dictionary = array.dictionary {
      let indices = ArrayData(
        type: index, length: array.length, offset: array.offset, nullCount: array.nullCount,
        validity: array.validity, buffers: array.buffers)
      let transformed = try apply(dictionary, type)
      do {
        return try transformed.take(indices)
      } catch {
        throw TableError(
          .invalidArgument, "a dictionary column is damaged", cause: error.description)
      }
    }
    guard let result = transformed(array, type) else {
      throw TableError(
        .invalidArgument,
        "\(self) of \(type) takes a column of \(type.arrowType), not \(array.type)")
    }
    return result
  }

  private func nullArray(_ type: TableType, _ length: Int) -> ArrayData {
    let resultType = (resultType(of: type) ?? .unknown).arrowType
    let builder = makeBuilder(for: resultType)
    for _ in 0..<length { builder.appendNull() }
    return builder.finish()
  }

  private func transformed(_ array: ArrayData, _ type: TableType) -> ArrayData? {
    switch self {
    case .bucket(let count): return TransformKernels.bucket(array, type, count)
    case .truncate(let width): return TransformKernels.truncate(array, type, width)
    case .year, .month, .day, .hour:
      guard let perDay = Transform.unitsPerDay(type) else { return nil }
      switch array.type {
      case .date32 where perDay == 1:
        return TransformKernels.ordinals(array.values(as: Int32.self), array, 1, self)
      case .timestamp(.microsecond, _) where perDay == 86_400_000_000:
        return TransformKernels.ordinals(
          array.values(as: Int64.self), array, 86_400_000_000, self)
      case .timestamp(.nanosecond, _) where perDay == 86_400_000_000_000:
        return TransformKernels.ordinals(
          array.values(as: Int64.self), array, 86_400_000_000_000, self)
      default: return nil
      }
    case .identity, .void, .unknown: return nil
    }
  }
}

enum TransformKernels {
  /// The array's validity from bit 0 on.
  private static func validity(_ array: ArrayData) -> Buffer? {
    guard let validity = array.validity else { return nil }
    if array.offset == 0 { return validity }
    let copy = MutableBuffer()
    copy.appendZeros(Bitmap.byteCount(array.length))
    Bitmap.copy(
      from: validity.base, offset: array.offset, to: copy.base, offset: 0, count: array.length)
    return copy.finish()
  }

  @inline(__always)
  private static func map<T, R: BitwiseCopyable>(
    _ values: UnsafeBufferPointer<T>, _ array: ArrayData, _ type: DataType, _ body: (T) -> R
  ) -> ArrayData {
    let output = MutableBuffer(capacity: values.count * MemoryLayout<R>.stride)
    let target = output.base.bindMemory(to: R.self, capacity: values.count)
    for index in 0..<values.count { target[index] = body(values[index]) }
    output.setCount(values.count * MemoryLayout<R>.stride)
    return ArrayData(
      type: type, length: array.length, nullCount: array.nullCount, validity: validity(array),
      buffers: [output.finish()])
  }

  // MARK: Buckets

  static func bucket(_ array: ArrayData, _ type: TableType, _ count: Int) -> ArrayData? {
    switch (array.type, type) {
    case (.int32, .int), (.date32, .date):
      return map(array.values(as: Int32.self), array, .int32) {
        bucketNumber(Murmur3.hash(Int64($0)), count)
      }
    case (.int64, .long), (.time64(.microsecond), .time),
      (.timestamp(.microsecond, _), .timestamp), (.timestamp(.microsecond, _), .timestamptz):
      return map(array.values(as: Int64.self), array, .int32) {
        bucketNumber(Murmur3.hash($0), count)
      }
    case (.timestamp(.nanosecond, _), .timestampNs), (.timestamp(.nanosecond, _), .timestamptzNs):
      return map(array.values(as: Int64.self), array, .int32) {
        let quotient = $0 / 1000
        let micros = $0 - quotient * 1000 < 0 ? quotient - 1 : quotient
        return bucketNumber(Murmur3.hash(micros), count)
      }
    case (.decimal128, .decimal):
      return map(array.values(as: Int128.self), array, .int32) {
        bucketNumber(Murmur3.hash($0), count)
      }
    case (.utf8, .string), (.binary, .binary):
      return bucketBytes(array.offsets(as: Int32.self), array, count)
    case (.largeUtf8, .string), (.largeBinary, .binary):
      return bucketBytes(array.offsets(as: Int64.self), array, count)
    case (.fixedSizeBinary(let width), .uuid) where width == 16:
      return bucketFixed(array, 16, count)
    case (.fixedSizeBinary(let width), .fixed(let size)) where width == size:
      return bucketFixed(array, size, count)
    default: return nil
    }
  }

  @inline(__always)
  private static func bucketBytes<Offset: FixedWidthInteger>(
    _ offsets: UnsafeBufferPointer<Offset>, _ array: ArrayData, _ count: Int
  ) -> ArrayData {
    let output = MutableBuffer(capacity: array.length * 4)
    let target = output.base.bindMemory(to: Int32.self, capacity: array.length)
    let base = array.buffers[1].base
    for index in 0..<array.length {
      let start = Int(offsets[index])
      let hash = Murmur3.hash(base + start, Int(offsets[index + 1]) - start)
      target[index] = bucketNumber(hash, count)
    }
    output.setCount(array.length * 4)
    return ArrayData(
      type: .int32, length: array.length, nullCount: array.nullCount, validity: validity(array),
      buffers: [output.finish()])
  }

  private static func bucketFixed(_ array: ArrayData, _ width: Int, _ count: Int) -> ArrayData {
    let output = MutableBuffer(capacity: array.length * 4)
    let target = output.base.bindMemory(to: Int32.self, capacity: array.length)
    let base = array.buffers[0].base + array.offset * width
    for index in 0..<array.length {
      target[index] = bucketNumber(Murmur3.hash(base + index * width, width), count)
    }
    output.setCount(array.length * 4)
    return ArrayData(
      type: .int32, length: array.length, nullCount: array.nullCount, validity: validity(array),
      buffers: [output.finish()])
  }

  // MARK: Truncation

  static func truncate(_ array: ArrayData, _ type: TableType, _ width: Int) -> ArrayData? {
    switch (array.type, type) {
    case (.int32, .int):
      let width = Int32(width)
      return map(array.values(as: Int32.self), array, array.type) { truncatedDown($0, width) }
    case (.int64, .long):
      let width = Int64(width)
      return map(array.values(as: Int64.self), array, array.type) { truncatedDown($0, width) }
    case (.decimal128, .decimal):
      let width = Int128(width)
      return map(array.values(as: Int128.self), array, array.type) {
        truncatedDown($0, width)
      }
    case (.utf8, .string):
      return shorten(array, array.offsets(as: Int32.self)) { characters($0, $1, width) }
    case (.largeUtf8, .string):
      return shorten(array, array.offsets(as: Int64.self)) { characters($0, $1, width) }
    case (.binary, .binary): return shorten(array, array.offsets(as: Int32.self)) { min($1, width) }
    case (.largeBinary, .binary):
      return shorten(array, array.offsets(as: Int64.self)) { min($1, width) }
    default: return nil
    }
  }

  /// Bytes of the first `limit` characters of well-formed UTF-8.
  @inline(__always)
  private static func characters(_ base: UnsafeRawPointer, _ count: Int, _ limit: Int) -> Int {
    if count <= limit { return count }
    var left = limit
    for index in 0..<count where base.load(fromByteOffset: index, as: UInt8.self) & 0xc0 != 0x80 {
      if left == 0 { return index }
      left -= 1
    }
    return count
  }

  /// Every value cut to `length(bytes, count)` of its bytes.
  @inline(__always)
  private static func shorten<Offset: FixedWidthInteger & BitwiseCopyable>(
    _ array: ArrayData, _ offsets: UnsafeBufferPointer<Offset>,
    _ length: (UnsafeRawPointer, Int) -> Int
  ) -> ArrayData {
    let newOffsets = MutableBuffer(capacity: (array.length + 1) * MemoryLayout<Offset>.stride)
    let bytes = MutableBuffer()
    let target = newOffsets.base.bindMemory(to: Offset.self, capacity: array.length + 1)
    let base = array.buffers[1].base
    target[0] = 0
    for index in 0..<array.length {
      let start = Int(offsets[index])
      let kept = length(base + start, Int(offsets[index + 1]) - start)
      bytes.append(UnsafeRawBufferPointer(start: base + start, count: kept))
      target[index + 1] = Offset(truncatingIfNeeded: bytes.count)
    }
    newOffsets.setCount((array.length + 1) * MemoryLayout<Offset>.stride)
    return ArrayData(
      type: array.type, length: array.length, nullCount: array.nullCount,
      validity: validity(array), buffers: [newOffsets.finish(), bytes.finish()])
  }

  // MARK: Dates

  @inline(__always)
  private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    let quotient = value / divisor
    return value - quotient * divisor < 0 ? quotient - 1 : quotient
  }

  /// Years, months, days or hours since 1970. Neighbouring rows mostly share their day, so the
  /// calendar is asked once for a run of them.
  @inline(__always)
  static func ordinals<T: FixedWidthInteger & BitwiseCopyable>(
    _ values: UnsafeBufferPointer<T>, _ array: ArrayData, _ perDay: Int64, _ unit: Transform
  ) -> ArrayData {
    switch unit {
    case .hour:
      let perHour = perDay / 24
      return map(values, array, .int32) {
        Int32(truncatingIfNeeded: floorDivide(Int64($0), perHour))
      }
    case .day:
      return map(values, array, .date32) {
        Int32(truncatingIfNeeded: floorDivide(Int64($0), perDay))
      }
    default:
      let isMonth = unit == .month
      var lastDay = Int64.min
      var last: Int32 = 0
      return map(values, array, .int32) {
        let day = floorDivide(Int64($0), perDay)
        if day != lastDay {
          let date = CivilTime.date(daysSinceEpoch: Int(day))
          let year = date.year - 1970
          last = Int32(truncatingIfNeeded: isMonth ? year * 12 + date.month - 1 : year)
          lastDay = day
        }
        return last
      }
    }
  }
}
