// SPDX-License-Identifier: Apache-2.0

/// The fields of manifests and manifest lists. Names and numbers are those of the Iceberg table
/// specification, "Manifests" and "Manifest Lists".
enum ManifestFields {
  private static func counts(_ id: Int32, _ name: String, _ key: Int32) -> TableField {
    TableField(
      id, name,
      .map(MapType(keyID: key, key: .int, valueID: key + 1, value: .long, valueRequired: true)))
  }

  private static func bounds(_ id: Int32, _ name: String) -> TableField {
    TableField(
      id, name,
      .map(
        MapType(keyID: id + 1, key: .int, valueID: id + 2, value: .binary, valueRequired: true)))
  }

  /// The fields of `data_file` in format version 2 or 3.
  static func dataFile(partition: StructType, formatVersion: Int) -> [TableField] {
    var fields = [
      TableField(134, "content", .int, required: true),
      TableField(100, "file_path", .string, required: true),
      TableField(101, "file_format", .string, required: true),
      TableField(102, "partition", .struct(partition), required: true),
      TableField(103, "record_count", .long, required: true),
      TableField(104, "file_size_in_bytes", .long, required: true),
      counts(108, "column_sizes", 117),
      counts(109, "value_counts", 119),
      counts(110, "null_value_counts", 121),
      counts(137, "nan_value_counts", 138),
      bounds(125, "lower_bounds"),
      bounds(128, "upper_bounds"),
      TableField(131, "key_metadata", .binary),
      TableField(
        132, "split_offsets",
        .list(ListType(elementID: 133, element: .long, elementRequired: true))),
      TableField(
        135, "equality_ids", .list(ListType(elementID: 136, element: .int, elementRequired: true))),
      TableField(140, "sort_order_id", .int),
    ]
    if formatVersion >= 3 { fields.append(TableField(142, "first_row_id", .long)) }
    fields.append(TableField(143, "referenced_data_file", .string))
    if formatVersion >= 3 {
      fields.append(TableField(144, "content_offset", .long))
      fields.append(TableField(145, "content_size_in_bytes", .long))
    }
    return fields
  }

  /// The fields of `manifest_entry`.
  static func entry(partition: StructType, formatVersion: Int) -> [TableField] {
    [
      TableField(0, "status", .int, required: true),
      TableField(1, "snapshot_id", .long),
      TableField(3, "sequence_number", .long),
      TableField(4, "file_sequence_number", .long),
      TableField(
        2, "data_file",
        .struct(StructType(dataFile(partition: partition, formatVersion: formatVersion))),
        required: true),
    ]
  }

  /// The fields of `manifest_file`, the entries of manifest lists.
  static func manifestFile(formatVersion: Int) -> [TableField] {
    let summary = StructType([
      TableField(509, "contains_null", .boolean, required: true),
      TableField(518, "contains_nan", .boolean),
      TableField(510, "lower_bound", .binary),
      TableField(511, "upper_bound", .binary),
    ])
    var fields = [
      TableField(500, "manifest_path", .string, required: true),
      TableField(501, "manifest_length", .long, required: true),
      TableField(502, "partition_spec_id", .int, required: true),
      TableField(517, "content", .int, required: true),
      TableField(515, "sequence_number", .long, required: true),
      TableField(516, "min_sequence_number", .long, required: true),
      TableField(503, "added_snapshot_id", .long, required: true),
      TableField(504, "added_files_count", .int, required: true),
      TableField(505, "existing_files_count", .int, required: true),
      TableField(506, "deleted_files_count", .int, required: true),
      TableField(512, "added_rows_count", .long, required: true),
      TableField(513, "existing_rows_count", .long, required: true),
      TableField(514, "deleted_rows_count", .long, required: true),
      TableField(
        507, "partitions",
        .list(ListType(elementID: 508, element: .struct(summary), elementRequired: true))),
      TableField(519, "key_metadata", .binary),
    ]
    if formatVersion >= 3 { fields.append(TableField(520, "first_row_id", .long)) }
    return fields
  }

  /// The versions that are written.
  static let versionsWritten = 2...3

  static func checkVersion(_ formatVersion: Int) throws(TableError) {
    guard versionsWritten.contains(formatVersion) else {
      throw TableError(
        .unsupported,
        "manifests of format version \(formatVersion) are not written; "
          + "upgrade the table to version 2 or 3")
    }
  }
}
