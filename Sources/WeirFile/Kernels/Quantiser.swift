// SPDX-License-Identifier: Apache-2.0
// Safe: reads the values of arrays within their lengths, writes as many into buffers of that size.

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Rounds floats of 32 bits, alone or in lists, to values that take fewer bytes, within a bound.
///
/// The first page decides the form: the one of the fewest bytes that keeps the bound. Pages that cannot
/// keep it in this form stay as they are. What is rounded is measured, and goes into the field's metadata.
final class Quantiser {
  enum Form: String, CaseIterable {
    case int8
    case float16
    case bfloat16
  }

  /// Largest difference to a value that is allowed.
  private let bound: Double
  private(set) var form: Form?
  /// Largest difference so far; of `int8` relative to the largest value of its group.
  private var error = 0.0
  /// Values that share a scale.
  let group: Int

  static let metadataKey = "weir.quantised"
  static let errorKey = "weir.error"
  private static let groupCount = 64

  init(_ type: DataType, bound: Double) {
    self.bound = bound
    if case .fixedSizeList(_, let size) = type, (1...1_024).contains(size) {
      group = size
    } else {
      group = Self.groupCount
    }
  }

  /// Whether columns of the type can be rounded.
  static func isSupported(_ type: DataType) -> Bool {
    switch type {
    case .float32: true
    case .list(let item), .largeList(let item), .fixedSizeList(let item, _): item.type == .float32
    default: false
    }
  }

  /// The field with what was lost in its metadata.
  func declared(_ field: Field) -> Field {
    guard let form else { return field }
    var result = field
    result.metadata.entries.removeAll { $0.key == Self.metadataKey || $0.key == Self.errorKey }
    result.metadata.entries += [
      Metadata.Entry(key: Self.metadataKey, value: form.rawValue),
      Metadata.Entry(key: Self.errorKey, value: "\(error)"),
    ]
    return result
  }

  /// The rows with rounded values.
  func round(_ array: ArrayData) -> ArrayData {
    if array.length == 0 { return array }
    if array.type == .float32 { return rounded(array) ?? array }
    let items = array.type.layout
    switch items {
    case .fixedSizeList(let size):
      let child = array.children[0].slice(
        offset: array.offset * size, length: array.length * size)
      guard let values = rounded(child) else { return array }
      return rebuilt(array, buffers: [], child: values)
    case .list(let width):
      return width == 4 ? lists(array, Int32.self) : lists(array, Int64.self)
    default: return array
    }
  }

  private func lists<O: FixedWidthInteger & BitwiseCopyable>(
    _ array: ArrayData, _ type: O.Type
  ) -> ArrayData {
    let offsets = array.offsets(as: type)
    let (first, last) = (offsets[0], offsets[array.length])
    let child = array.children[0].slice(offset: Int(first), length: Int(last - first))
    guard let values = rounded(child) else { return array }
    let own = MutableBuffer(capacity: (array.length + 1) * MemoryLayout<O>.size)
    for row in 0...array.length { own.append(offsets[row] - first) }
    return rebuilt(array, buffers: [own.finish()], child: values)
  }

  /// The array with other items; its rows begin with the first.
  private func rebuilt(_ array: ArrayData, buffers: [Buffer], child: ArrayData) -> ArrayData {
    ArrayData(
      type: array.type, length: array.length, validity: Self.validity(array), buffers: buffers,
      children: [child])
  }

  private static func validity(_ array: ArrayData) -> Buffer? {
    guard let validity = array.validity, array.nullCount > 0 else { return nil }
    let out = MutableBuffer()
    out.appendZeros(Bitmap.byteCount(array.length))
    Bitmap.copy(
      from: validity.base, offset: array.offset, to: out.base, offset: 0, count: array.length)
    return out.finish()
  }

  /// Rounded floats; `nil` when no form keeps the bound.
  private func rounded(_ array: ArrayData) -> ArrayData? {
    let count = array.length
    if count == 0 { return nil }
    let values = array.values(as: Float.self).baseAddress!
    let isValid =
      array.nullCount > 0
      ? array.validity.map { ValidRows(validity: $0, offset: array.offset, count: count) } : nil
    let out = MutableBuffer()
    let room = out.reserveTail(count * 4).assumingMemoryBound(to: Float.self)
    for form in form.map({ [$0] }) ?? Form.allCases {
      guard let found = round(values, count, form, isValid, room), found.absolute <= bound else {
        continue
      }
      out.advance(by: count * 4)
      self.form = form
      error = max(error, found.declared)
      return ArrayData(
        type: array.type, length: count, validity: Self.validity(array), buffers: [out.finish()])
    }
    return nil
  }

  private func round(
    _ values: UnsafePointer<Float>, _ count: Int, _ form: Form, _ isValid: ValidRows?,
    _ out: UnsafeMutablePointer<Float>
  ) -> (absolute: Double, declared: Double)? {
    if form == .int8 {
      return ScaledFloats.round(values, count, group: group, isValid, out).map {
        ($0.absolute, $0.relative)
      }
    }
    var most = 0.0
    for index in 0..<count {
      let bits = values[index].bitPattern
      let value: Float
      if form == .float16 {
        value = HalfFloat.value(HalfFloat.nearest(bits))
      } else {
        // To even; NaN stays one.
        let isNaN = bits & 0x7fff_ffff > 0x7f80_0000
        let nearest = isNaN ? bits | 0x40_0000 : bits &+ 0x7fff &+ (bits >> 16 & 1)
        value = Float(bitPattern: nearest & 0xffff_0000)
      }
      out[index] = value
      guard isValid?.contains(index) ?? true, values[index] != value, !values[index].isNaN else {
        continue
      }
      most = max(most, Double((value - values[index]).magnitude))
      // Too large for the form.
      if !value.isFinite { return nil }
    }
    return (most, most)
  }
}
