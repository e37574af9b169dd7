// SPDX-License-Identifier: Apache-2.0
// Safe: a column's values are as many as it has rows; they live while it does.

extension ArrayData {
  /// The rows as 64-bit integers: of integers but uint64, booleans, dates and times. Null rows hold
  /// anything.
  var integers: [Int64] {
    defer { withExtendedLifetime(self) {} }
    func widened<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> [Int64] {
      values(as: type).map { Int64(truncatingIfNeeded: $0) }
    }
    switch type {
    case .bool: return (0..<length).map { Bitmap.get(buffers[0].base, offset + $0) ? 1 : 0 }
    case .int8: return widened(Int8.self)
    case .int16: return widened(Int16.self)
    case .int32, .date32, .time32: return widened(Int32.self)
    case .int64, .date64, .time64, .timestamp, .duration: return Array(values(as: Int64.self))
    case .uint8: return widened(UInt8.self)
    case .uint16: return widened(UInt16.self)
    case .uint32: return widened(UInt32.self)
    default: preconditionFailure("\(type) holds no integers of 64 bits")
    }
  }

  /// The rows as doubles: of floats, decimals and uint64. Null rows hold anything.
  var doubles: [Double] {
    defer { withExtendedLifetime(self) {} }
    switch type {
    case .float16: return values(as: Float16.self).map { Double($0) }
    case .float32: return values(as: Float.self).map { Double($0) }
    case .float64: return Array(values(as: Double.self))
    case .uint64: return values(as: UInt64.self).map { Double($0) }
    case .decimal128(_, let scale):
      // Division by a power of ten is right to the last bit as long as both are exact (to 10^22);
      // text is as right for the rest.
      return (0..<length).map { row in
        guard case .decimal(let unscaled, _) = scalar(at: row) else { return 0 }
        if scale >= 0, scale <= 22, unscaled.magnitude < 1 << 53 {
          return Double(unscaled) / Self.powerOfTen(scale)
        }
        return Double("\(unscaled)e\(-scale)") ?? .nan
      }
    default: preconditionFailure("\(type) holds no doubles")
    }
  }

  private static func powerOfTen(_ exponent: Int) -> Double {
    var result = 1.0
    for _ in 0..<exponent { result *= 10 }
    return result
  }

  /// How many Unicode scalars, bytes or items each row holds. Null rows hold anything.
  var lengths: [Int64] {
    defer { withExtendedLifetime(self) {} }
    switch type {
    case .utf8, .largeUtf8:
      return (0..<length).map { row in
        guard case .string(let text) = scalar(at: row) else { return 0 }
        return Int64(text.unicodeScalars.count)
      }
    case .binary, .list, .map: return differences(Int32.self)
    case .largeBinary, .largeList: return differences(Int64.self)
    case .fixedSizeBinary(let size), .fixedSizeList(_, let size):
      return [Int64](repeating: Int64(size), count: length)
    default: preconditionFailure("\(type) holds no items")
    }
  }

  private func differences<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> [Int64] {
    guard length > 0 else { return [] }
    let offsets = buffers[0].elements(of: type)
    return (offset..<offset + length).map { Int64(offsets[$0 + 1]) - Int64(offsets[$0]) }
  }
}
