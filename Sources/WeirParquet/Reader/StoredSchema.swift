// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The Arrow schema that Arrow's writers store beside Parquet's own, and a file's key-value metadata.
enum StoredSchema {
  /// Columns and schema metadata with what the stored schema adds.
  static func apply(
    to columns: [SchemaNode], _ metadata: FileMetaData
  ) throws(ParquetError) -> ([SchemaNode], Metadata) {
    var entries: [Metadata.Entry] = []
    for pair in metadata.keyValues where pair.key != "ARROW:schema" {
      entries.append(Metadata.Entry(key: pair.key, value: pair.value ?? ""))
    }
    return (columns, Metadata(entries))
  }
}
