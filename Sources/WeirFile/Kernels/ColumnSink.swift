// SPDX-License-Identifier: Apache-2.0
// Safe: as PageDecoder.swift: writes go to room that a MutableBuffer reserved.

internal import CWeirKernels
internal import WeirColumnar

/// Takes ranges of nodes' values, one behind the other, and becomes an Arrow array.
class ColumnSink {
  let type: DataType
  private let kind: PageKind
  /// Rows so far.
  private(set) var length = 0
  /// One bit a row, once there is a null.
  final let validity = MutableBuffer()
  private var hasNulls = false
  let limit: SinkLimit

  init(_ type: DataType, _ limit: SinkLimit) {
    self.type = type
    self.limit = limit
    kind = PageKind(type)
  }

  /// A sink for arrays of a type; of a dictionary type, for its values.
  /// - Parameter selection: which fields of the file's structs the type has; `nil` for all.
  static func make(
    _ type: DataType, _ limit: SinkLimit, _ selection: FieldSelection? = nil
  ) -> ColumnSink {
    switch type.layout {
    case .null: NullSink(type, limit)
    case .bits: BitsSink(type, limit)
    case .fixedWidth: FixedSink(type, limit)
    case .variableBinary(let width): StringsSink(type, limit, offsetWidth: width)
    case .list(let width): ListSink(type, limit, offsetWidth: width, selection)
    case .fixedSizeList(let size): FixedListSink(type, limit, size: size, selection)
    case .struct: StructSink(type, limit, selection)
    case .dictionary: DictionarySink(type, limit)
    }
  }

  /// Rows that will come in all, as far as known.
  private(set) final var expectedRows = 0

  /// Says how many rows will come in all, so that memory need not grow on the way.
  func expect(_ rows: Int) { expectedRows = rows }

  /// Adds values `start ..< start + count` of the node, which must be of the sink's kind.
  final func append(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    guard node.kind == kind else {
      throw .damaged("values of kind \(node.kind) in a column of type \(type)")
    }
    guard node.encoding == .nullable else {
      try appendValues(node, start, count, decoder)
      try setValidity(count)
      return
    }
    let (valid, values) = (node.children[0], node.children[1])
    let at = length
    try startValidity(count)
    try decoder.bits(valid, start, count, validity.base, at: at)
    if node.parameter == 0 {
      try appendValues(values, start, count, decoder)
    } else {
      try appendPresent(valid, values, start, count, decoder, at)
    }
    length += count
  }

  /// Adds the values of ranges that lie within the node.
  func append(
    _ node: PageNode, _ ranges: ValueRanges, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    for index in 0..<ranges.count {
      try append(node, ranges.starts[index], Int(ranges.lengths[index]), decoder)
    }
  }

  /// Adds the values at ascending rows of the node.
  final func pick(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    guard node.kind == kind else {
      throw .damaged("values of kind \(node.kind) in a column of type \(type)")
    }
    guard node.encoding == .nullable else {
      try pickValues(node, rows, decoder)
      try setValidity(rows.count)
      return
    }
    if rows.isEmpty { return }
    try startValidity(rows.count)
    if node.parameter == 1 {
      try pickPresent(node.children[0], node.children[1], rows, decoder)
      length += rows.count
      return
    }
    try decoder.pickBits(node.children[0], rows, validity.base, at: length)
    try pickValues(node.children[1], rows, decoder)
    length += rows.count
  }

  /// Adds the values at ascending rows; validity is somebody else's matter. Runs of rows are
  /// ranges.
  func pickValues(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    var first = 0
    while first < rows.count {
      var last = first + 1
      while last < rows.count && rows[last] == rows[last - 1] + 1 { last += 1 }
      try appendValues(node, Int(rows[first]), last - first, decoder)
      first = last
    }
  }

