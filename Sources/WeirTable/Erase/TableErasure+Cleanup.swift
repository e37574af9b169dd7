// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

// Files that nothing leads to any more. Before snapshots are expired a note is left that names the metadata
// with them: whoever comes after a crash removes by it what only they led to.
extension TableErasure {
  /// The folder of notes and proofs, beside the table's data and metadata.
  static let folder = "erasures"
  private static let notePrefix = "removing-"
  private static let noteBytesMax = 64 << 10

  private func place(_ name: String) -> String {
    "\(table.metadata.location)/\(Self.folder)/\(name)"
  }

  /// - Returns: the note's place; `nil` where the catalog does not say where metadata is.
  func noteRemoval() throws(TableError) -> String? {
    guard let location = table.metadataLocation else { return nil }
    let note = place("\(Self.notePrefix)\(id).json")
    try put(["metadata": .string(location)] as JSONValue, at: note)
    return note
  }

  func removeNote(_ note: String?) throws(TableError) {
    guard let note else { return }
    do throws(StorageError) {
      try table.stores.delete(note)
    } catch { throw TableError(error, file: note) }
  }

  func put(_ value: JSONValue, at location: String) throws(TableError) {
    do throws(StorageError) {
      try table.stores.put(location, Buffer(Array((value.prettyText + "\n").utf8)))
    } catch { throw TableError(error, file: location) }
  }

  /// Removes what erasures that were killed had expired and not removed.
  func finishFormer(_ metadata: TableMetadata) throws(TableError) {
    let notes: [StorageLocation]
    do throws(StorageError) {
      let folder = try table.stores.resolve("\(metadata.location)/\(Self.folder)")
      let prefix = "\(folder.path)/\(Self.notePrefix)"
      notes = try folder.store.list(prefix: prefix).objects.map {
        folder.location.replacing(path: $0.path)
      }
    } catch { throw TableError(error, "the folder of erasures cannot be listed") }
    for note in notes {
      guard let before = try former(note.description), before.uuid == metadata.uuid else {
        try removeNote(note.description)
        continue
      }
      var removed = ExpirationResult()
      try ExpiredFiles(TableFiles(table, metadata), before: before, after: metadata)
        .remove(&removed)
      result.removedDataFiles += removed.contentFileCount
      result.removedManifests += removed.manifestCount
      result.removedManifestLists += removed.manifestListCount
      result.removedStatistics += removed.statisticsFileCount
      if removed.failureCount == 0 { try removeNote(note.description) }
    }
  }

  /// The metadata that a note names; `nil` when it is gone, or is none.
  private func former(_ note: String) throws(TableError) -> TableMetadata? {
    do throws(StorageError) {
      let bytes = try table.stores.get(note)
      guard bytes.count <= Self.noteBytesMax,
        let value = try? JSONValue(parsing: bytes.array(of: UInt8.self)),
        case .object(let object) = value, case .string(let location)? = object["metadata"]
      else { return nil }
      guard var text = try Self.found({ () throws(StorageError) in try table.stores.get(location) })
      else { return nil }
      if MetadataGzip.isCompressed(text) {
        guard
          let plain = try? MetadataGzip.decompress(
            text, byteCountMax: TableMetadata.fileByteCountMax)
        else { return nil }
        text = plain
      }
      return try? TableMetadata(bytes: text, location: location)
    } catch { throw TableError(error, file: note) }
  }

  private static func found<T>(_ body: () throws(StorageError) -> T) throws(StorageError) -> T? {
    do throws(StorageError) {
      return try body()
    } catch {
      // Also a note that names no place at all.
      let isNowhere = [.notFound, .invalidPath, .pathConflict, .unsupported].contains(error.code)
      guard isNowhere else { throw error }
      return nil
    }
  }

  /// Earlier metadata files that may tell values, in the summaries of snapshots.
  func removeMetadata() throws(TableError) {
    guard result.left.isEmpty else { return }
    let patterns = [Array("\"partitions.".utf8)] + options.markers
    var told: [String] = []
    for entry in table.metadata.metadataLog where entry.location != table.metadataLocation {
      do throws(StorageError) {
        let bytes = try Self.found { () throws(StorageError) in
          try table.stores.get(entry.location)
        }
        guard var text = bytes else { continue }
        if MetadataGzip.isCompressed(text) {
          text =
            ((try? MetadataGzip.decompress(text, byteCountMax: TableMetadata.fileByteCountMax))
              ?? nil) ?? text
        }
        if patterns.contains(where: { text.contains($0) }) { told.append(entry.location) }
      } catch { throw TableError(error, file: entry.location) }
    }
    let failed = table.stores.delete(told)
    result.removedMetadataFiles += told.count - failed.count
    if !failed.isEmpty { result.left.append("\(failed.count) metadata files could not be removed") }
  }

  /// Whether a manifest that no snapshot leads to names a file that is gone: the commit that wrote it cannot
  /// take place any more, and its bounds may hold what was erased.
  private func isDeadManifest(_ location: String) -> Bool {
    do {
      let bytes = try table.stores.get(location)
      let manifest = ManifestFile(
        path: location, length: bytes.count, partitionSpecID: 0, sequenceNumber: 0,
        minSequenceNumber: 0, addedSnapshotID: 0)
      let reader = try ManifestReader(bytes, of: manifest)
      while try reader.advance() {
        let place = try table.stores.resolve(try reader.path())
        do throws(StorageError) { _ = try place.store.head(place.path) } catch {
          if error.code == .notFound { return true }
        }
      }
      return false
    } catch {
      // A manifest list, or half of a file: markers are looked for in its bytes.
      return false
    }
  }

  /// Files that no snapshot leads to: what killed writers left. Young ones may be a commit's that is under way.
  func removeOrphans() throws(TableError) {
    var cleanup = OrphanCleanup()
    cleanup.ageMillisecondsMin = max(0, options.orphanAgeMilliseconds)
    result.removedOrphans = try table.removeOrphanFiles(cleanup).locations.count
    cleanup.ageMillisecondsMin = 0
    cleanup.isDryRun = true
    let finder = try ErasureFinder(table.metadata, table.stores, target)
    var holders = 0
    var dead: [String] = []
    for location in try table.removeOrphanFiles(cleanup).locations {
      let format: FileFormat
      if location.hasSuffix(".parquet") {
        format = .parquet
      } else if location.hasSuffix(".weir") {
        format = .weir
      } else {
        if location.hasSuffix(".avro"), isDeadManifest(location) { dead.append(location) }
        continue
      }
      let file = DataFile(
        path: location, format: format, specID: table.spec.specID, recordCount: 0,
        fileSizeInBytes: 0)
      // Which rows the values of an unfinished backfill are of is not known.
      if format == .weir, location.contains("-column-") {
        holders += 1
        continue
      }
      // What cannot be read is no file of the table's rows; markers are looked for in its bytes.
      let spec = PartitionSpec.unpartitioned
      if let rows = try? finder.rows(file, spec), !rows.isEmpty { holders += 1 }
    }
    result.removedOrphans += dead.count - table.stores.delete(dead).count
    if holders > 0 {
      result.left.append(
        "\(holders) files that no snapshot leads to hold such rows and are too young to be removed: a "
          + "commit may be under way; run it again when they are older, or stop what writes the table, and "
          + (options.committer == nil
            ? "run it again with --orphans 0s"
            : "the service, and erase the table by itself with --table-only --orphans 0s"))
    }
  }
}
