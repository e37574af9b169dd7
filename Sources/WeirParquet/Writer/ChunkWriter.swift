// SPDX-License-Identifier: Apache-2.0
// Safe: pointers lead into the scratch buffers that this writer owns, and are used up within a page.

internal import CWeirKernels
internal import WeirColumnar
internal import WeirCompression

/// A column chunk ready for the file; all offsets count from the chunk's first byte.
struct EncodedChunk {
  var bytes: Buffer
  var metaData: ColumnMetaData
  var columnIndex: ColumnIndex?
  var offsetIndex: OffsetIndex
  var bloomFilter: [UInt8]?
}

/// Memory that the columns of a file share, one after the other.
final class WriteScratch {
  let levels = MutableBuffer()
  let values = MutableBuffer()
  let compressed = MutableBuffer()
  private var compressors: [Int: Compressor] = [:]

  func compressor(_ codec: Codec, level: Int?) throws(CompressionError) -> Compressor {
    let key = Int(codec.parquetCodec?.rawValue ?? 0) << 16 | ((level ?? 0x7fff) & 0xffff)
    if let known = compressors[key] { return known }
    let made = try Compressor(codec, level: level)
    compressors[key] = made
    return made
  }
}

/// Encodes one column's chunks, row group after row group.
final class ChunkWriter {
  let plan: LeafPlan
  private let options: ParquetWriteOptions
  private let settings: ParquetWriteOptions.Column
  private let scratch: WriteScratch
  private let codec: Codec
  private let compressor: Compressor?
  private let chooser: EncodingChooser
  /// Pages that are not tried, because those before did not become smaller.
  private var pagesToSkip = 0
  private var pagesSkippedLast = 0

  /// Shortest stream that is worth entropy tables of its own.
  private static let pieceCountMin = 1_024

  init(
    _ plan: LeafPlan, options: ParquetWriteOptions, scratch: WriteScratch
  ) throws(ParquetError) {
    self.plan = plan
    self.options = options
    self.scratch = scratch
    let settings = options.column(plan.path)
    self.settings = settings
    codec = settings.codec ?? options.codec
    let name = plan.path.joined(separator: ".")
    guard codec.parquetCodec != nil else {
      throw ParquetError(.invalidArgument, "Parquet has no codec \(codec)", column: name)
    }
    if codec == .none {
      compressor = nil
    } else {
      let level = settings.level ?? (settings.codec == nil ? options.level : nil)
      do {
        compressor = try scratch.compressor(codec, level: level ?? (codec == .zstd ? 1 : nil))
      } catch {
        throw ParquetError(.invalidArgument, error.description, column: name)
      }
    }
    chooser = EncodingChooser(
      plan: plan, settings: settings, options: options, compressor: compressor)
  }

  /// What is collected while a chunk's pages are written.
  private struct State {
    let column: ColumnLevels
    let values: LeafValues
    let choice: EncodingChoice
    let out = MutableBuffer()
    var uncompressedSize = 0
    var anyCompressed = false
    var pages: [OffsetIndex.PageLocation] = []
    var pageBounds: [Bounds?] = []
    var pageNulls: [Int] = []
    var pageValues: [Int] = []
    var pageBytes: [Int] = []
    var plainPages: Int32 = 0
  }

  func write(_ column: ColumnLevels) throws(ParquetError) -> EncodedChunk {
    defer { withExtendedLifetime(column) {} }
    let values = try column.gatherValues()
    let choice = try chooser.choose(values)
    var state = State(column: column, values: values, choice: choice)
    state.out.reserve(
      Int(Double(values.count) * choice.bits / 8) + (choice.dictionary?.byteCount ?? 0) + 4_096)
    var metaData = ColumnMetaData(type: plan.physicalType, path: plan.path)
    if let dictionary = choice.dictionary {
      metaData.dictionaryPageOffset = 0
      try writeDictionary(dictionary, &state)
    }
    metaData.dataPageOffset = state.out.count
    var rows = PageRows(
      column: column, options: options, bits: choice.bits, valueCount: values.count)
    while let page = rows.next(values) { try writePage(page, &state) }
    finish(&metaData, state)
    let bloom = bloomFilter(state)
    return EncodedChunk(
      bytes: state.out.finish(), metaData: metaData,
      columnIndex: options.pageIndex ? columnIndex(state) : nil,
      offsetIndex: OffsetIndex(
        pages: state.pages,
        unencodedByteArrayBytes: plan.physicalType == .byteArray ? state.pageBytes : nil),
      bloomFilter: bloom)
  }

