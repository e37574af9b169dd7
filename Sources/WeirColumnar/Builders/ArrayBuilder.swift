// SPDX-License-Identifier: Apache-2.0

/// Makes one array, row by row or in bulk. One thread at a time may use a builder.
///
/// `makeBuilder(for:)` gives the builder of any type. Code that knows its type uses the concrete
/// builder's own appends, in bulk where speed counts: those through `Scalar` are for convenience.
public protocol ArrayBuilder: AnyObject {
  var type: DataType { get }
  /// Rows so far.
  var length: Int { get }

  /// Makes room for `additional` more rows (of fixed-width data; bytes and items grow by themselves).
  func reserve(_ additional: Int)

  func appendNull()

  /// Appends a row that is valid but means nothing: zero, an empty string or list. It stands in for
  /// children of null structs and fixed-size lists, whose fields may forbid nulls.
  func appendPlaceholder()

  /// Appends `scalar`. Integers of every width, floats of every width and decimals convert where the
  /// value fits (floats round to the nearest); `null` appends a null.
  ///
  /// - Throws: `invalidArgument` when the value is of another kind or out of the type's range,
  ///   `overflow` when the array would outgrow its offsets. The builder is then as before.
  func append(_ scalar: Scalar) throws(ColumnarError)

  /// Cuts to the first `length` rows.
  func truncate(to length: Int)

  /// The rows so far as an array; the builder starts again empty.
  func finish() -> ArrayData
}

extension ArrayBuilder {
  /// The error for a scalar that does not fit `type`.
  func mismatch(_ scalar: Scalar) -> ColumnarError {
    var text = scalar.text(as: type)
    if text.utf8.count > 100 { text = String(text.prefix(100)) + "…" }
    return ColumnarError(.invalidArgument, "the value \(text) does not fit the type \(type)")
  }
}

/// A builder for arrays of `type`.
public func makeBuilder(for type: DataType) -> any ArrayBuilder {
  switch type {
  case .null: NullBuilder()
  case .bool: BooleanBuilder()
  case .int8: PrimitiveBuilder<Int8>(type)
  case .int16: PrimitiveBuilder<Int16>(type)
  case .int32, .date32, .time32: PrimitiveBuilder<Int32>(type)
  case .int64, .date64, .time64, .timestamp, .duration: PrimitiveBuilder<Int64>(type)
  case .uint8: PrimitiveBuilder<UInt8>(type)
  case .uint16: PrimitiveBuilder<UInt16>(type)
  case .uint32: PrimitiveBuilder<UInt32>(type)
  case .uint64: PrimitiveBuilder<UInt64>(type)
  case .float16: PrimitiveBuilder<Float16>(type)
  case .float32: PrimitiveBuilder<Float>(type)
  case .float64: PrimitiveBuilder<Double>(type)
  case .decimal128: Decimal128Builder(type)
  case .utf8, .largeUtf8, .binary, .largeBinary: BinaryBuilder(type)
  case .fixedSizeBinary: FixedSizeBinaryBuilder(type)
  case .list, .largeList: ListBuilder(type)
  case .fixedSizeList: FixedSizeListBuilder(type)
  case .struct: StructBuilder(type)
  case .map: MapBuilder(type)
  case .dictionary: DictionaryBuilder(type)
  }
}

/// Builds arrays of the null type, which are only a length.
public final class NullBuilder: ArrayBuilder {
  public var type: DataType { .null }
  public private(set) var length = 0

  public init() {}

  public func reserve(_ additional: Int) {}
  public func appendNull() { length += 1 }
  public func appendPlaceholder() { length += 1 }

  public func append(_ scalar: Scalar) throws(ColumnarError) {
    guard scalar.isNull else { throw mismatch(scalar) }
    length += 1
  }

  public func truncate(to length: Int) {
    precondition(length >= 0 && length <= self.length, "truncate may only shorten")
    self.length = length
  }

  public func finish() -> ArrayData {
    defer { length = 0 }
    return ArrayData(type: .null, length: length)
  }
}
