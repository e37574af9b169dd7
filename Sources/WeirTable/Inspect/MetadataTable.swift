// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// What a table says about itself, as tables: the names and columns are those of the metadata tables
/// of other Iceberg implementations.
public enum MetadataTable: String, CaseIterable, Hashable, Sendable {
  /// All snapshots that are kept.
  case snapshots
  /// Which snapshot was current from when on.
  case history
  /// Branches and tags.
  case refs
  /// The metadata files that came before, and the present one.
  case metadataLogEntries = "metadata_log_entries"
  /// The manifests of a snapshot.
  case manifests
  /// The manifests of all snapshots, each as often as snapshots list it.
  case allManifests = "all_manifests"
  /// All entries of a snapshot's manifests, also those that say that a file is gone.
  case entries
  /// Data and delete files of a snapshot.
  case files
  case dataFiles = "data_files"
  case deleteFiles = "delete_files"
  /// Data and delete files of all snapshots, as often as their manifests name them.
  case allFiles = "all_files"
  /// Rows, files and deletes of each partition of a snapshot.
  case partitions

  /// Whether a snapshot can be chosen.
  public var isOfSnapshot: Bool {
    switch self {
    case .manifests, .entries, .files, .dataFiles, .deleteFiles, .partitions: true
    case .snapshots, .history, .refs, .metadataLogEntries, .allManifests, .allFiles: false
    }
  }
}

extension Table {
  /// One of the tables about this table, of the metadata last seen. Empty for a table without
  /// snapshots.
  ///
  /// Memory: one manifest, and for `partitions` one row for each partition.
  /// - Parameter selector: of which snapshot; only for those that are of one.
  /// - Throws: `notFound` for a snapshot that is not there. The reader's `next()` throws `TableError`.
  public func inspect(
    _ kind: MetadataTable, at selector: SnapshotSelector = .current
  ) throws(TableError) -> any RecordBatchReader {
    do {
      return try MetadataTableReader(
        kind, metadata, metadataLocation: metadataLocation,
        files: ManifestFiles(stores: stores, cache: environment.manifestCache),
        at: selector)
    } catch {
      throw error.adding(table: identifier.description)
    }
  }
}

/// The rows of a metadata table, made as they are asked for.
public final class MetadataTableReader: RecordBatchReader {
  public let schema: Schema
  private let rows: () throws(TableError) -> [Scalar]?
  private var failed: TableError?

  /// The most rows of a batch.
  static let batchRowsMax = 2_048

  init(
    _ kind: MetadataTable, _ metadata: TableMetadata, metadataLocation: String?,
    files: ManifestFiles, at selector: SnapshotSelector
  ) throws(TableError) {
    let snapshot = try metadata.resolve(selector).snapshot
    switch kind {
    case .snapshots:
      schema = SnapshotRows.snapshots
      rows = Self.fixed(SnapshotRows.snapshots(metadata))
    case .history:
      schema = SnapshotRows.history
      rows = Self.fixed(SnapshotRows.history(metadata))
    case .refs:
      schema = SnapshotRows.references
      rows = Self.fixed(SnapshotRows.references(metadata))
    case .metadataLogEntries:
      schema = SnapshotRows.metadataLog
      rows = Self.fixed(SnapshotRows.metadataLog(metadata, metadataLocation))
    case .manifests, .allManifests:
      let table = ManifestRows(metadata, files, isOfAll: kind == .allManifests)
      schema = table.schema
      rows = table.rows(kind == .manifests ? [snapshot].compactMap(\.self) : metadata.snapshots)
    case .entries, .files, .dataFiles, .deleteFiles, .allFiles:
      let table = FileRows(metadata, files, kind)
      schema = table.schema
      rows = table.rows(kind == .allFiles ? metadata.snapshots : [snapshot].compactMap(\.self))
    case .partitions:
      let table = PartitionRows(metadata, files)
      schema = table.schema
      rows = table.rows(snapshot)
    }
  }

  private static func fixed(_ rows: [[Scalar]]) -> () throws(TableError) -> [Scalar]? {
    var rest = rows.makeIterator()
    return { () throws(TableError) in rest.next() }
  }

  /// The next rows, at least one; `nil` at the end. After an error every call throws it again.
  public func next() throws(TableError) -> RecordBatch? {
    if let failed { throw failed }
    do throws(TableError) {
      let builder = RecordBatchBuilder(schema)
      while builder.rowCount < Self.batchRowsMax, let row = try rows() {
        do { try builder.append(row: row) } catch { throw TableError(error) }
      }
      guard builder.rowCount > 0 else { return nil }
      do { return try builder.finish() } catch { throw TableError(error) }
    } catch {
      failed = error
      throw error
    }
  }
}

/// Columns that metadata tables share.
enum InspectColumns {
  static let time = DataType.timestamp(.millisecond, timeZone: "UTC")

  static func map(_ key: DataType, _ value: DataType) -> DataType {
    .map(
      entries: Field(
        "entries", .struct([Field("key", key, nullable: false), Field("value", value)]),
        nullable: false),
      keysSorted: false)
  }

  static func list(_ element: DataType) -> DataType { .list(Field("element", element)) }
}

extension Scalar {
  init(_ value: Int64?) { self = value.map { .int($0) } ?? .null }
  init(_ value: Int?) { self = value.map { .int(Int64($0)) } ?? .null }
  init(_ value: String?) { self = value.map { .string($0) } ?? .null }
  init(_ value: [UInt8]?) { self = value.map { .binary($0) } ?? .null }
  init(_ value: Bool?) { self = value.map { .bool($0) } ?? .null }
}
