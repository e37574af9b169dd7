// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

extension TableMetadata {
  /// As a metadata file holds it. v1 also carries `schema` and `partition-spec` for old readers.
  public func json() -> JSONValue {
    var object = definition()
    object["snapshots"] = .array(snapshots.map { $0.json(formatVersion: formatVersion) })
    object["snapshot-log"] = .array(snapshotLog.map { $0.json() })
    object.merge(extra)
    return .object(object)
  }

  /// The bytes of a metadata file (not compressed). Snapshots, of which there may be many, are
  /// written one by one instead of being made JSON values together.
  public func bytes() -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.writeMembers(definition())
      writer.key("snapshots")
      writer.array(snapshots) { $1.write(to: &$0, formatVersion: formatVersion) }
      writer.key("snapshot-log")
      writer.array(snapshotLog) { $1.write(to: &$0) }
      writer.writeMembers(extra)
    }
    return writer.finish()
  }

  /// All but the snapshots, their log and what is not known.
  private func definition() -> JSONObject {
    var object: JSONObject = ["format-version": .int(Int64(formatVersion))]
    object.set("table-uuid", uuid.map { .string($0) })
    object["location"] = .string(location)
    if formatVersion > 1 { object["last-sequence-number"] = .int(lastSequenceNumber) }
    object["last-updated-ms"] = .int(lastUpdatedMilliseconds)
    object["last-column-id"] = .int(Int64(lastColumnID))
    if formatVersion == 1 { object["schema"] = currentSchema.json() }
    object["current-schema-id"] = .int(Int64(currentSchemaID))
    object["schemas"] = .array(schemas.map { $0.json() })
    if formatVersion == 1 {
      object["partition-spec"] = .array(defaultSpec.fields.map { $0.json() })
    }
    object["default-spec-id"] = .int(Int64(defaultSpecID))
    object["partition-specs"] = .array(specs.map { $0.json() })
    object["last-partition-id"] = .int(Int64(lastPartitionID))
    object["default-sort-order-id"] = .int(Int64(defaultSortOrderID))
    object["sort-orders"] = .array(sortOrders.map { $0.json() })
    object["properties"] = properties.json()
    if let currentSnapshotID {
      object["current-snapshot-id"] = .int(currentSnapshotID)
    } else {
      // What the reference implementation writes: old readers know -1 only.
      object["current-snapshot-id"] = formatVersion >= 3 ? .null : -1
    }
    if formatVersion >= 3 { object["next-row-id"] = .int(nextRowID) }
    if !encryptionKeys.isEmpty {
      object["encryption-keys"] = .array(encryptionKeys.map { $0.json() })
    }
    object["refs"] = .object(
      JSONObject(
        references.sorted { Self.referenceOrder($0.key, $1.key) }.map { ($0.key, $0.value.json()) }
      ))
    object["statistics"] = .array(statistics.map { $0.json() })
    object["partition-statistics"] = .array(partitionStatistics.map { $0.json() })
    object["metadata-log"] = .array(metadataLog.map { $0.json() })
    return object
  }

  /// The main branch first, then by name: the same metadata is the same bytes.
  private static func referenceOrder(_ a: String, _ b: String) -> Bool {
    let main = SnapshotReference.mainBranch
    return a == main ? b != main : b != main && a < b
  }
}

extension TableMetadata.SnapshotLogEntry {
  fileprivate func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.write("timestamp-ms", timestampMilliseconds)
      writer.write("snapshot-id", snapshotID)
      writer.writeMembers(extra)
    }
  }
}

extension Snapshot {
  /// Writes what `json(formatVersion:)` says.
  fileprivate func write(to writer: inout JSONWriter, formatVersion: Int) {
    writer.object { writer in
      if sequenceNumber > 0 || formatVersion > 1 {
        writer.write("sequence-number", sequenceNumber)
      }
      writer.write("snapshot-id", snapshotID)
      writer.write("parent-snapshot-id", parentID)
      writer.write("timestamp-ms", timestampMilliseconds)
      if let summary {
        writer.key("summary")
        writer.write(summary.json())
      }
      if let manifestList {
        writer.key("manifest-list")
        writer.write(manifestList)
      } else {
        writer.key("manifests")
        writer.array(manifests) { $0.write($1) }
      }
      writer.write("schema-id", schemaID.map { Int64($0) })
      writer.write("first-row-id", firstRowID)
      writer.write("added-rows", addedRows)
      if let keyID {
        writer.key("key-id")
        writer.write(keyID)
      }
      writer.writeMembers(extra)
    }
  }
}

extension JSONWriter {
  /// A member, unless there is no value.
  fileprivate mutating func write(_ name: String, _ value: Int64?) {
    guard let value else { return }
    key(name)
    write(value)
  }
}
