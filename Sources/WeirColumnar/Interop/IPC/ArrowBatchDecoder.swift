// SPDX-License-Identifier: Apache-2.0

internal import WeirCompression

/// The decompressors of one reader, made when they are first needed.
final class ArrowDecompressors {
  private lazy var lz4 = Decompressor(.lz4Frame)
  private lazy var zstd = Decompressor(.zstd)

  func decompressor(_ codec: Codec) -> Decompressor { codec == .zstd ? zstd : lz4 }
}

/// Takes the arrays of one record batch out of its message.
///
/// The metadata lists a node (length, nulls) for each array and a place in the body for each buffer,
/// both in the order in which a walk over the schema meets them, parents before children. The walk
/// here takes them one by one. Nothing is copied but what is compressed or badly aligned.
struct ArrowBatchDecoder {
  private let nodes: FlatVector
  private let places: FlatVector
  private let viewCounts: FlatVector
  private let body: Buffer
  private let codec: Codec?
  private let decompressors: ArrowDecompressors
  private let dictionary: (Int64) throws(ColumnarError) -> ArrayData?
  private let bytesMax: Int
  /// Bytes that buffers of this batch may still decompress to.
  private var decompressedLeft: Int
  private var nextNode = 0
  private var nextPlace = 0
  private var nextViewCount = 0

  /// Rows of the batch.
  let rowCount: Int

  init(
    _ table: FlatTable, body: Buffer, options: ArrowReadOptions,
    decompressors: ArrowDecompressors,
    dictionary: @escaping (Int64) throws(ColumnarError) -> ArrayData?
  ) throws(ColumnarError) {
    let length = try table.scalar(0, Int64(0))
    guard length >= 0, length <= Int64(Int32.max) else {
      throw ColumnarError(
        .invalidData, "a record batch says it has \(length) rows", position: table.bytes.position)
    }
    rowCount = Int(length)
    nodes = try table.vector(1, stride: 16)
    places = try table.vector(2, stride: 16)
    viewCounts = try table.vector(4, stride: 8)
    codec = try Self.codec(table)
    self.body = body
    self.decompressors = decompressors
    self.dictionary = dictionary
    bytesMax = options.bodyBytesMax
    decompressedLeft = options.bodyBytesMax
  }

  private static func codec(_ table: FlatTable) throws(ColumnarError) -> Codec? {
    guard let compression = try table.table(3) else { return nil }
    guard try compression.scalar(1, UInt8(0)) == 0 else {
      throw ColumnarError(.unsupported, "an unknown method of body compression")
    }
    switch try compression.scalar(0, UInt8(0)) {
    case 0: return .lz4Frame
    case 1: return .zstd
    case let number: throw ColumnarError(.unsupported, "the body compression number \(number)")
    }
  }

  /// The next array of the walk.
  mutating func array(_ wire: WireType) throws(ColumnarError) -> ArrayData {
    let (length, nullCount) = try node(wire.type)
    if wire.type == .null { return ArrayData(type: .null, length: length) }
    let validity = try validity(length, nullCount)
    if wire.isView { return try views(wire, length, nullCount, validity) }

    let buffers = try buffers(wire.type, length)
    var children: [ArrayData] = []
    var values: ArrayData?
    if let dictionaryWire = wire.dictionary {
      // A dictionary that never came belongs to columns of nulls alone, which validation checks.
      values = try dictionary(wire.dictionaryID) ?? ArrayData.empty(dictionaryWire.type)
    } else {
      for (index, child) in wire.children.enumerated() {
        do throws(ColumnarError) {
          children.append(try array(child))
        } catch {
          throw error.inColumn(wire.type.children[index].name)
        }
      }
    }
    return try ArrayData.untrusted(
      type: wire.type, length: length, nullCount: nullCount, validity: validity, buffers: buffers,
      children: children, dictionary: values)
  }

