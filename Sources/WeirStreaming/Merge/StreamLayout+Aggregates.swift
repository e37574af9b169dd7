// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// What aggregated columns hold in files:
///
/// | function | type |
/// |---|---|
/// | sum | long for integers, double for floats, decimal(38, scale) for decimals |
/// | count | long |
/// | min, max | the column's |
/// | last_k | list of struct of `value` and `time`, the event time |
/// | top_k | list of struct of `value` and `by` |
/// | distinct count | binary, see `HyperLogLog` |
/// | decayed sum | double: the sum as of the row's event time |
extension StreamLayout {
  /// The column as files hold it.
  static func stored(
    _ field: Field, _ function: AggregateFunction, _ definition: StreamDefinition
  ) throws(StreamError) -> Field {
    func refused(_ message: String) -> StreamError {
      StreamError(.invalidArgument, message, column: field.name)
    }
    func other(_ name: String?, _ role: String) throws(StreamError) -> Field {
      guard let name, let other = definition.columns[name] else {
        throw refused("the aggregate needs \(role), a column of the stream")
      }
      try checkSingle(other)
      return other
    }
    var stored = field
    stored.nullable = true
    switch function {
    case .sum:
      if field.type.isInteger {
        stored.type = .int64
      } else if field.type.isFloatingPoint {
        stored.type = .float64
      } else if case .decimal128(_, let scale) = field.type {
        stored.type = .decimal128(precision: 38, scale: scale)
      } else {
        throw refused("only numbers can be summed, not \(field.type)")
      }
    case .count: stored.type = .int64
    case .min, .max: try checkSingle(field)
    case .lastK(let count):
      guard 1...itemsMax ~= count else { throw refused("last_k keeps 1 to \(itemsMax) values") }
      try checkSingle(field)
      let time = try other(definition.eventTime, "an event time")
      stored.type = .list(of: .struct([Field("value", field.type), Field("time", time.type)]))
    case .topK(let count, let by):
      guard 1...itemsMax ~= count else { throw refused("top_k keeps 1 to \(itemsMax) values") }
      try checkSingle(field)
      let order = try other(by, "what it goes by")
      stored.type = .list(of: .struct([Field("value", field.type), Field("by", order.type)]))
    case .distinctCount(let precision):
      guard HyperLogLog.precisions.contains(precision) else {
        throw refused("the precision of a distinct count is from 4 to 21")
      }
      try checkSingle(field)
      stored.type = .binary
    case .decayedSum(let seconds):
      guard field.type.isFloatingPoint else {
        throw refused("a decayed sum needs a column of type float or double, not \(field.type)")
      }
      guard seconds >= 0.000_001, seconds <= 1e11 else {
        throw refused("the half-life of a decayed sum is from a microsecond to 3,000 years")
      }
      let time = try other(definition.eventTime, "an event time")
      guard case .timestamp = time.type else {
        throw refused("the event time of a decayed sum is a timestamp, not \(time.type)")
      }
      stored.type = .float64
    }
    return stored
  }

  /// Items of one list at most.
  static let itemsMax = 10_000

  private static func checkSingle(_ field: Field) throws(StreamError) {
    switch field.type.layout {
    case .bits, .fixedWidth, .variableBinary: return
    default:
      throw StreamError(
        .invalidArgument, "only single values can be aggregated or ordered, not \(field.type)",
        column: field.name)
    }
  }

  /// The engine, and for each column of files how it is lifted from the one that was sent.
  static func aggregation(
    _ functions: [String: AggregateFunction], _ definition: StreamDefinition, _ schema: Schema
  ) throws(StreamError) -> (AggregationMerger, [AggregateLift]) {
    for name in functions.keys.sorted() {
      guard definition.columns[name] != nil, !definition.primaryKey.contains(name),
        name != definition.eventTime
      else {
        throw StreamError(
          .invalidArgument,
          "an aggregated column is one of the stream, but neither of its key nor its event time",
          column: name)
      }
    }
    var operations: [AggregationMerger.Operation] = []
    var lifts: [AggregateLift] = []
    for field in schema.fields {
      let (operation, lift) = try step(field, functions[field.name], definition, schema)
      operations.append(operation)
      lifts.append(lift)
    }
    return (try AggregationMerger(operations, definition, schema), lifts)
  }

  private static func step(
    _ field: Field, _ function: AggregateFunction?, _ definition: StreamDefinition,
    _ schema: Schema
  ) throws(StreamError) -> (AggregationMerger.Operation, AggregateLift) {
    guard let function else {
      if field.name == StreamColumns.mergeState { return (.state, .same) }
      let isAdded = StreamColumns.added.contains { $0.name == field.name }
      return (isAdded ? .greatest : .latest, .same)
    }
    switch function {
    case .sum:
      if field.type == .int64 { return (.sumIntegers, .same) }
      return (field.type == .float64 ? .sumDoubles : .sumDecimals, .same)
    case .count: return (.sumIntegers, .count)
    case .min: return (.least, .oneZero)
    case .max: return (.most, .oneZero)
    case .lastK(let count):
      let by = try places([definition.eventTime ?? ""], schema, "event time")[0]
      return (.items(count: count), .item(by: by))
    case .topK(let count, let by):
      return (.items(count: count), .item(by: try places([by], schema, "aggregate")[0]))
    case .distinctCount(let precision):
      return (.distinct(precision: precision), .sketch(precision: precision))
    case .decayedSum(let seconds):
      var units = 1_000_000.0
      if let name = definition.eventTime, case .timestamp(let unit, _)? = schema[name]?.type {
        units = Double(unit.perSecond)
      }
      return (.decayed(halfLife: Int64((seconds * units).rounded())), .same)
    }
  }
}
