// SPDX-License-Identifier: Apache-2.0

/// Builds arrays of 128-bit decimals.
public final class Decimal128Builder: ArrayBuilder {
  public let type: DataType
  public let precision: Int
  public let scale: Int
  private let values = MutableBuffer()
  private let validity = ValidityBuilder()
  private let limit: Int128

  public var length: Int { validity.length }

  /// - Parameter type: a `decimal128` of precision 1 ... 38; another traps.
  public init(_ type: DataType) {
    guard case .decimal128(let precision, let scale) = type, 1...38 ~= precision else {
      preconditionFailure("\(type) is no decimal128 of 1 to 38 digits")
    }
    self.type = type
    self.precision = precision
    self.scale = scale
    self.limit = Self.powerOfTen(precision)!
  }

  public func reserve(_ additional: Int) { values.reserve(values.count + additional * 16) }

  /// Appends `unscaled * 10^-scale`.
  ///
  /// - Throws: `invalidArgument` when it has more digits than the type's precision.
  public func append(unscaled: Int128) throws(ColumnarError) {
    guard unscaled > -limit && unscaled < limit else {
      throw mismatch(.decimal(unscaled, scale: scale))
    }
    values.append(unscaled.littleEndian)
    validity.appendValid()
  }

  public func appendNull() {
    values.append(Int128.zero)
    validity.appendNull()
  }

  public func appendPlaceholder() {
    values.append(Int128.zero)
    validity.appendValid()
  }

  public func append(_ scalar: Scalar) throws(ColumnarError) {
    let unscaled: Int128?
    switch scalar {
    case .null: return appendNull()
    case .decimal(let value, let from): unscaled = Self.rescale(value, from: from, to: scale)
    case .int(let value): unscaled = Self.rescale(Int128(value), from: 0, to: scale)
    case .uint(let value): unscaled = Self.rescale(Int128(value), from: 0, to: scale)
    default: unscaled = nil
    }
    guard let unscaled, unscaled > -limit && unscaled < limit else { throw mismatch(scalar) }
    try append(unscaled: unscaled)
  }

  public func truncate(to length: Int) {
    validity.truncate(to: length)
    values.truncate(to: length * 16)
  }

  public func finish() -> ArrayData {
    validity.finish(as: type, buffers: [values.finish()])
  }

  /// The same number at another scale; `nil` when digits would be lost or it does not fit.
  static func rescale(_ value: Int128, from: Int, to: Int) -> Int128? {
    let (difference, overflow) = to.subtractingReportingOverflow(from)
    if overflow { return nil }
    if difference == 0 || value == 0 { return value }
    guard difference.magnitude <= 38, let power = powerOfTen(Int(difference.magnitude)) else {
      return nil
    }
    if difference > 0 {
      let (product, overflow) = value.multipliedReportingOverflow(by: power)
      return overflow ? nil : product
    }
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: power)
    return remainder == 0 ? quotient : nil
  }

  /// 10^exponent for 0 ... 38, `nil` beyond.
  package static func powerOfTen(_ exponent: Int) -> Int128? {
    guard 0...38 ~= exponent else { return nil }
    var result: Int128 = 1
    for _ in 0..<exponent { result *= 10 }
    return result
  }
}
