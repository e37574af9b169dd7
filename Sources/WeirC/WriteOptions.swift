// SPDX-License-Identifier: Apache-2.0
internal import CWeir
internal import WeirColumnar
internal import WeirCompression
internal import WeirParquet

/// The settings of `weir_parquet_writer_open`; docs/python.md lists them for people.
struct WriteOptions {
  var parquet = ParquetWriteOptions()
  var overwrite = true

  init(_ options: [Option]) throws(CError) {
    for option in options {
      var known = try setForFile(option)
      if !known { known = try setForColumn(option) }
      guard known else { throw option.unknown(Self.keys) }
    }
    try checkLevel(parquet.level, parquet.codec, column: nil)
    for (column, settings) in parquet.columns {
      try checkLevel(
        settings.level ?? (settings.codec == nil ? parquet.level : nil),
        settings.codec ?? parquet.codec, column: column)
    }
  }

  private static let keys = [
    "arrow_schema", "bloom_filter", "bloom_filter_rate", "checksums", "compression",
    "compression_level", "dictionary", "dictionary_bytes", "encoding", "encodings", "metadata",
    "overwrite", "page_bytes", "page_index", "page_rows", "page_version", "row_group_bytes",
    "row_group_rows", "sorted_by", "statistics",
  ]

  /// Settings of the whole file; false when `option` is none of them.
  private mutating func setForFile(_ option: Option) throws(CError) -> Bool {
    let sizes = 1...Int(Int32.max)
    switch option.key {
    case "overwrite": overwrite = try option.boolean()
    case "arrow_schema": parquet.arrowSchema = try option.boolean()
    case "checksums": parquet.checksums = try option.boolean()
    case "page_index": parquet.pageIndex = try option.boolean()
    case "dictionary_bytes": parquet.dictionaryBytesMax = try option.integer(sizes)
    case "page_bytes": parquet.pageBytesMax = try option.integer(sizes)
    case "page_rows": parquet.pageRowsMax = try option.integer(sizes)
    case "row_group_bytes": parquet.rowGroupBytesMax = try option.integer(1...1 << 40)
    case "row_group_rows": parquet.rowGroupRowsMax = try option.integer(sizes)
    case "page_version": parquet.pageVersion = try option.choice(["1": .v1, "2": .v2])
    case "encodings": parquet.encodings = try option.choice(["all": .all, "widest": .widest])
    case "sorted_by":
      parquet.sorting.append(try sorting(option))
      return true
    case "metadata":
      guard let key = option.column else {
        throw .invalidArgument("option \"metadata\" needs a key (in the option's column)")
      }
      parquet.metadata.entries.append(Metadata.Entry(key: key, value: option.value))
      return true
    default: return false
    }
    try option.forAllColumns()
    return true
  }

  /// Settings of one column, or of all; false when `option` is none of them.
  private mutating func setForColumn(_ option: Option) throws(CError) -> Bool {
    var column = option.column.map { parquet.columns[$0] ?? ParquetWriteOptions.Column() }
    switch option.key {
    case "compression":
      let codec = try codec(option)
      if column == nil { parquet.codec = codec } else { column!.codec = codec }
    case "compression_level":
      let level = try option.integer(-(1 << 17)...22)
      if column == nil { parquet.level = level } else { column!.level = level }
    case "dictionary":
      let value = try option.boolean()
      if column == nil { parquet.dictionary = value } else { column!.dictionary = value }
    case "statistics":
      let value = try option.boolean()
      if column == nil { parquet.statistics = value } else { column!.statistics = value }
    case "encoding":
      guard column != nil else { throw needsColumn(option) }
      column!.encoding = try option.choice([
        "plain": .plain, "rle": .rle, "rle_dictionary": .rleDictionary,
        "delta_binary_packed": .deltaBinaryPacked,
        "delta_length_byte_array": .deltaLengthByteArray, "delta_byte_array": .deltaByteArray,
        "byte_stream_split": .byteStreamSplit,
      ])
    case "bloom_filter":
      guard column != nil else { throw needsColumn(option) }
      let wanted = try option.boolean()
      column!.bloomFilter = wanted ? column!.bloomFilter ?? .init() : nil
    case "bloom_filter_rate":
      guard column != nil else { throw needsColumn(option) }
      var filter = column!.bloomFilter ?? .init()
      filter.falsePositiveRate = try option.double(1e-6...0.5)
      column!.bloomFilter = filter
    default: return false
    }
    if let name = option.column { parquet.columns[name] = column }
    return true
  }

  private func needsColumn(_ option: Option) -> CError {
    .invalidArgument("option \"\(option.key)\" is set for one column at a time; name the column")
  }

  private func codec(_ option: Option) throws(CError) -> Codec {
    try option.choice([
      "none": .none, "uncompressed": .none, "snappy": .snappy, "gzip": .gzip, "zstd": .zstd,
      "lz4": .lz4Raw, "lz4_raw": .lz4Raw, "brotli": .brotli,
    ])
  }

  private func sorting(_ option: Option) throws(CError) -> ParquetWriteOptions.Sorting {
    guard let column = option.column else { throw needsColumn(option) }
    let (descending, nullsFirst) = try option.choice([
      "true": (false, false), "ascending": (false, false), "descending": (true, false),
      "ascending_nulls_first": (false, true), "descending_nulls_first": (true, true),
    ])
    return .init(column, descending: descending, nullsFirst: nullsFirst)
  }

  private func checkLevel(_ level: Int?, _ codec: Codec, column: String?) throws(CError) {
    guard let level else { return }
    let place = column.map { " of column \"\($0)\"" } ?? ""
    guard let levels = codec.levels else {
      throw .invalidArgument("compression \(codec)\(place) has no levels; leave the level out")
    }
    guard levels.contains(level) else {
      throw .invalidArgument(
        "the level of compression \(codec)\(place) is \(level); it must be from "
          + "\(levels.lowerBound) to \(levels.upperBound)")
    }
  }
}
