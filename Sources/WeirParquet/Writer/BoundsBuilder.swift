// SPDX-License-Identifier: Apache-2.0
// Safe: pointers cover the `count` values of a `LeafValues`, which the chunk's writer keeps alive.

internal import WeirColumnar

/// A smallest or largest value, comparable in its column's order.
enum BoundValue {
  case signed(Int64, width: Int)
  case unsigned(UInt64, width: Int)
  /// Of 2, 4 or 8 bytes.
  case floating(Double, width: Int)
  /// Unsigned lexicographic order.
  case bytes([UInt8])
  /// Big-endian two's complement, all of one width.
  case signedBytes([UInt8])

  func isLess(than other: BoundValue) -> Bool {
    switch (self, other) {
    case (.signed(let a, _), .signed(let b, _)): return a < b
    case (.unsigned(let a, _), .unsigned(let b, _)): return a < b
    case (.floating(let a, _), .floating(let b, _)):
      // -0 comes before +0.
      return a < b || (a == b && a.sign == .minus && b.sign == .plus)
    case (.bytes(let a), .bytes(let b)): return a.lexicographicallyPrecedes(b)
    case (.signedBytes(let a), .signedBytes(let b)):
      return a.withUnsafeBytes { a in
        b.withUnsafeBytes { b in
          EncodeBounds.signedLess(a.baseAddress!, b.baseAddress!, a.count)
        }
      }
    default: preconditionFailure("bounds of one column have one kind")
    }
  }

  /// The plain encoding, without a length in front.
  var encoded: [UInt8] {
    switch self {
    case .signed(let value, let width):
      return Self.littleEndian(UInt64(bitPattern: value), width)
    case .unsigned(let value, let width): return Self.littleEndian(value, width)
    case .floating(let value, 2): return Self.littleEndian(UInt64(Float16(value).bitPattern), 2)
    case .floating(let value, 4): return Self.littleEndian(UInt64(Float(value).bitPattern), 4)
    case .floating(let value, _): return Self.littleEndian(value.bitPattern, 8)
    case .bytes(let bytes), .signedBytes(let bytes): return bytes
    }
  }

  private static func littleEndian(_ value: UInt64, _ width: Int) -> [UInt8] {
    (0..<width).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }
}

/// The bounds of some values of one column; `nil` when there are none (no values, only NaNs).
struct Bounds {
  var min: BoundValue
  var max: BoundValue

  mutating func include(_ other: Bounds) {
    if other.min.isLess(than: min) { min = other.min }
    if max.isLess(than: other.max) { max = other.max }
  }

  /// The bounds of values `range`.
  static func of(_ values: LeafValues, _ range: Range<Int>, order: BoundsOrder) -> Bounds? {
    let first = range.lowerBound
    let count = range.count
    switch order {
    case .none: return nil
    case .bool:
      guard count > 0 else { return nil }
      let ones = countOnes(values.at(first, as: UInt8.self), count)
      return Bounds(
        min: .unsigned(ones == count ? 1 : 0, width: 1), max: .unsigned(ones > 0 ? 1 : 0, width: 1))
    case .int32:
      return EncodeBounds.int32(values.at(first, as: Int32.self), count).map {
        Bounds(min: .signed(Int64($0.0), width: 4), max: .signed(Int64($0.1), width: 4))
      }
    case .int64:
      return EncodeBounds.int64(values.at(first, as: Int64.self), count).map {
        Bounds(min: .signed($0.0, width: 8), max: .signed($0.1, width: 8))
      }
    case .uint32:
      return EncodeBounds.uint32(values.at(first, as: UInt32.self), count).map {
        Bounds(min: .unsigned(UInt64($0.0), width: 4), max: .unsigned(UInt64($0.1), width: 4))
      }
    case .uint64:
      return EncodeBounds.uint64(values.at(first, as: UInt64.self), count).map {
        Bounds(min: .unsigned($0.0, width: 8), max: .unsigned($0.1, width: 8))
      }
    default: return ofOthers(values, range, order: order)
    }
  }

  private static func ofOthers(
    _ values: LeafValues, _ range: Range<Int>, order: BoundsOrder
  ) -> Bounds? {
    let first = range.lowerBound
    let count = range.count
    switch order {
    case .float16:
      return EncodeBounds.float16(values.base + first * 2, count).map {
        Bounds(min: .floating(Double($0.0), width: 2), max: .floating(Double($0.1), width: 2))
      }
    case .float:
      return EncodeBounds.float(values.at(first, as: Float.self), count).map {
        Bounds(min: .floating(Double($0.0), width: 4), max: .floating(Double($0.1), width: 4))
      }
    case .double:
      return EncodeBounds.double(values.at(first, as: Double.self), count).map {
        Bounds(min: .floating($0.0, width: 8), max: .floating($0.1, width: 8))
      }
    case .bytes:
      let views = values.at(first, as: ByteView.self)
      return EncodeBounds.bytes(views, count).map {
        Bounds(min: .bytes(views[$0.0].bytes), max: .bytes(views[$0.1].bytes))
      }
    case .fixedBytes:
      let width = values.stride
      return EncodeBounds.fixedBytes(values.base + first * width, width: width, count).map {
        Bounds(
          min: .bytes(bytes(values, first + $0.0)), max: .bytes(bytes(values, first + $0.1)))
      }
    case .signedBytes:
      let width = values.stride
      return EncodeBounds.signedBytes(values.base + first * width, width: width, count).map {
        Bounds(
          min: .signedBytes(bytes(values, first + $0.0)),
          max: .signedBytes(bytes(values, first + $0.1)))
      }
    default: return nil
    }
  }

  private static func bytes(_ values: LeafValues, _ index: Int) -> [UInt8] {
    let width = values.stride
    return Array(UnsafeRawBufferPointer(start: values.base + index * width, count: width))
  }

  private static func countOnes(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
    var ones = 0
    for index in 0..<count { ones += Int(bytes[index]) }
    return ones
  }
}
