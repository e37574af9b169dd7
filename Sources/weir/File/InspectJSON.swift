// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirParquet

/// What `weir file inspect --json` prints. The keys are documented in docs/cli.md: new ones may come,
/// none goes or changes its meaning.
struct InspectJSON {
  private let reader: ParquetReader
  private let summary: FileSummary
  private let pages: Bool

  init(_ reader: ParquetReader, _ summary: FileSummary, pages: Bool) {
    self.reader = reader
    self.summary = summary
    self.pages = pages
  }

  func value() throws -> JSONValue {
    let metadata = reader.metadata
    let keyValues = metadata.keyValues.map {
      JSONValue.object([("key", .string($0.key)), ("value", .optional($0.value))])
    }
    return .object([
      ("file", .string(reader.name)), ("format", .string("parquet")),
      ("bytes", .int(summary.byteCount)), ("rows", .int(reader.rowCount)),
      ("format_version", .int(Int(metadata.version))),
      ("created_by", .optional(metadata.createdBy)), ("metadata", .array(keyValues)),
      ("schema", .array(reader.schema.fields.map(field))),
      ("columns", .array(summary.columns.map(column))),
      ("row_groups", .array(try metadata.rowGroups.indices.map(rowGroup))),
    ])
  }

  private func field(_ field: Field) -> JSONValue {
    .object([
      ("name", .string(field.name)), ("type", .string(field.type.description)),
      ("nullable", .bool(field.nullable)), ("field_id", .optional(field.id.map(Int.init))),
    ])
  }

  private func column(_ column: FileSummary.Column) -> JSONValue {
    let bounds = column.bounds
    return .object([
      ("path", .string(column.info.path)), ("type", .string(column.info.type.description)),
      ("physical_type", .string(column.info.physicalType.description)),
      ("codecs", .array(column.codecs.map { .string($0.description) })),
      ("encodings", .array(column.encodings.map { .string($0.description) })),
      ("values", .int(column.values)), ("nulls", .optional(column.nulls)),
      ("min", bound(bounds?.low, column.info)), ("max", bound(bounds?.high, column.info)),
      ("compressed_bytes", .int(column.compressedBytes)),
      ("uncompressed_bytes", .int(column.uncompressedBytes)),
      ("page_index", .bool(column.hasPageIndex)), ("bloom_filter", .bool(column.hasBloomFilter)),
    ])
  }

  private func bound(_ value: Scalar?, _ info: ColumnInfo) -> JSONValue {
    value?.jsonValue(as: info.type) ?? .null
  }

  private func rowGroup(_ index: Int) throws -> JSONValue {
    let group = reader.metadata.rowGroups[index]
    let all = reader.columnInfos
    let sorting: [JSONValue] = group.sortingColumns.compactMap { sorting in
      let position = Int(sorting.columnIndex)
      guard all.indices.contains(position) else { return nil }
      return .object([
        ("path", .string(all[position].path)), ("descending", .bool(sorting.descending)),
        ("nulls_first", .bool(sorting.nullsFirst)),
      ])
    }
    let compressed = group.columns.reduce(0) { $0 + $1.metaData.totalCompressedSize }
    let uncompressed = group.columns.reduce(0) { $0 + $1.metaData.totalUncompressedSize }
    return .object([
      ("index", .int(index)), ("rows", .int(group.rowCount)),
      ("compressed_bytes", .int(compressed)), ("uncompressed_bytes", .int(uncompressed)),
      ("sorting", .array(sorting)),
      ("columns", .array(try summary.columns.map { try chunk(group, index, $0.info) })),
    ])
  }

  private func chunk(_ group: RowGroupMetaData, _ index: Int, _ info: ColumnInfo) throws
    -> JSONValue
  {
    let data = group.columns[info.index].metaData
    let statistics = data.statistics
    var members: [(String, JSONValue)] = [
      ("path", .string(info.path)), ("codec", .string(data.codec.description)),
      ("encodings", .array(data.encodings.map { .string($0.description) })),
      ("values", .int(data.valueCount)), ("nulls", .optional(statistics?.nullCount)),
      ("min", bound(statistics?.min.flatMap(info.value(ofStatistic:)), info)),
      ("max", bound(statistics?.max.flatMap(info.value(ofStatistic:)), info)),
      ("compressed_bytes", .int(data.totalCompressedSize)),
      ("uncompressed_bytes", .int(data.totalUncompressedSize)),
      ("dictionary_page_offset", .optional(data.dictionaryPageOffset)),
      ("data_page_offset", .int(data.dataPageOffset)),
    ]
    if pages {
      var list: [JSONValue] = []
      let walk = try reader.pages(rowGroup: index, column: info)
      while let page = try walk.next() { list.append(self.page(page)) }
      members.append(("pages", .array(list)))
    }
    return .object(members)
  }

  private func page(_ page: PageInfo) -> JSONValue {
    .object([
      ("kind", .string(page.kind)), ("index", .optional(page.index)),
      ("encoding", .optional(page.encoding?.description)), ("values", .int(page.valueCount)),
      ("offset", .int(page.position)), ("header_bytes", .int(page.headerByteCount)),
      ("compressed_bytes", .int(page.header.compressedByteCount)),
      ("uncompressed_bytes", .int(page.header.uncompressedByteCount)),
      ("checksum", .bool(page.header.crc != nil)),
    ])
  }
}
