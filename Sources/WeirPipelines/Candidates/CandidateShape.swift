// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

/// A definition of candidates against the table that it follows.
struct CandidateShape {
  let definition: CandidateDefinition
  /// The column that names items, and the values' type.
  let item: String
  let itemType: DataType
  /// For a trending decayed count.
  var halfLife: Int64?
  /// Of the followed table, besides its key.
  let columns: [String]
  /// Of the followed table, as a follower gives them.
  let sourceSchema: Schema
  let filter: BoundPredicate?
  /// Of the candidates' table.
  let tableFields: [Field]

  static let segmentColumn = "segment"
  static let itemsColumn = "items"
  static let digestColumn = "_digest"

  /// - Parameter profile: the profile whose table is followed, when it is one.
  init(
    _ definition: CandidateDefinition, source: StreamDefinition, profile: ProfileDefinition?
  ) throws(StreamError) {
    do throws(StreamError) {
      try Self.check(definition, source)
      self.definition = definition
      var columns = definition.by
      switch definition.kind {
      case .similar(let similar):
        (item, itemType) = (similar.column, try Self.memberType(similar, source))
        columns.append(similar.feature)
      case .trending(let feature):
        (item, itemType) = try Self.itemColumn(definition, source)
        halfLife = try Self.halfLife(feature, source, profile)
        columns += halfLife == nil ? [feature] : [feature, ProfileShape.timeColumn]
      case .fresh(let time):
        (item, itemType) = try Self.itemColumn(definition, source)
        guard case .timestamp = try Self.field(time, source).type else {
          throw StreamError(.invalidArgument, "the column '\(time)' is no timestamp", column: time)
        }
        columns.append(time)
      }
      guard ValueNumbers(itemType) != nil else {
        throw StreamError(
          .unsupported, "items cannot be named by \(itemType); take whole numbers or text",
          column: item)
      }
      columns += try Self.columns(of: definition.filter, source)
      let wanted = columns
      self.columns = wanted
      let schema = try RowFollower.schema(source, wanted)
      sourceSchema = schema
      do throws(ColumnarError) {
        filter = try definition.filter?.bind(to: schema)
      } catch { throw StreamError(error) }
      tableFields = try Self.tableFields(definition, item, itemType)
    } catch { throw error.adding(stream: "\(definition.table)") }
  }

  /// The stream whose rows are the lists.
  var stream: StreamDefinition {
    var result = StreamDefinition(table: definition.table, columns: Schema(tableFields))
    result.primaryKey = [tableFields[0].name]
    result.shardCount = definition.shardCount
    return result
  }

  private static func check(
    _ definition: CandidateDefinition, _ source: StreamDefinition
  ) throws(StreamError) {
    guard source.isKeyed else {
      throw StreamError(
        .unsupported,
        "candidates follow a keyed table; '\(source.table)' has no primary key: make a profile of it"
      )
    }
    guard (1...CandidateDefinition.countMax).contains(definition.count) else {
      throw StreamError(
        .invalidArgument,
        "a list has \(definition.count) items; it must have 1 to \(CandidateDefinition.countMax)")
    }
    for name in definition.by {
      let field = try field(name, source)
      guard field.type.children.isEmpty else {
        throw StreamError(
          .invalidArgument, "lists are kept apart by single values; '\(name)' is nested",
          column: name)
      }
    }
    guard case .similar(let similar) = definition.kind else { return }
    guard definition.by.isEmpty else {
      throw StreamError(.unsupported, "similar items are not kept apart by columns: leave out 'by'")
    }
    guard similar.shrinkage >= 0, similar.shrinkage.isFinite, similar.entityCountMin >= 1 else {
      throw StreamError(.invalidArgument, "the shrinkage must be a number of at least 0")
    }
    guard (1...SimilarItems.depthMax).contains(similar.depth) else {
      throw StreamError(
        .invalidArgument,
        "'depth' is \(similar.depth); it must be 1 to \(SimilarItems.depthMax): each entity costs "
          + "the square of it")
    }
  }

