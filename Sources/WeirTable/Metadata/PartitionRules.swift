// SPDX-License-Identifier: Apache-2.0

extension PartitionSpec {
  /// Checks that writers can use the spec with `schema`.
  ///
  /// - Throws: `invalidArgument` (`unsupported` for unknown transforms) naming the partition field.
  public func validate(_ schema: TableSchema) throws(TableError) {
    try validate(schema, allowsUnknown: false)
  }

  /// - Parameter allowsUnknown: transforms of other writers, already in the table, may stay.
  func validate(_ schema: TableSchema, allowsUnknown: Bool) throws(TableError) {
    var names: Set<String> = []
    var ids: Set<Int32> = []
    for field in fields {
      func refused(_ reason: String) -> TableError {
        TableError(.invalidArgument, "partition field '\(field.name)' \(reason)")
      }
      if field.name.isEmpty { throw refused("has no name") }
      guard names.insert(field.name).inserted else { throw refused("is there twice") }
      guard ids.insert(field.fieldID).inserted || field.fieldID == 0 else {
        throw refused("has the id \(field.fieldID) of another")
      }
      if field.transform != .void {
        try validateSource(
          schema, field.sourceIDs, field.transform, "partition field '\(field.name)'",
          allowsUnknown)
      }
      if let column = schema.field(path: field.name),
        !(field.transform == .identity || field.transform == .void) || column.id != field.sourceID
      {
        throw refused(
          "has the name of a column, which only an identity partition of that column may have")
      }
    }
  }
}

extension SortOrder {
  /// Checks that writers can sort by the order with `schema`.
  public func validate(_ schema: TableSchema) throws(TableError) {
    try validate(schema, allowsUnknown: false)
  }

  /// - Parameter allowsUnknown: transforms of other writers, already in the table, may stay.
  func validate(_ schema: TableSchema, allowsUnknown: Bool) throws(TableError) {
    for (index, field) in fields.enumerated() {
      try validateSource(
        schema, field.sourceIDs, field.transform, "sort field \(index + 1)", allowsUnknown)
    }
  }
}

/// Checks that a transform's source columns are there and of a type that it takes.
private func validateSource(
  _ schema: TableSchema, _ sourceIDs: [Int32], _ transform: Transform, _ who: String,
  _ allowsUnknown: Bool
) throws(TableError) {
  if case .unknown(let name) = transform {
    if allowsUnknown { return }
    throw TableError(
      .unsupported, "\(who) has the transform '\(name)', which this version of Weir cannot compute")
  }
  guard sourceIDs.count == 1, let sourceID = sourceIDs.first else {
    throw TableError(
      .unsupported, "\(who) takes several columns, which no transform of this version does")
  }
  guard let source = schema.field(id: sourceID) else {
    throw TableError(
      .invalidArgument, "\(who) comes from column \(sourceID), which the schema does not have")
  }
  let path = schema.path(ofFieldID: sourceID)
  guard transform.resultType(of: source.type) != nil else {
    throw TableError(
      .invalidArgument, "\(who) cannot be: \(transform) takes no \(source.type)", column: path)
  }
  var parent = schema.parentID(ofFieldID: sourceID)
  while let above = parent {
    guard case .struct? = schema.field(id: above)?.type else {
      throw TableError(.invalidArgument, "\(who) comes from within a list or map", column: path)
    }
    parent = schema.parentID(ofFieldID: above)
  }
}
