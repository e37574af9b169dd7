// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirStreaming

/// Profiles as somebody knew them at a time, out of the events: what a live profile held then, to the
/// last bit.
public enum ProfileHistory {
  /// The columns of `events` that are needed.
  public static func columns(
    _ definition: ProfileDefinition, source: StreamDefinition
  ) throws(StreamError) -> [String] {
    try ProfileOperator(definition, source: source, store: NoProfiles()).columns
  }

  /// The profile of one entity.
  ///
  /// - Parameters:
  ///   - events: the entity's, in any order; only those that were known by then.
  ///   - time: microseconds since 1970; the latest event's when `nil`.
  /// - Returns: one row with the entity, the features and the latest event's time; `nil` without events.
  public static func profile(
    _ definition: ProfileDefinition, source: StreamDefinition, events: RecordBatch,
    at time: Int64? = nil
  ) throws(StreamError) -> RecordBatch? {
    let shape = try ProfileShape(definition, source)
    let fold = try ProfileOperator(definition, source: source, store: NoProfiles())
    let schema = Schema(shape.tableFields)
    guard let rows = try fold.apply(inOrder(events), schema: schema) else { return nil }
    guard rows.rowCount == 1,
      case .binary(let state)? = rows[ProfileOperator.stateColumn]?.scalar(at: 0)
    else {
      throw StreamError(.invalidArgument, "the events are those of \(rows.rowCount) entities")
    }
    let values = Dictionary(
      try fold.values(of: state, at: time).map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    let shown = Schema(schema.fields.filter { $0.name != ProfileOperator.stateColumn })
    do throws(ColumnarError) {
      let builder = RecordBatchBuilder(shown)
      try builder.append(
        row: shown.fields.map { values[$0.name] ?? rows[$0.name]?.scalar(at: 0) ?? .null })
      return try builder.finish()
    } catch { throw StreamError(error) }
  }

  /// Each shard's events in the order of their offsets.
  private static func inOrder(_ events: RecordBatch) throws(StreamError) -> RecordBatch {
    func place(_ name: String, _ row: Int) -> Int64 {
      if case .int(let value)? = events[name]?.scalar(at: row) { value } else { 0 }
    }
    let places = (0..<events.rowCount).map { row in
      (place(StreamColumns.shard, row), place(StreamColumns.offset, row), row)
    }
    do throws(ColumnarError) {
      return try events.take(places.sorted { $0 < $1 }.map(\.2))
    } catch { throw StreamError(error) }
  }
}

/// A store without profiles.
private final class NoProfiles: ProfileStore {
  func states(of entities: RecordBatch) throws(StreamError) -> [[UInt8]?] {
    [[UInt8]?](repeating: nil, count: entities.rowCount)
  }
}
