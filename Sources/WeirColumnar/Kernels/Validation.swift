// SPDX-License-Identifier: Apache-2.0

extension ArrayData {
  /// Levels of nesting that `validate` accepts; deeper arrays could exhaust the stack elsewhere.
  public static let nestingDepthMax = 64

  /// An array from untrusted parts: as the initialiser, but what would trap there throws here. Call
  /// `validate(full: true)` on the outermost array afterwards.
  ///
  /// - Parameter nullCount: what the sender says; `nil` or a negative number when unknown. A sender's
  ///   0 means that `validity` is not looked at.
  public static func untrusted(
    type: DataType, length: Int, offset: Int = 0, nullCount: Int? = nil, validity: Buffer? = nil,
    buffers: [Buffer] = [], children: [ArrayData] = [], dictionary: ArrayData? = nil
  ) throws(ColumnarError) -> ArrayData {
    let (end, overflow) = length.addingReportingOverflow(offset)
    guard length >= 0, offset >= 0, !overflow, end <= Int.max / 16 - 64 else {
      throw ColumnarError(
        .invalidData, "length \(length) and offset \(offset) of a \(type) array are impossible")
    }
    if length == 0 {  // Some senders give no memory to empty arrays, whatever their offset.
      return ArrayData(
        type: type, length: 0, buffers: buffers, children: children, dictionary: dictionary)
    }
    let validity = nullCount == 0 || type == .null ? nil : validity
    if let validity, validity.count < Bitmap.byteCount(end) {
      throw ColumnarError(
        .invalidData,
        "the validity bitmap has \(validity.count) bytes for \(end) rows of \(type)")
    }
    if let nullCount, nullCount > 0, validity == nil, type != .null {
      throw ColumnarError(
        .invalidData, "\(nullCount) nulls of a \(type) array without a validity bitmap")
    }
    return ArrayData(
      type: type, length: length, offset: offset, validity: validity, buffers: buffers,
      children: children, dictionary: dictionary)
  }

  /// Checks an array that came from outside, so that nothing that reads it can leave its memory.
  ///
  /// Always: number and sizes of buffers and children against `offset + length`, types of children,
  /// the first and last offsets, depth; cost: O(1) for each array. With `full` also each offset,
  /// dictionary index and UTF-8 string, and that map keys are not null; cost: one pass over offsets,
  /// indices and utf8 bytes. Without `full` the sender is trusted about those.
  ///
  /// - Throws: `invalidData` with the path of the child.
  public func validate(full: Bool) throws(ColumnarError) {
    try validate(full: full, dictionaries: true, depth: 0)
  }

  /// As `validate(full:)`, but dictionaries are known to be valid: batches share them, and checking
  /// them with each batch would cost more than the batch.
  func validateButDictionaries(full: Bool) throws(ColumnarError) {
    try validate(full: full, dictionaries: false, depth: 0)
  }

  private func validate(full: Bool, dictionaries: Bool, depth: Int) throws(ColumnarError) {
    guard depth < Self.nestingDepthMax else {
      throw ColumnarError(.invalidData, "more than \(Self.nestingDepthMax) levels of nesting")
    }
    let (end, overflow) = offset.addingReportingOverflow(length)
    guard length >= 0, offset >= 0, !overflow, end <= Int.max / 16 - 64 else {
      throw invalid("length \(length) and offset \(offset) are impossible")
    }
    try validateType()
    try validateShape(end)
    var covered = 0..<0
    switch type.layout {
    case .null: break
    case .bits: try require(buffers[0], (end + 7) / 8, "values")
    case .fixedWidth(let width): try require(buffers[0], try product(end, width), "values")
    case .variableBinary(let width):
      let range = try validateOffsets(width, end, limit: buffers[1].count, full: full)
      if full && (type == .utf8 || type == .largeUtf8) { try validateText(range, width) }
    case .list(let width):
      covered = try validateOffsets(width, end, limit: children[0].length, full: full)
    case .fixedSizeList(let size):
      guard try children[0].length >= product(end, size) else {
        throw invalid("\(children[0].length) items for \(end) rows of \(size)")
      }
    case .struct:
      for (child, field) in zip(children, type.children) where child.length < end {
        throw invalid("\(child.length) rows where the struct has \(end)").inColumn(field.name)
      }
    case .dictionary(let width):
      try require(buffers[0], try product(end, width), "indices")
      if full { try validateIndices(width) }
    }
    for (child, field) in zip(children, type.children) {
      do throws(ColumnarError) {
        try child.validate(full: full, dictionaries: dictionaries, depth: depth + 1)
      } catch { throw error.inColumn(field.name) }
    }
    if dictionaries {
      try dictionary?.validate(full: full, dictionaries: true, depth: depth + 1)
    }
    if case .map = type, full { try validateMap(covered) }
  }

