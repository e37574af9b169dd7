// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirStorage

extension TableErasure {
  /// Looks for the markers in all that is in the table's location, and writes down what was done, in the
  /// folder `erasures` there.
  ///
  /// - Throws: what reading and writing throw.
  public func prove() throws(TableError) {
    do throws(TableError) {
      if !options.markers.isEmpty {
        var scan = ByteScan(options.markers)
        try scan.scan(table.metadata.location, table.stores)
        for folder in options.folders { try scan.scan(folder, table.stores) }
        if let tier = try TableTier(table.metadata.properties) {
          try scan.scan(try tier.folder(table.metadata).description, table.stores)
        }
        result.scan = scan.result
      }
      let time = Scalar.int(result.began).text(as: .timestamp(.millisecond, timeZone: "UTC"))
      let stamp = time.filter { $0.isNumber }.prefix(14)
      let location = "\(table.metadata.location)/\(Self.folder)/\(stamp)-\(id.prefix(8)).json"
      result.location = location
      try put(result.json, at: location)
    } catch { throw error.adding(table: table.identifier.description) }
  }

  /// Adds what others did for the same rows, before `prove()`.
  public func add(_ name: String, _ value: JSONValue, left: [String] = []) {
    result.parts.append((name, value))
    result.left += left
  }
}

extension TableErasureResult {
  private static func time(_ milliseconds: Int64) -> JSONValue {
    .string(Scalar.int(milliseconds).text(as: .timestamp(.millisecond, timeZone: "UTC")))
  }

  private static func json(_ file: Rewrite.File) -> JSONValue {
    [
      "file": .string(file.name), "sha256": .string(file.sha256),
      "rows": .int(Int64(file.rowCount)),
    ]
  }

  /// The proof: what was done, without any value of what was erased.
  public var json: JSONValue {
    var object: JSONObject = [
      "table": .string("\(table)"), "where": .string(condition),
      "complete": .bool(isComplete), "left": .array(left.map { .string($0) }),
      "began": Self.time(began), "ended": Self.time(ended),
      "snapshot_before": .optional(snapshotBefore), "snapshot_after": .optional(snapshotAfter),
      "rows_erased": .int(Int64(erasedRowCount)),
      "files_rewritten": .array(
        rewrites.map { rewrite in
          [
            "before": Self.json(rewrite.source),
            "rows_erased": .int(Int64(rewrite.erasedRowCount)),
            "after": .array(rewrite.outputs.map(Self.json)),
          ]
        }),
      "files_deleted": [
        "data": .int(Int64(removedDataFiles)), "manifests": .int(Int64(removedManifests)),
        "manifest_lists": .int(Int64(removedManifestLists)),
        "statistics": .int(Int64(removedStatistics)),
        "metadata": .int(Int64(removedMetadataFiles)), "orphans": .int(Int64(removedOrphans)),
      ],
      "snapshots_expired": .array(expiredSnapshotIDs.map { .int($0) }),
      "references_removed": .array(removedReferences.map { .string($0) }),
      "files_tested": .int(Int64(testedFileCount)),
      "scan": scan?.json ?? .null,
      "readers":
        "Readers of this process were waited for. Whoever has a removed file open in another process goes on reading it until it is closed.",
    ]
    for part in parts { object[part.name] = part.value }
    return .object(object)
  }
}

extension ByteScan.Result {
  /// Without the markers.
  public var json: JSONValue {
    [
      "files": .int(Int64(fileCount)), "bytes": .int(Int64(byteCount)),
      "unpacked_files": .int(Int64(unpackedFileCount)),
      "unpacked_bytes": .int(Int64(unpackedByteCount)),
      "markers_found": .array(counts.map { .int(Int64($0)) }),
      "places": .array(places.map { .string($0) }),
      "unreadable": .array(unreadable.map { .string($0) }),
    ]
  }
}
