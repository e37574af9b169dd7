// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Writes one manifest of format version 2 or 3 in memory. One thread at a time.
///
/// Source: Iceberg table specification, "Manifests".
public final class ManifestWriter {
  public let formatVersion: Int
  public let content: ManifestFile.Content
  private let spec: PartitionSpec
  private let partitionTypes: [TableType]
  private let snapshotID: Int64
  private let file: AvroFileWriter
  private let scratch = AvroEncoder()
  private var summaries: [PartitionSummary]
  private var fileCounts = (added: 0, existing: 0, deleted: 0)
  private var rowCounts = (added: 0, existing: 0, deleted: 0)
  private var minSequenceNumber: Int64?

  /// - Parameters:
  ///   - schema: the table's schema whose columns `spec` names.
  ///   - formerSchemas: where the type of a column that was dropped since is looked up, last first;
  ///     needed to write entries of an old spec again.
  ///   - snapshotID: the snapshot that the manifest is added by.
  /// - Throws: `unsupported` for other versions, `invalidArgument` for a spec that is not the schema's.
  public init(
    formatVersion: Int, content: ManifestFile.Content, spec: PartitionSpec, schema: TableSchema,
    formerSchemas: [TableSchema] = [], snapshotID: Int64, codec: AvroCodec = .deflate,
    level: Int? = nil
  ) throws(TableError) {
    try ManifestFields.checkVersion(formatVersion)
    self.formatVersion = formatVersion
    self.content = content
    self.spec = spec
    self.snapshotID = snapshotID
    var partition = spec.partitionType(schema)
    for index in partition.fields.indices where partition.fields[index].type == .unknown {
      let types = formerSchemas.reversed().lazy.map { spec.partitionType($0).fields[index].type }
      partition.fields[index].type = types.first { $0 != .unknown } ?? .unknown
    }
    for field in partition.fields where field.type.isNested || field.type == .variant {
      throw TableError(
        .invalidArgument, "a partition value cannot be a \(field.type)", column: field.name)
    }
    partitionTypes = partition.fields.map(\.type)
    summaries = partitionTypes.map { PartitionSummary($0) }
    file = AvroFileWriter(
      schema: AvroSchemaText.record(
        "manifest_entry",
        ManifestFields.entry(partition: partition, formatVersion: formatVersion)),
      metadata: [
        ("schema", schema.json().text),
        ("schema-id", String(schema.schemaID)),
        ("partition-spec", JSONValue.array(spec.fields.map { $0.json() }).text),
        ("partition-spec-id", String(spec.specID)),
        ("format-version", String(formatVersion)),
        ("content", content == .data ? "data" : "deletes"),
      ], codec: codec, level: level)
  }

  /// Bytes so far, before the compression of the last block: to end a manifest in time.
  public var byteCount: Int { file.byteCount }

  /// Entries so far.
  public var entryCount: Int { fileCounts.added + fileCounts.existing + fileCounts.deleted }

  /// Adds a file of this snapshot. Without sequence number it gets that of the commit.
  public func add(_ dataFile: DataFile, sequenceNumber: Int64? = nil) throws(TableError) {
    try append(
      ManifestEntry(
        status: .added, snapshotID: snapshotID, sequenceNumber: sequenceNumber,
        dataFile: dataFile))
  }

  /// Keeps an entry of an older manifest, which was resolved when it was read.
  public func keep(_ entry: ManifestEntry) throws(TableError) {
    var entry = entry
    entry.status = .existing
    try append(entry)
  }

  /// Marks an entry of an older manifest as deleted by this snapshot.
  public func delete(_ entry: ManifestEntry) throws(TableError) {
    var entry = entry
    entry.status = .deleted
    entry.snapshotID = snapshotID
    try append(entry)
  }

  /// Adds an entry as it is; `nil` numbers are inherited by readers.
  ///
  /// - Throws: `invalidArgument` for a file of the other content, for partition values that do not fit
  ///   the spec, and for entries that are not new and have no sequence numbers.
  public func append(_ entry: ManifestEntry) throws(TableError) {
    try check(entry)
    let start = file.encoder.count
    do throws(TableError) {
      try write(entry)
    } catch {
      // What was written of the entry must not stay.
      file.encoder.truncate(to: start)
      throw error.adding(file: entry.dataFile.path)
    }
    try file.endRecord()
    count(entry)
    for (index, value) in entry.dataFile.partition.enumerated() { summaries[index].add(value) }
  }

