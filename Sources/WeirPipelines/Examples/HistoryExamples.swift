// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

/// Examples of events from before there was a request log.
///
/// 1. Each event of the history's condition that names no request says that its item was shown, at the
///    time of the event or when it was known, whichever is earlier. The event's place in the stream is
///    the request: `history:SHARD:OFFSET`.
/// 2. Beside it stand negatives, drawn by the seed and the event's place among all items that any event
///    known before that time names.
/// 3. Features are made of what was known before that time.
/// 4. Labels come of the events of the same user and item in the labels' windows behind that time.
/// 5. A row's known-at time is that of the last event that is in it.
///
/// So no row depends on an event that was known after it. All events are in memory. One thread.
final class HistoryExamples {
  private let shape: ExampleShape
  private let feedback: KnownEvents
  private let users: ArrayData
  private let items: ArrayData
  private let user: [any HistorySource]
  private let item: [any HistorySource]
  private let labels: HistoryLabels
  private let impressions: [Impression]
  private var nextImpression = 0
  /// Items in the order in which they were known, and how many of the feedback's rows are in them.
  private var knownItems: [Scalar] = []
  private var seenItems: Set<Scalar> = []
  private var nextItem = 0

  private struct Impression {
    var time: Int64
    /// Of the feedback in the order in which it was known.
    var row: Int
  }

  /// - Parameters:
  ///   - events: by stream: those of all profiles' sources, and the feedback.
  ///   - rows: by table: those of the other tables of the view.
  ///   - part: whose impressions are made; all when `nil`.
  init(
    _ shape: ExampleShape, events: [TableIdentifier: RecordBatch],
    rows: [TableIdentifier: RecordBatch], part: HistoryPart? = nil
  ) throws(StreamError) {
    self.shape = shape
    var known: [TableIdentifier: KnownEvents] = [:]
    for (table, batch) in events { known[table] = try KnownEvents(batch) }
    func sources(_ side: FeatureSide) throws(StreamError) -> [any HistorySource] {
      try side.sources.map { source throws(StreamError) -> any HistorySource in
        if let profile = source.profile, let events = known[profile.source.table] {
          return try ProfileFold(source, events)
        }
        guard source.profile == nil, let rows = rows[source.entry.table] else {
          throw StreamError(.notFound, "the rows of '\(source.entry.table)' are missing")
        }
        return RowHistory(source, rows)
      }
    }
    user = try sources(shape.view.user)
    item = try sources(shape.view.item)
    guard let feedback = known[shape.feedback.table],
      let users = feedback.batch[shape.view.user.key.name],
      let items = feedback.batch[shape.view.item.key.name]
    else { throw StreamError(.notFound, "the feedback's events are missing") }
    (self.feedback, self.users, self.items) = (feedback, users, items)
    labels = try HistoryLabels(shape, feedback)
    let all = try Self.impressions(shape, feedback, users, items)
    impressions = all.filter {
      part?.holds(shard: feedback.shards[$0.row], offset: feedback.offsets[$0.row]) ?? true
    }
  }

  /// How many impressions there are, and how many are done.
  var impressionCount: (all: Int, done: Int) { (impressions.count, nextImpression) }

  private static func impressions(
    _ shape: ExampleShape, _ feedback: KnownEvents, _ users: ArrayData, _ items: ArrayData
  ) throws(StreamError) -> [Impression] {
    let batch = feedback.batch
    guard let column = batch[shape.eventTime] else {
      throw StreamError(.invalidArgument, "the feedback lacks the column", column: shape.eventTime)
    }
    let times = try EventTimes(column, shape.eventTime)
    let requests = shape.definition.request.flatMap { batch[$0] }
    let rows: [Int]
    do throws(ColumnarError) {
      rows = try shape.history?.selection(batch).rows ?? Array(0..<batch.rowCount)
    } catch { throw StreamError(error) }
    let found = rows.compactMap { row -> Impression? in
      guard users.isValid(row), items.isValid(row), column.isValid(row),
        requests?.isValid(row) != true
      else { return nil }
      return Impression(time: min(times.microseconds(row), feedback.knownAts[row]), row: row)
    }
    return found.sorted { one, other in
      (one.time, feedback.shards[one.row], feedback.offsets[one.row])
        < (other.time, feedback.shards[other.row], feedback.offsets[other.row])
    }
  }

  /// The rows of the next impressions, with their known-at times; empty at the end.
  func next(impressions count: Int) -> [(values: [Scalar], knownAt: Int64)] {
    var result: [(values: [Scalar], knownAt: Int64)] = []
    let end = min(impressions.count, nextImpression + count)
    while nextImpression < end {
      add(impressions[nextImpression], to: &result)
      nextImpression += 1
    }
    return result
  }

