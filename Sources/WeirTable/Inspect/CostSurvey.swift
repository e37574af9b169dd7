// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Adds up the files of a table.
///
/// 1. The delete manifests of the current snapshot say how many rows of which file are gone.
/// 2. Its data manifests are added up by partition, column and age.
/// 3. Manifests of the other snapshots are looked through for files that the current one does not have.
/// 4. The folders are listed: what is in them and was not met is an orphan.
///
/// Files are remembered by hashes of their names, so that a hundred thousand take a few megabytes.
struct CostSurvey {
  private let table: Table
  private let metadata: TableMetadata
  private let options: TableCostOptions
  private let files: TableFiles
  private let now: Int64
  private var cost = TableCost()
  /// Names of all files that something leads to.
  private var known: Set<Int> = []
  /// Rows that are deleted, by data file.
  private var deletedRows: [Int: Int] = [:]
  /// Deleted rows of which only the partition is known.
  private var otherDeletedRows = 0
  private var partitions: [PartitionKey: Partition] = [:]
  private var columns: [Int32: Int] = [:]
  private var ages: [Int: TableCost.Share] = [:]
  private var formats: Set<String> = []

  private struct PartitionKey: Hashable {
    var specID: Int
    var values: [Scalar]
  }

  private struct Partition {
    var share = TableCost.Share()
    var small = TableCost.Share()
  }

  private static let day: Int64 = 86_400_000
  private static let ageNames: [(name: String, days: Int64)] = [
    ("up to 1 day", 1), ("up to 7 days", 7), ("up to 30 days", 30), ("up to 90 days", 90),
    ("up to 1 year", 365), ("older", .max / 86_400_000),
  ]

  init(_ table: Table, _ metadata: TableMetadata, _ options: TableCostOptions) {
    self.table = table
    self.metadata = metadata
    self.options = options
    files = TableFiles(table, metadata)
    now = table.environment.nowMilliseconds
  }

  mutating func run() throws(TableError) -> TableCost {
    let current = try files.manifests(of: metadata.currentSnapshot)
    for manifest in current where manifest.content == .deletes { try addDeletes(manifest) }
    let target = metadata.properties.int("write.target-file-size-bytes") ?? 512 << 20
    for manifest in current where manifest.content == .data {
      try addData(manifest, smallBytes: target / 2)
    }
    try addColumnFiles()
    finishParts()
    try addHistory(Set(current.map(\.path)))
    try addFolders()
    return cost
  }

  private static func hash(_ location: String) -> Int {
    // The form in which folders are listed.
    ((try? StorageLocation(location))?.description ?? location).hashValue
  }

  // MARK: The current snapshot

  private mutating func addDeletes(_ manifest: ManifestFile) throws(TableError) {
    let reader = try files.reader(manifest, metadata)
    while try reader.advance() {
      guard reader.isLive else { continue }
      let file = try reader.entry(withMetrics: false).dataFile
      // Deletion vectors share their files.
      if known.insert(Self.hash(file.path)).inserted {
        cost.deletes.add(bytes: file.fileSizeInBytes)
      }
      cost.deletes.rowCount += file.recordCount
      if let path = file.referencedDataFile {
        deletedRows[Self.hash(path), default: 0] += file.recordCount
      } else if file.content == .positionDeletes {
        otherDeletedRows += file.recordCount
      }
    }
  }

  private mutating func addData(
    _ manifest: ManifestFile, smallBytes: Int
  ) throws(TableError) {
    var times: [Int64: Int64] = [:]
    for snapshot in metadata.snapshots {
      times[snapshot.snapshotID] = snapshot.timestampMilliseconds
    }
    // Who added a file before the first snapshot that is known is forgotten.
    let first = metadata.snapshots.map(\.timestampMilliseconds).min() ?? now
    let reader = try files.reader(manifest, metadata)
    while try reader.advance() {
      guard reader.isLive else { continue }
      let file = try reader.entry().dataFile
      let hash = Self.hash(file.path)
      guard known.insert(hash).inserted else { continue }
      let (bytes, rows) = (file.fileSizeInBytes, file.recordCount)
      cost.data.add(bytes: bytes, rows: rows)
      formats.insert(file.format.description.lowercased())
      if let deleted = deletedRows[hash], rows > 0 {
        cost.deletedByteCount += Int(
          Double(bytes) * Double(min(deleted, rows)) / Double(rows))
      }
      let added = try reader.snapshotID().flatMap { times[$0] } ?? first
      let days = (now - added) / Self.day
      let age = Self.ageNames.firstIndex { days < $0.days } ?? Self.ageNames.count - 1
      ages[age, default: TableCost.Share()].add(bytes: bytes, rows: rows)
      add(file, isSmall: bytes < smallBytes)
      var sum = 0
      for (id, size) in file.metrics.columnSizes ?? [:] where size > 0 {
        columns[id, default: 0] += Int(size)
        sum += Int(size)
      }
      cost.otherByteCount += max(0, bytes - sum)
    }
  }

  private mutating func add(_ file: DataFile, isSmall: Bool) {
    var key = PartitionKey(specID: file.specID, values: file.partition)
    if partitions[key] == nil, partitions.count >= options.partitionCountMax {
      key = PartitionKey(specID: -1, values: [])
    }
    partitions[key, default: Partition()].share.add(
      bytes: file.fileSizeInBytes, rows: file.recordCount)
    if isSmall {
      partitions[key]?.small.add(bytes: file.fileSizeInBytes, rows: file.recordCount)
    }
  }

