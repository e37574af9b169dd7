// SPDX-License-Identifier: Apache-2.0

/// How a field's id travels in Arrow metadata: under the key that other Arrow implementations use for
/// Parquet's field ids.
enum FieldMetadata {
  static let idKey = "PARQUET:field_id"

  /// The metadata to send for `field`: its own, with the id if it has one.
  static func outgoing(_ field: Field) -> Metadata {
    guard let id = field.id else { return field.metadata }
    var metadata = field.metadata
    metadata[idKey] = String(id)
    return metadata
  }

  /// Splits received metadata into the id and the rest. A text that is no number stays metadata.
  static func incoming(_ metadata: Metadata) -> (id: Int32?, rest: Metadata) {
    guard let text = metadata[idKey], let id = Int32(text) else { return (nil, metadata) }
    var rest = metadata
    rest[idKey] = nil
    return (id, rest)
  }
}
