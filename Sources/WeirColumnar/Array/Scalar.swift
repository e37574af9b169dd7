// SPDX-License-Identifier: Apache-2.0
// Safe: the one pointer is a view of a string's own bytes, used inside its closure.

/// One value of any type, for printing, small results and tests; never for whole columns.
///
/// Integers of every width, dates, times, timestamps and durations are `int` or `uint` in the unit
/// of their type: what they mean is the type's business (see `text(as:)` and `json(as:)`).
public enum Scalar: Sendable {
  case null
  case bool(Bool)
  case int(Int64)
  case uint(UInt64)
  case float16(Float16)
  case float32(Float)
  case float64(Double)
  /// `unscaled * 10^-scale`.
  case decimal(Int128, scale: Int)
  /// Bytes that are not UTF-8 were replaced by U+FFFD.
  case string(String)
  case binary([UInt8])
  case list([Scalar])
  case `struct`([Member])
  case map([Entry])

  /// One field of a struct.
  public struct Member: Hashable, Sendable {
    public var name: String
    public var value: Scalar
    public init(_ name: String, _ value: Scalar) {
      self.name = name
      self.value = value
    }
  }

  /// One entry of a map.
  public struct Entry: Hashable, Sendable {
    public var key: Scalar
    public var value: Scalar
    public init(_ key: Scalar, _ value: Scalar) {
      self.key = key
      self.value = value
    }
  }

  public var isNull: Bool { if case .null = self { true } else { false } }
}

/// Two scalars are equal when they are of the same case and hold the same value: NaN equals NaN,
/// -0.0 equals 0.0, strings compare by their bytes (not by Unicode's canonical equivalence).
extension Scalar: Hashable {
  public static func == (a: Scalar, b: Scalar) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.bool(let a), .bool(let b)): a == b
    case (.int(let a), .int(let b)): a == b
    case (.uint(let a), .uint(let b)): a == b
    case (.float16(let a), .float16(let b)): a == b || (a.isNaN && b.isNaN)
    case (.float32(let a), .float32(let b)): a == b || (a.isNaN && b.isNaN)
    case (.float64(let a), .float64(let b)): a == b || (a.isNaN && b.isNaN)
    case (.decimal(let a, let aScale), .decimal(let b, let bScale)): a == b && aScale == bScale
    case (.string(let a), .string(let b)): sameBytes(a, b)
    case (.binary(let a), .binary(let b)): a == b
    case (.list(let a), .list(let b)): a == b
    case (.struct(let a), .struct(let b)): a == b
    case (.map(let a), .map(let b)): a == b
    default: false
    }
  }

  private static func sameBytes(_ a: String, _ b: String) -> Bool {
    var (a, b) = (a, b)
    return a.withUTF8 { a in b.withUTF8 { b in a.count == b.count && a.elementsEqual(b) } }
  }

  public func hash(into hasher: inout Hasher) {
    switch self {
    case .null: hasher.combine(0)
    case .bool(let value): hasher.combine(value)
    case .int(let value): hasher.combine(value)
    case .uint(let value): hasher.combine(value)
    case .float16(let value): hasher.combine(value.isNaN ? .nan : value)
    case .float32(let value): hasher.combine(value.isNaN ? .nan : value)
    case .float64(let value): hasher.combine(value.isNaN ? .nan : value)
    case .decimal(let value, let scale):
      hasher.combine(value)
      hasher.combine(scale)
    case .string(var value): value.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    case .binary(let value): hasher.combine(value)
    case .list(let items): hasher.combine(items)
    case .struct(let members): hasher.combine(members)
    case .map(let entries): hasher.combine(entries)
    }
  }
}

extension ArrayData {
  /// The value of row `index` (0 ..< length). Dictionary arrays give the value, not the index.
  ///
  /// Cost: an allocation for strings, binary and nested values; not for loops over columns.
  public func scalar(at index: Int) -> Scalar {
    guard isValid(index) else { return .null }
    switch type {
    case .null: return .null
    case .bool: return .bool(Bitmap.get(buffers[0].base, offset + index))
    case .int8: return .int(Int64(values(as: Int8.self)[index]))
    case .int16: return .int(Int64(values(as: Int16.self)[index]))
    case .int32, .date32, .time32: return .int(Int64(values(as: Int32.self)[index]))
    case .int64, .date64, .time64, .timestamp, .duration:
      return .int(values(as: Int64.self)[index])
    case .uint8: return .uint(UInt64(values(as: UInt8.self)[index]))
    case .uint16: return .uint(UInt64(values(as: UInt16.self)[index]))
    case .uint32: return .uint(UInt64(values(as: UInt32.self)[index]))
    case .uint64: return .uint(values(as: UInt64.self)[index])
    case .float16: return .float16(values(as: Float16.self)[index])
    case .float32: return .float32(values(as: Float.self)[index])
    case .float64: return .float64(values(as: Double.self)[index])
    case .decimal128(_, let scale):
      return withBytes(index) {
        .decimal(Int128(littleEndian: $0.loadUnaligned(as: Int128.self)), scale: scale)
      }
    case .utf8, .largeUtf8: return withBytes(index) { .string(String(decoding: $0, as: UTF8.self)) }
    case .binary, .largeBinary, .fixedSizeBinary: return withBytes(index) { .binary([UInt8]($0)) }
    case .list, .largeList, .fixedSizeList:
      return .list(itemRange(index).map { children[0].scalar(at: $0) })
    case .struct(let fields):
      return .struct(
        zip(fields, children).map { Scalar.Member($0.name, $1.scalar(at: offset + index)) })
    case .map:
      let entries = children[0]
      return .map(
        itemRange(index).map {
          Scalar.Entry(
            entries.children[0].scalar(at: entries.offset + $0),
            entries.children[1].scalar(at: entries.offset + $0))
        })
    case .dictionary:
      guard let dictionary else { preconditionFailure("a dictionary array without a dictionary") }
      return dictionary.scalar(at: dictionaryIndex(index))
    }
  }

  /// The index that row `index` of a dictionary array holds; the row must be valid.
  func dictionaryIndex(_ index: Int) -> Int {
    guard case .dictionary(let indexType, _, _) = type else {
      preconditionFailure("\(type) has no dictionary")
    }
    return switch indexType {
    case .int8: Int(values(as: Int8.self)[index])
    case .uint8: Int(values(as: UInt8.self)[index])
    case .int16: Int(values(as: Int16.self)[index])
    case .uint16: Int(values(as: UInt16.self)[index])
    case .int32: Int(values(as: Int32.self)[index])
    case .uint32: Int(values(as: UInt32.self)[index])
    default: Int(values(as: Int64.self)[index])
    }
  }
}
