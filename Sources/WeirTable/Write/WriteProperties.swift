// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCompression
internal import WeirFile
internal import WeirParquet

/// What a table's properties say about writing data files; those that are not there have the
/// defaults of the Java implementation. Source: Iceberg documentation, "Configuration", "Write
/// properties".
struct WriteProperties: Sendable {
  /// Of data files: Parquet or Weir.
  var format: FileFormat
  var targetFileBytes: Int
  var rowGroupBytes: Int
  var parquet: ParquetWriteOptions
  var weir: WeirFileWriteOptions
  /// Columns by whose values rows of Weir files are looked up.
  var keyFieldIDs: Set<Int32>
  /// Columns of Weir files, those first that lie first.
  var layout: ColumnLayout
  var metrics: MetricsModes

  /// A property of Weir's own: `all` (the default) uses the delta and byte-stream-split encodings,
  /// too; `widest` only those that readers of every age know.
  static let encodings = "write.parquet.encodings"

  /// - Throws: `invalidArgument` for a value that cannot be used, `unsupported` for a format that
  ///   is not written.
  init(_ properties: StringMap, schema: TableSchema, sortOrder: SortOrder) throws(TableError) {
    format = try Self.format(properties)
    weir = WeirFileWriteOptions()
    if let text = properties[DataFormat.profileProperty] {
      guard let profile = WeirFileWriteOptions.Profile(rawValue: text.lowercased()) else {
        throw Self.invalid(
          DataFormat.profileProperty, text, DataFormat.profiles.joined(separator: " or "))
      }
      weir.profile = profile
    }
    keyFieldIDs = try Self.keys(properties, schema)
    let layoutText = properties[ColumnLayout.property] ?? ""
    guard let layout = ColumnLayout(layoutText) else {
      throw Self.invalid(
        ColumnLayout.property, layoutText, "field ids and ranges of them, as 12,5,7-9")
    }
    self.layout = layout
    targetFileBytes = try Self.bytes(properties, "write.target-file-size-bytes", 512 << 20)
    rowGroupBytes = try Self.bytes(properties, "write.parquet.row-group-size-bytes", 128 << 20)
    metrics = try MetricsModes(properties, schema: schema, sortOrder: sortOrder)
    parquet = ParquetWriteOptions()
    parquet.arrowSchema = false
    parquet.codec = try Self.codec(properties)
    let level = "write.parquet.compression-level"
    if let text = properties[level] {
      guard let value = Int(text) else { throw Self.invalid(level, text, "a whole number") }
      parquet.level = value
    }
    parquet.pageBytesMax = try Self.bytes(properties, "write.parquet.page-size-bytes", 1 << 20)
    parquet.pageRowsMax = try Self.bytes(properties, "write.parquet.page-row-limit", 20_000)
    parquet.dictionaryBytesMax = try Self.bytes(
      properties, "write.parquet.dict-size-bytes", 2 << 20)
    parquet.rowGroupRowsMax = try Self.bytes(
      properties, "write.parquet.row-group-limit", 1 << 20)
    parquet.boundsBytesMax = metrics.boundsBytesMax
    if let text = properties[Self.encodings] {
      guard text == "all" || text == "widest" else {
        throw Self.invalid(Self.encodings, text, "all or widest")
      }
      parquet.encodings = text == "all" ? .all : .widest
    }
    parquet.rowGroupBytesMax = max(64 << 10, min(rowGroupBytes, targetFileBytes))
    try addBloomFilters(properties, schema)
  }

  private static func format(_ properties: StringMap) throws(TableError) -> FileFormat {
    guard let text = properties[DataFormat.property] else { return .parquet }
    switch DataFormat(rawValue: text.lowercased()) {
    case .parquet?: return .parquet
    case .weir?: return .weir
    case nil:
      throw TableError(
        .unsupported,
        "the table asks for \(text) files, and only parquet and weir are written; set the property "
          + "\(DataFormat.property) to one of them")
    }
  }

  /// The columns that the property names, else the table's identifier fields as far as they can be
  /// keys.
  private static func keys(
    _ properties: StringMap, _ schema: TableSchema
  ) throws(TableError) -> Set<Int32> {
    guard let text = properties[DataFormat.keysProperty] else {
      return Set(
        schema.fields.filter {
          schema.identifierFieldIDs.contains($0.id)
            && WeirFileWriteOptions.canBeKey($0.type.arrowType)
        }.map(\.id))
    }
    var result: Set<Int32> = []
    for name in text.split(separator: ",") {
      let name = name.drop { $0 == " " }
      // A column may have been dropped or renamed since.
      guard let field = schema.fields.first(where: { $0.name == name }) else { continue }
      guard WeirFileWriteOptions.canBeKey(field.type.arrowType) else {
        throw invalid(
          DataFormat.keysProperty, text,
          "names of columns of whole numbers, decimals, dates, times or byte strings with commas "
            + "between, or none")
      }
      result.insert(field.id)
    }
    return result
  }

