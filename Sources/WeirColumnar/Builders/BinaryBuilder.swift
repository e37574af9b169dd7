// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are the caller's views, read within their counts and during the call only.

/// Builds utf8, large utf8, binary and large binary arrays.
public final class BinaryBuilder: ArrayBuilder {
  public let type: DataType
  private let bytes = MutableBuffer()
  private let offsets: OffsetsBuilder
  private let validity = ValidityBuilder()
  private let isText: Bool

  public var length: Int { validity.length }
  /// Bytes of all rows so far.
  public var byteCount: Int { bytes.count }

  /// - Parameter type: one of the four; another traps.
  public init(_ type: DataType) {
    guard case .variableBinary(let width) = type.layout else {
      preconditionFailure("\(type) is not made of strings or bytes")
    }
    self.type = type
    self.offsets = OffsetsBuilder(width: width)
    self.isText = type == .utf8 || type == .largeUtf8
  }

  public func reserve(_ additional: Int) { offsets.reserve(additional) }

  /// Makes room for `additional` more bytes of values.
  public func reserve(bytes additional: Int) { bytes.reserve(bytes.count + additional) }

  /// Appends one value; for utf8 arrays the caller knows that it is UTF-8.
  ///
  /// - Throws: `overflow` past 2^31 - 1 bytes in types with 32-bit offsets; use the large type, or
  ///   more batches.
  public func append(_ value: UnsafeRawBufferPointer) throws(ColumnarError) {
    try offsets.append(bytes.count + value.count)
    bytes.append(value)
    validity.appendValid()
  }

  public func append(_ value: String) throws(ColumnarError) {
    var value = value
    try offsets.append(bytes.count + value.utf8.count)
    value.withUTF8 { bytes.append(UnsafeRawBufferPointer($0)) }
    validity.appendValid()
  }

  public func append(_ value: [UInt8]) throws(ColumnarError) {
    try offsets.append(bytes.count + value.count)
    value.withUnsafeBytes { bytes.append($0) }
    validity.appendValid()
  }

  public func append(contentsOf values: [String]) throws(ColumnarError) {
    reserve(values.count)
    for value in values { try append(value) }
  }

  public func appendNull() {
    offsets.appendSame()
    validity.appendNull()
  }

  public func appendPlaceholder() {
    offsets.appendSame()
    validity.appendValid()
  }

  public func append(_ scalar: Scalar) throws(ColumnarError) {
    switch scalar {
    case .null: appendNull()
    case .string(let value): try append(value)
    case .binary(let value):
      if isText && String(validating: value, as: UTF8.self) == nil { throw mismatch(scalar) }
      try append(value)
    default: throw mismatch(scalar)
    }
  }

  public func truncate(to length: Int) {
    validity.truncate(to: length)
    offsets.truncate(to: length)
    bytes.truncate(to: offsets.last)
  }

  public func finish() -> ArrayData {
    let length = length
    let nullCount = validity.nullCount
    return ArrayData(
      type: type, length: length, nullCount: nullCount, validity: validity.finish(),
      buffers: [offsets.finish(), bytes.finish()])
  }
}

/// Offsets of 4 or 8 bytes, starting with 0. A class for the reason that `ValidityBuilder` gives.
final class OffsetsBuilder {
  let width: Int
  private let buffer = MutableBuffer()
  private(set) var last = 0

  init(width: Int) {
    self.width = width
    store(0)
  }

  func reserve(_ additional: Int) { buffer.reserve(buffer.count + additional * width) }

  /// Appends where the next row ends.
  func append(_ end: Int) throws(ColumnarError) {
    if width == 4 && end > Int(Int32.max) {
      throw ColumnarError(
        .overflow,
        "\(end) items or bytes do not fit 32-bit offsets; use the large type or smaller batches")
    }
    store(end)
    last = end
  }

  /// Appends an empty row.
  func appendSame() { store(last) }

  func truncate(to length: Int) {
    buffer.truncate(to: (length + 1) * width)
    last =
      width == 4
      ? Int((buffer.base + length * 4).load(as: Int32.self))
      : Int((buffer.base + length * 8).load(as: Int64.self))
  }

  func finish() -> Buffer {
    let result = buffer.finish()
    last = 0
    store(0)
    return result
  }

  private func store(_ end: Int) {
    if width == 4 {
      buffer.append(Int32(truncatingIfNeeded: end))
    } else {
      buffer.append(Int64(end))
    }
  }
}

/// Builds fixed-size binary arrays.
public final class FixedSizeBinaryBuilder: ArrayBuilder {
  public let type: DataType
  public let width: Int
  private let bytes = MutableBuffer()
  private let validity = ValidityBuilder()

  public var length: Int { validity.length }

  /// - Parameter type: a `fixedSizeBinary`; another traps.
  public init(_ type: DataType) {
    guard case .fixedSizeBinary(let width) = type, width >= 0 else {
      preconditionFailure("\(type) is no fixed-size binary")
    }
    self.type = type
    self.width = width
  }

  public func reserve(_ additional: Int) { bytes.reserve(bytes.count + additional * width) }

  /// - Throws: `invalidArgument` when `value` is not exactly `width` bytes long.
  public func append(_ value: [UInt8]) throws(ColumnarError) {
    guard value.count == width else { throw mismatch(.binary(value)) }
    bytes.append(contentsOf: value)
    validity.appendValid()
  }

  /// Appends values that lie one after the other, all valid.
  public func append(contentsOf values: UnsafeRawBufferPointer) throws(ColumnarError) {
    guard width > 0 && values.count % width == 0 else {
      throw ColumnarError(
        .invalidArgument, "\(values.count) bytes are not a whole number of \(type) values")
    }
    bytes.append(values)
    validity.appendValid(count: values.count / width)
  }

  public func appendNull() {
    bytes.appendZeros(width)
    validity.appendNull()
  }

  public func appendPlaceholder() {
    bytes.appendZeros(width)
    validity.appendValid()
  }

  public func append(_ scalar: Scalar) throws(ColumnarError) {
    switch scalar {
    case .null: appendNull()
    case .binary(let value): try append(value)
    case .string(let value): try append(Array(value.utf8))
    default: throw mismatch(scalar)
    }
  }

  public func truncate(to length: Int) {
    validity.truncate(to: length)
    bytes.truncate(to: length * width)
  }

  public func finish() -> ArrayData {
    let length = length
    let nullCount = validity.nullCount
    return ArrayData(
      type: type, length: length, nullCount: nullCount, validity: validity.finish(),
      buffers: [bytes.finish()])
  }
}
