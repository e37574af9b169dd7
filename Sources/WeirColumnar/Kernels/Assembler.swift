// SPDX-License-Identifier: Apache-2.0

/// Puts an array together from ranges of rows of other arrays of the same type: what concatenation,
/// filtering by runs and merging are made of.
///
/// One node for each level of nesting; the type is switched on when the nodes are made, and a range
/// costs one call for each node and buffer. The nodes keep their sources alive.
class Assembler {
  /// Rows of one of the sources.
  struct Piece {
    var source: Int
    var range: Range<Int>
  }

  let type: DataType
  let sources: [ArrayData]
  let validity = ValidityBuilder()

  init(_ type: DataType, _ sources: [ArrayData]) throws(ColumnarError) {
    self.type = type
    self.sources = sources
  }

  /// - Parameter sources: arrays of `type` (`DataType.isEquivalent` is enough).
  static func make(_ type: DataType, _ sources: [ArrayData]) throws(ColumnarError) -> Assembler {
    switch type.layout {
    case .null: try NullAssembler(type, sources)
    case .bits: try BitsAssembler(type, sources)
    case .fixedWidth(let width): try FixedAssembler(type, sources, width)
    case .variableBinary(let width): try BinaryAssembler(type, sources, width)
    case .list(let width): try ListAssembler(type, sources, width)
    case .fixedSizeList(let size): try FixedSizeListAssembler(type, sources, size)
    case .struct: try StructAssembler(type, sources)
    case .dictionary: try DictionaryAssembler(type, sources)
    }
  }

  /// Appends rows `range` of source number `source`.
  final func append(_ source: Int, _ range: Range<Int>) throws(ColumnarError) {
    guard !range.isEmpty else { return }
    let array = sources[source]
    try appendValues(source, array, range)
    if let bits = array.validity {
      validity.append(
        bitmap: bits.base, offset: array.offset + range.lowerBound, count: range.count)
    } else {
      validity.appendValid(count: range.count)
    }
  }

  /// Appends the rows of all `ranges`, in order, of one source.
  func append(_ source: Int, ranges: [Range<Int>]) throws(ColumnarError) {
    for range in ranges { try append(source, range) }
  }

  /// Appends which of the rows of `ranges`, `rows` in all, are null.
  final func appendValidity(_ array: ArrayData, _ ranges: [Range<Int>], _ rows: Int) {
    guard let bits = array.validity else { return validity.appendValid(count: rows) }
    for range in ranges {
      validity.append(
        bitmap: bits.base, offset: array.offset + range.lowerBound, count: range.count)
    }
  }

  func appendValues(_ source: Int, _ array: ArrayData, _ range: Range<Int>)
    throws(ColumnarError)
  {
    preconditionFailure("each assembler appends its own values")
  }

  /// Makes room for `pieces` that will be appended, in one allocation for each buffer.
  ///
  /// - Throws: `overflow` as appending them would, before anything is copied.
  func reserve(_ pieces: [Piece]) throws(ColumnarError) {}

  func finish() -> ArrayData { preconditionFailure("each assembler finishes its own buffers") }

  final func finish(
    _ buffers: [Buffer], children: [ArrayData] = [], dictionary: ArrayData? = nil
  ) -> ArrayData {
    validity.finish(as: type, buffers: buffers, children: children, dictionary: dictionary)
  }
}

private final class NullAssembler: Assembler {
  override func appendValues(_ source: Int, _ array: ArrayData, _ range: Range<Int>)
    throws(ColumnarError)
  {}

  override func finish() -> ArrayData { ArrayData(type: .null, length: validity.length) }
}

private final class BitsAssembler: Assembler {
  private let bits = MutableBuffer()

  override func appendValues(_ source: Int, _ array: ArrayData, _ range: Range<Int>)
    throws(ColumnarError)
  {
    let missing = Bitmap.byteCount(validity.length + range.count) - bits.count
    if missing > 0 { bits.appendZeros(missing) }
    Bitmap.copy(
      from: array.buffers[0].base, offset: array.offset + range.lowerBound, to: bits.base,
      offset: validity.length, count: range.count)
  }

  override func finish() -> ArrayData { finish([bits.finish()]) }
}

private final class FixedAssembler: Assembler {
  private let bytes = MutableBuffer()
  private let width: Int

  init(_ type: DataType, _ sources: [ArrayData], _ width: Int) throws(ColumnarError) {
    self.width = width
    try super.init(type, sources)
  }

  override func appendValues(_ source: Int, _ array: ArrayData, _ range: Range<Int>)
    throws(ColumnarError)
  {
    // Safe: the rows lie within the source's values.
    bytes.append(
      UnsafeRawBufferPointer(
        start: array.buffers[0].base + (array.offset + range.lowerBound) * width,
        count: range.count * width))
  }

