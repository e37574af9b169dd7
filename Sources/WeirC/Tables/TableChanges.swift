// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// The changes of `weir_table_request("update")`, each a JSON object with an `action`; docs/c.md lists
/// them.
struct TableChanges {
  private let transaction: Transaction

  init(_ transaction: Transaction) { self.transaction = transaction }

  func add(_ change: JSONObject) throws {
    let action = try change.string("action")
    guard
      try addColumnChange(action, change) || addLayoutChange(action, change)
        || addReferenceChange(action, change)
    else {
      throw CError.invalidArgument("there is no change \"\(action)\"; docs/c.md lists them")
    }
  }

  private func addColumnChange(_ action: String, _ change: JSONObject) throws -> Bool {
    switch action {
    case "add_column":
      let type = try Self.type(change)
      let value = try change.optional("default") { json throws(JSONError) in
        try Scalar(json: json, type)
      }
      transaction.updateSchema().addColumn(
        try change.string("name"), type, in: try change.optionalString("parent"),
        required: try change.optionalBool("required") ?? false,
        doc: try change.optionalString("doc"), defaultValue: value)
    case "drop_column": transaction.updateSchema().dropColumn(try change.string("path"))
    case "rename_column":
      transaction.updateSchema().renameColumn(
        try change.string("path"), to: try change.string("name"))
    case "change_type":
      transaction.updateSchema().changeType(try change.string("path"), to: try Self.type(change))
    case "make_optional": transaction.updateSchema().makeOptional(try change.string("path"))
    case "set_doc":
      transaction.updateSchema().setDoc(
        try change.string("path"), try change.optionalString("doc"))
    case "move":
      let position: UpdateSchema.Position
      if let name = try change.optionalString("before") {
        position = .before(name)
      } else if let name = try change.optionalString("after") {
        position = .after(name)
      } else {
        position = .first
      }
      transaction.updateSchema().move(try change.string("path"), position)
    case "set_identifiers": transaction.updateSchema().setIdentifiers(try change.textList("paths"))
    default: return false
    }
    return true
  }

  private static func type(_ change: JSONObject) throws -> TableType {
    let json = try change.required("type") { value throws(JSONError) in value }
    if case .string(let name) = json {
      guard let type = TableType(named: name) else {
        throw CError.invalidArgument(
          "there is no type '\(name)'; there are boolean, int, long, float, double, "
            + "decimal(P,S), date, time, timestamp, timestamptz, timestamp_ns, timestamptz_ns, "
            + "string, uuid, fixed[N] and binary")
      }
      return type
    }
    return try TableType(json: json)
  }

  private func addLayoutChange(_ action: String, _ change: JSONObject) throws -> Bool {
    switch action {
    case "add_partition":
      let column = try TransformedColumn(parsing: try change.string("column"))
      transaction.updateSpec().addField(
        column.path, column.transform, name: try change.optionalString("name"))
    case "remove_partition": transaction.updateSpec().removeField(try change.string("name"))
    case "rename_partition":
      transaction.updateSpec().renameField(
        try change.string("name"), to: try change.string("to"))
    case "set_sort_order":
      transaction.setSortOrder(
        try change.textList("columns").map { text throws(TableError) in
          try SortColumn(parsing: text)
        })
    case "set_properties":
      transaction.setProperties(StringMap(try change.texts("properties")))
    case "remove_properties": transaction.removeProperties(try change.textList("names"))
    case "set_location": transaction.setLocation(try change.string("location"))
    case "upgrade_format": transaction.upgradeFormat(to: try change.int("version"))
    default: return false
    }
    return true
  }

  private func addReferenceChange(_ action: String, _ change: JSONObject) throws -> Bool {
    switch action {
    case "create_branch":
      transaction.createBranch(
        try change.string("name"), at: try change.optionalInt64("snapshot_id"))
    case "create_tag":
      transaction.createTag(try change.string("name"), at: try change.optionalInt64("snapshot_id"))
    case "remove_reference": transaction.removeReference(try change.string("name"))
    case "fast_forward":
      transaction.fastForward(try change.string("branch"), to: try change.string("to"))
    case "rollback": transaction.rollback(to: try change.int64("snapshot_id"))
    case "set_current_snapshot":
      transaction.setCurrentSnapshot(try change.int64("snapshot_id"))
    default: return false
    }
    return true
  }
}
