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
    validity.finish(as: type, buffers: [offsets.finish(), bytes.finish()])
  }
}
