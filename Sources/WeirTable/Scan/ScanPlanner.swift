// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirStorage

/// Plans a scan: the data files that may hold rows of interest, one after the other.
///
/// 1. The snapshot's manifest list is read, and its list of column files where it has one; manifests whose partition summaries exclude the filter are
///    passed over.
/// 2. All delete manifests that are left are read into an index.
/// 3. Data manifests are read one at a time. An entry is passed over when its partition, and then when
///    its metrics, exclude the filter.
/// 4. What is left of the filter for the file, and the deletes that apply to it, make a task.
///
/// Memory: the delete index and one manifest; never the list of all files. One thread at a time.
public final class ScanPlanner {
  public let snapshot: Snapshot?
  /// The schema to which `filter` and all residuals are bound.
  public let schema: TableSchema
  public let filter: BoundPredicate
  /// What was looked at, for reports.
  public private(set) var counts = ScanCounts()

  private let metadata: TableMetadata
  private let files: ManifestFiles
  private let keepsMetrics: Bool
  private var manifests: ArraySlice<ManifestFile> = []
  private var deletes = DeleteIndex()
  private var columnFiles = ColumnFileList()
  private let pruner: FilePruner
  private var reader: ManifestReader?
  private var spec = PartitionSpec.unpartitioned
  private var isStarted = false

  /// - Parameters:
  ///   - stores: where the manifests are read from.
  ///   - filter: rows of interest; columns by their names in the schema that `at` decides.
  ///   - cache: manifests that are known already.
  ///   - keepsMetrics: tasks have the metrics of their files.
  /// - Throws: `notFound` for a snapshot or column that is not there, `invalidArgument` for a filter
  ///   that does not fit the schema.
  public init(
    _ metadata: TableMetadata, stores: ObjectStores, filter: Predicate = .always(true),
    at selector: SnapshotSelector = .current, caseSensitive: Bool = true,
    cache: ManifestCache = ManifestCache(), keepsMetrics: Bool = false
  ) throws(TableError) {
    self.metadata = metadata
    (snapshot, schema) = try metadata.resolve(selector)
    files = ManifestFiles(stores: stores, cache: cache)
    self.keepsMetrics = keepsMetrics
    self.filter = try filter.bound(to: schema, caseSensitive: caseSensitive)
    pruner = FilePruner(self.filter, schema)
  }

  /// The next task; `nil` after the last.
  public func next() throws(TableError) -> FileScanTask? {
    if !isStarted {
      isStarted = true
      try start()
    }
    while true {
      if let reader {
        if let task = try nextTask(reader) { return task }
        self.reader = nil
      }
      guard let manifest = manifests.popFirst() else { return nil }
      spec = try files.spec(of: manifest, in: metadata)
      reader = try files.open(manifest, spec, schema)
    }
  }

  private func start() throws(TableError) {
    guard let snapshot, !filter.isNeverTrue else { return }
    columnFiles = try files.columnFiles(of: snapshot, in: metadata)
    let all = try files.manifests(of: snapshot)
    counts.manifests = all.count
    var data: [ManifestFile] = []
    for manifest in all where manifest.hasLiveFiles {
      let spec = try files.spec(of: manifest, in: metadata)
      guard pruner.mayMatch(manifest, spec) else {
        counts.skippedManifests += 1
        continue
      }
      if manifest.content == .data {
        data.append(manifest)
      } else {
        try addDeletes(manifest, spec)
      }
    }
    manifests = data[...]
  }

  private func addDeletes(_ manifest: ManifestFile, _ spec: PartitionSpec) throws(TableError) {
    let reader = try files.open(manifest, spec, schema)
    while try reader.advance() {
      guard reader.isLive else { continue }
      let entry = try reader.entry()
      var file = entry.dataFile
      file.metrics = file.metrics.detached()
      counts.deleteFiles += 1
      try deletes.add(file, sequenceNumber: entry.sequenceNumber ?? 0, spec: spec)
    }
  }

  private func nextTask(_ reader: ManifestReader) throws(TableError) -> FileScanTask? {
    while try reader.advance() {
      guard reader.isLive else { continue }
      counts.dataFiles += 1
      let columns = columnFiles.isEmpty ? [] : columnFiles[try reader.path()]
      guard let residual = try pruner.residual(reader, spec, columns) else { continue }
      counts.plannedFiles += 1
      var entry = try reader.entry(withMetrics: keepsMetrics)
      if keepsMetrics { entry.dataFile.metrics = entry.dataFile.metrics.detached() }
      let sequenceNumber = entry.sequenceNumber ?? 0
      var task = FileScanTask(
        dataFile: entry.dataFile, spec: spec, sequenceNumber: sequenceNumber,
        fileSequenceNumber: entry.fileSequenceNumber ?? sequenceNumber,
        deletes: deletes.deletes(of: entry.dataFile, sequenceNumber: sequenceNumber),
        residual: residual)
      task.columnFiles = columns
      return task
    }
    return nil
  }
}

/// How much a scan's planning looked at and kept.
public struct ScanCounts: Hashable, Sendable {
  public var manifests = 0
  /// Passed over by their partition summaries.
  public var skippedManifests = 0
  /// Live data files in the manifests that were read.
  public var dataFiles = 0
  public var plannedFiles = 0
  public var deleteFiles = 0
}
