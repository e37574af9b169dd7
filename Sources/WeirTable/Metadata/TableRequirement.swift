// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// What must be so for a commit to take place (REST catalog, `TableRequirement`).
public enum TableRequirement: Hashable, Sendable {
  /// The table must not be there.
  case assertCreate
  case assertTableUUID(String)
  /// The reference is at this snapshot, or is not there (`nil`).
  case assertReferenceSnapshotID(reference: String, snapshotID: Int64?)
  case assertLastAssignedFieldID(Int32)
  case assertCurrentSchemaID(Int)
  case assertLastAssignedPartitionID(Int32)
  case assertDefaultSpecID(Int)
  case assertDefaultSortOrderID(Int)

  /// - Parameter metadata: of the table; `nil` when there is no such table.
  /// - Throws: `retryableConflict` (`alreadyExists` for `assertCreate`, `notFound` without a table)
  ///   that says what is there instead.
  public func check(_ metadata: TableMetadata?) throws(TableError) {
    if self == .assertCreate {
      guard metadata == nil else {
        throw TableError(.alreadyExists, "the table is there already; it was to be created")
      }
      return
    }
    guard let metadata else { throw TableError(.notFound, "the table is not there (any more)") }
    func conflict(_ what: String, _ wanted: String, _ found: String) -> TableError {
      TableError(
        .retryableConflict,
        "\(what) changed: it is \(found), the commit was made for \(wanted); somebody else "
          + "committed in between; load the table again")
    }
    func compare<T: Equatable>(_ what: String, _ wanted: T, _ found: T) throws(TableError) {
      if wanted != found { throw conflict(what, "\(wanted)", "\(found)") }
    }
    switch self {
    case .assertCreate: break
    case .assertTableUUID(let uuid):
      guard let found = metadata.uuid, found.lowercased() == uuid.lowercased() else {
        throw TableError(
          .conflict,
          "the table's UUID is \(metadata.uuid ?? "none"), the commit was made for \(uuid): "
            + "the table was dropped and created anew")
      }
    case .assertReferenceSnapshotID(let name, let wanted):
      let found = metadata.references[name]?.snapshotID
      guard wanted != found else { return }
      throw conflict(
        "reference \(name)", wanted.map { "snapshot \($0)" } ?? "no such reference",
        found.map { "at snapshot \($0)" } ?? "not there")
    case .assertLastAssignedFieldID(let id):
      try compare("the last column id", id, metadata.lastColumnID)
    case .assertCurrentSchemaID(let id):
      try compare("the current schema", id, metadata.currentSchemaID)
    case .assertLastAssignedPartitionID(let id):
      try compare("the last partition field id", id, metadata.lastPartitionID)
    case .assertDefaultSpecID(let id):
      try compare("the default partition spec", id, metadata.defaultSpecID)
    case .assertDefaultSortOrderID(let id):
      try compare("the default sort order", id, metadata.defaultSortOrderID)
    }
  }
}

extension TableRequirement: JSONConvertible {
  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    let type = try object.string("type")
    switch type {
    case "assert-create": self = .assertCreate
    case "assert-table-uuid": self = .assertTableUUID(try object.string("uuid"))
    case "assert-ref-snapshot-id":
      self = .assertReferenceSnapshotID(
        reference: try object.string("ref"), snapshotID: try object.optionalInt64("snapshot-id"))
    case "assert-last-assigned-field-id":
      self = .assertLastAssignedFieldID(try object.int32("last-assigned-field-id"))
    case "assert-current-schema-id":
      self = .assertCurrentSchemaID(try object.id("current-schema-id"))
    case "assert-last-assigned-partition-id":
      self = .assertLastAssignedPartitionID(try object.int32("last-assigned-partition-id"))
    case "assert-default-spec-id": self = .assertDefaultSpecID(try object.id("default-spec-id"))
    case "assert-default-sort-order-id":
      self = .assertDefaultSortOrderID(try object.id("default-sort-order-id"))
    default: throw JSONError(.unsupported, "no requirement '\(type)' is known").inside("type")
    }
  }

  public func json() -> JSONValue {
    switch self {
    case .assertCreate: ["type": "assert-create"]
    case .assertTableUUID(let uuid): ["type": "assert-table-uuid", "uuid": .string(uuid)]
    case .assertReferenceSnapshotID(let name, let id):
      ["type": "assert-ref-snapshot-id", "ref": .string(name), "snapshot-id": .optional(id)]
    case .assertLastAssignedFieldID(let id):
      ["type": "assert-last-assigned-field-id", "last-assigned-field-id": .int(Int64(id))]
    case .assertCurrentSchemaID(let id):
      ["type": "assert-current-schema-id", "current-schema-id": .int(Int64(id))]
    case .assertLastAssignedPartitionID(let id):
      ["type": "assert-last-assigned-partition-id", "last-assigned-partition-id": .int(Int64(id))]
    case .assertDefaultSpecID(let id):
      ["type": "assert-default-spec-id", "default-spec-id": .int(Int64(id))]
    case .assertDefaultSortOrderID(let id):
      ["type": "assert-default-sort-order-id", "default-sort-order-id": .int(Int64(id))]
    }
  }
}
