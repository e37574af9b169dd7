// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Reads the entries of a manifest one after the other, of format versions 1 to 3.
///
/// `next()` gives whole entries. For planning, `advance()` passes over an entry, which allocates
/// nothing, and the accessors read what a filter needs; `entry()` makes the whole of those that pass.
/// What entries inherit from the manifest list (snapshot id, sequence numbers, first row id) is filled
/// in. Damage throws with the file's name and the position. One thread at a time.
///
/// Source: Iceberg table specification, "Manifests", "Sequence Number Inheritance" and "First Row ID
/// Inheritance".
public final class ManifestReader {
  public let manifest: ManifestFile
  /// Of the file's own metadata; 1 when it does not say.
  public let formatVersion: Int
  /// The file's own metadata: `schema`, `partition-spec` and so on, as text.
  public var metadata: [String: String] {
    cursor.header.metadata.mapValues { String(decoding: $0, as: UTF8.self) }
  }

  private let cursor: EntryCursor
  private let spec: PartitionSpec?
  private let partitionTypes: [TableType]?
  /// Where the value of each partition field of the file goes.
  private let partitionTargets: [Int]
  private let partitionCount: Int
  private var currentStatus = ManifestEntry.Status.existing
  private var currentFirstRowID: Int64?
  private var nextRowID: Int64?

  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - manifest: its entry in the manifest list.
  ///   - spec: the spec with the manifest's id; partition values come in the order of its fields, by
  ///     their field ids. `nil`: in the order of the file.
  ///   - partitionType: `spec.partitionType(schema)`, to which values are promoted that were written
  ///     under a narrower type.
  public convenience init(
    _ bytes: Buffer, of manifest: ManifestFile, spec: PartitionSpec? = nil,
    partitionType: StructType? = nil
  ) throws(TableError) {
    try self.init(
      ManifestContent(try AvroFileReader(bytes, name: manifest.path)), of: manifest, spec: spec,
      partitionType: partitionType)
  }

  /// As above, of a manifest that is open or was decoded before.
  init(
    _ content: ManifestContent, of manifest: ManifestFile, spec: PartitionSpec?,
    partitionType: StructType?
  ) throws(TableError) {
    self.manifest = manifest
    self.spec = spec
    cursor = EntryCursor(content)
    formatVersion = content.header.text("format-version").flatMap { Int($0) } ?? 1
    guard formatVersion <= 3 else {
      throw TableError(
        .unsupported, "the manifest has format version \(formatVersion); versions 1 to 3 are read",
        file: manifest.path)
    }
    if let spec {
      partitionTargets = cursor.partitionFields.map { field in
        spec.fields.firstIndex { $0.fieldID == field.fieldID } ?? -1
      }
      partitionCount = spec.fields.count
    } else {
      partitionTargets = Array(cursor.partitionFields.indices)
      partitionCount = cursor.partitionFields.count
    }
    partitionTypes = partitionType.map { $0.fields.map(\.type) }
    nextRowID = manifest.content == .data ? manifest.firstRowID : nil
  }

  /// The next entry, with all that is known of it; `nil` at the end.
  ///
  /// - Parameter withMetrics: without, the entry has no metrics and keeps nothing of the file alive.
  public func next(withMetrics: Bool = true) throws(TableError) -> ManifestEntry? {
    try advance() ? try entry(withMetrics: withMetrics) : nil
  }

  /// Goes to the next entry; false at the end.
  public func advance() throws(TableError) -> Bool {
    guard try cursor.advance() else { return false }
    let raw = try located { () throws(TableError) in try cursor.long(.status) ?? 1 }
    guard let number = Int32(exactly: raw), let status = ManifestEntry.Status(rawValue: number)
    else {
      throw TableError(.damaged, "an entry has the unknown status \(raw)", file: manifest.path)
    }
    currentStatus = status
    if manifest.content == .data { try assignFirstRowID() }
    return true
  }

  private func assignFirstRowID() throws(TableError) {
    currentFirstRowID = try cursor.long(.firstRowID)
    guard let next = nextRowID else {
      // A committed manifest without row ids is from before v3, and so are its files.
      if manifest.sequenceNumber != ManifestFile.unassignedSequenceNumber {
        currentFirstRowID = nil
      }
      return
    }
    guard currentFirstRowID == nil, currentStatus != .deleted else { return }
    currentFirstRowID = next
    let (after, overflow) = next.addingReportingOverflow(Int64(try recordCount()))
    guard !overflow else {
      throw TableError(.damaged, "the row ids go beyond 64 bits", file: manifest.path)
    }
    nextRowID = after
  }

  /// Adds the file to errors of what is read on demand.
  private func located<R>(_ body: () throws(TableError) -> R) throws(TableError) -> R {
    do throws(TableError) { return try body() } catch { throw error.adding(file: manifest.path) }
  }

  // MARK: The current entry. Valid after `advance()` returned true.

  public var status: ManifestEntry.Status { currentStatus }

  /// Added or existing.
  public var isLive: Bool { currentStatus != .deleted }

  public func snapshotID() throws(TableError) -> Int64? {
    try cursor.long(.snapshotID) ?? manifest.addedSnapshotID
  }

