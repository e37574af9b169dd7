// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// Where the joiner finds what is known already: as all acknowledged rows left it.
protocol ExampleStore: AnyObject {
  /// - Parameters:
  ///   - keys: request and item, a row for each.
  ///   - columns: as in `ServedStream.lookup`.
  func examples(_ keys: RecordBatch, _ columns: [String]) throws(StreamError) -> StreamLookup
  /// - Parameter ids: of requests.
  func requests(_ ids: RecordBatch) throws(StreamError) -> StreamLookup
}

/// Joins what was served with what came of it.
///
/// 1. Each item of a request becomes an example without labels, unless there is one, or it is among the
///    negatives that are not kept.
/// 2. Each event that names a request changes the labels of its example: a label's time is that of the first
///    event of it, whichever comes first. The example is the one of the table, or it is made of the request.
/// 3. An event whose request is not there yet is held until it is: for so long, so many.
///
/// What comes again changes nothing, so that rows may be read again after a crash. One thread at a time.
final class ExampleJoiner {
  private let shape: ExampleShape
  private let store: any ExampleStore
  private var held: [Feedback] = []
  /// The greatest known-at time of events.
  private var latest = Int64.min
  /// Events that were let go because their request did not come.
  private(set) var droppedCount = 0

  /// Events that wait for their requests.
  var heldCount: Int { held.count }

  /// Events that wait for their requests, at most.
  static let heldCountMax = 100_000
  /// How long an event waits for its request, by the known-at times of events: 10 minutes.
  static let heldMicroseconds: Int64 = 600 * 1_000_000

  /// An event of some label.
  private struct Feedback {
    var key: Key
    var time: Int64
    var knownAt: Int64
    var labels: [Int]
    var shard: Int
    var offset: Int64
  }

  private struct Key: Hashable {
    var request: String
    var item: Scalar
  }

  private struct Row {
    var values: [Scalar]
    var knownAt: Int64
    /// Whether the table has a row of this key.
    var isStored: Bool
    var isChanged: Bool
  }

  init(_ shape: ExampleShape, store: any ExampleStore) {
    self.shape = shape
    self.store = store
  }

  /// Drops events that wait: they are read again.
  func forget() {
    held = []
    latest = .min
  }

  /// Where the feedback must be read again from, so that no event that waits is lost.
  func position(_ next: [Int: Int64]) -> [Int: Int64] {
    var result = next
    for event in held { result[event.shard] = min(result[event.shard] ?? 0, event.offset) }
    return result
  }

  /// Takes rows of the request log and of the feedback in.
  ///
  /// - Returns: the examples that are new or changed, in `schema`; `nil` when none are. They are written
  ///   before the next call, or `forget` is called.
  func apply(
    requests: RecordBatch?, feedback: RecordBatch?, schema: Schema
  ) throws(StreamError) -> RecordBatch? {
    var rows: [Key: Row] = [:]
    var order: [Key] = []
    var events: [Feedback] = []
    if let requests {
      let served = (0..<requests.rowCount).compactMap { ServedRequest(requests, row: $0) }
      try addEarly(served, &rows, &order)
      let ids = Set(served.map(\.id))
      events = held.filter { ids.contains($0.key.request) }
      if !events.isEmpty { held.removeAll { ids.contains($0.key.request) } }
    }
    if let feedback { events += try self.events(feedback) }
    try addLabels(events, &rows, &order)
    trimHeld()
    return try batch(order.compactMap { rows[$0] }.filter(\.isChanged), schema)
  }

  // MARK: Requests

  private func addEarly(
    _ served: [ServedRequest], _ rows: inout [Key: Row], _ order: inout [Key]
  ) throws(StreamError) {
    let type = shape.view.item.key.type
    let rate = shape.definition.negativeRate
    var wanted: [(key: Key, request: ServedRequest, position: Int)] = []
    for request in served {
      for (position, item) in request.items.enumerated() {
        let key = Key(request: request.id, item: item)
        guard !item.isNull,
          rate >= 1 || NegativeSampling.fraction(request.id, item, type) < rate
        else { continue }
        wanted.append((key, request, position))
      }
    }
    guard !wanted.isEmpty else { return }
    let stored = try store.examples(keys(wanted.map(\.key)), [RequestLog.requestID])
    for (index, (key, request, position)) in wanted.enumerated() {
      guard !stored.found[index], rows[key] == nil else { continue }
      rows[key] = Row(
        values: request.example(position, shape), knownAt: request.knownAt, isStored: false,
        isChanged: true)
      order.append(key)
    }
  }

  // MARK: Feedback

