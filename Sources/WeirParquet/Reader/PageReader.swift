// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar
internal import WeirCompression

/// One data page, decompressed, with decoders set up at its start.
struct DataPage {
  /// Values, nulls and empty lists included.
  let entryCount: Int
  var repetition: HybridDecoder?
  var definition: HybridDecoder?
  let values: any ValueDecoder
}

/// Reads the pages of one column chunk, in order.
///
/// 1. A page starts with its header, whose length only its parsing tells.
/// 2. The body is checked against its CRC, then decompressed (of v2 pages only the values).
/// 3. The dictionary page, if any, comes first and is turned into Arrow's layout once.
final class PageReader {
  private let leaf: LeafColumn
  private let plan: LeafTypes.Plan
  private let chunk: ColumnMetaData
  private let source: ChunkSource
  private let options: ParquetReadOptions
  private let memory: MemoryBudget
  /// Bytes that the page which is open takes in `memory`.
  private var pageByteCount = 0
  private let decompressors: Decompressors
  private var dictionary: DictionaryValues?
  /// Level entries that the chunk still has by its metadata.
  private(set) var entriesLeft: Int
  /// After a jump nobody knows how many entries are left: the chunk's bytes say when it ends.
  private var hasJumped = false
  /// Number of the data page that came last; -1 before the first.
  private(set) var pageIndex = -1
  /// Position in the file of the page that came last.
  private(set) var pagePosition = 0

  /// A header may carry long statistics; beyond this it is damage.
  private static let headerByteCountMax = 16 << 20

  init(
    leaf: LeafColumn, plan: LeafTypes.Plan, chunk: ColumnMetaData, source: ChunkSource,
    options: ParquetReadOptions, memory: MemoryBudget,
    decompressors: Decompressors
  ) {
    self.memory = memory
    self.leaf = leaf
    self.plan = plan
    self.chunk = chunk
    self.source = source
    self.decompressors = decompressors
    self.options = options
    entriesLeft = chunk.valueCount
  }

  /// The next data page; `nil` at the end of the chunk.
  func next() throws(ParquetError) -> DataPage? {
    while entriesLeft > 0 {
      guard source.left > 0 else {
        if hasJumped { return nil }
        throw ParquetError(
          .damaged,
          "the column chunk's pages hold \(entriesLeft) values fewer than its metadata says")
      }
      pagePosition = source.position
      let header = try readHeader()
      switch header.kind {
      case .data(let page):
        pageIndex += 1
        try take(page.valueCount)
        return try dataPage(header, page)
      case .dataV2(let page):
        pageIndex += 1
        try take(page.valueCount)
        return try dataPageV2(header, page)
      case .dictionary(let page): try readDictionary(header, page)
      case .other: _ = try source.take(header.compressedByteCount, "a page")
      }
    }
    return nil
  }

  /// Before anything is decoded: what follows trusts the number of entries.
  private func take(_ entries: Int) throws(ParquetError) {
    guard entries <= entriesLeft else {
      throw ParquetError(
        .damaged, "the page says that it has \(entries) values, its chunk has \(entriesLeft) left")
    }
    entriesLeft -= entries
  }

  /// Jumps to the data page at `position`; `entriesLeft` is no longer known and counts as what the
  /// chunk has in all.
  func seek(to position: Int, pageIndex: Int) throws(ParquetError) {
    if dictionary == nil, source.position == source.range.lowerBound,
      chunk.encodings.contains(where: \.isDictionary)
    {
      pagePosition = source.position
      let header = try readHeader()
      if case .dictionary(let page) = header.kind { try readDictionary(header, page) }
    }
    try source.seek(to: position)
    self.pageIndex = pageIndex - 1
    entriesLeft = chunk.valueCount
    hasJumped = true
  }

  private func readHeader() throws(ParquetError) -> PageHeader {
    var window = 4096
    while true {
      let bytes = try source.peek(window)
      do throws(ParquetError) {
        let (header, byteCount) = try bytes.parseThrift(at: source.position) {
          (reader) throws(ParquetError) in try PageHeader(&reader)
        }
        source.skip(byteCount)
        guard header.uncompressedByteCount <= options.pageByteCountMax else {
          throw ParquetError(
            .limitExceeded,
            "a page of \(header.uncompressedByteCount) bytes, more than pageByteCountMax allows")
        }
        return header
      } catch {
        // The header may only be cut off by the window.
        guard error.code == .damaged, bytes.count < source.left,
          bytes.count < Self.headerByteCountMax
        else { throw error }
        window = bytes.count * 4
      }
    }
  }

  private func body(
    _ header: PageHeader, _ whose: String = "the page's"
  ) throws(ParquetError) -> Buffer {
    let bytes = try source.take(header.compressedByteCount, "a page")
    if options.verifiesChecksums, let expected = header.crc {
      let actual = bytes.withUnsafeBytes { weir_crc32(0, $0.baseAddress, $0.count) }
      guard actual == expected else {
        throw ParquetError(
          .damaged,
          "\(whose) checksum does not match its bytes: the file was damaged after it "
            + "was written; restore it or read without checksums")
      }
    }
    return bytes
  }

