// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

/// A definition of examples against its view and its feedback: where each value of a row stands.
struct ExampleShape: Sendable {
  let definition: ExampleDefinition
  let view: FeatureView
  let feedback: StreamDefinition
  /// The feedback's event time.
  let eventTime: String
  let labels: [BoundPredicate]
  /// The events that say that something was shown; `nil` for all.
  let history: BoundPredicate?
  /// Of the examples' table, in order.
  let fields: [Field]

  // Places in a row.
  static let request = 0
  static let item = 1
  static let user = 2
  static let surface = 3
  static let at = 4
  static let position = 5
  static let modelVersion = 6
  static let userFeatures = 7
  let itemFeatures: Int
  /// Of each label whether it came, and when.
  let labelValues: Int
  let samplingRate: Int
  var propensity: Int { samplingRate + 1 }
  var isCorrection: Int { samplingRate + 2 }
  var source: Int { samplingRate + 3 }

  init(
    _ definition: ExampleDefinition, view: FeatureView, feedback: StreamDefinition
  ) throws(StreamError) {
    self.definition = definition
    self.view = view
    self.feedback = feedback
    let timestamp = DataType.timestamp(.microsecond, timeZone: "UTC")
    do throws(StreamError) {
      guard !feedback.isKeyed, let eventTime = feedback.eventTime else {
        throw StreamError(
          .invalidArgument,
          "the feedback '\(feedback.table)' must be a stream without primary key and with event_time"
        )
      }
      self.eventTime = eventTime
      try Self.check(definition, view, feedback)
      labels = try definition.labels.map { label throws(StreamError) in
        try Self.bind(label.filter, feedback, "the label '\(label.name)'")
      }
      history = try definition.history?.filter.map { filter throws(StreamError) in
        try Self.bind(filter, feedback, "the history")
      }
      var fields = [
        Field(RequestLog.requestID, .utf8, nullable: false), view.item.key, view.user.key,
        Field(RequestLog.surface, .utf8), Field(RequestLog.at, timestamp, nullable: false),
        Field(ExampleColumns.position, .int32), Field(RequestLog.modelVersion, .int64),
      ]
      fields += view.user.columns
      itemFeatures = fields.count
      fields += view.item.columns
      labelValues = fields.count
      for label in definition.labels {
        fields.append(Field(label.name, .bool, nullable: false))
        fields.append(Field(label.name + "_at", timestamp))
      }
      samplingRate = fields.count
      fields += [
        Field(ExampleColumns.samplingRate, .float32, nullable: false),
        Field(ExampleColumns.propensity, .float64),
        Field(ExampleColumns.isCorrection, .bool, nullable: false),
        Field(ExampleColumns.source, .utf8, nullable: false),
      ]
      var seen: Set<String> = []
      for field in fields where !seen.insert(field.name).inserted {
        throw StreamError(
          .invalidArgument, "the column '\(field.name)' comes twice; give the label another name",
          column: field.name)
      }
      do throws(TableError) {
        self.fields = try TableSchema(arrow: Schema(fields)).arrowSchema().fields
      } catch { throw StreamError(error) }
    } catch { throw error.adding(stream: "\(definition.table)") }
  }