  /// Columns in files of their own, of the current snapshot and of others.
  private mutating func addColumnFiles() throws(TableError) {
    let list = try files.columnFiles(of: metadata.currentSnapshot, in: metadata)
    for (dataFile, files) in list.files where known.contains(Self.hash(dataFile)) {
      for file in files where known.insert(Self.hash(file.path)).inserted {
        cost.columnFiles.add(bytes: file.byteCount, rows: file.rowCount)
        columns[file.fieldID, default: 0] += file.byteCount
      }
    }
    for (path, file) in try FileReach.columnFiles(metadata, files)
    where known.insert(Self.hash(path)).inserted {
      cost.history.add(bytes: file.byteCount)
    }
  }

  private mutating func finishParts() {
    let schema = metadata.currentSchema
    if cost.data.rowCount > 0 {
      cost.deletedByteCount += Int(
        Double(cost.data.byteCount) * Double(min(otherDeletedRows, cost.data.rowCount))
          / Double(cost.data.rowCount))
    }
    for (key, partition) in partitions {
      let spec = metadata.spec(id: key.specID)
      let name =
        key.specID < 0 ? "(others)" : spec.map { $0.path(key.values, schema) } ?? "(unknown)"
      cost.partitions.append(
        TableCost.Part(name: name.isEmpty ? "(all)" : name, share: partition.share))
      guard partition.small.fileCount > 1 else { continue }
      cost.small.fileCount += partition.small.fileCount
      cost.small.byteCount += partition.small.byteCount
      cost.small.rowCount += partition.small.rowCount
    }
    var named: [String: Int] = [:]
    for (id, bytes) in columns {
      named[schema.path(ofFieldID: id) ?? "(columns that are gone)", default: 0] += bytes
    }
    for (name, bytes) in named {
      var share = TableCost.Share()
      share.byteCount = bytes
      cost.columns.append(TableCost.Part(name: name, share: share))
    }
    func precedes(_ a: TableCost.Part, _ b: TableCost.Part) -> Bool {
      (b.share.byteCount, a.name) < (a.share.byteCount, b.name)
    }
    cost.partitions.sort(by: precedes)
    cost.columns.sort(by: precedes)
    cost.ages = ages.sorted { $0.key < $1.key }.map {
      TableCost.Part(name: Self.ageNames[$0.key].name, share: $0.value)
    }
    cost.format = formats.count == 1 ? formats.first : nil
  }

  // MARK: All else

  private mutating func addHistory(_ current: Set<String>) throws(TableError) {
    var seen = current
    for snapshot in metadata.snapshots {
      if let list = snapshot.manifestList { known.insert(Self.hash(list)) }
      for manifest in try files.manifests(of: snapshot) {
        known.insert(Self.hash(manifest.path))
        guard seen.insert(manifest.path).inserted else { continue }
        let reader = try files.reader(manifest, metadata)
        while try reader.advance() {
          guard reader.isLive, known.insert(Self.hash(try reader.path())).inserted else {
            continue
          }
          cost.history.add(
            bytes: try reader.fileSizeInBytes(), rows: try reader.recordCount())
        }
      }
    }
    if let location = table.metadataLocation { known.insert(Self.hash(location)) }
    for entry in metadata.metadataLog { known.insert(Self.hash(entry.location)) }
    for path in FileReach.statistics(metadata) { known.insert(Self.hash(path)) }
  }

  private mutating func addFolders() throws(TableError) {
    let texts = (
      metadata: MetadataLocation.folder(
        tableLocation: metadata.location, properties: metadata.properties),
      data: MetadataLocation.dataFolder(
        tableLocation: metadata.location, properties: metadata.properties)
    )
    let cold = try TableTier(metadata.properties)?.folder(metadata)
    do {
      let folder = try StorageLocation(texts.metadata)
      let data = try StorageLocation(texts.data)
      try list(folder, isMetadata: true)
      if !data.isWithin(folder) { try list(data, isMetadata: false) }
      if let cold, !cold.isWithin(folder), !cold.isWithin(data) {
        try list(cold, isMetadata: false)
      }
    } catch {
      throw TableError(error, "a folder of the table cannot be listed")
    }
  }

  private mutating func list(
    _ folder: StorageLocation, isMetadata: Bool
  ) throws(StorageError) {
    let place = try table.stores.resolve(folder)
    let old = table.environment.now() - Int(OrphanCleanup().ageMillisecondsMin) * 1_000_000
    var after: String?
    repeat {
      let page = try place.store.list(
        prefix: place.path + "/", after: after, limit: listLimitMax)
      for object in page.objects {
        let location = folder.replacing(path: object.path).description
        if known.contains(location.hashValue) {
          if isMetadata { cost.metadata.add(bytes: object.size) }
        } else if object.path.hasSuffix("/version-hint.text") {
          cost.metadata.add(bytes: object.size)
        } else if object.lastModified <= old {
          cost.orphans.add(bytes: object.size)
        } else {
          cost.unnamed.add(bytes: object.size)
        }
      }
      after = page.next
    } while after != nil
  }
}