  /// Decompresses `bytes` to exactly `byteCount` bytes, with 16 readable bytes behind them.
  private func decompress(_ bytes: Buffer, byteCount: Int) throws(ParquetError) -> Buffer {
    guard chunk.codec != .uncompressed else {
      guard bytes.count == byteCount else {
        throw ParquetError(
          .damaged, "an uncompressed page has \(bytes.count) bytes, its header says \(byteCount)")
      }
      return bytes
    }
    if byteCount == 0 { return Buffer() }
    guard let codec = chunk.codec.codec else {
      throw ParquetError(
        .unsupported, "codec \(chunk.codec) is not supported; rewrite the file with zstd")
    }
    guard byteCount <= codec.uncompressedByteCountMax(compressed: bytes.count) else {
      throw ParquetError(
        .damaged,
        "\(bytes.count) bytes of \(codec) cannot hold the \(byteCount) bytes that the header says")
    }
    memory.giveBack(pageByteCount)
    pageByteCount = 0
    try memory.take(byteCount, "a page")
    pageByteCount = byteCount
    let decompressor = decompressors.of(codec)
    // Nobody gets a gigabyte for saying so: beyond a size the room grows with what really comes.
    var room = byteCount <= Self.roomAtOnceMax ? byteCount : Self.roomAtOnceMax
    while true {
      let target = MutableBuffer(capacity: room + 16)
      do throws(CompressionError) {
        // Safe: the target has room for `room` bytes.
        let written = try bytes.withUnsafeBytes { (input) throws(CompressionError) in
          try decompressor.decompress(
            input, into: UnsafeMutableRawBufferPointer(start: target.base, count: room))
        }
        guard written == byteCount else {
          throw CompressionError(
            .invalidData, codec, "the page holds \(written) bytes, its header says \(byteCount)")
        }
      } catch {
        guard error.code == .outputTooSmall && room < byteCount else {
          throw ParquetError(.damaged, "the page does not decompress: \(error)")
        }
        room = min(byteCount, room * 8)
        continue
      }
      target.advance(by: byteCount)
      return target.finish()
    }
  }

  private static let roomAtOnceMax = 256 << 20

  // MARK: data pages

  private func dataPage(
    _ header: PageHeader, _ page: PageHeader.DataPage
  ) throws(ParquetError) -> DataPage {
    let bytes = try decompress(try body(header), byteCount: header.uncompressedByteCount)
    var offset = 0
    let repetition = try levels(
      in: bytes, &offset, max: leaf.repetitionMax, encoding: page.repetitionLevelEncoding,
      count: page.valueCount)
    let definition = try levels(
      in: bytes, &offset, max: leaf.definitionMax, encoding: page.definitionLevelEncoding,
      count: page.valueCount)
    let values = bytes.slice(offset: offset, count: bytes.count - offset)
    return DataPage(
      entryCount: page.valueCount, repetition: repetition, definition: definition,
      values: try decoder(page.encoding, values))
  }

  private func levels(
    in bytes: Buffer, _ offset: inout Int, max: Int, encoding: Encoding, count: Int
  ) throws(ParquetError) -> HybridDecoder? {
    guard max > 0 else { return nil }
    let width = Self.bitWidth(max)
    let rest = bytes.slice(offset: offset, count: bytes.count - offset)
    if encoding == .bitPacked {
      let (levels, byteCount) = try LegacyBitPacked.asHybrid(rest, bitWidth: width, count: count)
      offset += byteCount
      return HybridDecoder(levels, bitWidth: width)
    }
    guard encoding == .rle else {
      throw ParquetError(.unsupported, "levels in encoding \(encoding) are not supported")
    }
    var cursor = ByteCursor(rest)
    let byteCount = Int(try cursor.uint32("the length of the levels"))
    guard byteCount <= cursor.left else { throw ByteCursor.truncated("the levels") }
    offset += 4 + byteCount
    return HybridDecoder(rest.slice(offset: 4, count: byteCount), bitWidth: width)
  }

  static func bitWidth(_ max: Int) -> Int { Int.bitWidth - max.leadingZeroBitCount }

