// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirCompression

/// How a Parquet file is written. The defaults suit tables that are read often.
public struct ParquetWriteOptions: Sendable {
  /// Which encodings the writer may choose by itself.
  public enum EncodingSet: Sendable {
    /// Everything that pyarrow, DuckDB and Polars read: also the delta encodings and
    /// BYTE_STREAM_SPLIT, of integers too.
    case all
    /// PLAIN and dictionary only, for readers that know no more (older Spark and Trino).
    case widest
  }

  /// Which form data pages take; readers before about 2020 know only the first.
  public enum PageVersion: Int32, Sendable {
    case v1 = 1
    case v2 = 2
  }

  /// An order that the rows have, as the caller promises; recorded, not checked.
  public struct Sorting: Hashable, Sendable {
    /// Path of a leaf column, with dots between the levels.
    public var column: String
    public var descending: Bool
    public var nullsFirst: Bool
    public init(_ column: String, descending: Bool = false, nullsFirst: Bool = false) {
      self.column = column
      self.descending = descending
      self.nullsFirst = nullsFirst
    }
  }

  /// What a column's bloom filter is sized for.
  public struct BloomFilter: Hashable, Sendable {
    /// Distinct values to expect in a row group; counted when the column has a dictionary, and
    /// otherwise taken to be all of them, when `nil`.
    public var distinctCount: Int?
    /// Share of absent values that the filter lets pass, 0 to 1.
    public var falsePositiveRate: Double
    /// Largest filter of a row group in bytes.
    public var byteCountMax: Int
    public init(
      distinctCount: Int? = nil, falsePositiveRate: Double = 0.01, byteCountMax: Int = 1 << 20
    ) {
      self.distinctCount = distinctCount
      self.falsePositiveRate = falsePositiveRate
      self.byteCountMax = byteCountMax
    }
  }

  /// What differs for one column; `nil` means: as for the file, or the writer's choice.
  public struct Column: Sendable {
    /// Used for all data pages; no dictionary then, unless it names one of the dictionary forms.
    public var encoding: Encoding?
    public var codec: Codec?
    public var level: Int?
    public var dictionary: Bool?
    public var statistics: Bool?
    public var bloomFilter: BloomFilter?
    public init(
      encoding: Encoding? = nil, codec: Codec? = nil, level: Int? = nil, dictionary: Bool? = nil,
      statistics: Bool? = nil, bloomFilter: BloomFilter? = nil
    ) {
      self.encoding = encoding
      self.codec = codec
      self.level = level
      self.dictionary = dictionary
      self.statistics = statistics
      self.bloomFilter = bloomFilter
    }
  }

  public var codec: Codec = .zstd
  /// Of the codec; 1 for zstd and the codec's own default otherwise when `nil`.
  public var level: Int?
  public var encodings: EncodingSet = .all
  public var dictionary = true
  /// Largest dictionary page; a column with more distinct values gets another encoding.
  public var dictionaryBytesMax = 1 << 20
  /// Buffered Arrow bytes that make a row group. The writer holds about this much memory, and one
  /// encoded column.
  public var rowGroupBytesMax = 128 << 20
  public var rowGroupRowsMax = 1 << 20
  /// Uncompressed bytes of a data page, roughly; a single row is never divided.
  public var pageBytesMax = 1 << 20
  public var pageRowsMax = 20_000
  public var pageVersion: PageVersion = .v2
  /// A CRC-32 in every page header.
  public var checksums = true
  /// Bounds and null counts of column chunks.
  public var statistics = true
  /// Bounds and places of pages at the end of the file.
  public var pageIndex = true
  /// Bounds of byte arrays are cut to this many bytes.
  public var boundsBytesMax = 64
  public var sorting: [Sorting] = []
  /// Written into the footer after the schema's own metadata.
  public var metadata = Metadata()
  /// The Arrow schema in the footer, from which Arrow readers restore types that Parquet lacks.
  public var arrowSchema = true
  /// By path of the leaf column, with dots between the levels as in the Parquet schema
  /// (`tags.list.element`), or by the name of a top-level column for all leaves below it.
  public var columns: [String: Column] = [:]
  /// Named in errors.
  public var fileName: String?

  public init() {}

  /// The settings of the leaf at `path`.
  func column(_ path: [String]) -> Column {
    columns[path.joined(separator: ".")] ?? columns[path[0]] ?? Column()
  }
}

extension Codec {
  /// Parquet's number for it, for codecs that may be written.
  var parquetCodec: CompressionCodec? {
    switch self {
    case .none: .uncompressed
    case .snappy: .snappy
    case .gzip: .gzip
    case .zstd: .zstd
    case .lz4Raw: .lz4Raw
    case .brotli: .brotli
    default: nil
    }
  }
}
