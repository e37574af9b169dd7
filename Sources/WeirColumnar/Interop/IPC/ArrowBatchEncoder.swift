// SPDX-License-Identifier: Apache-2.0

internal import WeirCompression

/// Lays out the arrays of one record batch as a message's metadata and body, see
/// `ArrowBatchDecoder`. Slices are cut to size: buffers share the arrays' memory where they start at
/// a whole byte and offsets start at 0, and are copied where not.
struct ArrowBatchEncoder {
  /// One buffer of the body, before its padding.
  struct Piece {
    /// Eight bytes that go before `bytes`.
    var prefix: Int64?
    var bytes: Buffer
    var count: Int { (prefix == nil ? 0 : 8) + bytes.count }
  }

  private(set) var pieces: [Piece] = []
  private(set) var bodyLength = 0
  private var nodes: [Int64] = []
  private var places: [Int64] = []
  private let rowCount: Int
  private let alignment: Int
  private let compressor: Compressor?

  init(rowCount: Int, alignment: Int, compressor: Compressor?) {
    self.rowCount = rowCount
    self.alignment = alignment
    self.compressor = compressor
  }

  /// The message's metadata: a record batch, or a dictionary batch around one.
  func message(dictionaryID: Int64? = nil, isDelta: Bool = false) -> [UInt8] {
    var metadata = FlatBufferWriter()
    var header = ArrowMessageEncoder.begin(
      &metadata, kind: dictionaryID == nil ? 3 : 2, bodyLength: bodyLength)
    if let dictionaryID {
      header =
        metadata.table([.int64(dictionaryID), .reference, .bool(isDelta)], for: header)[1]
    }
    let parts = metadata.table(
      [
        .int64(Int64(rowCount)), .reference, .reference,
        compressor == nil ? .absent : .reference,
      ], for: header)
    metadata.structs(nodes, fieldsPerStruct: 2, for: parts[1])
    metadata.structs(places, fieldsPerStruct: 2, for: parts[2])
    if let compressor {
      _ = metadata.table([.uint8(compressor.codec == .zstd ? 1 : 0), .uint8(0)], for: parts[3])
    }
    return metadata.bytes
  }

  /// Adds one array with everything below it; a dictionary's values go in a message of their own.
  mutating func add(_ array: ArrayData) throws(ColumnarError) {
    let (offset, length) = (array.offset, array.length)
    nodes.append(Int64(length))
    nodes.append(Int64(array.nullCount))
    if array.type == .null { return }
    try add(
      array.validity.map { ViewConversion.rebased($0, offset: offset, length: length) } ?? Buffer())
    switch array.type.layout {
    case .null: break
    case .bits:
      try add(
        length == 0
          ? Buffer() : ViewConversion.rebased(array.buffers[0], offset: offset, length: length))
    case .fixedWidth(let width), .dictionary(let width):
      try add(
        length == 0
          ? Buffer() : array.buffers[0].slice(offset: offset * width, count: length * width))
    case .variableBinary(let width):
      let range = try addOffsets(array, width)
      try add(array.buffers[1].slice(offset: range.lowerBound, count: range.count))
    case .list(let width):
      let range = try addOffsets(array, width)
      try add(array.children[0].slice(offset: range.lowerBound, length: range.count))
    case .fixedSizeList(let size):
      try add(
        length == 0
          ? array.children[0].slice(offset: 0, length: 0)
          : array.children[0].slice(offset: offset * size, length: length * size))
    case .struct:
      for child in array.children {
        try add(child.slice(offset: length == 0 ? 0 : offset, length: length))
      }
    }
  }

  /// Adds offsets that start at 0, and returns the range that the array's own offsets span.
  private mutating func addOffsets(
    _ array: ArrayData, _ width: Int
  ) throws(ColumnarError) -> Range<Int> {
    if width == 4 { return try addOffsets(array, Int32.self) }
    return try addOffsets(array, Int64.self)
  }

  private mutating func addOffsets<T: FixedWidthInteger & BitwiseCopyable>(
    _ array: ArrayData, _ type: T.Type
  ) throws(ColumnarError) -> Range<Int> {
    let width = MemoryLayout<T>.size
    guard array.length > 0 else {
      try add(Buffer([T(0)]))
      return 0..<0
    }
    let offsets = array.offsets(as: T.self)
    defer { withExtendedLifetime(array) {} }
    let (first, last) = (offsets[0], offsets[array.length])
    if first == 0 {
      try add(array.buffers[0].slice(offset: array.offset * width, count: offsets.count * width))
    } else {
      let target = MutableBuffer(capacity: offsets.count * width)
      // Safe: the capacity was reserved in the line above.
      let output = target.reserveTail(offsets.count * width).assumingMemoryBound(to: T.self)
      for index in 0..<offsets.count { output[index] = offsets[index] &- first }
      target.advance(by: offsets.count * width)
      try add(target.finish())
    }
    return Int(first)..<Int(last)
  }

  private mutating func add(_ bytes: Buffer) throws(ColumnarError) {
    var piece = Piece(prefix: nil, bytes: bytes)
    if let compressor, bytes.count > 0 { piece = try Self.compressed(bytes, compressor) }
    places.append(Int64(bodyLength))
    places.append(Int64(piece.count))
    bodyLength += (piece.count + alignment - 1) & ~(alignment - 1)
    pieces.append(piece)
  }

  /// The size before compression, then the compressed bytes; -1, then the bytes as they are when
  /// compression does not make them smaller.
  private static func compressed(
    _ bytes: Buffer, _ compressor: Compressor
  ) throws(ColumnarError) -> Piece {
    let capacity = compressor.maxCompressedSize(bytes.count)
    let target = MutableBuffer(capacity: capacity)
    do {
      // Safe: the capacity was reserved in the line above.
      let output = UnsafeMutableRawBufferPointer(
        start: target.reserveTail(capacity), count: capacity)
      let count = try bytes.withUnsafeBytes { (input) throws(CompressionError) in
        try compressor.compress(input, into: output)
      }
      guard count < bytes.count else { return Piece(prefix: -1, bytes: bytes) }
      target.advance(by: count)
      return Piece(prefix: Int64(bytes.count).littleEndian, bytes: target.finish())
    } catch {
      throw ColumnarError(.invalidArgument, "a buffer could not be compressed: \(error)")
    }
  }
}