  private func dataPageV2(
    _ header: PageHeader, _ page: PageHeader.DataPageV2
  ) throws(ParquetError) -> DataPage {
    let bytes = try body(header)
    let levelsByteCount = page.repetitionLevelsByteCount + page.definitionLevelsByteCount
    guard levelsByteCount <= bytes.count, levelsByteCount <= header.uncompressedByteCount else {
      throw ParquetError(.damaged, "the levels of a v2 page are longer than the page")
    }
    let compressed = bytes.slice(offset: levelsByteCount, count: bytes.count - levelsByteCount)
    let byteCount = header.uncompressedByteCount - levelsByteCount
    let values: Buffer
    if page.isCompressed {
      values = try decompress(compressed, byteCount: byteCount)
    } else {
      guard compressed.count == byteCount else {
        throw ParquetError(
          .damaged,
          "an uncompressed page has \(compressed.count) bytes of values, its header says "
            + "\(byteCount)")
      }
      values = compressed
    }
    let repetition = bytes.slice(offset: 0, count: page.repetitionLevelsByteCount)
    let definition = bytes.slice(
      offset: page.repetitionLevelsByteCount, count: page.definitionLevelsByteCount)
    return DataPage(
      entryCount: page.valueCount,
      repetition: leaf.repetitionMax == 0
        ? nil : HybridDecoder(repetition, bitWidth: Self.bitWidth(leaf.repetitionMax)),
      definition: leaf.definitionMax == 0
        ? nil : HybridDecoder(definition, bitWidth: Self.bitWidth(leaf.definitionMax)),
      values: try decoder(page.encoding, values))
  }

  private func decoder(
    _ encoding: Encoding, _ bytes: Buffer
  ) throws(ParquetError) -> any ValueDecoder {
    let type = leaf.physicalType
    switch encoding {
    case .plain:
      switch type {
      case .boolean: return PlainBooleanDecoder(bytes)
      case .byteArray: return PlainByteArrayDecoder(bytes, form: plan.form)
      default: return PlainFixedDecoder(bytes, conversion: plan.conversion)
      }
    case .plainDictionary, .rleDictionary:
      guard let dictionary else {
        // A page of nulls alone needs no dictionary.
        return try DictionaryDecoder(
          bytes,
          dictionary: DictionaryValues(
            layout: plan.layout, count: 0, data: Buffer(), offsets: Buffer()))
      }
      return try DictionaryDecoder(bytes, dictionary: dictionary)
    case .rle where type == .boolean: return try RLEBooleanDecoder(bytes)
    case .deltaBinaryPacked where type == .int32 || type == .int64:
      if bytes.count == 0 { return PlainFixedDecoder(bytes, conversion: plan.conversion) }
      return try DeltaIntegerDecoder(
        bytes, conversion: plan.conversion, is32Bit: type == .int32)
    case .deltaLengthByteArray where type == .byteArray:
      if bytes.count == 0 { return PlainByteArrayDecoder(bytes, form: plan.form) }
      return try DeltaLengthByteArrayDecoder(bytes, form: plan.form)
    case .deltaByteArray where type == .byteArray || type == .fixedLenByteArray:
      if bytes.count == 0 { return PlainByteArrayDecoder(bytes, form: plan.form) }
      return try DeltaByteArrayDecoder(bytes, form: plan.form)
    case .byteStreamSplit where type != .boolean && type != .byteArray && type != .int96:
      return try ByteStreamSplitDecoder(bytes, conversion: plan.conversion)
    default:
      throw ParquetError(
        .unsupported, "encoding \(encoding) of \(type) values is not supported")
    }
  }

  // MARK: dictionary

  private func readDictionary(
    _ header: PageHeader, _ page: PageHeader.DictionaryPage
  ) throws(ParquetError) {
    guard dictionary == nil, pageIndex == -1 else {
      throw ParquetError(.damaged, "the column chunk has a second dictionary page")
    }
    guard page.encoding == .plain || page.encoding == .plainDictionary else {
      throw ParquetError(.unsupported, "a dictionary in encoding \(page.encoding) is not supported")
    }
    let bytes = try decompress(
      try body(header, "the dictionary page's"), byteCount: header.uncompressedByteCount)
    let sink = LeafSink(
      layout: plan.layout == .binary(offsetWidth: 8) ? .binary(offsetWidth: 4) : plan.layout,
      nullable: false, isText: plan.isText && options.validatesText,
      byteCountMax: min(options.columnByteCountMax, memory.left))
    let decoder: any ValueDecoder =
      switch leaf.physicalType {
      case .byteArray: PlainByteArrayDecoder(bytes, form: plan.form)
      case .boolean: PlainBooleanDecoder(bytes)
      default: PlainFixedDecoder(bytes, conversion: plan.conversion)
      }
    try decoder.decode(page.valueCount, into: sink)
    try memory.take(sink.byteCount, "a dictionary")
    let offsets = MutableBuffer(capacity: sink.ends.count + 4)
    offsets.appendZeros(4)
    sink.ends.withUnsafeBytes { offsets.append($0) }
    // Wide copies of short values read a little beyond them.
    sink.data.reserve(sink.data.count + 16)
    dictionary = DictionaryValues(
      layout: plan.layout, count: page.valueCount, data: sink.data.finish(),
      offsets: offsets.finish())
  }
}

/// The decompressors of a scan, one for each codec: a context takes longer to make than a small page to
/// decompress. One thread at a time, as the scan.
final class Decompressors {
  private var made: [Codec: Decompressor] = [:]

  func of(_ codec: Codec) -> Decompressor {
    if let known = made[codec] { return known }
    let new = Decompressor(codec)
    made[codec] = new
    return new
  }
}
