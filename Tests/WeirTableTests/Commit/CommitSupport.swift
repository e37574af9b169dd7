// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

extension TestCatalog {
  /// A table of `schema`, partitioned by the text `name` when asked for.
  func table(
    _ name: String = "t", partitioned: Bool = false,
    _ properties: StringMap = [:]
  ) throws -> Table {
    let spec = PartitionSpec(
      specID: 0,
      fields: partitioned
        ? [PartitionField(sourceID: 2, fieldID: 1000, name: "name", transform: .identity)] : [])
    _ = try catalog.createTable(
      identifier(name),
      TableCreation(schema: Self.schema, partitionSpec: spec, properties: properties))
    return try catalog.table(identifier(name))
  }
}

/// A data file that is only described, of ids from `ids`.
func dataFile(
  _ table: Table, _ name: String, _ ids: ClosedRange<Int64> = 0...9, partition: String? = nil,
  size: Int = 1_000
) -> DataFile {
  var metrics = FileMetrics(
    valueCounts: [1: Int64(ids.count)], nullValueCounts: [1: 0],
    lowerBounds: [1: try! SingleValue.encode(.int(ids.lowerBound), as: .long)],
    upperBounds: [1: try! SingleValue.encode(.int(ids.upperBound), as: .long)])
  if ids.isEmpty { metrics = FileMetrics() }
  let metadata = table.metadata
  return DataFile(
    path: "\(metadata.location)/data/\(name)", specID: metadata.defaultSpecID,
    partition: metadata.defaultSpec.fields.isEmpty
      ? [] : [partition.map { .string($0) } ?? .null],
    recordCount: ids.count, fileSizeInBytes: size, metrics: metrics)
}

/// What a snapshot holds, read from its files.
struct TableState: Equatable {
  var dataFiles: [String]
  var deleteFiles: [String]

  init(_ table: Table, _ snapshot: Snapshot? = nil) throws {
    dataFiles = []
    deleteFiles = []
    guard let snapshot = snapshot ?? table.metadata.currentSnapshot else { return }
    for (entry, _) in try liveEntries(table, snapshot) {
      let name = String(entry.dataFile.path.split(separator: "/").last!)
      if entry.dataFile.content == .data {
        dataFiles.append(name)
      } else {
        deleteFiles.append(name)
      }
    }
    dataFiles.sort()
    deleteFiles.sort()
  }
}

/// The live entries of a snapshot with their manifests.
func liveEntries(_ table: Table, _ snapshot: Snapshot) throws -> [(ManifestEntry, ManifestFile)] {
  var result: [(ManifestEntry, ManifestFile)] = []
  let metadata = table.metadata
  let bytes = try table.stores.get(snapshot.manifestList!)
  for manifest in try ManifestListReader.read(bytes, name: "list") {
    let reader = try ManifestReader(
      try table.stores.get(manifest.path), of: manifest,
      spec: metadata.spec(id: manifest.partitionSpecID))
    while let entry = try reader.next() {
      if entry.isLive { result.append((entry, manifest)) }
    }
  }
  return result
}

/// All files that the table's metadata leads to, as paths in the store.
func referencedPaths(_ table: Table) throws -> Set<String> {
  let metadata = table.metadata
  var result: Set<String> = []
  func add(_ location: String) throws { result.insert(try StorageLocation(location).path) }
  try add(table.metadataLocation!)
  for entry in metadata.metadataLog { try add(entry.location) }
  for snapshot in metadata.snapshots {
    try add(snapshot.manifestList!)
    let bytes = try table.stores.get(snapshot.manifestList!)
    for manifest in try ManifestListReader.read(bytes, name: "list") { try add(manifest.path) }
  }
  return result
}