  private func write(_ entry: ManifestEntry) throws(TableError) {
    let dataFile = entry.dataFile
    let encoder = file.encoder
    encoder.int(entry.status.rawValue)
    encoder.optional(entry.snapshotID) { encoder.long($0) }
    encoder.optional(entry.sequenceNumber) { encoder.long($0) }
    encoder.optional(entry.fileSequenceNumber) { encoder.long($0) }
    encoder.int(dataFile.content.rawValue)
    encoder.string(dataFile.path)
    encoder.string(dataFile.format.description)
    for (index, value) in dataFile.partition.enumerated() {
      do throws(TableError) {
        try encoder.partitionValue(value, partitionTypes[index])
      } catch {
        throw error.adding(column: spec.fields[index].name)
      }
    }
    encoder.long(dataFile.recordCount)
    encoder.long(dataFile.fileSizeInBytes)
    try write(dataFile.metrics)
    encoder.optional(dataFile.keyMetadata) { encoder.bytes($0) }
    encoder.optional(dataFile.splitOffsets) { offsets in
      encoder.block(offsets.count, scratch) { items in for offset in offsets { items.long(offset) }
      }
    }
    encoder.optional(dataFile.equalityIDs) { ids in
      encoder.block(ids.count, scratch) { items in for id in ids { items.int(id) } }
    }
    encoder.optional(dataFile.sortOrderID) { encoder.long($0) }
    if formatVersion >= 3 {
      let firstRowID = dataFile.content == .data ? dataFile.firstRowID : nil
      encoder.optional(firstRowID) { encoder.long($0) }
    }
    encoder.optional(dataFile.referencedDataFile) { encoder.string($0) }
    if formatVersion >= 3 {
      encoder.optional(dataFile.contentOffset) { encoder.long($0) }
      encoder.optional(dataFile.contentSizeInBytes) { encoder.long($0) }
    }
  }

  private func check(_ entry: ManifestEntry) throws(TableError) {
    let dataFile = entry.dataFile
    func fail(_ message: String) -> TableError {
      TableError(.invalidArgument, message, file: dataFile.path)
    }
    guard (dataFile.content == .data) == (content == .data) else {
      throw fail("a manifest of \(content) cannot hold a file of \(dataFile.content)")
    }
    guard dataFile.partition.count == partitionTypes.count else {
      throw fail(
        "\(dataFile.partition.count) partition values for the \(partitionTypes.count) fields of "
          + "partition spec \(spec.specID)")
    }
    guard entry.status == .added || entry.sequenceNumber != nil else {
      throw fail("an entry that is \(entry.status) must have its sequence number")
    }
    guard formatVersion >= 3 || !dataFile.isDeletionVector else {
      throw fail("deletion vectors need a table of format version 3")
    }
    guard dataFile.recordCount >= 0 && dataFile.fileSizeInBytes >= 0 else {
      throw fail("a count of rows or bytes is negative")
    }
  }

  private func count(_ entry: ManifestEntry) {
    let rows = entry.dataFile.recordCount
    switch entry.status {
    case .added:
      fileCounts.added += 1
      rowCounts.added += rows
    case .existing:
      fileCounts.existing += 1
      rowCounts.existing += rows
    case .deleted:
      fileCounts.deleted += 1
      rowCounts.deleted += rows
    }
    if entry.isLive, let number = entry.sequenceNumber {
      minSequenceNumber = min(minSequenceNumber ?? number, number)
    }
  }

  private func write(_ metrics: FileMetrics) throws(TableError) {
    let encoder = file.encoder
    switch metrics.storage {
    case .none: for _ in EncodedMetrics.Part.allCases { encoder.long(0 as Int) }
    case .encoded(let encoded):
      // As they were read, without decoding them.
      for part in EncodedMetrics.Part.allCases {
        let isThere: Void? = try encoded.withEncoded(part) {
          encoder.long(1 as Int)
          encoder.raw($0)
        }
        if isThere == nil { encoder.long(0 as Int) }
      }
    case .maps(let maps):
      write(maps.columnSizes)
      write(maps.valueCounts)
      write(maps.nullValueCounts)
      write(maps.nanValueCounts)
      write(maps.lowerBounds)
      write(maps.upperBounds)
    }
  }

