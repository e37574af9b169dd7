// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

/// Training examples, joined from a request log and its feedback. What they should be is worked out from the
/// acknowledged rows of both, whichever came first.
///
/// Two columns are left out, which say how a row came to be: `is_correction` and `_known_at`.
final class ExamplePipeline: SimulatedPipeline {
  private var sender: SimulatedFeedback
  /// Acknowledged rows by input, shard and offset.
  private var acknowledged: [[AcknowledgedRows]]

  init(_ random: inout SeededRandom) throws {
    sender = try SimulatedFeedback(&random)
    acknowledged = [sender.requests, sender.feedback].map {
      Array(repeating: AcknowledgedRows(), count: $0.shardCount)
    }
  }

  var summary: String {
    "examples, shards \(inputs.map(\.shardCount)) and \(target.shardCount), "
      + "\(sender.definition.negativeRate) of the negatives"
  }

  var inputs: [StreamDefinition] { [sender.requests, sender.feedback] }
  var target: StreamDefinition { sender.target }
  var identity: [String] { ["request_id", "value"] }
  var columns: [String] {
    target.columns.fields.map(\.name).filter { $0 != "is_correction" }
  }

  func runner(
    _ streams: (TableIdentifier) throws -> any ServedStream, _ random: inout SeededRandom
  ) throws -> any PipelineRunner {
    try ExampleRunner(
      sender.definition, view: sender.view, requests: streams(sender.requests.table),
      feedback: streams(sender.feedback.table), target: streams(target.table),
      positions: streams(TableIdentifier(parsing: PipelinePositions.tableName)),
      requestRows: random.pick([1, 2, 5, 256]))
  }

  func rows(_ random: inout SeededRandom, now: Int64) -> (input: Int, rows: [LoggedRow]) {
    random.chance(0.4) ? (0, sender.newRequests(&random)) : (1, sender.events(&random))
  }

  func acknowledge(_ row: LoggedRow, input: Int, shard: Int, offset: Int64) -> Bool {
    if let known = acknowledged[input][shard][offset] { return known == row }
    acknowledged[input][shard].insert(row, at: offset)
    return true
  }

  func keys() throws -> RecordBatch {
    let builder = RecordBatchBuilder(Schema(Array(target.columns.fields.prefix(2))))
    let ids = Set(rows(0, below: nil).compactMap { $0.values["request_id"] })
    for id in ids.union([.string("nobody")]).sorted(by: { "\($0)" < "\($1)" }) {
      for item in 0...SimulatedFeedback.itemCount {
        try builder.append(row: [id, .int(Int64(item))])
      }
    }
    return try builder.finish()
  }

  // MARK: What should be there

  /// The rows of an input below some offsets; all with `nil`.
  private func rows(_ input: Int, below positions: [Int: Int64]?) -> [LoggedRow] {
    acknowledged[input].enumerated().flatMap { shard, rows in
      rows.below(positions.map { $0[shard] ?? 0 }).map(\.row)
    }
  }

  private func wanted(_ notes: [String: [Int: Int64]]?) -> [[Scalar]: [String: Scalar]] {
    func rows(_ input: Int, _ name: String) -> [LoggedRow] {
      self.rows(input, below: notes.map { $0["\(target.table)/\(name)"] ?? [:] })
    }
    return NaiveExamples(
      requests: rows(0, "requests"), events: rows(1, "feedback"),
      rate: sender.definition.negativeRate
    ).rows()
  }

  func check(_ rows: [[Scalar]: [String: Scalar]], _ extent: PipelineExtent) throws {
    let all = wanted(nil)
    for (key, row) in rows {
      guard let wanted = all[key] else {
        throw PipelineMismatch(description: "the example \(key) should not be there")
      }
      try check(row, wanted, key)
    }
    switch extent {
    case .some: break
    case .noted(let notes):
      for (key, wanted) in self.wanted(notes) { try check(labels: wanted, notLaterThan: rows, key) }
    case .all:
      for (key, wanted) in all {
        guard let row = rows[key] else {
          throw PipelineMismatch(description: "the example \(key) is missing")
        }
        for name in columns where row[name] != wanted[name] {
          throw PipelineMismatch(
            description: "the example \(key), column \(name): \(row[name] ?? .null), should be "
              + "\(wanted[name] ?? .null)")
        }
      }
    }
  }

  /// A row at any time is that of the end but for labels that it does not have yet, or of a later event.
  private func check(
    _ row: [String: Scalar], _ end: [String: Scalar], _ key: [Scalar]
  ) throws {
    var wanted = end
    var isLabelled = false
    for (label, _) in NaiveExamples.labels {
      if case .int(let time)? = row[label + "_at"], row[label] == .bool(true) {
        isLabelled = true
        guard case .int(let first)? = end[label + "_at"], first <= time else {
          throw PipelineMismatch(description: "the example \(key): no \(label) at \(time)")
        }
        wanted[label + "_at"] = .int(time)
      } else {
        (wanted[label], wanted[label + "_at"]) = (.bool(false), .null)
      }
    }
    if !isLabelled { wanted["sampling_rate"] = .float32(Float(sender.definition.negativeRate)) }
    for name in columns where row[name] != wanted[name] {
      throw PipelineMismatch(
        description: "the example \(key), column \(name): \(row[name] ?? .null), should be "
          + "\(wanted[name] ?? .null)")
    }
  }

  /// What the pipeline is sure of is in the rows.
  private func check(
    labels wanted: [String: Scalar], notLaterThan rows: [[Scalar]: [String: Scalar]],
    _ key: [Scalar]
  ) throws {
    guard let row = rows[key] else {
      throw PipelineMismatch(description: "the example \(key) is missing")
    }
    for (label, _) in NaiveExamples.labels {
      guard case .int(let time)? = wanted[label + "_at"] else { continue }
      guard case .int(let found)? = row[label + "_at"], found <= time else {
        throw PipelineMismatch(
          description: "the example \(key): \(label) at \(row[label + "_at"] ?? .null), should be "
            + "\(time) at the latest")
      }
    }
  }
}