  /// Events of some label that name a request.
  private func events(_ batch: RecordBatch) throws(StreamError) -> [Feedback] {
    func column(_ name: String) throws(StreamError) -> ArrayData {
      if let column = batch[name] { return column }
      throw StreamError(.invalidArgument, "the feedback lacks the column", column: name)
    }
    let request = try column(shape.definition.request ?? "")
    let item = try column(shape.view.item.key.name)
    let times = try EventTimes(column(shape.eventTime), shape.eventTime)
    let known = try column(StreamColumns.knownAt)
    let shards = try column(StreamColumns.shard)
    let offsets = try column(StreamColumns.offset)
    var labels: [Int: [Int]] = [:]
    do throws(ColumnarError) {
      for (label, predicate) in shape.labels.enumerated() {
        for row in try predicate.selection(batch).rows { labels[row, default: []].append(label) }
      }
    } catch { throw StreamError(error) }
    func int(_ column: ArrayData, _ row: Int) -> Int64 {
      if case .int(let value) = column.scalar(at: row) { value } else { 0 }
    }
    for row in 0..<batch.rowCount { latest = max(latest, int(known, row)) }
    return labels.keys.sorted().compactMap { row in
      guard case .string(let id) = request.scalar(at: row), item.isValid(row),
        times.column.isValid(row)
      else { return nil }
      return Feedback(
        key: Key(request: id, item: item.scalar(at: row)), time: times.microseconds(row),
        knownAt: int(known, row), labels: labels[row] ?? [], shard: Int(int(shards, row)),
        offset: int(offsets, row))
    }
  }

  private func addLabels(
    _ events: [Feedback], _ rows: inout [Key: Row], _ order: inout [Key]
  ) throws(StreamError) {
    try findExamples(events.map(\.key).filter { rows[$0] == nil }, &rows, &order)
    let missing = Set(events.map(\.key).filter { rows[$0] == nil }.map(\.request)).sorted()
    let requests = try findRequests(missing)
    for event in events {
      if rows[event.key] == nil, let request = requests[event.key.request] {
        // An item that was not served has no example.
        guard let position = request.items.firstIndex(of: event.key.item) else { continue }
        rows[event.key] = Row(
          values: request.example(position, shape), knownAt: request.knownAt, isStored: false,
          isChanged: false)
        order.append(event.key)
      }
      guard var row = rows[event.key] else {
        held.append(event)
        continue
      }
      var isChanged = false
      for label in event.labels where shape.setLabel(label, at: event.time, of: &row.values) {
        isChanged = true
      }
      guard isChanged else { continue }
      row.isChanged = true
      row.knownAt = max(row.knownAt, event.knownAt)
      if row.isStored { row.values[shape.isCorrection] = .bool(true) }
      rows[event.key] = row
    }
  }

  private func findExamples(
    _ wanted: [Key], _ rows: inout [Key: Row], _ order: inout [Key]
  ) throws(StreamError) {
    var seen: Set<Key> = []
    let wanted = wanted.filter { seen.insert($0).inserted }
    guard !wanted.isEmpty else { return }
    let names = shape.fields.map(\.name)
    let found = try store.examples(keys(wanted), names + [StreamColumns.knownAt])
    let columns = names.map { found.rows[$0] }
    let known = found.rows[StreamColumns.knownAt]
    var next = 0
    for (key, isFound) in zip(wanted, found.found) where isFound {
      var row = Row(
        values: columns.map { $0?.scalar(at: next) ?? .null }, knownAt: .min, isStored: true,
        isChanged: false)
      if case .int(let time)? = known?.scalar(at: next) { row.knownAt = time }
      rows[key] = row
      order.append(key)
      next += 1
    }
  }

  private func findRequests(_ ids: [String]) throws(StreamError) -> [String: ServedRequest] {
    guard !ids.isEmpty else { return [:] }
    let batch: RecordBatch
    do throws(ColumnarError) {
      let builder = RecordBatchBuilder(Schema([shape.keyFields[0]]))
      for id in ids { try builder.append(row: [.string(id)]) }
      batch = try builder.finish()
    } catch { throw StreamError(error) }
    let found = try store.requests(batch).rows
    var result: [String: ServedRequest] = [:]
    for row in 0..<found.rowCount {
      if let request = ServedRequest(found, row: row) { result[request.id] = request }
    }
    return result
  }

  private func keys(_ keys: [Key]) throws(StreamError) -> RecordBatch {
    do throws(ColumnarError) {
      let builder = RecordBatchBuilder(Schema(shape.keyFields))
      for key in keys { try builder.append(row: [.string(key.request), key.item]) }
      return try builder.finish()
    } catch { throw StreamError(error) }
  }

  /// Lets go of events whose requests do not come.
  private func trimHeld() {
    let count = held.count
    if let last = held.map(\.knownAt).min(), last < latest - Self.heldMicroseconds {
      held.removeAll { $0.knownAt < latest - Self.heldMicroseconds }
    }
    if held.count > Self.heldCountMax { held.removeFirst(held.count - Self.heldCountMax) }
    droppedCount += count - held.count
  }

  private func batch(_ rows: [Row], _ schema: Schema) throws(StreamError) -> RecordBatch? {
    guard !rows.isEmpty else { return nil }
    return try shape.batch(rows.map { ($0.values, $0.knownAt) }, schema)
  }
}

extension ExampleShape {
  /// Rows with their known-at times, in the columns that the examples' stream takes.
  func batch(
    _ rows: [(values: [Scalar], knownAt: Int64)], _ schema: Schema
  ) throws(StreamError) -> RecordBatch {
    var places: [String: Int] = [:]
    for (place, field) in fields.enumerated() { places[field.name] = place }
    let builder = RecordBatchBuilder(schema)
    do throws(ColumnarError) {
      for (values, knownAt) in rows {
        try builder.append(
          row: schema.fields.map { field in
            if field.name == StreamColumns.knownAt { return .int(knownAt) }
            return places[field.name].map { values[$0] } ?? .null
          })
      }
      return try builder.finish()
    } catch { throw StreamError(error) }
  }
}