  private func write(_ counts: [Int32: Int64]?) {
    file.encoder.optional(counts) { counts in
      file.encoder.block(counts.count, scratch) { items in
        for (id, value) in counts.sorted(by: { $0.key < $1.key }) {
          items.int(id)
          items.long(value)
        }
      }
    }
  }

  private func write(_ bounds: [Int32: [UInt8]]?) {
    file.encoder.optional(bounds) { bounds in
      file.encoder.block(bounds.count, scratch) { items in
        for (id, value) in bounds.sorted(by: { $0.key < $1.key }) {
          items.int(id)
          items.bytes(value)
        }
      }
    }
  }

  /// The file, and the entry for the manifest list, whose sequence number the commit assigns.
  ///
  /// - Parameter path: where the caller is going to store the file.
  public func finish(path: String) throws(TableError) -> (bytes: Buffer, manifest: ManifestFile) {
    let bytes = try file.finish()
    var fieldSummaries: [FieldSummary] = []
    for summary in summaries { fieldSummaries.append(try summary.finish()) }
    let manifest = ManifestFile(
      path: path, length: bytes.count, partitionSpecID: spec.specID, content: content,
      minSequenceNumber: minSequenceNumber ?? ManifestFile.unassignedSequenceNumber,
      addedSnapshotID: snapshotID, addedFilesCount: fileCounts.added,
      existingFilesCount: fileCounts.existing, deletedFilesCount: fileCounts.deleted,
      addedRowsCount: rowCounts.added, existingRowsCount: rowCounts.existing,
      deletedRowsCount: rowCounts.deleted, partitions: fieldSummaries)
    return (bytes, manifest)
  }
}

/// What a manifest's list entry says about one partition field.
private struct PartitionSummary {
  let type: TableType
  var containsNull = false
  var containsNaN = false
  var lower: Scalar?
  var upper: Scalar?

  init(_ type: TableType) { self.type = type }

  mutating func add(_ value: Scalar) {
    if value.isNull {
      containsNull = true
    } else if BoundOrder.isNaN(value) {
      containsNaN = true
    } else {
      if lower.map({ BoundOrder.precedes(value, $0) }) ?? true { lower = value }
      if upper.map({ BoundOrder.precedes($0, value) }) ?? true { upper = value }
    }
  }

  func finish() throws(TableError) -> FieldSummary {
    var summary = FieldSummary(containsNull: containsNull, containsNaN: containsNaN)
    if let lower { summary.lowerBound = try SingleValue.encode(lower, as: type) }
    if let upper { summary.upperBound = try SingleValue.encode(upper, as: type) }
    return summary
  }
}

extension AvroEncoder {
  /// A partition value as a union of null and its type.
  fileprivate func partitionValue(_ value: Scalar, _ type: TableType) throws(TableError) {
    if type == .unknown {
      // The Avro type is null: no bytes.
      guard value.isNull else { throw Self.wrongValue(value, type) }
      return
    }
    if value.isNull { return long(0 as Int) }
    long(1 as Int)
    switch (type, value) {
    case (.boolean, .bool(let value)): return boolean(value)
    case (.int, .int(let value)), (.date, .int(let value)):
      guard Int32(exactly: value) != nil else { break }
      return long(value)
    case (.long, .int(let value)), (.time, .int(let value)), (.timestamp, .int(let value)),
      (.timestamptz, .int(let value)), (.timestampNs, .int(let value)),
      (.timestamptzNs, .int(let value)):
      return long(value)
    case (.float, .float32(let value)): return float(value)
    case (.double, .float64(let value)): return double(value)
    case (.string, .string(let value)): return string(value)
    case (.binary, .binary(let value)): return bytes(value)
    case (.uuid, .binary(let value)) where value.count == 16: return raw(value)
    case (.fixed(let count), .binary(let value)) where value.count == count: return raw(value)
    case (.decimal(let precision, let wanted), .decimal(let value, let scale))
    where wanted == scale:
      let count = SingleValue.decimalByteCount(precision: precision)
      let minimal = SingleValue.bigEndianMinimal(value)
      guard minimal.count <= count else { break }
      return raw(SingleValue.bigEndian(value, byteCount: count))
    default: break
    }
    throw Self.wrongValue(value, type)
  }

  private static func wrongValue(_ value: Scalar, _ type: TableType) -> TableError {
    TableError(.invalidArgument, "the partition value \(value) is not of the type \(type)")
  }
}