  private static func check(
    _ definition: ExampleDefinition, _ view: FeatureView, _ feedback: StreamDefinition
  ) throws(StreamError) {
    for key in [view.user.key, view.item.key] {
      guard let field = feedback.columns[key.name] else {
        throw StreamError(
          .invalidArgument,
          "the feedback '\(feedback.table)' has no column '\(key.name)', a key of "
            + "the view '\(view.definition.name)'", column: key.name)
      }
      guard field.type == key.type else {
        throw StreamError(
          .invalidArgument,
          "'\(key.name)' is \(field.type) in '\(feedback.table)' and \(key.type) in the view "
            + "'\(view.definition.name)'", column: key.name)
      }
    }
    if definition.requests != nil {
      guard let name = definition.request else {
        throw StreamError(
          .invalidArgument,
          "with 'requests', 'request' must name the column of the feedback that "
            + "names the request")
      }
      guard feedback.columns[name]?.type == .utf8 else {
        let close = NameSuggestion.closest(to: name, feedback.columns.fields.map(\.name))
        throw StreamError(
          .invalidArgument,
          "the feedback '\(feedback.table)' has no column '\(name)' of type string"
            + (close.map { "; did you mean '\($0)'?" } ?? ""), column: name)
      }
    } else if definition.history == nil {
      throw StreamError(
        .invalidArgument, "examples are made of 'requests', of 'history', or of both; there is none"
      )
    }
    guard (1...ExampleDefinition.labelCountMax).contains(definition.labels.count) else {
      throw StreamError(
        .invalidArgument,
        "there are \(definition.labels.count) labels; there must be 1 to "
          + "\(ExampleDefinition.labelCountMax)")
    }
    for label in definition.labels
    where !(1...ExampleDefinition.windowMax).contains(label.window) {
      throw StreamError(
        .invalidArgument, "the window of '\(label.name)' must be positive, and at most a year")
    }
    guard (0...1).contains(definition.negativeRate) else {
      throw StreamError(.invalidArgument, "the rate of negatives must be between 0 and 1")
    }
    if let history = definition.history,
      !(0...ExampleDefinition.negativesMax).contains(history.negatives)
    {
      throw StreamError(
        .invalidArgument,
        "the negatives of the history must be 0 to "
          + "\(ExampleDefinition.negativesMax)")
    }
  }

  private static func bind(
    _ predicate: Predicate, _ stream: StreamDefinition, _ what: String
  ) throws(StreamError) -> BoundPredicate {
    do throws(ColumnarError) {
      return try predicate.bind(to: stream.columns)
    } catch {
      throw StreamError(.invalidArgument, "\(what): \(error.message)", column: error.column)
    }
  }

  /// The stream whose rows are the examples.
  var stream: StreamDefinition {
    var result = StreamDefinition(table: definition.table, columns: Schema(fields))
    result.primaryKey = [RequestLog.requestID, view.item.key.name]
    result.shardCount = definition.shardCount
    result.format = definition.format
    result.eventTime = RequestLog.at
    // Who trains reads the table, and waits until it has what the log has.
    result.flush.intervalMilliseconds = 10_000
    return result
  }

  /// The key's columns.
  var keyFields: [Field] { Array(fields.prefix(2)) }

  /// Columns of the feedback that are needed: keys, request, time, the labels' columns, and `others`.
  func feedbackColumns(_ others: [String] = []) -> [String] {
    var names = [view.user.key.name, view.item.key.name, eventTime]
    names += definition.request.map { [$0] } ?? []
    for predicate in labels + [history].compactMap({ $0 }) {
      names += predicate.columns.compactMap(\.names.first)
    }
    names += others + [StreamColumns.knownAt, StreamColumns.shard, StreamColumns.offset]
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }

  /// A row of no label, all null that is not told.
  func emptyRow() -> [Scalar] {
    var row = [Scalar](repeating: .null, count: fields.count)
    for label in labels.indices { row[labelValues + 2 * label] = .bool(false) }
    row[isCorrection] = .bool(false)
    return row
  }

  /// Takes an event of a label in.
  ///
  /// - Returns: whether the row changed: it did when the event is the first one of the label.
  func setLabel(_ label: Int, at time: Int64, of row: inout [Scalar]) -> Bool {
    guard case .int(let start) = row[Self.at] else { return false }
    let (end, isBeyond) = start.addingReportingOverflow(definition.labels[label].window)
    guard isBeyond || time <= end else { return false }
    let place = labelValues + 2 * label
    if row[place] == .bool(true), case .int(let first) = row[place + 1], first <= time {
      return false
    }
    (row[place], row[place + 1]) = (.bool(true), .int(time))
    row[samplingRate] = .float32(1)
    return true
  }
}
