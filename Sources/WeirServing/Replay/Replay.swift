// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirRanker
public import WeirStreaming
internal import WeirTable

/// Makes served lists again, of the request log and of events.
///
/// 1. The events of a request's user and items are read; those whose offsets were in the served rows are
/// folded, and no others. 2. Features are made of the states at the request's time, by the view's own
/// code. Features that are not made of events are taken from the log. 3. The version of the model that
/// scored scores again. 4. The rerank chooses again among the logged candidates. Each value is compared
/// with the served one, bit for bit.
struct Replay {
  let surface: Surface
  let requests: [LoggedRequest]
  /// For each source of each side; `nil` for those that are no profiles.
  private let userHistories: [EventHistory?]
  private let itemHistories: [EventHistory?]

  init(
    _ surface: Surface, _ requests: [LoggedRequest], streams: any StreamService
  ) throws(StreamError) {
    self.surface = surface
    self.requests = requests
    let view = surface.shape.view
    userHistories = try Self.histories(
      view.user, Set(requests.map(\.user)), streams)
    itemHistories = try Self.histories(
      view.item, Set(requests.flatMap(\.items)), streams)
  }

  private static func histories(
    _ side: FeatureSide, _ ids: Set<EntityID>, _ streams: any StreamService
  ) throws(StreamError) -> [EventHistory?] {
    try side.sources.map { source throws(StreamError) in
      guard let profile = source.profile else { return nil }
      return try EventHistory(
        ids, profile: profile.definition, key: source.key,
        stream: streams.stream(profile.source.table))
    }
  }

  func report(_ request: LoggedRequest) throws(StreamError) -> ReplayReport {
    var report = ReplayReport(request.requestID, request.surface)
    let view = surface.shape.view
    if request.isUserKnown {
      try compare(
        view.user, userHistories, [request.user], [request.userOffsets], request.userFeatures,
        request.time, &report)
    }
    try compare(
      view.item, itemHistories, request.items, request.itemOffsets, request.itemFeatures,
      request.time, &report)
    try compareScores(request, &report)
    compareChoice(request, &report)
    return report
  }

  // MARK: Features

  private func compare(
    _ side: FeatureSide, _ histories: [EventHistory?], _ ids: [EntityID], _ offsets: [[Int64]],
    _ served: RecordBatch, _ time: Int64, _ report: inout ReplayReport
  ) throws(StreamError) {
    guard offsets.allSatisfy({ $0.count == side.offsetCount }) else {
      throw StreamError(
        .damaged,
        "request '\(report.requestID)' has other offsets than the view: the view has changed")
    }
    var inputs: [FeatureInput] = []
    var start = 0
    for (source, history) in zip(side.sources, histories) {
      let range = start..<start + source.offsetCount
      start = range.upperBound
      guard let history else {
        inputs.append(.rows(try Self.rows(source, served)))
        continue
      }
      var entities: [(id: EntityID, offsets: ArraySlice<Int64>)] = []
      for (id, all) in zip(ids, offsets) { entities.append((id, all[range])) }
      inputs.append(.states(try history.states(entities)))
    }
    let again = try side.features(of: inputs, count: ids.count, at: time).columns
    for (source, history) in zip(side.sources, histories) {
      for field in source.columns {
        guard history != nil else {
          report.takenCount += ids.count
          continue
        }
        guard let one = served[field.name], let other = again[field.name] else { continue }
        for (row, id) in ids.enumerated() {
          report.compare(
            "\(side.side) \(id), \(field.name)", one.scalar(at: row), other.scalar(at: row))
        }
      }
    }
  }

  /// What was served of a table that is not made of events.
  private static func rows(
    _ source: FeatureSource, _ served: RecordBatch
  ) throws(StreamError) -> StreamLookup {
    var fields: [Field] = []
    var columns: [ArrayData] = []
    for field in source.columns {
      guard let column = served[field.name] else { continue }
      fields.append(Field(String(field.name.dropFirst(source.entry.name.count + 1)), field.type))
      columns.append(column)
    }
    do throws(ColumnarError) {
      return StreamLookup(
        found: [Bool](repeating: true, count: served.rowCount),
        rows: try RecordBatch(
          schema: Schema(fields), columns: columns, rowCount: served.rowCount))
    } catch { throw StreamError(error) }
  }

  // MARK: Scores and places

  private func compareScores(
    _ request: LoggedRequest, _ report: inout ReplayReport
  ) throws(StreamError) {
    var again: [Double] = []
    if let version = request.modelVersion {
      again = try modelScores(request, version)
    } else {
      let retrieved = Dictionary(
        request.candidates.map { ($0.item, $0.retrieved) }, uniquingKeysWith: { one, _ in one })
      again = request.items.map { retrieved[$0] ?? .nan }
    }
    let ranked = Dictionary(
      request.candidates.map { ($0.item, $0.score) }, uniquingKeysWith: { one, _ in one })
    for (place, item) in request.items.enumerated() {
      report.compare(
        "the score of \(item)", .float64(request.scores[place]), .float64(again[place]))
      report.compare(
        "the score of \(item) among the candidates", .float64(request.scores[place]),
        .float64(ranked[item] ?? .nan))
    }
  }

  private func modelScores(
    _ request: LoggedRequest, _ version: Int64
  ) throws(StreamError) -> [Double] {
    guard let table = surface.definition.score.model, let model = surface.models[table] else {
      throw StreamError(
        .notFound,
        "request '\(request.requestID)' was scored by version \(version) of a model, and the surface "
          + "has none")
    }
    do throws(RankerError) {
      let bundle = try model.bundle(version: version)
      let scores: [Double]
      do throws(StreamError) {
        scores = try Self.scores(request, bundle, surface.definition.score)
      } catch { throw RankerError(.invalidArgument, error.message) }
      return scores
    } catch { throw StreamError(error) }
  }