  /// The data sequence number; `nil` when the commit has yet to assign it.
  public func sequenceNumber() throws(TableError) -> Int64? {
    try cursor.long(.sequenceNumber) ?? inheritedSequenceNumber
  }

  public func fileSequenceNumber() throws(TableError) -> Int64? {
    try cursor.long(.fileSequenceNumber) ?? inheritedSequenceNumber
  }

  private var inheritedSequenceNumber: Int64? {
    let number = manifest.sequenceNumber
    guard number != ManifestFile.unassignedSequenceNumber else { return nil }
    return number == 0 || currentStatus == .added ? number : nil
  }

  public func content() throws(TableError) -> DataFile.Content {
    let raw = try cursor.long(.content) ?? 0
    guard let number = Int32(exactly: raw), let content = DataFile.Content(rawValue: number) else {
      throw TableError(.damaged, "a file has the unknown content \(raw)", file: manifest.path)
    }
    return content
  }

  public func recordCount() throws(TableError) -> Int { try size(.recordCount) }

  public func fileSizeInBytes() throws(TableError) -> Int { try size(.fileSize) }

  private func size(_ slot: EntryPlan.Slot) throws(TableError) -> Int {
    let value = try cursor.long(slot) ?? 0
    guard value >= 0 else {
      throw TableError(
        .damaged, "a file has \(value) as its field \(slot.fieldID)", file: manifest.path)
    }
    return Int(value)
  }

  public func path() throws(TableError) -> String {
    try located { () throws(TableError) in try cursor.string(.path) ?? "" }
  }

  /// Where a deletion vector's blob lies in its file.
  func contentOffset() throws(TableError) -> Int64? { try cursor.long(.contentOffset) }

  /// One value for each field of the spec.
  public func partition() throws(TableError) -> [Scalar] {
    var values = try located { () throws(TableError) in
      try cursor.partition(targets: partitionTargets, count: partitionCount)
    }
    if let partitionTypes {
      for index in values.indices where index < partitionTypes.count {
        if case .double = partitionTypes[index], case .float32(let value) = values[index] {
          values[index] = .float64(Double(value))
        }
      }
    }
    return values
  }

  /// The partition as it is encoded, if it is short.
  func partitionKey() throws(TableError) -> PartitionBytes? { try cursor.partitionKey() }

  /// Whether the file's bounds exclude the filter from which the tests were made.
  func isRefuted(by tests: BoundTests) throws(TableError) -> Bool {
    if tests.isEmpty { return false }
    return try tests.refute(try cursor.value(.lowerBounds), try cursor.value(.upperBounds))
  }

  /// Counts and bounds, decoded on demand. They keep the file's block alive; see
  /// `FileMetrics.detached()`.
  public func metrics() throws(TableError) -> FileMetrics { try cursor.metrics() }

  /// The whole entry.
  ///
  /// - Parameter withMetrics: as for `next(withMetrics:)`.
  public func entry(withMetrics: Bool = true) throws(TableError) -> ManifestEntry {
    ManifestEntry(
      status: currentStatus, snapshotID: try snapshotID(), sequenceNumber: try sequenceNumber(),
      fileSequenceNumber: try fileSequenceNumber(), dataFile: try dataFile(withMetrics))
  }

  private func dataFile(_ withMetrics: Bool) throws(TableError) -> DataFile {
    let content = try content()
    guard (content == .data) == (manifest.content == .data) else {
      throw TableError(
        .damaged, "a manifest of \(manifest.content) holds a file of \(content)",
        file: manifest.path)
    }
    return DataFile(
      content: content, path: try path(), format: try format(), specID: manifest.partitionSpecID,
      partition: try partition(), recordCount: try recordCount(),
      fileSizeInBytes: try fileSizeInBytes(),
      metrics: withMetrics ? try metrics() : FileMetrics(),
      keyMetadata: try cursor.withBytes(.keyMetadata) { [UInt8]($0) },
      splitOffsets: try cursor.longs(.splitOffsets), equalityIDs: try equalityIDs(),
      sortOrderID: try cursor.long(.sortOrderID).map { Int($0) },
      firstRowID: content == .data ? currentFirstRowID : nil,
      referencedDataFile: try located { () throws(TableError) in
        try cursor.string(.referencedDataFile)
      },
      contentOffset: try cursor.long(.contentOffset),
      contentSizeInBytes: try cursor.long(.contentSize))
  }

  private func equalityIDs() throws(TableError) -> [Int32]? {
    guard let wide = try cursor.longs(.equalityIDs) else { return nil }
    var ids: [Int32] = []
    for id in wide {
      guard let id = Int32(exactly: id) else {
        throw TableError(.damaged, "an equality field has the id \(id)", file: manifest.path)
      }
      ids.append(id)
    }
    return ids
  }

  /// Almost all files are Parquet: no text is made for those.
  private func format() throws(TableError) -> FileFormat {
    let isParquet = try cursor.withBytes(.format) { bytes in
      bytes.elementsEqual("PARQUET".utf8) || bytes.elementsEqual("parquet".utf8)
    }
    if isParquet == true { return .parquet }
    return FileFormat(
      name: try located { () throws(TableError) in try cursor.string(.format) ?? "" })
  }
}
