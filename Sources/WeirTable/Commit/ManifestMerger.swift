// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Joins small manifests, so that their number grows with the table's size and not with its commits.
///
/// Manifests of one spec are packed, from the oldest on, into groups of about the target size. A group
/// is joined when it has several, except the newest one while it has fewer than
/// `commit.manifest.min-count-to-merge`: joining it at every commit would write it again and again.
struct ManifestMerger {
  private let isEnabled: Bool
  private let targetByteCount: Int
  private let countMin: Int
  /// Joined manifests by the paths of their parts, kept from attempt to attempt.
  private var known: [[String]: ManifestFile] = [:]

  init(_ properties: StringMap) {
    isEnabled = properties.bool("commit.manifest-merge.enabled") ?? true
    targetByteCount = max(
      1, properties.int("commit.manifest.target-size-bytes") ?? 8 << 20)
    countMin = max(2, properties.int("commit.manifest.min-count-to-merge") ?? 100)
  }

  /// - Parameter manifests: of one content, the newest first.
  mutating func merge(
    _ manifests: [ManifestFile], _ metadata: TableMetadata, _ files: TableFiles,
    snapshotID: Int64, write: (ManifestWriter) throws(TableError) -> ManifestFile
  ) throws(TableError) -> [ManifestFile] {
    guard isEnabled, manifests.count > 1 else { return manifests }
    var specIDs: [Int] = []
    var bySpec: [Int: [ManifestFile]] = [:]
    for manifest in manifests {
      if bySpec[manifest.partitionSpecID] == nil { specIDs.append(manifest.partitionSpecID) }
      bySpec[manifest.partitionSpecID, default: []].append(manifest)
    }
    var result: [ManifestFile] = []
    let newest = manifests[0].path
    for specID in specIDs {
      for group in groups(bySpec[specID]!) {
        let isNewest = group.contains { $0.path == newest }
        if group.count == 1 || (isNewest && group.count < countMin) {
          result += group
          continue
        }
        let paths = group.map(\.path)
        if let before = known[paths] {
          result.append(before)
          continue
        }
        let joined = try join(group, metadata, files, snapshotID: snapshotID, write: write)
        known[paths] = joined
        result.append(joined)
      }
    }
    return result
  }

  /// Groups of about the target size; the newest comes first and may be smaller.
  private func groups(_ manifests: [ManifestFile]) -> [[ManifestFile]] {
    var groups: [[ManifestFile]] = []
    var group: [ManifestFile] = []
    var byteCount = 0
    for manifest in manifests.reversed() {
      if !group.isEmpty && byteCount + manifest.length > targetByteCount {
        groups.append(group.reversed())
        group = []
        byteCount = 0
      }
      group.append(manifest)
      byteCount += manifest.length
    }
    if !group.isEmpty { groups.append(group.reversed()) }
    return groups.reversed()
  }

  private func join(
    _ group: [ManifestFile], _ metadata: TableMetadata, _ files: TableFiles, snapshotID: Int64,
    write: (ManifestWriter) throws(TableError) -> ManifestFile
  ) throws(TableError) -> ManifestFile {
    guard let spec = metadata.spec(id: group[0].partitionSpecID) else {
      throw TableError(
        .damaged, "there is no partition spec \(group[0].partitionSpecID)", file: group[0].path)
    }
    let writer = try ManifestWriter(
      formatVersion: metadata.formatVersion, content: group[0].content, spec: spec,
      schema: metadata.currentSchema, formerSchemas: metadata.schemas, snapshotID: snapshotID,
      codec: files.manifestCodec)
    for manifest in group {
      let reader = try files.reader(manifest, metadata)
      while let entry = try reader.next() {
        switch entry.status {
        // What earlier snapshots deleted is their own manifests' business.
        case .deleted: if entry.snapshotID == snapshotID { try writer.append(entry) }
        case .added where manifest.addedSnapshotID == snapshotID: try writer.append(entry)
        case .added, .existing: try writer.keep(entry)
        }
      }
    }
    return try write(writer)
  }
}