  private static func scores(
    _ request: LoggedRequest, _ bundle: ModelBundle, _ score: SurfaceScore
  ) throws(StreamError) -> [Double] {
    let inputs = try ModelInputs(
      bundle.metadata, user: request.user,
      features: request.isUserKnown ? request.userFeatures : nil)
    let value = try ModelValue(score, tasks: bundle.tasks)
    do throws(RankerError) {
      let dense: [Float]
      do throws(StreamError) {
        dense = try inputs.itemDense(request.itemFeatures)
      } catch { throw RankerError(.invalidArgument, error.message) }
      return value.values(
        try bundle.scores(
          userDense: inputs.userDense, user: inputs.user, history: inputs.history,
          items: request.items.map(\.vectorKey), itemDense: dense))
    } catch { throw StreamError(error) }
  }

  private func compareChoice(_ request: LoggedRequest, _ report: inout ReplayReport) {
    let rerank = surface.definition.rerank
    let groups = rerank.caps.indices.map { cap in
      request.candidates.map { cap < $0.groups.count ? $0.groups[cap] : nil }
    }
    let choices = Reranker(rerank: rerank, count: request.items.count).choose(
      request.candidates.map(\.item), scores: request.candidates.map(\.score), groups: groups,
      requestID: request.requestID)
    report.compare(
      "the number of items", .int(Int64(request.items.count)), .int(Int64(choices.count)))
    for (place, choice) in choices.enumerated() {
      report.compare(
        "place \(place + 1)", request.items[place].scalar,
        request.candidates[choice.candidate].item.scalar)
      report.compare(
        "the propensity at place \(place + 1)", .float64(request.propensities[place]),
        .float64(choice.propensity))
    }
  }
}

extension Serving {
  /// Requests that one call replays.
  public static let replayCountMax = 1_000

  /// Makes served lists again and compares them.
  ///
  /// - Returns: a report for each request, in order.
  /// - Throws: `notFound` for a request that no log has.
  public func replay(_ requestIDs: [String]) throws(StreamError) -> [ReplayReport] {
    guard requestIDs.count <= Self.replayCountMax else {
      throw StreamError(
        .invalidArgument, "\(requestIDs.count) requests; at most \(Self.replayCountMax) at a time")
    }
    var found: [String: LoggedRequest] = [:]
    for surface in try names.map({ name throws(StreamError) in try self.surface(name) }) {
      for request in try surface.logged(requestIDs.filter { found[$0] == nil }) {
        found[request.requestID] = request
      }
    }
    var bySurface: [String: [LoggedRequest]] = [:]
    for id in requestIDs {
      guard let request = found[id] else {
        throw StreamError(.notFound, "no request log has the request '\(id.prefix(80))'")
      }
      bySurface[request.surface, default: []].append(request)
    }
    var reports: [String: ReplayReport] = [:]
    for (name, requests) in bySurface.sorted(by: { $0.key < $1.key }) {
      let replay = try Replay(surface(name), requests, streams: streams)
      for request in requests { reports[request.requestID] = try replay.report(request) }
    }
    return requestIDs.compactMap { reports[$0] }
  }
}

extension Serving {
  /// Names of the requests that were logged last, the last ones behind.
  ///
  /// Cost: a scan of the names in the log.
  public func lastRequests(_ count: Int, surface name: String?) throws(StreamError) -> [String] {
    var found: [(time: Int64, name: String)] = []
    var logs: Set<TableIdentifier> = []
    for other in name.map({ [$0] }) ?? names {
      let surface = try self.surface(other)
      guard let log = surface.logStream else { continue }
      guard logs.insert(log.definition.table).inserted else { continue }
      found += try Self.requests(log, name)
    }
    return found.sorted { ($0.time, $0.name) < ($1.time, $1.name) }.suffix(max(0, count)).map(
      \.name)
  }

  private static func requests(
    _ log: any ServedStream, _ surface: String?
  ) throws(StreamError) -> [(time: Int64, name: String)] {
    var result: [(time: Int64, name: String)] = []
    let filter = surface.map {
      Predicate.compare(.equal, Term(RequestLog.surface), .string($0))
    }
    let reader = try log.scan(
      StreamScan(
        columns: [RequestLog.requestID, RequestLog.at, RequestLog.surface], filter: filter))
    do {
      while let batch = try reader.next() {
        for row in 0..<batch.rowCount {
          guard case .string(let name)? = batch[RequestLog.requestID]?.scalar(at: row),
            case .int(let time)? = batch[RequestLog.at]?.scalar(at: row)
          else { continue }
          result.append((time, name))
        }
      }
    } catch { throw (error as? StreamError) ?? StreamError(.table, "\(error)") }
    return result
  }
}

extension Surface {
  /// The rows of the log that there are.
  func logged(_ requestIDs: [String]) throws(StreamError) -> [LoggedRequest] {
    guard let logStream, !requestIDs.isEmpty else { return [] }
    let keys: RecordBatch
    do throws(ColumnarError) {
      let builder = RecordBatchBuilder(
        Schema([Field(RequestLog.requestID, .utf8, nullable: false)]))
      for id in requestIDs { try builder.append(row: [.string(id)]) }
      keys = try builder.finish()
    } catch { throw StreamError(error) }
    let rows = try logStream.lookup(keys: keys, columns: nil).rows
    return try (0..<rows.rowCount).map { row throws(StreamError) in
      try LoggedRequest(rows, row: row, view: shape.view)
    }
  }
}
