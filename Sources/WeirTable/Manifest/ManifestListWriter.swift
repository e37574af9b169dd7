// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Writes the manifest list of a snapshot. One thread at a time.
///
/// Manifests without a sequence number get that of the commit; in v3, data manifests without a first
/// row id get one. Source: Iceberg table specification, "Manifest Lists" and "First Row ID
/// Assignment".
public final class ManifestListWriter {
  public let formatVersion: Int
  private let snapshotID: Int64
  private let sequenceNumber: Int64
  private let file: AvroFileWriter
  private let scratch = AvroEncoder()
  /// The first row id behind the manifests written so far: the table's `next-row-id` after the
  /// commit. `nil` before v3.
  public private(set) var nextRowID: Int64?

  /// - Parameters:
  ///   - formatVersion: 2 or 3.
  ///   - firstRowID: the table's `next-row-id`; required in v3.
  public init(
    formatVersion: Int, snapshotID: Int64, parentSnapshotID: Int64?, sequenceNumber: Int64,
    firstRowID: Int64? = nil, codec: AvroCodec = .deflate, level: Int? = nil
  ) throws(TableError) {
    try ManifestFields.checkVersion(formatVersion)
    guard formatVersion < 3 || firstRowID != nil else {
      throw TableError(
        .invalidArgument, "a manifest list of format version 3 needs the table's next row id")
    }
    self.formatVersion = formatVersion
    self.snapshotID = snapshotID
    self.sequenceNumber = sequenceNumber
    nextRowID = formatVersion >= 3 ? firstRowID : nil
    var metadata = [
      ("snapshot-id", String(snapshotID)),
      ("parent-snapshot-id", parentSnapshotID.map { String($0) } ?? "null"),
      ("sequence-number", String(sequenceNumber)),
    ]
    if let nextRowID { metadata.append(("first-row-id", String(nextRowID))) }
    metadata.append(("format-version", String(formatVersion)))
    file = AvroFileWriter(
      schema: AvroSchemaText.record(
        "manifest_file", ManifestFields.manifestFile(formatVersion: formatVersion)),
      metadata: metadata, codec: codec, level: level)
  }

  /// Adds a manifest and returns it as it was written, with what the commit assigns.
  ///
  /// - Throws: `invalidArgument` for a manifest of another snapshot without a sequence number, and in
  ///   v3 for one whose row counts are not known.
  @discardableResult
  public func append(_ manifest: ManifestFile) throws(TableError) -> ManifestFile {
    var manifest = manifest
    let unassigned = ManifestFile.unassignedSequenceNumber
    if manifest.sequenceNumber == unassigned || manifest.minSequenceNumber == unassigned {
      guard manifest.addedSnapshotID == snapshotID else {
        throw TableError(
          .invalidArgument,
          "a manifest of snapshot \(manifest.addedSnapshotID) has no sequence number",
          file: manifest.path)
      }
      if manifest.sequenceNumber == unassigned { manifest.sequenceNumber = sequenceNumber }
      if manifest.minSequenceNumber == unassigned { manifest.minSequenceNumber = sequenceNumber }
    }
    try assignFirstRowID(&manifest)
    write(manifest)
    try file.endRecord()
    return manifest
  }

  private func assignFirstRowID(_ manifest: inout ManifestFile) throws(TableError) {
    guard manifest.content == .data, let next = nextRowID else {
      manifest.firstRowID = nil
      return
    }
    if manifest.firstRowID != nil { return }
    guard let added = manifest.addedRowsCount, let existing = manifest.existingRowsCount else {
      throw TableError(
        .invalidArgument, "a manifest without row counts cannot get row ids; rewrite it",
        file: manifest.path)
    }
    manifest.firstRowID = next
    let (sum, overflow) = next.addingReportingOverflow(Int64(added))
    let (after, overflowAgain) = sum.addingReportingOverflow(Int64(existing))
    guard !overflow && !overflowAgain else {
      throw TableError(.limit, "the table has no row ids left", file: manifest.path)
    }
    nextRowID = after
  }

  private func write(_ manifest: ManifestFile) {
    let encoder = file.encoder
    encoder.string(manifest.path)
    encoder.long(manifest.length)
    encoder.long(manifest.partitionSpecID)
    encoder.int(manifest.content.rawValue)
    encoder.long(manifest.sequenceNumber)
    encoder.long(manifest.minSequenceNumber)
    encoder.long(manifest.addedSnapshotID)
    // A count that a v1 writer left out is required now: say that there are some.
    encoder.long(manifest.addedFilesCount ?? 1)
    encoder.long(manifest.existingFilesCount ?? 1)
    encoder.long(manifest.deletedFilesCount ?? 1)
    encoder.long(manifest.addedRowsCount ?? 1)
    encoder.long(manifest.existingRowsCount ?? 1)
    encoder.long(manifest.deletedRowsCount ?? 1)
    encoder.optional(manifest.partitions) { summaries in
      encoder.block(summaries.count, scratch) { items in
        for summary in summaries {
          items.boolean(summary.containsNull)
          items.optional(summary.containsNaN) { items.boolean($0) }
          items.optional(summary.lowerBound) { items.bytes($0) }
          items.optional(summary.upperBound) { items.bytes($0) }
        }
      }
    }
    encoder.optional(manifest.keyMetadata) { encoder.bytes($0) }
    if formatVersion >= 3 { encoder.optional(manifest.firstRowID) { encoder.long($0) } }
  }

  /// The file.
  public func finish() throws(TableError) -> Buffer { try file.finish() }
}