  override func append(_ source: Int, ranges: [Range<Int>]) throws(ColumnarError) {
    let array = sources[source]
    let rows = ranges.reduce(0) { $0 + $1.count }
    copyRanges(
      array.buffers[0].base + array.offset * width, width, ranges,
      bytes.reserveTail(rows * width))
    bytes.advance(by: rows * width)
    appendValidity(array, ranges, rows)
  }

  override func reserve(_ pieces: [Piece]) throws(ColumnarError) {
    bytes.reserve(bytes.count + pieces.reduce(0) { $0 + $1.range.count } * width)
  }

  override func finish() -> ArrayData { finish([bytes.finish()]) }
}

private final class BinaryAssembler: Assembler {
  private let offsets = MutableBuffer()
  private let bytes = MutableBuffer()
  private let width: Int

  init(_ type: DataType, _ sources: [ArrayData], _ width: Int) throws(ColumnarError) {
    self.width = width
    try super.init(type, sources)
    offsets.appendZeros(width)
  }

  override func appendValues(_ source: Int, _ array: ArrayData, _ range: Range<Int>)
    throws(ColumnarError)
  {
    let covered = try appendOffsets(array, range, to: offsets, width, end: bytes.count)
    bytes.append(
      UnsafeRawBufferPointer(
        start: array.buffers[1].base + covered.lowerBound, count: covered.count))
  }

  override func append(_ source: Int, ranges: [Range<Int>]) throws(ColumnarError) {
    let array = sources[source]
    let (covered, rows) = try appendOffsets(array, ranges, to: offsets, width, end: bytes.count)
    let count = covered.reduce(0) { $0 + $1.count }
    copyRanges(array.buffers[1].base, 1, covered, bytes.reserveTail(count))
    bytes.advance(by: count)
    appendValidity(array, ranges, rows)
  }

  override func reserve(_ pieces: [Piece]) throws(ColumnarError) {
    let covered = try reserveOffsets(pieces, sources, offsets, width, end: bytes.count)
    bytes.reserve(bytes.count + covered.reduce(0) { $0 + $1.range.count })
  }

  override func finish() -> ArrayData { finish([offsets.finish(), bytes.finish()]) }
}

private final class ListAssembler: Assembler {
  private let offsets = MutableBuffer()
  private let items: Assembler
  private let width: Int
  private var itemCount = 0

  init(_ type: DataType, _ sources: [ArrayData], _ width: Int) throws(ColumnarError) {
    self.width = width
    self.items = try .make(type.children[0].type, sources.map { $0.children[0] })
    try super.init(type, sources)
    offsets.appendZeros(width)
  }

  override func appendValues(_ source: Int, _ array: ArrayData, _ range: Range<Int>)
    throws(ColumnarError)
  {
    let covered = try appendOffsets(array, range, to: offsets, width, end: itemCount)
    try items.append(source, covered)
    itemCount += covered.count
  }

  override func append(_ source: Int, ranges: [Range<Int>]) throws(ColumnarError) {
    let array = sources[source]
    let (covered, rows) = try appendOffsets(array, ranges, to: offsets, width, end: itemCount)
    try items.append(source, ranges: covered)
    itemCount += covered.reduce(0) { $0 + $1.count }
    appendValidity(array, ranges, rows)
  }

  override func reserve(_ pieces: [Piece]) throws(ColumnarError) {
    try items.reserve(reserveOffsets(pieces, sources, offsets, width, end: itemCount))
  }

  override func finish() -> ArrayData { finish([offsets.finish()], children: [items.finish()]) }
}

private final class FixedSizeListAssembler: Assembler {
  private let items: Assembler
  private let size: Int

  init(_ type: DataType, _ sources: [ArrayData], _ size: Int) throws(ColumnarError) {
    self.size = size
    self.items = try .make(type.children[0].type, sources.map { $0.children[0] })
    try super.init(type, sources)
  }

  override func appendValues(_ source: Int, _ array: ArrayData, _ range: Range<Int>)
    throws(ColumnarError)
  {
    let first = array.offset + range.lowerBound
    try items.append(source, first * size..<(first + range.count) * size)
  }

  override func reserve(_ pieces: [Piece]) throws(ColumnarError) {
    try items.reserve(
      pieces.map { piece in
        let first = sources[piece.source].offset + piece.range.lowerBound
        return Piece(
          source: piece.source, range: first * size..<(first + piece.range.count) * size)
      })
  }

  override func finish() -> ArrayData { finish([], children: [items.finish()]) }
}

private final class StructAssembler: Assembler {
  private let fields: [Assembler]

