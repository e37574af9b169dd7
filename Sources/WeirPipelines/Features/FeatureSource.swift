// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirStreaming
internal import WeirTable

/// One entry of a feature view, against the table that it reads.
public struct FeatureSource: Sendable {
  public let entry: FeatureViewDefinition.Entry
  /// The table's key column.
  public let key: Field
  /// The view's columns, all nullable. A profile's `last` feature is a list for each column that it keeps.
  public let columns: [Field]
  /// The profile, and the stream of its events; `nil` where the table is a stream of rows.
  public let profile: (definition: ProfileDefinition, source: StreamDefinition)?
  /// Columns of the table that are looked up.
  let names: [String]
  let plans: [FeaturePlan]
  /// Of a profile: which value each column is.
  private let picks: [Pick]

  private struct Pick: Sendable {
    var feature: Int
    /// `nil` for lists.
    var number: FeatureNumber?
    /// The place of the column that `last` keeps; behind them that of the time.
    var member: Int?
  }

  /// What a missing row has for an offset.
  static let noOffset: Int64 = -1

  /// Numbers that say which events are in a row: for a profile the offset behind the last one of each
  /// shard of its source, for another table the offset of the row; there 0 or -1 without a row.
  public var offsetCount: Int { profile?.source.shardCount ?? 1 }

  init(
    _ entry: FeatureViewDefinition.Entry, profiles: [ProfileDefinition],
    streams: [StreamDefinition]
  ) throws(StreamError) {
    self.entry = entry
    do throws(StreamError) {
      if let profile = profiles.first(where: { $0.table == entry.table }) {
        guard let source = streams.first(where: { $0.table == profile.source }) else {
          throw StreamError(.notFound, "there is no stream '\(profile.source)'")
        }
        let shape = try ProfileShape(profile, source)
        key = try Self.key(entry, profile.entity, Schema(shape.entityFields))
        self.profile = (profile, source)
        plans = shape.plans
        names = [ProfileOperator.stateColumn]
        (columns, picks) = try Self.columns(entry, shape.plans)
      } else if let stream = streams.first(where: { $0.table == entry.table }) {
        guard stream.isKeyed else {
          throw StreamError(
            .invalidArgument, "'\(entry.table)' has no primary key; rows of it cannot be looked up")
        }
        key = try Self.key(entry, stream.primaryKey, stream.columns)
        profile = nil
        (plans, picks) = ([], [])
        let fields = try Self.columns(entry, stream)
        names = fields.map(\.name) + [StreamColumns.offset]
        columns = fields.map { Field("\(entry.name)_\($0.name)", $0.type) }
      } else {
        let names = (profiles.map(\.table) + streams.map(\.table)).map(\.description)
        throw StreamError(
          .notFound,
          "there is no profile and no stream '\(entry.table)'"
            + (NameSuggestion.closest(to: "\(entry.table)", names).map {
              "; did you mean '\($0)'?"
            } ?? ""))
      }
    } catch {
      throw StreamError(
        error.code, "the entry '\(entry.name)': \(error.message)", column: error.column)
    }
  }

  private static func key(
    _ entry: FeatureViewDefinition.Entry, _ keys: [String], _ schema: Schema
  ) throws(StreamError) -> Field {
    guard keys == [entry.key], var field = schema[entry.key] else {
      throw StreamError(
        .invalidArgument,
        "the key of '\(entry.table)' is (\(keys.joined(separator: ", "))), not (\(entry.key))")
    }
    (field.nullable, field.id) = (false, nil)
    return field
  }

  /// The columns of a stream that an entry names.
  private static func columns(
    _ entry: FeatureViewDefinition.Entry, _ stream: StreamDefinition
  ) throws(StreamError) -> [Field] {
    let others = stream.columns.fields.filter { $0.name != entry.key }
    guard let wanted = entry.columns else { return others }
    var result: [Field] = []
    for name in wanted {
      guard let field = others.first(where: { $0.name == name }) else {
        throw Self.unknown(name, "'\(entry.table)'", others.map(\.name))
      }
      result.append(field)
    }
    return result
  }

  private static func unknown(
    _ name: String, _ what: String, _ names: [String]
  ) -> StreamError {
    let close = NameSuggestion.closest(to: name, names).map { "; did you mean '\($0)'?" }
    return StreamError(
      .invalidArgument, "\(what) has no feature '\(name)'" + (close ?? ""))
  }

  /// The features of a profile that an entry names.
  private static func columns(
    _ entry: FeatureViewDefinition.Entry, _ plans: [FeaturePlan]
  ) throws(StreamError) -> (columns: [Field], picks: [Pick]) {
    var columns: [Field] = []
    var picks: [Pick] = []
    for name in entry.columns ?? plans.map(\.feature.name) {
      let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
      guard let feature = plans.firstIndex(where: { $0.feature.name == parts.first }) else {
        throw unknown(name, "the profile '\(entry.table)'", plans.map(\.feature.name))
      }
      let plan = plans[feature]
      guard plan.feature.function.keepsEvents else {
        guard parts.count == 1 else {
          throw StreamError(.invalidArgument, "the feature '\(parts[0])' has no columns")
        }
        columns.append(Field("\(entry.name)_\(name)", plan.field.type))
        picks.append(Pick(feature: feature, number: plan.number))
        continue
      }
      let members = plan.field.type.children.first?.type.children ?? []
      let wanted = parts.count == 2 ? [parts[1]] : plan.valueNames
      for name in wanted {
        guard let member = members.firstIndex(where: { $0.name == name }) else {
          throw unknown(name, "the feature '\(parts[0])'", members.map(\.name))
        }
        columns.append(
          Field(
            "\(entry.name)_\(parts[0])_\(name)", .list(Field("element", members[member].type))))
        picks.append(Pick(feature: feature, member: member))
      }
    }
    return (columns, picks)
  }

