// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are the caller's views, read within their counts and during the call only.

/// Numbers that fixed-width arrays hold.
public protocol PrimitiveValue: BitwiseCopyable, Sendable {
  static var zero: Self { get }
  /// The number that `scalar` holds; `nil` when it is no number or does not fit.
  init?(scalar: Scalar)
  /// Whether arrays of `type` hold this.
  static func fits(_ type: DataType) -> Bool
}

/// Builds arrays of integers, floats, dates, times, timestamps and durations.
public final class PrimitiveBuilder<T: PrimitiveValue>: ArrayBuilder {
  public let type: DataType
  @usableFromInline let values = MutableBuffer()
  @usableFromInline let validity = ValidityBuilder()

  public var length: Int { validity.length }

  /// - Parameter type: one whose values are `T`s; another is the caller's bug and traps.
  public init(_ type: DataType) {
    precondition(T.fits(type), "\(type) is not made of \(T.self)")
    self.type = type
  }

  public func reserve(_ additional: Int) {
    values.reserve(values.count + additional * MemoryLayout<T>.stride)
  }

  // Inlinable, so that other modules append without generic code.
  @inlinable
  public func append(_ value: T) {
    values.append(value)
    validity.appendValid()
  }

  @inlinable
  public func append(_ value: T?) {
    values.append(value ?? .zero)
    validity.append(value != nil)
  }

  public func appendNull() {
    values.append(T.zero)
    validity.appendNull()
  }

  public func appendPlaceholder() { append(T.zero) }

  /// Appends values that are all valid. Cost: one copy of the bytes.
  public func append(contentsOf newValues: UnsafeBufferPointer<T>) {
    values.append(UnsafeRawBufferPointer(newValues))
    validity.appendValid(count: newValues.count)
  }

  public func append(contentsOf newValues: [T]) {
    newValues.withUnsafeBufferPointer { append(contentsOf: $0) }
  }

  /// Appends values of which those with a 0 bit in `bitmap` (from bit `offset` on) are null.
  package func append(
    contentsOf newValues: UnsafeBufferPointer<T>, validity bitmap: UnsafeRawPointer, offset: Int
  ) {
    values.append(UnsafeRawBufferPointer(newValues))
    validity.append(bitmap: bitmap, offset: offset, count: newValues.count)
  }

  public func append(contentsOf newValues: [T?]) {
    reserve(newValues.count)
    for value in newValues { append(value) }
  }

  public func append(_ scalar: Scalar) throws(ColumnarError) {
    if scalar.isNull { return appendNull() }
    guard let value = T(scalar: scalar) else { throw mismatch(scalar) }
    append(value)
  }

  public func truncate(to length: Int) {
    validity.truncate(to: length)
    values.truncate(to: length * MemoryLayout<T>.stride)
  }

  public func finish() -> ArrayData {
    validity.finish(as: type, buffers: [values.finish()])
  }
}

extension PrimitiveValue where Self: FixedWidthInteger {
  public static var zero: Self { 0 }

  public init?(scalar: Scalar) {
    switch scalar {
    case .int(let value): self.init(exactly: value)
    case .uint(let value): self.init(exactly: value)
    case .float16(let value): self.init(exactly: value)
    case .float32(let value): self.init(exactly: value)
    case .float64(let value): self.init(exactly: value)
    case .decimal(let value, let scale):
      guard let whole = Decimal128Builder.rescale(value, from: scale, to: 0) else { return nil }
      self.init(exactly: whole)
    default: return nil
    }
  }
}

extension PrimitiveValue where Self: BinaryFloatingPoint {
  public static var zero: Self { Self(0) }

  /// Floats round to the nearest; a finite number never becomes infinite, an integer must fit
  /// exactly.
  public init?(scalar: Scalar) {
    let wide: Double
    switch scalar {
    case .int(let value):
      self.init(exactly: value)
      return
    case .uint(let value):
      self.init(exactly: value)
      return
    case .float16(let value): wide = Double(value)
    case .float32(let value): wide = Double(value)
    case .float64(let value): wide = value
    default: return nil
    }
    let result = Self(wide)
    if result.isInfinite && wide.isFinite { return nil }
    self = result
  }
}

extension Int8: PrimitiveValue {
  public static func fits(_ type: DataType) -> Bool { type == .int8 }
}
extension Int16: PrimitiveValue {
  public static func fits(_ type: DataType) -> Bool { type == .int16 }
}
extension Int32: PrimitiveValue {
  public static func fits(_ type: DataType) -> Bool {
    switch type {
    case .int32, .date32, .time32: true
    default: false
    }
  }
}
extension Int64: PrimitiveValue {
  public static func fits(_ type: DataType) -> Bool {
    switch type {
    case .int64, .date64, .time64, .timestamp, .duration: true
    default: false
    }
  }
}
extension UInt8: PrimitiveValue {
  public static func fits(_ type: DataType) -> Bool { type == .uint8 }
}
extension UInt16: PrimitiveValue {
  public static func fits(_ type: DataType) -> Bool { type == .uint16 }
}
extension UInt32: PrimitiveValue {
  public static func fits(_ type: DataType) -> Bool { type == .uint32 }
}
extension UInt64: PrimitiveValue {
  public static func fits(_ type: DataType) -> Bool { type == .uint64 }
}
extension Float16: PrimitiveValue {
  public static func fits(_ type: DataType) -> Bool { type == .float16 }
}
extension Float: PrimitiveValue {
  public static func fits(_ type: DataType) -> Bool { type == .float32 }
}
extension Double: PrimitiveValue {
  public static func fits(_ type: DataType) -> Bool { type == .float64 }
}
