// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirStorage

/// Where a table's old files go: to cheaper storage, by their age.
///
/// Compaction moves them: the rows of a file that is old enough are written into a folder at the tier's
/// location, and the file is replaced there as by any compaction, with its row map. Readers of any
/// engine follow the files' paths and notice nothing; the catalog's connection must reach both places. Files in
/// the tier come together among themselves only.
public struct TableTier: Hashable, Sendable {
  /// The place, such as `s3://cold/tables`. Each table has a folder of its own there, named by its UUID.
  public var location: String
  /// A file moves when all its rows are older; milliseconds.
  public var ageMilliseconds: Int64
  /// The timestamp or date by which rows are old. Without one a file's age counts from when it was
  /// added to the table, which compactions do anew.
  public var column: String?

  static let locationProperty = "weir.tier.location"
  static let ageProperty = "weir.tier.after-ms"
  static let columnProperty = "weir.tier.column"
  /// The names of all properties of a tier.
  public static let propertyNames = [locationProperty, ageProperty, columnProperty]

  public init(location: String, ageMilliseconds: Int64, column: String? = nil) {
    self.location = location
    self.ageMilliseconds = ageMilliseconds
    self.column = column
  }

  /// The tier that a table's properties name.
  ///
  /// - Throws: `invalidArgument` for properties that do not fit each other.
  public init?(_ properties: StringMap) throws(TableError) {
    guard let location = properties[Self.locationProperty] else { return nil }
    guard let text = properties[Self.ageProperty], let age = Int64(text), age >= 0 else {
      throw TableError(
        .invalidArgument,
        "the table's property \(Self.locationProperty) needs \(Self.ageProperty), milliseconds of 0 or "
          + "more, which is \(properties[Self.ageProperty].map { "'\($0)'" } ?? "missing")")
    }
    self.init(
      location: location, ageMilliseconds: age, column: properties[Self.columnProperty])
  }

  /// As properties of a table.
  public var properties: StringMap {
    var result: StringMap = [
      Self.locationProperty: location, Self.ageProperty: String(ageMilliseconds),
    ]
    if let column { result[Self.columnProperty] = column }
    return result
  }

  /// The table's own folder in the tier, as its files' paths begin.
  func path(_ metadata: TableMetadata) throws(TableError) -> String {
    guard let uuid = metadata.uuid else {
      throw TableError(.unsupported, "a table without a UUID has no tier; upgrade it to version 2")
    }
    return location + (location.hasSuffix("/") ? "" : "/") + uuid
  }

  /// The same as a location.
  func folder(_ metadata: TableMetadata) throws(TableError) -> StorageLocation {
    let path = try path(metadata)
    do throws(StorageError) {
      return try StorageLocation(path)
    } catch {
      throw TableError(error, "the property \(Self.locationProperty) is no location")
    }
  }

  /// Throws what is wrong with the tier for a table.
  public func check(_ metadata: TableMetadata, _ stores: ObjectStores) throws(TableError) {
    let folder = try folder(metadata)
    do throws(StorageError) { _ = try stores.resolve(folder) } catch {
      throw TableError(error, "the catalog's connection does not reach '\(location)'")
    }
    if let column { _ = try limit(0, column, metadata) }
  }

  /// Makes it the tier of a table, which compactions follow from then on.
  ///
  /// - Throws: what `check` throws.
  public func set(on table: Table) throws(TableError) {
    try check(table.metadata, table.stores)
    let properties = properties
    let transaction = table.transaction()
    transaction.removeProperties(Self.propertyNames.filter { properties[$0] == nil })
    transaction.setProperties(properties)
    try transaction.commit()
  }

  private func limit(
    _ now: Int64, _ column: String, _ metadata: TableMetadata
  ) throws(TableError) -> Predicate {
    try RowRetention(column: column, milliseconds: ageMilliseconds)
      .limit(now: now, metadata.currentSchema)
  }

  /// Files of the current snapshot that are old enough and not in the tier.
  ///
  /// Cost: reads the manifests. Memory: their paths, `countMax` at most.
  func agedPaths(
    _ table: Table, _ metadata: TableMetadata, countMax: Int
  ) throws(TableError) -> Set<String> {
    let now = table.environment.nowMilliseconds
    let folder = try folder(metadata)
    let added = column == nil ? AddedTimes(metadata) : nil
    let planner = try ScanPlanner(
      metadata, stores: table.stores,
      filter: try column.map { column throws(TableError) in try limit(now, column, metadata) }
        ?? .always(true),
      cache: table.environment.manifestCache)
    var result: Set<String> = []
    while result.count < countMax, let task = try planner.next() {
      guard task.residual.isAlwaysTrue, !Self.holds(task.dataFile.path, folder) else { continue }
      if let added, added.latest(task.fileSequenceNumber) > now - ageMilliseconds { continue }
      result.insert(task.dataFile.path)
    }
    return result
  }

  /// Files of the table as it was last seen that are old enough and not in the tier.
  public func agedPaths(_ table: Table) throws(TableError) -> Set<String> {
    try agedPaths(table, table.metadata, countMax: CompactionOptions().candidatesMax)
  }

  /// Whether a file lies in the folder.
  static func holds(_ path: String, _ folder: StorageLocation) -> Bool {
    guard let location = try? StorageLocation(path) else { return false }
    return location.isWithin(folder)
  }

  /// When files were added, as far as the table's snapshots tell.
  private struct AddedTimes {
    /// In the order of the sequence numbers.
    private let snapshots: [(sequence: Int64, time: Int64)]

    init(_ metadata: TableMetadata) {
      snapshots = metadata.snapshots.map { ($0.sequenceNumber, $0.timestampMilliseconds) }
        .sorted { $0.sequence < $1.sequence }
    }

    /// The latest time at which a file can have been added; milliseconds.
    func latest(_ sequenceNumber: Int64) -> Int64 {
      var (low, high) = (0, snapshots.count)
      while low < high {
        let middle = (low + high) / 2
        if snapshots[middle].sequence < sequenceNumber { low = middle + 1 } else { high = middle }
      }
      return low < snapshots.count ? snapshots[low].time : .max
    }
  }
}
