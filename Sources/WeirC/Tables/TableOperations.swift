// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// The operations of `weir_table_request`; docs/c.md lists them.
struct TableOperations {
  private let table: Table

  init(_ table: Table) { self.table = table }

  func answer(_ request: TableRequest) throws -> JSONValue {
    switch request.operation {
    case "metadata": return table.metadata.json()
    case "describe": return description
    case "refresh":
      try table.refresh()
      return description
    case "update":
      let transaction = table.transaction()
      let changes = TableChanges(transaction)
      for change in try request.arguments.array("changes") {
        try changes.add(try change.asObject())
      }
      try transaction.commit()
      return description
    case "plan":
      var options = ScanOptions()
      if let filter = try request.arguments.optionalString("where") {
        options.filter = try Predicate(parsing: filter)
      }
      if let at = try request.arguments.optionalString("at") {
        options.at = try SnapshotSelector(parsing: at)
      }
      return try plan(options, withFiles: try request.arguments.optionalBool("files") ?? false)
    default:
      guard let answer = try TableMaintenance(table).answer(request) else {
        throw request.unknown(
          (["describe", "metadata", "plan", "refresh", "update"] + TableMaintenance.names).sorted())
      }
      return answer
    }
  }

  private var description: JSONValue {
    let metadata = table.metadata
    return [
      "identifier": .string(table.identifier.description),
      "location": .string(metadata.location),
      "metadata_location": .optional(table.metadataLocation),
      "format_version": .int(Int64(metadata.formatVersion)),
      "current_snapshot_id": .optional(metadata.currentSnapshotID),
    ]
  }

  /// What planning a scan finds, and how much it looks at.
  private func plan(_ options: ScanOptions, withFiles: Bool) throws(TableError) -> JSONValue {
    let planner = try table.plan(options)
    var files: [JSONValue] = []
    var rows: Int64 = 0
    var bytes: Int64 = 0
    while let task = try planner.next() {
      rows += Int64(task.dataFile.recordCount)
      bytes += Int64(task.dataFile.fileSizeInBytes)
      if withFiles { files.append(.string(task.dataFile.path)) }
    }
    let counts = planner.counts
    var answer: JSONObject = [
      "files": .int(Int64(counts.plannedFiles)), "rows_max": .int(rows), "bytes": .int(bytes),
      "delete_files": .int(Int64(counts.deleteFiles)),
      "manifests": .int(Int64(counts.manifests)),
      "skipped_manifests": .int(Int64(counts.skippedManifests)),
    ]
    if withFiles { answer["paths"] = .array(files) }
    return .object(answer)
  }
}