  /// What a type from outside may have wrong in itself.
  private func validateType() throws(ColumnarError) {
    switch type {
    case .decimal128(let precision, _):
      guard 1...38 ~= precision else { throw invalid("precision \(precision) is not 1 to 38") }
    case .fixedSizeBinary(let size), .fixedSizeList(_, let size):
      guard 0...Int(Int32.max) ~= size else { throw invalid("size \(size) is impossible") }
    case .time32(let unit):
      guard unit == .second || unit == .millisecond else {
        throw invalid("time32 has no such unit")
      }
    case .time64(let unit):
      guard unit == .microsecond || unit == .nanosecond else {
        throw invalid("time64 has no such unit")
      }
    case .map(let entries, _):
      guard case .struct(let fields) = entries.type, fields.count == 2 else {
        throw invalid("a map's entries are a struct of key and value")
      }
    case .dictionary(let index, _, _):
      guard index.isInteger else { throw invalid("a dictionary's index is an integer") }
    default: break
    }
  }

  /// Numbers of buffers and children, types of children, size of the validity bitmap.
  private func validateShape(_ end: Int) throws(ColumnarError) {
    let bufferCount =
      switch type.layout {
      case .null, .fixedSizeList, .struct: 0
      case .bits, .fixedWidth, .list, .dictionary: 1
      case .variableBinary: 2
      }
    guard buffers.count == bufferCount else {
      throw invalid("\(buffers.count) buffers instead of \(bufferCount)")
    }
    let fields = type.children
    guard children.count == fields.count else {
      throw invalid("\(children.count) children instead of \(fields.count)")
    }
    for (child, field) in zip(children, fields) where child.type != field.type {
      throw invalid("the child's type is \(child.type) instead of \(field.type)")
        .inColumn(field.name)
    }
    if case .dictionary(_, let value, _) = type {
      guard let dictionary, dictionary.type == value else {
        throw invalid("the dictionary's type is \(String(describing: dictionary?.type))")
      }
    } else if dictionary != nil {
      throw invalid("a dictionary that the type does not have")
    }
    guard let validity else { return }
    try require(validity, (end + 7) / 8, "validity")
    let nulls = length - Bitmap.countOnes(validity.base, offset: offset, count: length)
    guard nulls == nullCount else { throw invalid("\(nulls) nulls, not \(nullCount) as it says") }
  }

  /// Returns the range of bytes or items that the rows cover.
  private func validateOffsets(_ width: Int, _ end: Int, limit: Int, full: Bool)
    throws(ColumnarError) -> Range<Int>
  {
    let bytes = buffers[0]
    if length == 0 && bytes.count < (end + 1) * width { return 0..<0 }
    try require(bytes, (end + 1) * width, "offsets")
    // Safe: the buffer holds end + 1 offsets, just checked.
    let range =
      width == 4
      ? offsetRange(bytes.base.assumingMemoryBound(to: Int32.self) + offset, length, full)
      : offsetRange(bytes.base.assumingMemoryBound(to: Int64.self) + offset, length, full)
    guard let range else { throw invalid("offsets that decrease") }
    guard range.lowerBound >= 0 && range.upperBound <= limit else {
      throw invalid("offsets \(range.lowerBound) to \(range.upperBound) outside of 0 to \(limit)")
    }
    return range
  }

  private func validateText(_ range: Range<Int>, _ width: Int) throws(ColumnarError) {
    guard length > 0 else { return }
    // Safe: validateOffsets checked the offsets and the bytes they cover.
    let bad =
      width == 4
      ? firstInvalidText(
        buffers[0].base.assumingMemoryBound(to: Int32.self) + offset, length, buffers[1].base,
        range, validity?.base, offset)
      : firstInvalidText(
        buffers[0].base.assumingMemoryBound(to: Int64.self) + offset, length, buffers[1].base,
        range, validity?.base, offset)
    if let bad { throw invalid("the string of row \(bad) is not UTF-8") }
  }

  /// Neither entries nor keys of the covered range may be null. The children are checked already.
  private func validateMap(_ range: Range<Int>) throws(ColumnarError) {
    guard !range.isEmpty else { return }
    let entries = children[0]
    func hasNulls(_ array: ArrayData, _ first: Int) -> Bool {
      if array.type == .null { return true }
      guard let validity = array.validity else { return false }
      return Bitmap.countOnes(validity.base, offset: array.offset + first, count: range.count)
        < range.count
    }
    if hasNulls(entries, range.lowerBound)
      || hasNulls(entries.children[0], entries.offset + range.lowerBound)
    {
      throw invalid("null entries or keys in a map").inColumn(type.children[0].name)
    }
  }