  override init(_ type: DataType, _ sources: [ArrayData]) throws(ColumnarError) {
    var fields: [Assembler] = []
    for (index, field) in type.children.enumerated() {
      fields.append(try .make(field.type, sources.map { $0.children[index] }))
    }
    self.fields = fields
    try super.init(type, sources)
  }

  override func appendValues(_ source: Int, _ array: ArrayData, _ range: Range<Int>)
    throws(ColumnarError)
  {
    let first = array.offset + range.lowerBound
    for field in fields { try field.append(source, first..<first + range.count) }
  }

  override func reserve(_ pieces: [Piece]) throws(ColumnarError) {
    let inner = pieces.map { piece in
      let first = sources[piece.source].offset + piece.range.lowerBound
      return Piece(source: piece.source, range: first..<first + piece.range.count)
    }
    for field in fields { try field.reserve(inner) }
  }

  override func finish() -> ArrayData { finish([], children: fields.map { $0.finish() }) }
}

// MARK: - Loops. Safe: ranges lie within their sources, targets were reserved.

/// Appends the ends of rows `range`, moved so that the first begins at `end`; returns the range of
/// bytes or items that the rows cover.
private func appendOffsets(
  _ array: ArrayData, _ range: Range<Int>, to offsets: MutableBuffer, _ width: Int, end: Int
) throws(ColumnarError) -> Range<Int> {
  @inline(__always) func move<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> Range<Int>?
  {
    let source = array.offsets(as: type).baseAddress! + range.lowerBound
    let covered = Int(source[0])..<Int(source[range.count])
    guard end + covered.count <= Int(T.max) else { return nil }
    let target = offsets.reserveTail(range.count * width).assumingMemoryBound(to: T.self)
    let shift = T(truncatingIfNeeded: end - covered.lowerBound)
    for row in 0..<range.count { target[row] = source[row + 1] &+ shift }
    offsets.advance(by: range.count * width)
    return covered
  }
  guard let covered = width == 4 ? move(Int32.self) : move(Int64.self) else {
    throw offsetsOverflow(array.type)
  }
  return covered
}

/// The same for many ranges: the ranges that each of them covers, and the rows of all.
private func appendOffsets(
  _ array: ArrayData, _ ranges: [Range<Int>], to offsets: MutableBuffer, _ width: Int, end: Int
) throws(ColumnarError) -> (covered: [Range<Int>], rows: Int) {
  let rows = ranges.reduce(0) { $0 + $1.count }
  var covered: [Range<Int>] = []
  covered.reserveCapacity(ranges.count)
  @inline(__always) func move<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> Bool {
    let source = array.offsets(as: type).baseAddress!
    var target = offsets.reserveTail(rows * width).assumingMemoryBound(to: T.self)
    var end = end
    for range in ranges {
      let first = Int(source[range.lowerBound])
      let count = Int(source[range.upperBound]) - first
      guard end + count <= Int(T.max) else { return false }
      let shift = T(truncatingIfNeeded: end - first)
      for row in 0..<range.count { target[row] = source[range.lowerBound + row + 1] &+ shift }
      target += range.count
      end += count
      covered.append(first..<first + count)
    }
    return true
  }
  guard width == 4 ? move(Int32.self) : move(Int64.self) else {
    throw offsetsOverflow(array.type)
  }
  offsets.advance(by: rows * width)
  return (covered, rows)
}

private func copyRanges(
  _ source: UnsafeRawPointer, _ width: Int, _ ranges: [Range<Int>],
  _ target: UnsafeMutableRawPointer
) {
  var end = target
  for range in ranges {
    end.copyMemory(from: source + range.lowerBound * width, byteCount: range.count * width)
    end += range.count * width
  }
}

/// Reserves offsets for `pieces` and returns the ranges of bytes or items that they cover.
private func reserveOffsets(
  _ pieces: [Assembler.Piece], _ sources: [ArrayData], _ offsets: MutableBuffer, _ width: Int,
  end: Int
) throws(ColumnarError) -> [Assembler.Piece] {
  var end = end
  var rows = 0
  var covered: [Assembler.Piece] = []
  for piece in pieces where !piece.range.isEmpty {
    let array = sources[piece.source]
    let range: Range<Int>
    if width == 4 {
      let ends = array.offsets(as: Int32.self)
      range = Int(ends[piece.range.lowerBound])..<Int(ends[piece.range.upperBound])
    } else {
      let ends = array.offsets(as: Int64.self)
      range = Int(ends[piece.range.lowerBound])..<Int(ends[piece.range.upperBound])
    }
    rows += piece.range.count
    end += range.count
    if width == 4 && end > Int(Int32.max) { throw offsetsOverflow(array.type) }
    covered.append(Assembler.Piece(source: piece.source, range: range))
  }
  offsets.reserve(offsets.count + rows * width)
  return covered
}