  private func writeDictionary(
    _ dictionary: ColumnDictionary, _ state: inout State
  ) throws(ParquetError) {
    let payload = scratch.values
    payload.truncate(to: 0)
    ValueEncoder.plain(dictionary.entries, 0..<dictionary.entries.count, into: payload)
    try checkSize(payload.count)
    let stored = try compressed(payload, mayKeep: false)
    state.anyCompressed = compressor != nil
    var header = PageHeader(
      kind: .dictionary(.init(valueCount: dictionary.entries.count, encoding: .plain)),
      uncompressedByteCount: payload.count, compressedByteCount: stored.count)
    header.crc = checksum(stored)
    let bytes = header.encoded()
    state.out.append(contentsOf: bytes)
    state.out.append(stored)
    state.uncompressedSize += bytes.count + payload.count
  }

  private func writePage(_ page: PageRows.Page, _ state: inout State) throws(ParquetError) {
    let levels = scratch.levels
    levels.truncate(to: 0)
    let isV2 = options.pageVersion == .v2
    let repetitionSize = writeLevels(
      state.column.repetition, page.entries, plan.maxRepetition, prefixed: !isV2)
    writeLevels(state.column.definition, page.entries, plan.maxDefinition, prefixed: !isV2)
    let payload = scratch.values
    payload.truncate(to: 0)
    if !isV2 { levels.withUnsafeBytes { payload.append($0) } }
    let encoding = encodeValues(page.values, state, into: payload)
    if encoding != state.choice.encoding { state.plainPages += 1 }
    try checkSize(payload.count + levels.count)

    // The streams of numbers split into bytes are as unlike as can be.
    let isSplit = encoding == .byteStreamSplit && isV2 && state.values.stride <= 8
    let stored = try compressed(
      payload, mayKeep: isV2,
      pieceCount: isSplit && page.values.count >= Self.pieceCountMin ? page.values.count : 0)
    let isCompressed = compressor != nil && stored.baseAddress != UnsafeRawPointer(payload.base)
    state.anyCompressed = state.anyCompressed || isCompressed
    let nulls = page.entries.count - page.values.count
    var header: PageHeader
    if isV2 {
      header = PageHeader(
        kind: .dataV2(
          .init(
            valueCount: page.entries.count, nullCount: nulls, rowCount: page.rows.count,
            encoding: encoding, definitionLevelsByteCount: levels.count - repetitionSize,
            repetitionLevelsByteCount: repetitionSize, isCompressed: isCompressed)),
        uncompressedByteCount: levels.count + payload.count,
        compressedByteCount: levels.count + stored.count)
      header.crc = checksum(stored, behind: levels)
    } else {
      header = PageHeader(
        kind: .data(.init(valueCount: page.entries.count, encoding: encoding)),
        uncompressedByteCount: payload.count, compressedByteCount: stored.count)
      header.crc = checksum(stored)
    }
    let bytes = header.encoded()
    let offset = state.out.count
    state.out.append(contentsOf: bytes)
    if isV2 { levels.withUnsafeBytes { state.out.append($0) } }
    state.out.append(stored)
    state.uncompressedSize += bytes.count + header.uncompressedByteCount
    state.pages.append(
      .init(
        offset: offset, compressedByteCount: state.out.count - offset,
        firstRow: page.rows.lowerBound))
    state.pageNulls.append(nulls)
    state.pageValues.append(page.values.count)
    if wantsStatistics {
      state.pageBounds.append(Bounds.of(state.values, page.values, order: plan.order))
    }
    if case .views = state.values.form {
      state.pageBytes.append(
        EncodeBytes.totalBytes(
          state.values.at(page.values.lowerBound, as: ByteView.self), count: page.values.count))
    }
  }

