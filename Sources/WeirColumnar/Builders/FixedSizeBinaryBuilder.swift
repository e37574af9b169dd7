// SPDX-License-Identifier: Apache-2.0
// Safe: pointers are the caller's views, read within their counts and during the call only.

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
    validity.finish(as: type, buffers: [bytes.finish()])
  }
}