  /// The values of valid rows only are there: run by run.
  private func appendPresent(
    _ valid: PageNode, _ values: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder,
    _ at: Int
  ) throws(WeirFileError) {
    var next = try decoder.ones(valid, before: start)
    if spreads {
      let present = Bitmap.countOnes(validity.base, offset: at, count: count)
      guard next + present <= values.count else { throw .damaged("fewer values than valid rows") }
      try appendValues(values, next, present, decoder)
      return try spread(validity.base, at, count, present: present)
    }
    var row = 0
    while row < count {
      let isValid = Bitmap.get(validity.base, at + row)
      let end = Bitmap.endOfRun(
        validity.base, offset: at, from: row, count: count, isValid)
      if isValid {
        guard next + (end - row) <= values.count else {
          throw .damaged("fewer values than valid rows")
        }
        try appendValues(values, next, end - row, decoder)
        next += end - row
      } else {
        try appendBlank(end - row)
      }
      row = end
    }
  }

  /// Adds the values of rows; validity is somebody else's matter.
  func appendValues(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    preconditionFailure("a sink appends its own kind of values")
  }

  /// Whether values of valid rows, once they are there, can be spread over all rows.
  var spreads: Bool { false }

  /// Makes values of `count` rows of the last `present` ones: those of the rows whose bits of
  /// `valid`, from bit `first` on, are set.
  func spread(
    _ valid: UnsafeRawPointer, _ first: Int, _ count: Int, present: Int
  ) throws(WeirFileError) {
    preconditionFailure("only some sinks spread")
  }

  /// Adds values that nobody looks at.
  func appendBlank(_ count: Int) throws(WeirFileError) {
    preconditionFailure("a sink appends its own kind of blanks")
  }

  /// The array; the sink is of no more use then.
  func finish() throws(WeirFileError) -> ArrayData {
    preconditionFailure("a sink makes its own kind of array")
  }

  final func finishValidity() -> Buffer? { hasNulls ? validity.finish() : nil }

  /// Whether the row is null by this sink's own validity.
  final func finishedNulls(_ row: Int) -> Bool { hasNulls && !Bitmap.get(validity.base, row) }

  private func startValidity(_ count: Int) throws(WeirFileError) {
    try growValidity(length + count)
    if !hasNulls {
      hasNulls = true
      Bitmap.fill(validity.base, offset: 0, count: length, true)
    }
  }

  /// Counts rows, all valid, whose values a subclass took by itself.
  final func didAppend(_ count: Int) throws(WeirFileError) { try setValidity(count) }

  private func setValidity(_ count: Int) throws(WeirFileError) {
    if hasNulls {
      try growValidity(length + count)
      Bitmap.fill(validity.base, offset: length, count: count, true)
    }
    length += count
  }

  private func growValidity(_ bits: Int) throws(WeirFileError) {
    let wanted = Bitmap.byteCount(bits)
    if wanted > validity.count {
      try limit.take(wanted - validity.count, 1)
      validity.appendZeros(wanted - validity.count)
    }
  }

  /// Null rows that a parent has: blank values, all null.
  final func appendNulls(_ count: Int) throws(WeirFileError) {
    try startValidity(count)
    Bitmap.fill(validity.base, offset: length, count: count, false)
    try appendBlank(count)
    length += count
  }
}

/// Bytes that sinks may take together, so that damaged lengths do not eat the memory.
final class SinkLimit {
  private var left: Int

  init(_ byteCountMax: Int) { left = byteCountMax }

  /// Bytes of values that are expected, when they are few enough to be reserved in advance.
  func bytes(_ count: Int, _ width: Int) -> Int? {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: width)
    return overflow || bytes < 0 || bytes > min(left, Self.reservedByteCountMax) ? nil : bytes
  }

  private static let reservedByteCountMax = 64 << 20

  func take(_ count: Int, _ width: Int) throws(WeirFileError) {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: width)
    guard !overflow && bytes <= left else {
      throw WeirFileError(
        .limitExceeded,
        "\(count) values of \(width) bytes would exceed the memory limit; read fewer rows at once"
      )
    }
    left -= bytes
  }
}