  private func add(
    _ impression: Impression, to result: inout [(values: [Scalar], knownAt: Int64)]
  ) {
    let (row, time) = (impression.row, impression.time)
    let (shown, asked) = (items.scalar(at: row), users.scalar(at: row))
    var values = shape.emptyRow()
    values[ExampleShape.request] = .string(
      "history:\(feedback.shards[row]):\(feedback.offsets[row])")
    values[ExampleShape.user] = asked
    values[ExampleShape.at] = .int(time)
    values[shape.source] = .string("history")
    let features = user.flatMap { $0.values(of: asked, at: time) }
    values.replaceSubrange(
      ExampleShape.userFeatures..<ExampleShape.userFeatures + features.count, with: features)
    let (negatives, rate) = negatives(shown, row, time)
    for (place, candidate) in ([shown] + negatives).enumerated() {
      var example = values
      example[ExampleShape.item] = candidate
      let features = item.flatMap { $0.values(of: candidate, at: time) }
      example.replaceSubrange(
        shape.itemFeatures..<shape.itemFeatures + features.count, with: features)
      let known = labels.set(asked, candidate, &example)
      example[shape.samplingRate] = .float32(place == 0 ? 1 : rate)
      result.append((example, max(feedback.knownAts[row], known)))
    }
  }

  /// Items that were known before a time, other than the one shown, and which share of them was drawn.
  private func negatives(_ shown: Scalar, _ row: Int, _ time: Int64) -> ([Scalar], Float) {
    while nextItem < feedback.knownAts.count, feedback.knownAts[nextItem] < time {
      let item = items.scalar(at: nextItem)
      if !item.isNull, seenItems.insert(item).inserted { knownItems.append(item) }
      nextItem += 1
    }
    guard let history = shape.definition.history, history.negatives > 0 else { return ([], 1) }
    let others = knownItems.count - (seenItems.contains(shown) ? 1 : 0)
    let wanted = min(history.negatives, others)
    guard wanted > 0 else { return ([], 1) }
    var result: [Scalar] = []
    var taken: Set<Scalar> = [shown]
    var number = 0
    // Nearly all items at most: draws that hit what was taken are few, but for tiny catalogues.
    while result.count < wanted, number < 64 * wanted {
      let place = NegativeSampling.draw(
        history.seed, Int(feedback.shards[row]), feedback.offsets[row], number,
        below: knownItems.count)
      number += 1
      if taken.insert(knownItems[place]).inserted { result.append(knownItems[place]) }
    }
    return (result, Float(Double(result.count) / Double(others)))
  }
}

/// The events of labels, by user and item.
struct HistoryLabels {
  private let shape: ExampleShape
  private struct Pair: Hashable {
    var user: Scalar
    var item: Scalar
  }
  private struct Event {
    var time: Int64
    var knownAt: Int64
    var label: Int
    /// Another one of the same pair; -1 for none.
    var next: Int
  }
  private var first: [Pair: Int] = [:]
  private var events: [Event] = []

  init(_ shape: ExampleShape, _ feedback: KnownEvents) throws(StreamError) {
    self.shape = shape
    let batch = feedback.batch
    guard let column = batch[shape.eventTime], let users = batch[shape.view.user.key.name],
      let items = batch[shape.view.item.key.name]
    else { return }
    let times = try EventTimes(column, shape.eventTime)
    do throws(ColumnarError) {
      for (label, predicate) in shape.labels.enumerated() {
        for row in try predicate.selection(batch).rows
        where users.isValid(row) && items.isValid(row) && column.isValid(row) {
          let pair = Pair(user: users.scalar(at: row), item: items.scalar(at: row))
          events.append(
            Event(
              time: times.microseconds(row), knownAt: feedback.knownAts[row], label: label,
              next: first[pair] ?? -1))
          first[pair] = events.count - 1
        }
      }
    } catch { throw StreamError(error) }
  }

  /// Sets the labels of a row whose time is set.
  ///
  /// - Returns: when the last of the events that made them was known; the least time without any.
  func set(_ user: Scalar, _ item: Scalar, _ row: inout [Scalar]) -> Int64 {
    guard case .int(let start) = row[ExampleShape.at] else { return .min }
    var best = [Event?](repeating: nil, count: shape.labels.count)
    var next = first[Pair(user: user, item: item)] ?? -1
    while next >= 0 {
      let event = events[next]
      next = event.next
      let (delay, isBeyond) = event.time.subtractingReportingOverflow(start)
      guard event.time >= start, !isBeyond,
        delay <= shape.definition.labels[event.label].window
      else { continue }
      if let old = best[event.label], (old.time, old.knownAt) <= (event.time, event.knownAt) {
        continue
      }
      best[event.label] = event
    }
    var known = Int64.min
    for event in best.compactMap({ $0 }) {
      if shape.setLabel(event.label, at: event.time, of: &row) { known = max(known, event.knownAt) }
    }
    return known
  }
}