  private func validateIndices(_ width: Int) throws(ColumnarError) {
    guard let dictionary else { return }
    let limit = UInt64(dictionary.length)
    // Negative indices are large unsigned ones. Safe: the buffer's size was checked.
    let base = buffers[0].base
    let bad =
      switch width {
      case 1: firstIndexOutside(UInt8.self, base, offset, length, validity?.base, limit)
      case 2: firstIndexOutside(UInt16.self, base, offset, length, validity?.base, limit)
      case 4: firstIndexOutside(UInt32.self, base, offset, length, validity?.base, limit)
      default: firstIndexOutside(UInt64.self, base, offset, length, validity?.base, limit)
      }
    if let bad {
      throw invalid("row \(bad) is no index into a dictionary of \(dictionary.length) values")
    }
  }

  private func require(_ buffer: Buffer, _ byteCount: Int, _ name: String) throws(ColumnarError) {
    guard buffer.count >= byteCount else {
      throw invalid("the \(name) buffer has \(buffer.count) bytes where \(byteCount) are needed")
    }
  }

  private func product(_ a: Int, _ b: Int) throws(ColumnarError) -> Int {
    let (result, overflow) = a.multipliedReportingOverflow(by: b)
    if overflow { throw invalid("\(a) rows of \(b) are impossible") }
    return result
  }

  @inline(never)
  private func invalid(_ message: String) -> ColumnarError {
    ColumnarError(.invalidData, "\(message) (type \(type))")
  }
}

extension RecordBatch {
  /// Checks every column, see `ArrayData.validate(full:)`.
  public func validate(full: Bool) throws(ColumnarError) {
    for (field, column) in zip(schema.fields, columns) {
      do throws(ColumnarError) {
        try column.validate(full: full)
      } catch { throw error.inColumn(field.name) }
    }
  }
}

// MARK: - Loops over memory whose size was checked

/// First and last offset of `count` rows; `nil` when they (or any between, with `full`) decrease.
@inline(__always)
private func offsetRange<T: FixedWidthInteger & BitwiseCopyable>(
  _ offsets: UnsafePointer<T>, _ count: Int, _ full: Bool
) -> Range<Int>? {
  if full {
    // No early exit: the compiler makes this a vector loop.
    var bad: T = 0
    for row in 0..<count { bad |= offsets[row + 1] < offsets[row] ? 1 : 0 }
    if bad != 0 { return nil }
  }
  let (first, last) = (Int(offsets[0]), Int(offsets[count]))
  return first <= last ? first..<last : nil
}

/// The first valid row that is not UTF-8. All bytes are checked at once, and that no row starts
/// within a character; only when that fails, which bytes under nulls may cause, row by row.
@inline(__always)
private func firstInvalidText<T: FixedWidthInteger & BitwiseCopyable>(
  _ offsets: UnsafePointer<T>, _ count: Int, _ bytes: UnsafeRawPointer, _ range: Range<Int>,
  _ validity: UnsafeRawPointer?, _ bitOffset: Int
) -> Int? {
  if isValidUTF8(bytes + range.lowerBound, range.count) {
    var split = false
    for row in 0..<count {
      let start = Int(offsets[row])
      guard start < range.upperBound else { break }
      split = split || bytes.load(fromByteOffset: start, as: UInt8.self) & 0xc0 == 0x80
    }
    if !split { return nil }
  }
  for row in 0..<count where validity == nil || Bitmap.get(validity!, bitOffset + row) {
    let start = Int(offsets[row])
    if !isValidUTF8(bytes + start, Int(offsets[row + 1]) - start) { return row }
  }
  return nil
}

/// The first valid row whose index is not below `limit`; all rows are looked at together first.
@inline(__always)
private func firstIndexOutside<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
  _ type: T.Type, _ base: UnsafeRawPointer, _ offset: Int, _ count: Int,
  _ validity: UnsafeRawPointer?, _ limit: UInt64
) -> Int? {
  let values = base.assumingMemoryBound(to: T.self) + offset
  var largest: T = 0
  for row in 0..<count { largest = max(largest, values[row]) }
  if count == 0 || UInt64(largest) < limit { return nil }
  for row in 0..<count where validity == nil || Bitmap.get(validity!, offset + row) {
    if UInt64(values[row]) >= limit { return row }
  }
  return nil
}