final class NullSink: ColumnSink {
  override func appendValues(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {}
  override func appendBlank(_ count: Int) throws(WeirFileError) {}
  override func finish() throws(WeirFileError) -> ArrayData {
    ArrayData(type: type, length: length)
  }
}

final class BitsSink: ColumnSink {
  private let values = MutableBuffer()

  /// Bits so far.
  private var used = 0

  private func grow(_ count: Int) throws(WeirFileError) {
    let missing = Bitmap.byteCount(used + count) - values.count
    if missing > 0 {
      try limit.take(missing, 1)
      values.appendZeros(missing)
    }
  }

  override func appendValues(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    try grow(count)
    try decoder.bits(node, start, count, values.base, at: used)
    used += count
  }

  override func pickValues(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    try grow(rows.count)
    try decoder.pickBits(node, rows, values.base, at: used)
    used += rows.count
  }

  override func appendBlank(_ count: Int) throws(WeirFileError) {
    try grow(count)
    used += count
  }

  override func finish() throws(WeirFileError) -> ArrayData {
    ArrayData(type: type, length: length, validity: finishValidity(), buffers: [values.finish()])
  }
}

final class FixedSink: ColumnSink {
  private let values = MutableBuffer()
  let width: Int

  override init(_ type: DataType, _ limit: SinkLimit) {
    width = type.byteWidth ?? 0
    super.init(type, limit)
  }

  override func appendValues(
    _ node: PageNode, _ start: Int, _ count: Int, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    guard node.valueWidth == width else {
      throw .damaged("values of \(node.valueWidth) bytes in a column of type \(type)")
    }
    try limit.take(count, width)
    try decoder.values(node, start, count, values.reserveTail(count * width))
    values.advance(by: count * width)
  }

  override func pickValues(
    _ node: PageNode, _ rows: UnsafeBufferPointer<UInt32>, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    guard node.valueWidth == width else {
      throw .damaged("values of \(node.valueWidth) bytes in a column of type \(type)")
    }
    try limit.take(rows.count, width)
    try decoder.pick(node, rows, values.reserveTail(rows.count * width))
    values.advance(by: rows.count * width)
  }

  override func append(
    _ node: PageNode, _ ranges: ValueRanges, _ decoder: PageDecoder
  ) throws(WeirFileError) {
    guard node.encoding != .nullable, node.valueWidth == width else {
      return try super.append(node, ranges, decoder)
    }
    try decoder.values(node, ranges, try room(ranges.total))
  }

  /// Room for `count` more values, which the caller writes.
  func room(_ count: Int) throws(WeirFileError) -> UnsafeMutableRawPointer {
    try limit.take(count, width)
    let room = values.reserveTail(count * width)
    values.advance(by: count * width)
    try didAppend(count)
    return room
  }

  override func appendBlank(_ count: Int) throws(WeirFileError) {
    try limit.take(count, width)
    values.appendZeros(count * width)
  }

  override var spreads: Bool {
    width == 1 || width == 2 || width == 4 || width == 8 || width == 16
  }

  override func spread(
    _ valid: UnsafeRawPointer, _ first: Int, _ count: Int, present: Int
  ) throws(WeirFileError) {
    try limit.take(count - present, width)
    _ = values.reserveTail((count - present) * width)
    weir_spread_values(
      values.base + (values.count - present * width), CInt(width),
      valid.assumingMemoryBound(to: UInt8.self), first, count, present)
    values.advance(by: (count - present) * width)
  }

  override func expect(_ rows: Int) {
    super.expect(rows)
    if let bytes = limit.bytes(rows, width) { values.reserve(bytes) }
  }

  override func finish() throws(WeirFileError) -> ArrayData {
    ArrayData(type: type, length: length, validity: finishValidity(), buffers: [values.finish()])
  }
}
