// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// How to look for files that no snapshot leads to.
public struct OrphanCleanup: Sendable {
  /// Younger files are left alone: a commit that has written them may still be under way.
  public var ageMillisecondsMin: Int64 = 3 * 86_400_000
  /// Only looks.
  public var isDryRun = false
  /// At most so many files are removed at once, and named in the result.
  public var countMax = 100_000

  public init() {}
}

/// What was found.
public struct OrphanResult: Sendable, Hashable {
  /// The files that were removed, or would have been.
  public var locations: [String] = []
  public var byteCount = 0
  /// Files that could not be removed.
  public var failureCount = 0
  /// Whether there are more.
  public var hasMore = false

  public init() {}
}

extension Table {
  /// Removes files in the table's data and metadata folders that nothing in its metadata leads to:
  /// what killed writers, lost commits and interrupted expirations have left.
  ///
  /// Files elsewhere in the table's location are not touched, for they may be another table's. Memory:
  /// the paths of all files of the table.
  @discardableResult
  public func removeOrphanFiles(
    _ options: OrphanCleanup = OrphanCleanup()
  ) throws(TableError) -> OrphanResult {
    do {
      return try OrphanSearch(self, options).run()
    } catch {
      throw error.adding(table: identifier.description)
    }
  }
}

/// 1. List the folders, and keep what is old and not led to by the metadata known now.
/// 2. Ask for the metadata again. If somebody committed meanwhile, take out what theirs leads to.
/// 3. Remove the rest.
private struct OrphanSearch {
  private let table: Table
  private let options: OrphanCleanup

  init(_ table: Table, _ options: OrphanCleanup) {
    self.table = table
    self.options = options
  }

  func run() throws(TableError) -> OrphanResult {
    let metadata = try table.refresh()
    guard metadata.properties.bool("gc.enabled") ?? true else {
      throw TableError(
        .forbidden, "its property gc.enabled is false: its files may belong to others, too")
    }
    let known = try reachable(metadata)
    var result = OrphanResult()
    var found: [(StorageLocation, Int)] = []
    for folder in try folders(metadata) {
      try list(folder) { location, size in
        guard !known.contains(location) else { return true }
        guard found.count < options.countMax else {
          result.hasMore = true
          return false
        }
        found.append((location, size))
        return true
      }
    }
    let later = try table.refresh()
    if later != metadata {
      let knownLater = try reachable(later)
      found.removeAll { knownLater.contains($0.0) }
    }
    let failed =
      options.isDryRun ? [] : Set(table.stores.delete(found.map(\.0.description)))
    for (location, size) in found {
      guard !failed.contains(location.description) else {
        result.failureCount += 1
        continue
      }
      result.locations.append(location.description)
      result.byteCount += size
    }
    if !options.isDryRun { try sweep(metadata) }
    return result
  }

  /// Everything that the metadata leads to, in the canonical form of locations.
  private func reachable(_ metadata: TableMetadata) throws(TableError) -> Set<StorageLocation> {
    var result: Set<StorageLocation> = []
    func add(_ location: String) throws(TableError) {
      do {
        result.insert(try StorageLocation(location))
      } catch {
        throw TableError(error, "the metadata names a file by something that is no location")
      }
    }
    if let location = table.metadataLocation { try add(location) }
    for entry in metadata.metadataLog { try add(entry.location) }
    for path in FileReach.statistics(metadata) { try add(path) }
    for snapshot in metadata.snapshots { if let list = snapshot.manifestList { try add(list) } }
    let reach = FileReach(files: TableFiles(table, metadata), metadata: metadata)
    for path in try FileReach.columnFiles(metadata, reach.files).keys { try add(path) }
    for manifest in try reach.manifests(of: metadata.snapshots).values {
      try add(manifest.path)
      var failure: TableError?
      try reach.forEachFile(of: manifest) { path in
        do throws(TableError) {
          try add(path)
          return true
        } catch {
          failure = error
          return false
        }
      }
      if let failure { throw failure }
    }
    return result
  }

  /// The metadata and data folders, none within another.
  private func folders(_ metadata: TableMetadata) throws(TableError) -> [StorageLocation] {
    var texts = [
      MetadataLocation.folder(
        tableLocation: metadata.location, properties: metadata.properties),
      MetadataLocation.dataFolder(
        tableLocation: metadata.location, properties: metadata.properties),
    ]
    if let tier = try TableTier(metadata.properties) {
      texts.append(try tier.path(metadata))
    }
    var result: [StorageLocation] = []
    for text in texts {
      let folder: StorageLocation
      do {
        folder = try StorageLocation(text)
      } catch {
        throw TableError(error, "a folder of the table is no location")
      }
      if folder.path.isEmpty || result.contains(where: { folder.isWithin($0) }) { continue }
      result.removeAll { $0.isWithin(folder) }
      result.append(folder)
    }
    return result
  }

  /// Calls `body` with files of the folder that are old enough, until it returns false.
  private func list(
    _ folder: StorageLocation, _ body: (StorageLocation, Int) -> Bool
  ) throws(TableError) {
    let before = table.environment.now() - Int(options.ageMillisecondsMin) * 1_000_000
    do {
      let place = try table.stores.resolve(folder)
      var after: String?
      repeat {
        let page = try place.store.list(
          prefix: place.path + "/", after: after, limit: listLimitMax)
        for object in page.objects where object.lastModified <= before {
          if object.path.hasSuffix("/version-hint.text") { continue }
          if !body(folder.replacing(path: object.path), object.size) { return }
        }
        after = page.next
      } while after != nil
    } catch {
      throw TableError(error, "a folder of the table cannot be listed")
    }
  }

  /// Half-written files of killed processes, which local stores do not list.
  private func sweep(_ metadata: TableMetadata) throws(TableError) {
    for folder in try folders(metadata) {
      guard let place = try? table.stores.resolve(folder),
        let local = place.store as? LocalObjectStore
      else { continue }
      _ = try? local.sweepTemporaryFiles(
        under: place.path, olderThan: Int(options.ageMillisecondsMin) * 1_000_000)
    }
  }
}
