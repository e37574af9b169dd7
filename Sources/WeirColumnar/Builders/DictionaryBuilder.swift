// SPDX-License-Identifier: Apache-2.0

/// Builds dictionary arrays: each distinct value is kept once, rows are indices.
public final class DictionaryBuilder: ArrayBuilder {
  public let type: DataType
  /// Distinct values, in the order in which they first came.
  private let values: any ArrayBuilder
  private let indices: any ArrayBuilder
  private var positions: [Scalar: Int] = [:]

  public var length: Int { indices.length }
  /// Distinct values so far.
  public var distinctCount: Int { values.length }

  /// - Parameter type: a `dictionary` with an integer index; another traps.
  public init(_ type: DataType) {
    guard case .dictionary(let index, let value, _) = type, index.isInteger else {
      preconditionFailure("\(type) is no dictionary with an integer index")
    }
    self.type = type
    self.values = makeBuilder(for: value)
    self.indices = makeBuilder(for: index)
  }

  public func reserve(_ additional: Int) { indices.reserve(additional) }
  public func appendNull() { indices.appendNull() }

  public func appendPlaceholder() {
    // Index 0 needs a value; a dictionary may hold the same value twice.
    if values.length == 0 { values.appendPlaceholder() }
    indices.appendPlaceholder()
  }

  /// - Throws: also `overflow` when there are more distinct values than the index type counts.
  public func append(_ scalar: Scalar) throws(ColumnarError) {
    if scalar.isNull { return appendNull() }
    let key = Self.key(scalar)
    if let position = positions[key] {
      return try indices.append(.int(Int64(position)))
    }
    let position = values.length
    do throws(ColumnarError) {
      try indices.append(.int(Int64(position)))
    } catch {
      throw ColumnarError(
        .overflow, "more than \(position) distinct values do not fit the index of \(type)")
    }
    do throws(ColumnarError) {
      try values.append(scalar)
    } catch {
      indices.truncate(to: indices.length - 1)
      throw error
    }
    positions[key] = position
  }

  /// The distinct values of the cut rows stay in the dictionary.
  public func truncate(to length: Int) { indices.truncate(to: length) }

  public func finish() -> ArrayData {
    let made = indices.finish()
    positions = [:]
    return ArrayData(
      type: type, length: made.length, nullCount: made.nullCount, validity: made.validity,
      buffers: made.buffers, dictionary: values.finish())
  }

  /// Floats are told apart by their bits, so that -0.0 and each NaN keep theirs.
  static func key(_ scalar: Scalar) -> Scalar {
    switch scalar {
    case .float16(let value): .list([.uint(UInt64(value.bitPattern))])
    case .float32(let value): .list([.uint(UInt64(value.bitPattern))])
    case .float64(let value): .list([.uint(value.bitPattern)])
    default: scalar
    }
  }
}