  static func field(_ name: String, _ source: StreamDefinition) throws(StreamError) -> Field {
    if let field = source.columns[name] { return field }
    let close = NameSuggestion.closest(to: name, source.columns.fields.map(\.name))
    throw StreamError(
      .invalidArgument,
      "'\(source.table)' has no column '\(name)'"
        + (close.map { "; did you mean '\($0)'?" } ?? ""), column: name)
  }

  private static func itemColumn(
    _ definition: CandidateDefinition, _ source: StreamDefinition
  ) throws(StreamError) -> (String, DataType) {
    if let item = definition.item { return (item, try field(item, source).type) }
    let rest = source.primaryKey.filter { !definition.by.contains($0) }
    guard rest.count == 1 else {
      throw StreamError(
        .invalidArgument,
        "which column names the items? The key is \(source.primaryKey.joined(separator: ", ")): "
          + "say it with 'item', or keep lists apart with 'by'")
    }
    return (rest[0], try field(rest[0], source).type)
  }

  /// The type of the items in the lists of the entities.
  private static func memberType(
    _ similar: SimilarItems, _ source: StreamDefinition
  ) throws(StreamError) -> DataType {
    guard case .list(let element) = try field(similar.feature, source).type,
      case .struct(let members) = element.type
    else {
      throw StreamError(
        .invalidArgument,
        "'\(similar.feature)' is no list of events: take a feature with the function 'last'",
        column: similar.feature)
    }
    if let member = members.first(where: { $0.name == similar.column }) { return member.type }
    let close = NameSuggestion.closest(to: similar.column, members.map(\.name))
    throw StreamError(
      .invalidArgument,
      "'\(similar.feature)' keeps no column '\(similar.column)'"
        + (close.map { "; did you mean '\($0)'?" } ?? ""), column: similar.feature)
  }

  /// - Returns: `nil` when the feature is a number that does not fade.
  private static func halfLife(
    _ name: String, _ source: StreamDefinition, _ profile: ProfileDefinition?
  ) throws(StreamError) -> Int64? {
    let field = try field(name, source)
    let feature = profile?.features.first { $0.name == name }
    if case .decayedCount(let halfLife)? = feature?.function { return halfLife }
    if feature?.window != nil {
      throw StreamError(
        .invalidArgument,
        "'\(name)' has a window, and items whose events stopped would keep what they had: take "
          + "decayed_count", column: name)
    }
    switch field.type {
    case .int32, .int64, .float32, .float64, .decimal128: return nil
    default:
      throw StreamError(.invalidArgument, "the column '\(name)' has no numbers", column: name)
    }
  }

  private static func columns(
    of filter: Predicate?, _ source: StreamDefinition
  ) throws(StreamError) -> [String] {
    guard let filter else { return [] }
    do throws(ColumnarError) {
      return try filter.bind(to: source.columns).columns.compactMap(\.names.first)
    } catch { throw StreamError(error) }
  }

  private static func tableFields(
    _ definition: CandidateDefinition, _ item: String, _ itemType: DataType
  ) throws(StreamError) -> [Field] {
    let members = [
      Field("item", itemType, nullable: false), Field("score", .float64, nullable: false),
      Field("reason", .utf8),
    ]
    let key: Field
    if case .similar = definition.kind {
      key = Field(item, itemType, nullable: false)
    } else {
      key = Field(segmentColumn, .utf8, nullable: false)
    }
    guard key.name != itemsColumn else {
      throw StreamError(
        .unsupported, "items cannot be named by a column '\(itemsColumn)'", column: item)
    }
    let fields = [
      key,
      Field(
        itemsColumn, .list(Field("element", .struct(members), nullable: false)), nullable: false),
      Field(digestColumn, .int64, nullable: false),
    ]
    do throws(TableError) {
      return try TableSchema(arrow: Schema(fields)).arrowSchema().fields
    } catch { throw StreamError(error) }
  }
}
