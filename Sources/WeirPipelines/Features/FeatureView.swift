// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirStreaming
internal import WeirTable

/// A feature view against the tables that it names: the columns that models see, and how they are made of
/// rows.
///
/// Serving, history and replay make values here, of the same states: they agree to the last bit.
public struct FeatureView: Sendable {
  public let definition: FeatureViewDefinition
  public let user: FeatureSide
  public let item: FeatureSide

  /// - Parameters:
  ///   - profiles: all that the project declares.
  ///   - streams: all that the project declares, with the profiles' sources.
  /// - Throws: `invalidArgument` and `notFound` for a definition that does not fit them.
  public init(
    _ definition: FeatureViewDefinition, profiles: [ProfileDefinition],
    streams: [StreamDefinition]
  ) throws(StreamError) {
    self.definition = definition
    var sides: [FeatureViewDefinition.Side: [FeatureSource]] = [:]
    do throws(StreamError) {
      for entry in definition.entries {
        let side = try Self.side(of: entry, in: definition)
        let source = try FeatureSource(entry, profiles: profiles, streams: streams)
        sides[side, default: []].append(source)
      }
      user = try FeatureSide(.user, sides[.user] ?? [])
      item = try FeatureSide(.item, sides[.item] ?? [])
      try check()
    } catch { throw error.adding(stream: "\(definition.name)") }
  }

  public func side(_ side: FeatureViewDefinition.Side) -> FeatureSide {
    side == .user ? user : item
  }

  /// Whether an entry fits the tables, whatever the others of its view are.
  public static func check(
    _ entry: FeatureViewDefinition.Entry, profiles: [ProfileDefinition],
    streams: [StreamDefinition]
  ) throws(StreamError) {
    _ = try FeatureSource(entry, profiles: profiles, streams: streams)
  }

  private static func side(
    of entry: FeatureViewDefinition.Entry, in definition: FeatureViewDefinition
  ) throws(StreamError) -> FeatureViewDefinition.Side {
    func told(_ entry: FeatureViewDefinition.Entry) -> FeatureViewDefinition.Side? {
      entry.side ?? FeatureViewDefinition.Side(rawValue: entry.name)
    }
    if let side = told(entry) { return side }
    let others = Set(definition.entries.filter { $0.key == entry.key }.compactMap(told))
    if others.count == 1, let side = others.first { return side }
    throw StreamError(
      .invalidArgument,
      "the entry '\(entry.name)' is of the user or of the item: say 'side: user' or 'side: item'")
  }

  private func check() throws(StreamError) {
    guard user.key.name != item.key.name else {
      throw StreamError(
        .invalidArgument, "user and item have one name for their keys, '\(user.key.name)'")
    }
    var seen = Set(RequestLog.ownColumns + ExampleColumns.own + [user.key.name, item.key.name])
    for field in user.columns + item.columns where !seen.insert(field.name).inserted {
      throw StreamError(
        .invalidArgument,
        "the name '\(field.name)' is taken; give the entry or the column another one",
        column: field.name)
    }
  }
}

/// The features of the user, or those of each item.
public struct FeatureSide: Sendable {
  public let side: FeatureViewDefinition.Side
  /// The column that names the entity, with the name that its first entry has for it.
  public let key: Field
  /// All features, in order; nullable.
  public let columns: [Field]
  /// In order of the entries.
  public let sources: [FeatureSource]
  /// Numbers of all sources that say which events are in an entity's features, one behind the other.
  public let offsetCount: Int

  init(
    _ side: FeatureViewDefinition.Side, _ sources: [FeatureSource]
  ) throws(StreamError) {
    guard let first = sources.first else {
      throw StreamError(
        .invalidArgument, "the view has no entry of the \(side); name one '\(side)'")
    }
    for source in sources where source.key.type != first.key.type {
      throw StreamError(
        .invalidArgument,
        "the keys of '\(first.entry.table)' and '\(source.entry.table)' have two types: "
          + "\(first.key.type) and \(source.key.type)")
    }
    self.side = side
    key = first.key
    columns = sources.flatMap(\.columns)
    self.sources = sources
    offsetCount = sources.reduce(0) { $0 + $1.offsetCount }
  }

