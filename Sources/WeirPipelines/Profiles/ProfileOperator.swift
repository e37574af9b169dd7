// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirStreaming
internal import WeirTable

/// Where states of profiles are kept: those of all events that were acknowledged.
public protocol ProfileStore: AnyObject {
  /// The states of entities; `nil` for those that have none.
  ///
  /// - Parameter entities: the entity's columns, a row for each.
  func states(of entities: RecordBatch) throws(StreamError) -> [[UInt8]?]
}

/// Folds events into profiles: events in, changed rows of the profile's table out.
///
/// A row holds the entity, its features as of its latest event, and its state with the positions up to
/// which events are in it: they change together, so that events may come again after a crash. Who gets
/// rows writes them before the next batch is folded, or calls `forget()` when they could not be
/// written. One thread at a time.
public final class ProfileOperator {
  public let definition: ProfileDefinition
  private let eventTime: String
  private let plans: [FeaturePlan]
  private let filter: BoundPredicate?
  private let encoder: KeyEncoder
  private let entityFields: [Field]
  private let store: any ProfileStore
  /// States of entities that had events lately, all of which are written.
  private var cache: [[UInt8]: ProfileState] = [:]
  private let cacheCountMax: Int

  /// The column with the state.
  public static let stateColumn = "_state"

  /// - Parameters:
  ///   - source: the stream of the events.
  ///   - cacheCount: entities whose states are kept in memory at most, but for those of one batch.
  /// - Throws: `invalidArgument` for a definition that does not fit the source.
  public init(
    _ definition: ProfileDefinition, source: StreamDefinition, store: any ProfileStore,
    cacheCount: Int = 100_000
  ) throws(StreamError) {
    let shape = try ProfileShape(definition, source)
    self.definition = definition
    self.store = store
    cacheCountMax = max(0, cacheCount)
    eventTime = shape.eventTime
    plans = shape.plans
    filter = shape.filter
    entityFields = shape.entityFields
    encoder = try KeyEncoder(
      Schema(shape.entityFields), columns: Array(shape.entityFields.indices))
  }

  /// The stream whose rows are the profiles.
  ///
  /// - Throws: `invalidArgument` for a definition that does not fit the source.
  public static func stream(
    _ definition: ProfileDefinition, source: StreamDefinition
  ) throws(StreamError) -> StreamDefinition {
    let shape = try ProfileShape(definition, source)
    var result = StreamDefinition(table: definition.table, columns: Schema(shape.tableFields))
    result.primaryKey = definition.entity
    result.shardCount = definition.shardCount
    result.format = definition.format
    return result
  }

  /// Columns of the source that `apply` needs.
  public var columns: [String] {
    var names = definition.entity + [eventTime]
    names += plans.flatMap(\.valueNames)
    for predicate in [filter] + plans.flatMap({ [$0.filter, $0.above, $0.below] }) {
      names += predicate?.columns.compactMap(\.names.first) ?? []
    }
    names += [StreamColumns.knownAt, StreamColumns.shard, StreamColumns.offset]
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }

  /// Folds events, which come in the order of their offsets in each shard.
  ///
  /// - Parameter batch: with `columns`, in any order.
  /// - Returns: a row for each entity that changed, in `schema`; `nil` when none did.
  /// - Throws: `damaged` when a state is not that of these features.
  public func apply(_ batch: RecordBatch, schema: Schema) throws(StreamError) -> RecordBatch? {
    let events = try ProfileEvents(
      batch, eventTime: eventTime, entity: definition.entity, filter: filter, plans)
    guard !events.rows.isEmpty else { return nil }
    let keyed: RecordBatch
    do throws(ColumnarError) {
      let columns = definition.entity.compactMap { batch[$0] }
      keyed = try RecordBatch(
        schema: Schema(entityFields), columns: columns, rowCount: batch.rowCount
      ).take(events.rows)
    } catch { throw StreamError(error) }
    let keys = try encoder.encode(keyed)
    // The entities in order of their first events.
    var order: [[UInt8]] = []
    var firsts: [Int] = []
    var places: [[UInt8]: Int] = [:]
    var members: [Int] = []
    for row in 0..<keyed.rowCount {
      guard case .binary(let key) = keys.scalar(at: row) else { continue }
      let place = places[key] ?? order.count
      if place == order.count {
        places[key] = place
        order.append(key)
        firsts.append(row)
      }
      members.append(place)
    }
    var states = try states(of: order, firsts, keyed)
    var isChanged = [Bool](repeating: false, count: order.count)
    for (row, place) in zip(events.rows, members) where states[place].apply(row, of: events, plans)
    {
      isChanged[place] = true
    }
    trimCache(order.count)
    for (key, state) in zip(order, states) { cache[key] = state }
    let changed = order.indices.filter { isChanged[$0] }
    guard !changed.isEmpty else { return nil }
    return try rows(changed.map { (firsts[$0], states[$0]) }, keyed, schema)
  }

  /// Drops states that were not written: they are read from the store again.
  public func forget() { cache = [:] }

  private func trimCache(_ added: Int) {
    if cache.count + added > cacheCountMax { cache.removeAll(keepingCapacity: true) }
  }

