// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Which files snapshots lead to.
struct FileReach {
  let files: TableFiles
  let metadata: TableMetadata

  /// The manifests of the snapshots by their paths. Lists that cannot be read are passed to `skip`,
  /// which throws or goes on.
  func manifests(
    of snapshots: some Sequence<Snapshot>,
    skip: (TableError) throws(TableError) -> Void = { error throws(TableError) in throw error }
  ) throws(TableError) -> [String: ManifestFile] {
    var result: [String: ManifestFile] = [:]
    for snapshot in snapshots {
      do {
        for manifest in try files.manifests(of: snapshot) { result[manifest.path] = manifest }
      } catch {
        try skip(error)
      }
    }
    return result
  }

  /// Calls `body` with the path of each live file of the manifest, until it returns false.
  func forEachFile(
    of manifest: ManifestFile, _ body: (String) -> Bool
  ) throws(TableError) {
    let reader = try files.reader(manifest, metadata)
    while try reader.advance() {
      if reader.isLive, !body(try reader.path()) { return }
    }
  }

  /// Calls `body` with the path and the bytes of each live file of the manifest.
  func forEachSizedFile(
    of manifest: ManifestFile, _ body: (String, Int) -> Void
  ) throws(TableError) {
    let reader = try files.reader(manifest, metadata)
    while try reader.advance() {
      if reader.isLive { body(try reader.path(), try reader.fileSizeInBytes()) }
    }
  }

  /// The files that metadata names beside snapshots.
  static func statistics(_ metadata: TableMetadata) -> Set<String> {
    Set(
      metadata.statistics.map(\.path) + metadata.partitionStatistics.map(\.path)
        + metadata.snapshots.compactMap { $0.summary?[RowMap.property] }
    ).union(columnFileLists(metadata))
  }

  /// The lists of column files that metadata names.
  private static func columnFileLists(_ metadata: TableMetadata) -> Set<String> {
    var paths = metadata.columnFileListPaths(of: metadata.snapshots)
    if let path = ColumnFileList.Pointer(metadata.properties)?.path { paths.insert(path) }
    return paths
  }

  /// All column files that lists name, by their paths; those of data files that are gone, too.
  ///
  /// - Parameter skip: is told of lists that cannot be read; it throws or goes on.
  static func columnFiles(
    _ metadata: TableMetadata, _ files: TableFiles,
    skip: (TableError) throws(TableError) -> Void = { error throws(TableError) in throw error }
  ) throws(TableError) -> [String: ListedColumnFile] {
    var result: [String: ListedColumnFile] = [:]
    for path in columnFileLists(metadata) {
      do throws(TableError) {
        for (dataFile, columns) in try files.columnFiles(path).files {
          for column in columns {
            result[column.path] = ListedColumnFile(dataFile: dataFile, byteCount: column.byteCount)
          }
        }
      } catch { try skip(error) }
    }
    return result
  }

  /// What a column file belongs to.
  struct ListedColumnFile {
    var dataFile: String
    var byteCount: Int
  }
}