  /// The features of entities, of the rows of their tables.
  ///
  /// - Parameters:
  ///   - inputs: for each source the rows of all entities.
  ///   - count: how many entities there are.
  ///   - time: at which windows end; microseconds since 1970.
  /// - Throws: `damaged` when a state is not that of the profile's features.
  public func features(
    of inputs: [FeatureInput], count: Int, at time: Int64
  ) throws(StreamError) -> FeatureRows {
    guard inputs.count == sources.count else {
      throw StreamError(
        .invalidArgument, "\(inputs.count) inputs for \(sources.count) sources of features")
    }
    var columns: [ArrayData] = []
    var offsets = (0..<count).map { _ in
      // All at once: they come by the hundred, and from several sources.
      var offsets: [Int64] = []
      offsets.reserveCapacity(offsetCount)
      return offsets
    }
    var isKnown = [Bool](repeating: false, count: count)
    for (source, input) in zip(sources, inputs) {
      switch input {
      case .states(let states):
        let builders = source.columns.map { makeBuilder(for: $0.type) }
        for entity in 0..<count {
          let bytes = entity < states.count ? states[entity] : nil
          let state = try source.state(bytes)
          do throws(ColumnarError) {
            for (value, builder) in zip(source.values(state, at: time), builders) {
              try builder.append(value)
            }
          } catch { throw StreamError(error) }
          source.appendOffsets(state, to: &offsets[entity])
          isKnown[entity] = isKnown[entity] || bytes != nil
        }
        columns += builders.map { $0.finish() }
      case .decoded(let rows):
        let made = source.columns.map { FeatureColumn($0.type, count: count) }
        let none = try source.state(nil)
        for entity in 0..<count {
          let row = entity < rows.count ? rows[entity] : nil
          try source.appendRow(row, none: none, at: time, to: made, &offsets[entity])
          isKnown[entity] = isKnown[entity] || row != nil
        }
        columns += made.map { $0.builder.finish() }
      case .rows(let rows):
        columns += try Self.columns(source, rows, count, &offsets, &isKnown)
      }
    }
    do throws(ColumnarError) {
      return FeatureRows(
        columns: try RecordBatch(schema: Schema(self.columns), columns: columns, rowCount: count),
        offsets: offsets, isKnown: isKnown)
    } catch { throw StreamError(error) }
  }

  private static func columns(
    _ source: FeatureSource, _ rows: StreamLookup, _ count: Int, _ offsets: inout [[Int64]],
    _ isKnown: inout [Bool]
  ) throws(StreamError) -> [ArrayData] {
    var places = [Int](repeating: -1, count: count)
    var next = 0
    for entity in 0..<min(count, rows.found.count) where rows.found[entity] {
      places[entity] = next
      next += 1
    }
    let offsetColumn = rows.rows[StreamColumns.offset]
    for entity in 0..<count {
      guard places[entity] >= 0 else {
        offsets[entity].append(FeatureSource.noOffset)
        continue
      }
      isKnown[entity] = true
      guard case .int(let offset)? = offsetColumn?.scalar(at: places[entity]) else {
        offsets[entity].append(FeatureSource.noOffset)
        continue
      }
      offsets[entity].append(offset)
    }
    var result: [ArrayData] = []
    do throws(ColumnarError) {
      for (field, name) in zip(source.columns, source.names) {
        let builder = makeBuilder(for: field.type)
        let column = rows.rows[name]
        for place in places {
          try builder.append(place < 0 ? .null : column?.scalar(at: place) ?? .null)
        }
        result.append(builder.finish())
      }
    } catch { throw StreamError(error) }
    return result
  }
}

/// What one source knows of entities.
public enum FeatureInput: Sendable {
  /// The states in a profile's rows, one for each entity; `nil` without events.
  case states([[UInt8]?])
  /// The rows of another table.
  case rows(StreamLookup)
  /// Rows of either that were read before (`FeatureSource.rows(of:)`); `nil` where there is none.
  case decoded([FeatureSourceRow?])
}

/// Features of entities.
public struct FeatureRows: Sendable {
  /// A row for each entity, in order, with the columns of its side.
  public var columns: RecordBatch
  /// For each entity which events are in them; see `FeatureSource.offsetCount`.
  public var offsets: [[Int64]]
  /// Whether any source has a row of the entity.
  public var isKnown: [Bool]

  public init(columns: RecordBatch, offsets: [[Int64]], isKnown: [Bool]) {
    self.columns = columns
    self.offsets = offsets
    self.isKnown = isKnown
  }
}