  /// Appends levels of `entries` to the scratch; returns how many bytes.
  @discardableResult
  private func writeLevels(
    _ levels: MutableBuffer?, _ entries: Range<Int>, _ maximum: Int, prefixed: Bool
  ) -> Int {
    if maximum == 0 { return 0 }
    let out = scratch.levels
    let start = out.count
    if prefixed { out.append(UInt32(0)) }
    let width = EncodePack.width(UInt64(maximum))
    if let levels {
      EncodeHybrid.levels(
        (levels.base + entries.lowerBound).assumingMemoryBound(to: UInt8.self),
        count: entries.count, width: width, into: out)
    } else {
      EncodeHybrid.run(UInt32(maximum), count: entries.count, width: width, into: out)
    }
    if prefixed {
      let length = UInt32(out.count - start - 4)
      out.base.storeBytes(of: length.littleEndian, toByteOffset: start, as: UInt32.self)
    }
    return out.count - start
  }

  private func encodeValues(
    _ range: Range<Int>, _ state: State, into out: MutableBuffer
  ) -> Encoding {
    guard let dictionary = state.choice.dictionary else {
      // Polars cannot read delta pages without values.
      if range.isEmpty { return .plain }
      ValueEncoder.encode(state.values, range, state.choice.encoding, into: out)
      return state.choice.encoding
    }
    let indices = dictionary.indices + range.lowerBound
    // A page may use fewer bits than the dictionary needs.
    let width = EncodePack.width(UInt64(weir_max_u32(indices, range.count)))
    out.append(UInt8(width))
    EncodeHybrid.indices(indices, count: range.count, width: width, into: out)
    return .rleDictionary
  }

  /// The bytes to store: compressed ones in the scratch, or the payload itself without a codec or
  /// where compression saves too little (`mayKeep`).
  private func compressed(
    _ payload: MutableBuffer, mayKeep: Bool, pieceCount: Int = 0
  ) throws(ParquetError) -> UnsafeRawBufferPointer {
    let raw = UnsafeRawBufferPointer(start: payload.base, count: payload.count)
    guard let compressor, payload.count > 0 || !mayKeep else { return raw }
    if mayKeep && pagesToSkip > 0 {
      pagesToSkip -= 1
      return raw
    }
    let target = scratch.compressed
    target.truncate(to: 0)
    let bound = compressor.maxCompressedSize(raw.count) + (pieceCount > 0 ? 64 * 16 : 0)
    let space = UnsafeMutableRawBufferPointer(start: target.reserveTail(bound), count: bound)
    let written: Int
    do {
      written = try compressor.compress(raw, into: space, pieceCount: pieceCount)
    } catch {
      throw ParquetError(
        .invalidArgument, error.description, column: plan.path.joined(separator: "."))
    }
    if mayKeep {
      if written > raw.count - raw.count / 20 {
        // Try ever more seldom, at least every 16th page.
        pagesSkippedLast = min(pagesSkippedLast * 2 + 1, 15)
        pagesToSkip = pagesSkippedLast
        return raw
      }
      pagesSkippedLast = 0
    }
    target.advance(by: written)
    return UnsafeRawBufferPointer(start: target.base, count: written)
  }

  private func checkSize(_ byteCount: Int) throws(ParquetError) {
    guard byteCount < Int(Int32.max) / 2 else {
      throw ParquetError(
        .limitExceeded,
        "a page would take \(byteCount) bytes; Parquet pages hold at most 2 GiB, and a row is not"
          + " divided between pages",
        column: plan.path.joined(separator: "."))
    }
  }

  private func checksum(
    _ stored: UnsafeRawBufferPointer, behind levels: MutableBuffer? = nil
  ) -> UInt32? {
    guard options.checksums else { return nil }
    var crc: UInt32 = 0
    if let levels { crc = weir_crc32(crc, levels.base, levels.count) }
    if let base = stored.baseAddress { crc = weir_crc32(crc, base, stored.count) }
    return crc
  }

  private var wantsStatistics: Bool {
    (settings.statistics ?? options.statistics) && plan.order != .none
  }

  private var isText: Bool { plan.type == .utf8 || plan.type == .largeUtf8 }

