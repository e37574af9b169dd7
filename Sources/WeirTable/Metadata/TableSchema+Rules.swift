// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Field ids from here on belong to metadata columns (`_file`, `_row_id`, …).
public let reservedFieldIDMin: Int32 = 2_147_483_448

extension TableSchema {
  /// Checks what every new schema must keep: unique ids and names, ids that are not reserved, types
  /// and defaults that the format version has, identifier fields that can identify.
  ///
  /// - Throws: `invalidArgument`, or `unsupported` for what needs a later format version, naming the
  ///   column and the remedy. Cost: linear in all fields.
  public func validate(formatVersion: Int) throws(TableError) {
    if let id = duplicateFieldID {
      throw TableError(
        .invalidArgument, "two fields have the id \(id)", column: path(ofFieldID: id))
    }
    if let path = duplicatePath {
      throw TableError(.invalidArgument, "two fields have the same name", column: path)
    }
    for id in allFieldIDs {
      guard let field = field(id: id), let path = path(ofFieldID: id) else { continue }
      do {
        try field.validate(formatVersion: formatVersion)
      } catch {
        throw error.adding(column: path)
      }
    }
    for id in identifierFieldIDs { try validateIdentifier(id) }
  }

  private func validateIdentifier(_ id: Int32) throws(TableError) {
    guard let field = field(id: id) else {
      throw TableError(.invalidArgument, "identifier field \(id) is not in the schema")
    }
    func refused(_ reason: String) -> TableError {
      TableError(
        .invalidArgument, "it cannot be an identifier field: \(reason)",
        column: path(ofFieldID: id))
    }
    guard field.type.isPrimitive else { throw refused("it is a \(field.type)") }
    guard field.required else { throw refused("it is optional; make it required first") }
    if field.type == .float || field.type == .double {
      throw refused("floating-point values are not equal to themselves")
    }
    var parent = parentID(ofFieldID: id)
    while let above = parent {
      guard let outer = self.field(id: above), case .struct = outer.type else {
        throw refused("it lies in a list or map")
      }
      guard outer.required else { throw refused("it lies in the optional struct '\(outer.name)'") }
      parent = parentID(ofFieldID: above)
    }
  }
}

extension TableField {
  /// The rules for a field alone.
  func validate(formatVersion: Int) throws(TableError) {
    guard id > 0, id < reservedFieldIDMin else {
      throw TableError(
        .invalidArgument,
        "field id \(id) is not between 1 and \(reservedFieldIDMin - 1), which tables may use")
    }
    if name.isEmpty { throw TableError(.invalidArgument, "a field has no name") }
    if type.formatVersionMin > formatVersion {
      throw TableError(
        .unsupported,
        "type \(type) needs format version \(type.formatVersionMin), the table has "
          + "\(formatVersion): upgrade the table or choose another type")
    }
    if type == .unknown && required {
      throw TableError(
        .invalidArgument, "a column of type unknown holds null only: make it optional")
    }
    let defaults = [("initial-default", initialDefault), ("write-default", writeDefault)]
    for (name, value) in defaults {
      guard let value, !value.isNull else { continue }
      if formatVersion < 3 {
        // A write default changes nothing for readers, and v2 writers are allowed to ignore it.
        if name == "write-default" { continue }
        throw TableError(
          .unsupported, "\(name) needs format version 3, the table has \(formatVersion): upgrade it"
        )
      }
      switch type {
      case .unknown, .variant, .geometry, .geography:
        throw TableError(.invalidArgument, "\(name) of a column of type \(type) must be null")
      case .struct:
        guard case .struct(let members) = value, members.isEmpty else {
          throw TableError(
            .invalidArgument, "\(name) of a struct must be null or {}: its fields have their own")
        }
      default: break
      }
    }
  }
}

extension TableType {
  /// Whether columns of this type may become `target` without rewriting data (Iceberg, "Schema
  /// Evolution"). The same type counts.
  public func canPromote(to target: TableType, formatVersion: Int) -> Bool {
    if self == target { return true }
    switch (self, target) {
    case (.int, .long), (.float, .double): return true
    case (.decimal(let from, let fromScale), .decimal(let to, let toScale)):
      return to >= from && fromScale == toScale
    case (.date, .timestamp), (.date, .timestampNs): return formatVersion >= 3
    case (.unknown, _): return formatVersion >= 3
    default: return false
    }
  }
}

extension Transform {
  /// Whether values of a promoted column give the results that they gave before. Where not, a column
  /// that a partition spec uses must keep its type.
  public func survivesPromotion(from source: TableType, to target: TableType) -> Bool {
    if source == target { return true }
    switch (self, source, target) {
    case (.void, _, _), (_, .unknown, _): return true
    case (.identity, .date, _), (.bucket, .date, _), (.truncate, .date, _): return false
    case (.unknown, _, _): return false
    default: return true
    }
  }
}