  /// Passes over the next array of the walk.
  mutating func skip(_ wire: WireType) throws(ColumnarError) {
    nextNode += 1
    switch wire.type.layout {
    case .null: break
    case .struct, .fixedSizeList: nextPlace += 1
    case .bits, .fixedWidth, .list, .dictionary: nextPlace += 2
    case .variableBinary: nextPlace += wire.isView ? 2 + (try viewCount()) : 3
    }
    if wire.dictionary == nil { for child in wire.children { try skip(child) } }
  }

  /// Checks that the walk took all there was: otherwise it took the wrong things.
  func finish() throws(ColumnarError) {
    guard nextNode == nodes.count, nextPlace == places.count else {
      throw nodes.bytes.error(
        "\(nodes.count) arrays with \(places.count) buffers, where the schema has \(nextNode) with "
          + "\(nextPlace)", at: 0)
    }
  }

  private mutating func node(_ type: DataType) throws(ColumnarError) -> (Int, Int) {
    let length = try WireSize.checked(
      try nodes.load(nextNode, as: Int64.self), "an array's length")
    let nullCount = try nodes.load(nextNode, 8, as: Int64.self)
    nextNode += 1
    guard nullCount >= 0, nullCount <= Int64(length) else {
      throw ColumnarError(.invalidData, "\(nullCount) nulls in \(length) rows")
    }
    // Where rows take no memory, the message's size is no bound for their number.
    let isFree: Bool =
      switch type {
      case .null, .struct([]), .fixedSizeBinary(0), .fixedSizeList(_, size: 0): true
      default: false
      }
    guard !isFree || length <= Int(Int32.max) else {
      throw ColumnarError(.invalidData, "an array of \(length) rows of \(type)")
    }
    return (length, Int(nullCount))
  }

  private mutating func validity(
    _ length: Int, _ nullCount: Int
  ) throws(ColumnarError) -> Buffer? {
    guard nullCount > 0 else {
      nextPlace += 1
      return nil
    }
    return try buffer(Bitmap.byteCount(length), "validity")
  }

  private mutating func buffers(
    _ type: DataType, _ length: Int
  ) throws(ColumnarError) -> [Buffer] {
    let alignment = type.valueAlignment
    switch type.layout {
    case .null, .struct, .fixedSizeList: return []
    case .bits: return [try buffer(Bitmap.byteCount(length), "values")]
    case .fixedWidth(let width), .dictionary(let width):
      return [try buffer(try WireSize.bytes(length, width), "values", alignment)]
    case .list(let width): return [try offsets(length, width)]
    case .variableBinary(let width):
      let offsets = try offsets(length, width)
      // Safe: `offsets` holds `length + 1` offsets, or none for an empty array.
      let last =
        length == 0
        ? 0
        : width == 4
          ? Int64(offsets.base.loadUnaligned(fromByteOffset: length * 4, as: Int32.self))
          : offsets.base.loadUnaligned(fromByteOffset: length * 8, as: Int64.self)
      withExtendedLifetime(offsets) {}
      return [offsets, try buffer(try WireSize.checked(last, "the last offset"), "data")]
    }
  }

  private mutating func offsets(_ length: Int, _ width: Int) throws(ColumnarError) -> Buffer {
    try buffer(length == 0 ? 0 : try WireSize.bytes(length + 1, width), "offsets", width)
  }

  /// The next buffer of the walk, of which `needed` bytes are wanted; what follows is padding.
  private mutating func buffer(
    _ needed: Int, _ what: String, _ alignment: Int = 1
  ) throws(ColumnarError) -> Buffer {
    let sent = try nextPlaceInBody()
    guard needed > 0 else { return Buffer() }
    var bytes = sent
    if let codec { bytes = try decompressed(sent, codec, needed, what) }
    guard bytes.count >= needed else { throw tooShort(what, bytes.count, needed) }
    bytes = bytes.slice(offset: 0, count: needed)
    if alignment > 1 && UInt(bitPattern: bytes.base) % UInt(alignment) != 0 {
      return bytes.withUnsafeBytes { Buffer(copying: $0) }
    }
    return bytes
  }

  private func tooShort(_ what: String, _ count: Int, _ needed: Int) -> ColumnarError {
    ColumnarError(
      .invalidData, "the \(what) buffer has \(count) bytes where \(needed) are needed",
      position: nodes.bytes.position)
  }

