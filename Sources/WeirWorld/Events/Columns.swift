// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Validity of a column that grows: no memory until the first null.
struct GrowingValidity {
  private var bytes: [UInt8] = []
  private var count = 0
  private var nulls = 0

  mutating func append(_ valid: Bool) {
    if nulls > 0 || !valid {
      if nulls == 0 { startBits() }
      if count & 7 == 0 { bytes.append(0) }
      if valid { bytes[count >> 3] |= 1 << UInt8(count & 7) } else { nulls += 1 }
    }
    count += 1
  }

  /// All rows so far were valid.
  private mutating func startBits() {
    bytes = [UInt8](repeating: 0xff, count: count >> 3)
    if count & 7 != 0 { bytes.append((1 << UInt8(count & 7)) - 1) }
  }

  mutating func finish() -> (validity: Buffer?, nullCount: Int) {
    defer { self = GrowingValidity() }
    return nulls == 0 ? (nil, 0) : (Buffer(bytes), nulls)
  }
}

/// A growing column of fixed-width values.
struct FixedColumn<Value: BitwiseCopyable & Numeric> {
  let type: DataType
  private var values: [Value] = []
  private var validity = GrowingValidity()

  init(_ type: DataType) { self.type = type }

  var count: Int { values.count }

  mutating func append(_ value: Value) {
    values.append(value)
    validity.append(true)
  }

  mutating func appendNull() {
    values.append(0)
    validity.append(false)
  }

  mutating func finish() -> ArrayData { finish(as: type, Buffer(values)) }

  /// The values under another type, each `converted`.
  mutating func finish<Other: BitwiseCopyable>(
    as other: DataType, _ converted: (Value) -> Other
  ) -> ArrayData {
    finish(as: other, Buffer(values.map(converted)))
  }

  private mutating func finish(as type: DataType, _ buffer: Buffer) -> ArrayData {
    let (bits, nulls) = validity.finish()
    let result = ArrayData(
      type: type, length: values.count, nullCount: nulls, validity: bits, buffers: [buffer])
    values.removeAll(keepingCapacity: true)
    return result
  }
}

/// A growing column of booleans.
struct BoolColumn {
  private var bits: [UInt8] = []
  private(set) var count = 0
  private var validity = GrowingValidity()

  mutating func append(_ value: Bool?) {
    if count & 7 == 0 { bits.append(0) }
    if value == true { bits[count >> 3] |= 1 << UInt8(count & 7) }
    validity.append(value != nil)
    count += 1
  }

  mutating func finish() -> ArrayData {
    let (nullBits, nulls) = validity.finish()
    let result = ArrayData(
      type: .bool, length: count, nullCount: nulls, validity: nullBits, buffers: [Buffer(bits)])
    bits.removeAll(keepingCapacity: true)
    count = 0
    return result
  }
}

/// A growing column of text. The one who fills it keeps it below 2^31 bytes.
struct TextColumn {
  private var offsets: [Int32] = [0]
  private var bytes: [UInt8] = []
  private var validity = GrowingValidity()

  var count: Int { offsets.count - 1 }

  mutating func append(_ value: ArraySlice<UInt8>) {
    bytes.append(contentsOf: value)
    offsets.append(Int32(bytes.count))
    validity.append(true)
  }

  mutating func append(_ value: String) {
    bytes.append(contentsOf: value.utf8)
    offsets.append(Int32(bytes.count))
    validity.append(true)
  }

  mutating func appendNull() {
    offsets.append(Int32(bytes.count))
    validity.append(false)
  }

  mutating func finish() -> ArrayData {
    let (bits, nulls) = validity.finish()
    let result = ArrayData(
      type: .utf8, length: count, nullCount: nulls, validity: bits,
      buffers: [Buffer(offsets), Buffer(bytes)])
    offsets.removeAll(keepingCapacity: true)
    offsets.append(0)
    bytes.removeAll(keepingCapacity: true)
    return result
  }
}

/// A growing column of text with few distinct values. The dictionary starts empty in each batch, so
/// that its size is bounded by the batch.
struct CategoryColumn {
  private var codes = FixedColumn<Int32>(EventSchema.category)
  private var known: [ArraySlice<UInt8>: Int32] = [:]
  private var dictionary = TextColumn()

  mutating func append(_ value: ArraySlice<UInt8>) {
    if let code = known[value] { return codes.append(code) }
    let code = Int32(dictionary.count)
    // A copy: the slice would keep the whole record alive and force the reader to copy it.
    known[ArraySlice(Array(value))] = code
    dictionary.append(value)
    codes.append(code)
  }

  mutating func appendNull() { codes.appendNull() }

  mutating func finish() -> ArrayData {
    let indices = codes.finish()
    let values = dictionary.finish()
    known.removeAll(keepingCapacity: true)
    return ArrayData(
      type: EventSchema.category, length: indices.length, nullCount: indices.nullCount,
      validity: indices.validity, buffers: indices.buffers, dictionary: values)
  }
}

/// A growing column whose values all come from a list known before.
struct CodedColumn {
  private let values: ArrayData
  private var codes = FixedColumn<Int32>(EventSchema.category)

  init(_ values: [String]) {
    var text = TextColumn()
    for value in values { text.append(value) }
    self.values = text.finish()
  }

  mutating func append(_ code: Int) { codes.append(Int32(truncatingIfNeeded: code)) }

  mutating func finish() -> ArrayData {
    let indices = codes.finish()
    return ArrayData(
      type: EventSchema.category, length: indices.length, buffers: indices.buffers,
      dictionary: values)
  }
}
