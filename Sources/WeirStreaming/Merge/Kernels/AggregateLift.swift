// SPDX-License-Identifier: Apache-2.0
// Safe: typed views of columns are used while their arrays are held.

internal import WeirColumnar
internal import WeirTable

/// How one value becomes the state of an aggregate.
enum AggregateLift: Sendable {
  /// It is one.
  case same
  /// 1 for a value, 0 for a null.
  case count
  /// -0.0 as 0.0, and one NaN.
  case oneZero
  /// A list of one item: the value, and the value of the column at this place of the input.
  case item(by: Int)
  case sketch(precision: Int)

  /// - Parameter input: the columns as they came.
  func lifted(_ column: ArrayData, _ input: [ArrayData], as type: DataType) throws(StreamError)
    -> ArrayData
  {
    switch self {
    case .same: return column
    case .count:
      return ArrayData(
        type: .int64, length: column.length,
        buffers: [Buffer((0..<column.length).map { column.isValid($0) ? Int64(1) : 0 })])
    case .oneZero:
      if column.type == .float32 { return floats(column, Float.self) }
      return column.type == .float64 ? floats(column, Double.self) : column
    case .item(let by): return try items(column, input[by], type)
    case .sketch(let precision): return try sketches(column, precision)
    }
  }

  private func floats<T: BinaryFloatingPoint & BitwiseCopyable>(
    _ column: ArrayData, _ number: T.Type
  ) -> ArrayData {
    let values = column.values(as: T.self).map { $0.isNaN ? T.nan : $0 == 0 ? 0 : $0 }
    let valid = MutableBuffer()
    if let validity = column.validity {
      valid.appendZeros(Bitmap.byteCount(column.length))
      Bitmap.copy(
        from: validity.base, offset: column.offset, to: valid.base, offset: 0,
        count: column.length)
    }
    return ArrayData(
      type: column.type, length: column.length,
      validity: column.validity == nil ? nil : valid.finish(), buffers: [Buffer(values)])
  }

  private func items(
    _ column: ArrayData, _ by: ArrayData, _ type: DataType
  ) throws(StreamError) -> ArrayData {
    let rows = (0..<column.length).filter { column.isValid($0) }
    var ends: [Int32] = [0]
    for row in 0..<column.length {
      ends.append(ends[row] + (column.isValid(row) ? 1 : 0))
    }
    let fields = try columnar { () throws(ColumnarError) in
      [try column.take(rows), try by.take(rows)]
    }
    let items = ArrayData(type: type.children[0].type, length: rows.count, children: fields)
    return ArrayData(
      type: type, length: column.length, buffers: [Buffer(ends)], children: [items])
  }

  private func sketches(_ column: ArrayData, _ precision: Int) throws(StreamError) -> ArrayData {
    var result: [[UInt8]?] = []
    for row in 0..<column.length {
      var sketch = HyperLogLog(precision: precision)
      if column.isValid(row) { sketch.add(coupon: Self.coupon(column, row)) }
      result.append(sketch.encoded)
    }
    return try bytesArray(result)
  }

  /// As DataSketches' libraries hash it: integers, times and booleans as 8 bytes, floats as a double,
  /// text and bytes as they are; decimals, of which they know nothing, as 16 bytes.
  private static func coupon(_ column: ArrayData, _ row: Int) -> UInt32 {
    func hash(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
      HyperLogLog.coupon(MurmurHash3.x64(bytes: bytes, seed: 9_001))
    }
    func hash(_ number: Int64) -> UInt32 {
      withUnsafeBytes(of: number.littleEndian) { hash($0) }
    }
    switch column.scalar(at: row) {
    case .bool(let value): return hash(value ? 1 : 0)
    case .int(let value): return hash(value)
    case .uint(let value): return hash(Int64(bitPattern: value))
    case .float16(let value): return hash(double: Double(value))
    case .float32(let value): return hash(double: Double(value))
    case .float64(let value): return hash(double: value)
    default: return column.withBytes(row) { hash($0) }
    }
    func hash(double: Double) -> UInt32 {
      hash(Int64(bitPattern: (double.isNaN ? Double.nan : double == 0 ? 0 : double).bitPattern))
    }
  }
}