  // MARK: Values

  /// A state's values at a time, one for each of `columns`.
  func values(_ state: ProfileState, at time: Int64) -> [Scalar] {
    picks.map { value($0, state, at: time) }
  }

  private func value(_ pick: Pick, _ state: ProfileState, at time: Int64) -> Scalar {
    if let number = pick.number { return state.features[pick.feature].number(number, at: time) }
    guard let member = pick.member, case .last(let last) = state.features[pick.feature] else {
      return state.features[pick.feature].value(plans[pick.feature], at: time)
    }
    return .list(
      last.entries.map { entry in
        member < entry.values.count ? entry.values[member] : .int(entry.time)
      })
  }

  /// The state that a row of the table holds.
  func state(_ bytes: [UInt8]?) throws(StreamError) -> ProfileState {
    guard let bytes else { return ProfileState(plans) }
    do throws(StreamError) {
      return try ProfileStateCoding.decode(bytes, plans)
    } catch { throw error.adding(stream: "\(entry.table)") }
  }

  /// Columns of the table that `rows(of:)` needs.
  public var tableColumns: [String] { names }

  /// Rows of the table in a form that gives features at any time, for who keeps them in memory.
  ///
  /// - Parameter batch: with `tableColumns`.
  /// - Throws: `damaged` when a state is not that of the profile's features.
  public func rows(of batch: RecordBatch) throws(StreamError) -> [FeatureSourceRow] {
    var result: [FeatureSourceRow] = []
    result.reserveCapacity(batch.rowCount)
    for row in 0..<batch.rowCount {
      guard profile == nil else {
        var bytes: [UInt8]?
        if case .binary(let content)? = batch[ProfileOperator.stateColumn]?.scalar(at: row) {
          bytes = content
        }
        result.append(FeatureSourceRow(content: .profile(try state(bytes))))
        continue
      }
      var offset = Self.noOffset
      if case .int(let found)? = batch[StreamColumns.offset]?.scalar(at: row) { offset = found }
      let values = zip(columns, names).map { batch[$1]?.scalar(at: row) ?? .null }
      result.append(FeatureSourceRow(content: .values(values, offset: offset)))
    }
    return result
  }

  /// As `rows(of:)`, but a profile's states stay the bytes that they are in the table until they are
  /// used: for rows of which many are kept, and each is seldom used.
  public func encodedRows(of batch: RecordBatch) throws(StreamError) -> [FeatureSourceRow] {
    guard profile != nil else { return try rows(of: batch) }
    let column = batch[ProfileOperator.stateColumn]
    return (0..<batch.rowCount).map { row in
      guard case .binary(let bytes)? = column?.scalar(at: row) else {
        return FeatureSourceRow(content: .encoded(nil))
      }
      return FeatureSourceRow(content: .encoded(bytes))
    }
  }

  /// Appends a row's values at a time; those of no row when `nil`.
  ///
  /// - Parameter offsets: which events are in it is added to them.
  func appendRow(
    _ row: FeatureSourceRow?, none: ProfileState, at time: Int64,
    to columns: [FeatureColumn], _ offsets: inout [Int64]
  ) throws(StreamError) {
    let state: ProfileState
    switch row?.content {
    case .profile(let known): state = known
    case .encoded(let bytes): state = try self.state(bytes)
    case .values(let values, let offset):
      offsets.append(offset)
      for (value, column) in zip(values, columns) { try column.append(value) }
      return
    case nil where profile == nil:
      offsets.append(Self.noOffset)
      for column in columns { column.builder.appendNull() }
      return
    case nil: state = none
    }
    appendOffsets(state, to: &offsets)
    for (pick, column) in zip(picks, columns) { try column.append(value(pick, state, at: time)) }
  }

  func appendOffsets(_ state: ProfileState, to offsets: inout [Int64]) {
    for shard in 0..<offsetCount { offsets.append(state.positions[shard] ?? 0) }
  }
}

/// A column of features that is being made: numbers go to its builder without generic code.
struct FeatureColumn {
  let builder: any ArrayBuilder
  private let doubles: PrimitiveBuilder<Double>?
  private let longs: PrimitiveBuilder<Int64>?

  init(_ type: DataType, count: Int) {
    builder = makeBuilder(for: type)
    builder.reserve(count)
    doubles = type == .float64 ? builder as? PrimitiveBuilder<Double> : nil
    longs = type == .int64 ? builder as? PrimitiveBuilder<Int64> : nil
  }

  func append(_ value: Scalar) throws(StreamError) {
    if let doubles, case .float64(let number) = value { return doubles.append(number) }
    if let longs, case .int(let number) = value { return longs.append(number) }
    do throws(ColumnarError) { try builder.append(value) } catch { throw StreamError(error) }
  }
}

/// A row of a table of features, read once for many times.
public struct FeatureSourceRow: Sendable {
  enum Content: Sendable {
    case profile(ProfileState)
    case encoded([UInt8]?)
    case values([Scalar], offset: Int64)
  }

  let content: Content
}