  private func states(
    of keys: [[UInt8]], _ firsts: [Int], _ entities: RecordBatch
  ) throws(StreamError) -> [ProfileState] {
    var states = keys.map { cache[$0] }
    let missing = states.indices.filter { states[$0] == nil }
    guard !missing.isEmpty else { return states.compactMap { $0 } }
    let wanted: RecordBatch
    do throws(ColumnarError) {
      wanted = try entities.take(missing.map { firsts[$0] })
    } catch { throw StreamError(error) }
    let found = try store.states(of: wanted)
    guard found.count == missing.count else {
      throw StreamError(.damaged, "the store of profiles answers with another number of states")
    }
    for (place, bytes) in zip(missing, found) {
      states[place] =
        try bytes.map { bytes throws(StreamError) in try ProfileStateCoding.decode(bytes, plans) }
        ?? ProfileState(plans)
    }
    return states.compactMap { $0 }
  }

  private func rows(
    _ changed: [(first: Int, state: ProfileState)], _ entities: RecordBatch, _ schema: Schema
  ) throws(StreamError) -> RecordBatch {
    let builder = RecordBatchBuilder(schema)
    for (first, state) in changed {
      var values: [String: Scalar] = [:]
      for (index, name) in definition.entity.enumerated() {
        values[name] = entities.columns[index].scalar(at: first)
      }
      for (plan, feature) in zip(plans, state.features) {
        values[plan.feature.name] = feature.value(plan, at: state.time)
      }
      values[ProfileShape.timeColumn] = .int(state.time)
      values[Self.stateColumn] = .binary(try ProfileStateCoding.encode(state))
      values[StreamColumns.knownAt] = .int(state.knownAt)
      do throws(ColumnarError) {
        try builder.append(row: schema.fields.map { values[$0.name] ?? .null })
      } catch { throw StreamError(error) }
    }
    do throws(ColumnarError) { return try builder.finish() } catch { throw StreamError(error) }
  }

  /// Which events are in a state: the offset behind the last one, by shard of the source.
  package func positions(of state: [UInt8]) throws(StreamError) -> [Int: Int64] {
    try ProfileStateCoding.decode(state, plans).positions
  }

  /// What a state says at a time: the features' values, in their order.
  ///
  /// - Parameter time: microseconds since 1970; the entity's latest event when `nil`.
  public func values(
    of state: [UInt8], at time: Int64? = nil
  ) throws(StreamError) -> [(name: String, value: Scalar)] {
    let state = try ProfileStateCoding.decode(state, plans)
    return zip(plans, state.features).map { plan, feature in
      (plan.feature.name, feature.value(plan, at: time ?? state.time))
    }
  }
}

extension ProfileState {
  /// The time that the row's values are of.
  var time: Int64 { latest == .min ? knownAt : latest }
}

/// A definition against its source.
struct ProfileShape {
  let eventTime: String
  let plans: [FeaturePlan]
  let filter: BoundPredicate?
  let entityFields: [Field]
  /// Of the profile's table.
  let tableFields: [Field]

  /// The time of the entity's latest event.
  static let timeColumn = "latest_event_time"

  init(_ definition: ProfileDefinition, _ source: StreamDefinition) throws(StreamError) {
    let name = "\(definition.table)"
    do throws(StreamError) {
      guard !source.isKeyed else {
        throw StreamError(
          .unsupported,
          "profiles are made of events; the source '\(source.table)' has a primary key")
      }
      guard let eventTime = source.eventTime else {
        throw StreamError(
          .invalidArgument,
          "the source '\(source.table)' declares no event_time, which windows need")
      }
      self.eventTime = eventTime
      guard !definition.entity.isEmpty else {
        throw StreamError(.invalidArgument, "the profile names no entity")
      }
      guard (1...ProfileDefinition.featureCountMax).contains(definition.features.count) else {
        throw StreamError(
          .invalidArgument,
          "the profile has \(definition.features.count) features; it must have 1 to "
            + "\(ProfileDefinition.featureCountMax)")
      }
      var fields: [Field] = []
      for column in definition.entity {
        guard var field = source.columns[column] else {
          let close = NameSuggestion.closest(to: column, source.columns.fields.map(\.name))
          throw StreamError(
            .invalidArgument,
            "the source has no column '\(column)'"
              + (close.map { "; did you mean '\($0)'?" } ?? ""), column: column)
        }
        field.nullable = false
        fields.append(field)
      }
      entityFields = fields
      var plans: [FeaturePlan] = []
      for feature in definition.features {
        plans.append(try FeaturePlan(feature, source.columns))
        fields.append(plans[plans.count - 1].field)
      }
      self.plans = plans
      fields.append(Field(Self.timeColumn, .timestamp(.microsecond, timeZone: "UTC")))
      fields.append(Field(ProfileOperator.stateColumn, .binary, nullable: false))
      var seen: Set<String> = []
      for field in fields where !seen.insert(field.name).inserted {
        throw StreamError(.invalidArgument, "the column comes twice", column: field.name)
      }
      do throws(ColumnarError) {
        filter = try definition.filter?.bind(to: source.columns)
      } catch { throw StreamError(error) }
      do throws(TableError) {
        tableFields = try TableSchema(arrow: Schema(fields)).arrowSchema().fields
      } catch { throw StreamError(error) }
    } catch { throw error.adding(stream: name) }
  }
}
