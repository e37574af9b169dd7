// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// The operations of `weir_table_request` that look after a table; docs/c.md lists them.
struct TableMaintenance {
  static let names = [
    "analyze", "compact", "diff", "expire_snapshots", "plan_backfill", "plan_compaction",
    "remove_orphans",
  ]

  private let table: Table

  init(_ table: Table) { self.table = table }

  /// - Returns: `nil` for an operation of others.
  func answer(_ request: TableRequest) throws -> JSONValue? {
    switch request.operation {
    case "analyze":
      let columns = try request.arguments.optionalArray(
        "columns", of: { value throws(JSONError) in try value.asString() })
      return try table.computeStatistics(columns: columns)?.summary(table.schema) ?? .null
    case "compact":
      let options = try compactionOptions(request.arguments)
      try table.refresh()
      return try table.compact(options).json
    case "plan_backfill": return try planBackfill(request.arguments)
    case "plan_compaction": return try planCompaction(request.arguments)
    case "diff":
      let from = try Self.selector(request.arguments.optionalString("from"))
      let to = try Self.selector(request.arguments.optionalString("to")) ?? .current
      let diff = try table.diff(from: from, to: to)
      return diff.json(diff.snapshots.isEmpty ? [] : try table.countChanges(from: from, to: to))
    case "expire_snapshots": return try expire(request.arguments)
    case "remove_orphans": return try removeOrphans(request.arguments)
    default: return nil
    }
  }

  private static func selector(_ text: String?) throws(TableError) -> SnapshotSelector? {
    try text.map { text throws(TableError) in try SnapshotSelector(parsing: text) }
  }

  private func expire(_ arguments: JSONObject) throws -> JSONValue {
    var options = SnapshotExpiration()
    options.olderThanMilliseconds = try arguments.optionalInt64("older_than_ms")
    options.retainLast = try arguments.optionalInt("retain_last")
    let ids = try arguments.optionalArray(
      "snapshot_ids", of: { value throws(JSONError) in try value.asInt64() })
    options.snapshotIDs = Set(ids ?? [])
    let result = try table.expireSnapshots(options)
    return [
      "snapshot_ids": .array(result.snapshotIDs.map { .int($0) }),
      "references": .array(result.references.map { .string($0) }),
      "removed_files": .int(
        Int64(
          result.contentFileCount + result.manifestCount + result.manifestListCount
            + result.statisticsFileCount)),
      "failures": .int(Int64(result.failureCount)),
    ]
  }

  private func compactionOptions(_ arguments: JSONObject) throws -> CompactionOptions {
    var options = CompactionOptions()
    options.isFull = try arguments.optionalBool("full") ?? false
    options.convertsFormat = try arguments.optionalBool("convert") ?? false
    if let filter = try arguments.optionalString("where") {
      options.filter = try Predicate(parsing: filter)
    }
    if let trigger = try arguments.optionalInt("trigger") {
      guard trigger >= 2 else {
        throw CError.invalidArgument("trigger is \(trigger); files come together from 2 on")
      }
      options.runsTrigger = trigger
    }
    if let memory = try arguments.optionalInt("memory_bytes") {
      guard memory >= 1 else {
        throw CError.invalidArgument("memory_bytes is \(memory); rows are sorted in 1 or more")
      }
      options.sortBytesMax = memory
    }
    options.sortColumns = try arguments.optionalArray(
      "sort", of: { value throws(JSONError) in try value.asString() })
    options.paths = try arguments.optionalArray(
      "files", of: { value throws(JSONError) in try value.asString() }
    ).map(Set.init)
    return options
  }

  private func planCompaction(_ arguments: JSONObject) throws -> JSONValue {
    try table.refresh()
    let compaction = try Compaction.planned(table, compactionOptions(arguments))
    return [
      "groups": .array(
        compaction.plannedPaths.map { .array($0.map { .string($0) }) }),
      "files": .int(Int64(compaction.plannedFileCount)),
      "bytes": .int(Int64(compaction.plannedByteCount)),
    ]
  }

  private func planBackfill(_ arguments: JSONObject) throws -> JSONValue {
    let count = try arguments.int64("parts")
    guard count > 0 else {
      throw CError.invalidArgument("parts is \(count); a backfill has 1 or more")
    }
    return ["parts": .array(try table.backfillParts(Int(count)).map { $0.json() })]
  }

  private func removeOrphans(_ arguments: JSONObject) throws -> JSONValue {
    var options = OrphanCleanup()
    if let age = try arguments.optionalInt64("min_age_ms") {
      guard age >= 0 else {
        throw CError.invalidArgument("min_age_ms is \(age); an age is 0 or more")
      }
      options.ageMillisecondsMin = age
    }
    options.isDryRun = try arguments.optionalBool("dry_run") ?? false
    let result = try table.removeOrphanFiles(options)
    return [
      "locations": .array(result.locations.map { .string($0) }),
      "bytes": .int(Int64(result.byteCount)),
      "failures": .int(Int64(result.failureCount)),
      "has_more": .bool(result.hasMore),
    ]
  }
}

extension StatisticsFile {
  /// The file, and the counts of distinct values in it.
  fileprivate func summary(_ schema: TableSchema) -> JSONValue {
    var counts = JSONObject()
    for blob in blobs {
      guard let id = blob.fieldIDs.first, let name = schema.path(ofFieldID: id),
        let count = blob.properties?["ndv"].flatMap({ Int64($0) })
      else { continue }
      counts[name] = .int(count)
    }
    return [
      "snapshot_id": .int(snapshotID), "path": .string(path), "bytes": .int(sizeInBytes),
      "distinct_values": .object(counts),
    ]
  }
}