  /// The bytes of the next buffer as they were sent.
  private mutating func nextPlaceInBody() throws(ColumnarError) -> Buffer {
    let offset = try places.load(nextPlace, as: Int64.self)
    let count = try places.load(nextPlace, 8, as: Int64.self)
    nextPlace += 1
    guard offset >= 0, count >= 0, count <= Int64(body.count), offset <= Int64(body.count) - count
    else {
      throw ColumnarError(
        .invalidData,
        "a buffer at \(offset) of \(count) bytes lies outside the body of \(body.count)",
        position: nodes.bytes.position)
    }
    return body.slice(offset: Int(offset), count: Int(count))
  }

  /// Compressed buffers start with their size before compression (int64); -1 says that the rest is
  /// not compressed.
  private mutating func decompressed(
    _ sent: Buffer, _ codec: Codec, _ needed: Int, _ what: String
  ) throws(ColumnarError) -> Buffer {
    guard sent.count >= 8 else { throw tooShort(what, sent.count, max(needed, 8)) }
    // Safe: 8 bytes, checked above.
    let size = Int64(littleEndian: sent.base.loadUnaligned(as: Int64.self))
    let rest = sent.slice(offset: 8, count: sent.count - 8)
    if size == -1 { return rest }
    guard size >= Int64(needed) else { throw tooShort(what, Int(max(size, 0)), needed) }
    // The densest that the formats can be: LZ4 255 bytes a byte, zstd a 128 KiB block in 4 bytes.
    let ratioMax = codec == .zstd ? 40_000 : 256
    guard size <= Int64(decompressedLeft), size / Int64(ratioMax) <= Int64(rest.count) else {
      throw ColumnarError(
        .invalidData,
        "a \(what) buffer of \(rest.count) bytes says it decompresses to \(size); at most "
          + "\(bytesMax) in a batch are accepted (ArrowReadOptions.bodyBytesMax)",
        position: nodes.bytes.position)
    }
    decompressedLeft -= Int(size)
    let target = MutableBuffer(capacity: Int(size))
    do {
      // Safe: the capacity was reserved in the line above.
      let output = UnsafeMutableRawBufferPointer(
        start: target.reserveTail(Int(size)), count: Int(size))
      let decompressor = decompressors.decompressor(codec)
      let written = try rest.withUnsafeBytes { (input) throws(CompressionError) in
        try decompressor.decompress(input, into: output)
      }
      guard written == Int(size) else { throw tooShort(what, written, Int(size)) }
      target.advance(by: written)
    } catch {
      throw (error as? ColumnarError)
        ?? ColumnarError(
          .invalidData, "the \(what) buffer is damaged: \(error)", position: nodes.bytes.position)
    }
    return target.finish()
  }

  private mutating func viewCount() throws(ColumnarError) -> Int {
    let count = try viewCounts.load(nextViewCount, as: Int64.self)
    nextViewCount += 1
    guard count >= 0, count <= Int64(places.count) else {
      throw ColumnarError(.invalidData, "an array of views says it has \(count) data buffers")
    }
    return Int(count)
  }

  private mutating func views(
    _ wire: WireType, _ length: Int, _ nullCount: Int, _ validity: Buffer?
  ) throws(ColumnarError) -> ArrayData {
    let views = try buffer(try WireSize.bytes(length, 16), "views")
    var data: [Buffer] = []
    for _ in 0..<(try viewCount()) {
      let sent = try nextPlaceInBody()
      guard let codec, sent.count > 0 else {
        data.append(sent)
        continue
      }
      data.append(try decompressed(sent, codec, 0, "view data"))
    }
    let converted = try ViewConversion.convert(
      views: views, validity: validity, offset: 0, length: length, data: data,
      bytesMax: decompressedLeft)
    decompressedLeft -= converted.bytes.count
    return try ArrayData.untrusted(
      type: wire.type, length: length, nullCount: nullCount, validity: validity,
      buffers: [converted.offsets, converted.bytes])
  }
}
