// SPDX-License-Identifier: Apache-2.0
internal import WeirColumnar
internal import WeirParquet

/// A Parquet footer as JSON, for callers that have no Parquet structures (see weir.h).
func metadataJSON(_ reader: ParquetReader) -> String {
  let metadata = reader.metadata
  let infos = reader.columnInfos
  var json = JSONWriter()
  json.object { json in
    json.pair("version", Int(metadata.version))
    json.pair("created_by", metadata.createdBy)
    json.pair("row_count", metadata.rowCount)
    json.key("schema")
    json.array(reader.schema.fields) { json, field in
      json.object { json in
        json.pair("name", field.name)
        json.pair("type", field.type.description)
        json.pair("nullable", field.nullable)
        json.pair("field_id", field.id.map(Int.init))
      }
    }
    json.key("row_groups")
    json.array(metadata.rowGroups) { json, group in appendRowGroup(group, infos, to: &json) }
    json.key("key_value_metadata")
    json.array(metadata.keyValues) { json, entry in
      json.object { json in
        json.pair("key", entry.key)
        json.pair("value", entry.value)
      }
    }
  }
  return json.finishText()
}

private func appendRowGroup(
  _ group: RowGroupMetaData, _ infos: [ColumnInfo], to json: inout JSONWriter
) {
  json.object { json in
    json.pair("row_count", group.rowCount)
    json.pair("uncompressed_bytes", group.totalByteSize)
    json.pair("compressed_bytes", group.totalCompressedSize)
    json.key("sorting_columns")
    json.array(group.sortingColumns) { json, column in
      json.object { json in
        json.pair("column_index", Int(column.columnIndex))
        json.pair("descending", column.descending)
        json.pair("nulls_first", column.nullsFirst)
      }
    }
    json.key("columns")
    json.array(zip(group.columns, infos)) { json, column in
      appendChunk(column.0, column.1, to: &json)
    }
  }
}

private func appendChunk(_ chunk: ColumnChunk, _ info: ColumnInfo, to json: inout JSONWriter) {
  let column = chunk.metaData
  json.object { json in
    json.pair("path", column.path.joined(separator: "."))
    json.pair("physical_type", column.type.description)
    json.pair("codec", column.codec.description)
    json.key("encodings")
    json.array(column.encodings) { json, encoding in json.write(encoding.description) }
    json.pair("value_count", column.valueCount)
    json.pair("uncompressed_bytes", column.totalUncompressedSize)
    json.pair("compressed_bytes", column.totalCompressedSize)
    json.pair("null_count", column.statistics?.nullCount)
    json.pair("distinct_count", column.statistics?.distinctCount)
    json.key("min")
    json.write(column.statistics?.min.flatMap { info.value(ofStatistic: $0) }, as: info.type)
    json.key("max")
    json.write(column.statistics?.max.flatMap { info.value(ofStatistic: $0) }, as: info.type)
    json.pair("has_dictionary", column.dictionaryPageOffset != nil)
    json.pair("has_bloom_filter", column.bloomFilterOffset != nil)
    json.pair("has_page_index", chunk.offsetIndexOffset != nil)
  }
}