  /// With bounds of what files of these columns keep in memory until they end.
  func within(bufferedBytesMax: Int, _ fields: [TableField]) -> WriteProperties {
    var result = self
    let lists = fields.count { if case .list = $0.type { true } else { false } }
    result.weir.bufferBytesMax = min(weir.bufferBytesMax, max(bufferedBytesMax, 1 << 20))
    result.weir.windowBytesMax = min(
      weir.windowBytesMax, max(bufferedBytesMax / max(lists, 1), 1 << 20))
    result.weir.keyIndexBytesMax = min(
      weir.keyIndexBytesMax, max(bufferedBytesMax / max(keyFieldIDs.count, 1), 1 << 20))
    return result
  }

  private mutating func addBloomFilters(
    _ properties: StringMap, _ schema: TableSchema
  ) throws(TableError) {
    let enabled = "write.parquet.bloom-filter-enabled.column."
    let bytesMax = try Self.bytes(properties, "write.parquet.bloom-filter-max-bytes", 1 << 20)
    for (name, value) in properties where name.hasPrefix(enabled) && value.lowercased() == "true" {
      let path = String(name.dropFirst(enabled.utf8.count))
      guard let field = schema.field(path: path), field.type.isPrimitive,
        schema.parentID(ofFieldID: field.id) == nil
      else { continue }
      var filter = ParquetWriteOptions.BloomFilter(byteCountMax: bytesMax)
      let rate = "write.parquet.bloom-filter-fpp.column." + path
      if let text = properties[rate] {
        guard let value = Double(text), value > 0, value < 1 else {
          throw Self.invalid(rate, text, "a number between 0 and 1")
        }
        filter.falsePositiveRate = value
      }
      parquet.columns[field.name] = .init(bloomFilter: filter)
    }
  }

  private static func bytes(
    _ properties: StringMap, _ name: String, _ fallback: Int
  ) throws(TableError) -> Int {
    guard let text = properties[name] else { return fallback }
    guard let value = Int(text), value > 0 else { throw invalid(name, text, "a positive number") }
    return value
  }

  private static func codec(_ properties: StringMap) throws(TableError) -> Codec {
    let name = "write.parquet.compression-codec"
    switch properties[name]?.lowercased() {
    case nil, "zstd": return .zstd
    case "snappy": return .snappy
    case "gzip": return .gzip
    case "lz4", "lz4_raw": return .lz4Raw
    case "brotli": return .brotli
    case "uncompressed", "none": return .none
    case let text?:
      throw invalid(name, text, "zstd, snappy, gzip, lz4, brotli or uncompressed")
    }
  }

  private static func invalid(_ name: String, _ text: String, _ wanted: String) -> TableError {
    TableError(.invalidArgument, "the property \(name) is \"\(text)\", it must be \(wanted)")
  }
}

/// Which metrics of each column go into manifests (`write.metadata.metrics.*`).
struct MetricsModes: Sendable {
  enum Mode: Hashable, Sendable {
    case none, counts
    /// Bounds are cut to so many characters or bytes.
    case truncate(Int)
    case full
  }

  private let byField: [Int32: Mode]

  private static let prefix = "write.metadata.metrics."

  init(_ properties: StringMap, schema: TableSchema, sortOrder: SortOrder) throws(TableError) {
    var standard = Mode.truncate(16)
    let isInferred = properties[Self.prefix + "default"] == nil
    if let text = properties[Self.prefix + "default"] {
      standard = try Self.mode(text, Self.prefix + "default")
    }
    let countName = Self.prefix + "max-inferred-column-defaults"
    let inferredMax = properties[countName].flatMap { Int($0) } ?? 100
    let sorted = Set(sortOrder.fields.flatMap(\.sourceIDs))
    var modes: [Int32: Mode] = [:]
    for (position, id) in schema.allFieldIDs.enumerated() {
      // Of very wide tables only the first columns have metrics, unless somebody says otherwise.
      var mode = isInferred && position >= inferredMax ? Mode.none : standard
      if sorted.contains(id), mode == .none || mode == .counts { mode = .truncate(16) }
      if let path = schema.path(ofFieldID: id),
        let text = properties[Self.prefix + "column." + path]
      {
        mode = try Self.mode(text, Self.prefix + "column." + path)
      }
      modes[id] = mode
    }
    byField = modes
  }

  /// One mode for a few fields.
  init(_ mode: Mode, of fieldIDs: [Int32]) {
    byField = Dictionary(uniqueKeysWithValues: fieldIDs.map { ($0, mode) })
  }

  func mode(of fieldID: Int32) -> Mode { byField[fieldID] ?? .none }

  /// Bytes that a Parquet file's own bounds need, so that the table's can be made of them.
  var boundsBytesMax: Int {
    var bytes = 64
    for mode in byField.values {
      switch mode {
      case .full: return 1 << 30
      // A character takes 4 bytes at most.
      case .truncate(let length): bytes = max(bytes, min(length, 1 << 28) * 4)
      default: break
      }
    }
    return bytes
  }

  private static func mode(_ text: String, _ name: String) throws(TableError) -> Mode {
    switch text.lowercased() {
    case "none": return .none
    case "counts": return .counts
    case "full": return .full
    case let text:
      if text.hasPrefix("truncate("), text.hasSuffix(")"),
        let length = Int(text.dropFirst(9).dropLast()), length > 0
      {
        return .truncate(length)
      }
      throw TableError(
        .invalidArgument,
        "the property \(name) is \"\(text)\", it must be none, counts, truncate(n) or full")
    }
  }
}