  private func finish(_ metaData: inout ColumnMetaData, _ state: State) {
    let dataEncoding = state.choice.encoding
    metaData.codec = state.anyCompressed ? codec.parquetCodec! : .uncompressed
    metaData.valueCount = state.column.entryCount
    metaData.totalUncompressedSize = state.uncompressedSize
    metaData.totalCompressedSize = state.out.count
    metaData.encodings = state.choice.dictionary == nil ? [dataEncoding] : [.plain, .rleDictionary]
    if state.plainPages > 0 && dataEncoding != .plain { metaData.encodings.append(.plain) }
    if plan.maxDefinition + plan.maxRepetition > 0 && !metaData.encodings.contains(.rle) {
      metaData.encodings.append(.rle)
    }
    let pageType: PageType = options.pageVersion == .v2 ? .dataPageV2 : .dataPage
    if state.choice.dictionary != nil {
      metaData.encodingStats.append(.init(pageType: .dictionaryPage, encoding: .plain, count: 1))
    }
    let pageCounts = [
      (dataEncoding, Int32(state.pages.count) - state.plainPages), (.plain, state.plainPages),
    ]
    for (encoding, count) in pageCounts where count > 0 {
      metaData.encodingStats.append(.init(pageType: pageType, encoding: encoding, count: count))
    }
    if settings.statistics ?? options.statistics {
      metaData.statistics = statistics(state)
    }
    if plan.physicalType == .byteArray {
      metaData.sizeStatistics = SizeStatistics(
        unencodedByteArrayBytes: state.pageBytes.reduce(0, +))
    }
  }

  private func statistics(_ state: State) -> Statistics {
    var statistics = Statistics(nullCount: state.pageNulls.reduce(0, +))
    var bounds: Bounds?
    for page in state.pageBounds.compactMap({ $0 }) {
      if bounds == nil { bounds = page } else { bounds!.include(page) }
    }
    guard let bounds else { return statistics }
    let (least, leastExact) = lower(bounds)
    let (most, mostExact) = upper(bounds)
    statistics.min = least
    statistics.max = most
    statistics.isMinExact = leastExact
    statistics.isMaxExact = mostExact
    return statistics
  }

  private func lower(_ bounds: Bounds) -> ([UInt8], Bool) {
    let bytes = bounds.min.encoded
    if plan.order != .bytes { return (bytes, true) }
    let cut = BoundsCut.lower(bytes, max: options.boundsBytesMax, isText: isText)
    return (cut.bytes, cut.exact)
  }

  private func upper(_ bounds: Bounds) -> ([UInt8], Bool) {
    let bytes = bounds.max.encoded
    if plan.order != .bytes { return (bytes, true) }
    let cut = BoundsCut.upper(bytes, max: options.boundsBytesMax, isText: isText)
    return (cut.bytes, cut.exact)
  }

  /// `nil` when a page has values without bounds (only NaNs): the format has no way to say that.
  private func columnIndex(_ state: State) -> ColumnIndex? {
    guard wantsStatistics, !state.pages.isEmpty else { return nil }
    var index = ColumnIndex(
      nullPages: [], minValues: [], maxValues: [], boundaryOrder: .unordered,
      nullCounts: state.pageNulls)
    var known: [Bounds] = []
    for (page, bounds) in state.pageBounds.enumerated() {
      if let bounds {
        index.minValues.append(lower(bounds).0)
        index.maxValues.append(upper(bounds).0)
        known.append(bounds)
      } else if state.pageValues[page] == 0 {
        index.minValues.append([])
        index.maxValues.append([])
      } else {
        return nil
      }
      index.nullPages.append(bounds == nil)
    }
    let pairs = zip(known, known.dropFirst())
    if pairs.allSatisfy({ !$1.min.isLess(than: $0.min) && !$1.max.isLess(than: $0.max) }) {
      index.boundaryOrder = .ascending
    } else if pairs.allSatisfy({ !$0.min.isLess(than: $1.min) && !$0.max.isLess(than: $1.max) }) {
      index.boundaryOrder = .descending
    }
    return index
  }

  private func bloomFilter(_ state: State) -> [UInt8]? {
    guard let wanted = settings.bloomFilter, plan.physicalType != .boolean,
      plan.order != .none, state.values.count > 0
    else { return nil }
    let distinct = state.choice.dictionary?.entries ?? state.values
    return EncodeBloom.filter(
      distinct, distinctCount: wanted.distinctCount ?? distinct.count,
      falsePositiveRate: wanted.falsePositiveRate, byteCountMax: wanted.byteCountMax)
  }
}
