// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirPipelines
public import WeirRanker
public import WeirStreaming
public import WeirTable

/// The surfaces of one process.
public final class Serving: Sendable {
  private let surfaces: [String: Surface]
  /// In the order of their declarations.
  public let names: [String]
  let streams: any StreamService
  private let caches: [any RefreshedCache]
  private let worker: Worker?

  /// Lists that a table keeps in memory, and rows that an entry of a view keeps: of items, which one
  /// request needs by the hundred, and of users.
  private static let listCountMax = 30_000
  private static let itemCountMax = 50_000
  private static let userCountMax = 20_000
  private static let refreshNanoseconds = 20_000_000

  /// The streams that surfaces need besides those that are declared: their logs. Surfaces of one feature
  /// view may share a log.
  ///
  /// - Throws: `invalidArgument` when surfaces of two views have one log.
  public static func streams(_ shapes: [SurfaceShape]) throws(StreamError) -> [StreamDefinition] {
    var result: [StreamDefinition] = []
    for shape in shapes {
      guard let stream = try shape.logStream() else { continue }
      if let other = result.first(where: { $0.table == stream.table }) {
        guard other == stream else {
          throw StreamError(
            .invalidArgument,
            "the surface '\(shape.definition.name)' logs other features than the one before it; give "
              + "it a log of its own", stream: "\(stream.table)")
        }
        continue
      }
      result.append(stream)
    }
    return result
  }

  /// - Parameters:
  ///   - streams: with the tables of views and sources, and those that `streams(_:)` gives.
  ///   - models: the models that serve here, by their tables; one that is not there has no version.
  ///   - hasThreads: whether a thread keeps what is in memory as new as the tables.
  ///   - onEvent: is told when a stage fails that did not fail before, on any thread.
  public init(
    _ shapes: [SurfaceShape], streams: any StreamService,
    models: [TableIdentifier: ModelFollower] = [:], clock: ServingClock = .system,
    hasThreads: Bool = true,
    onEvent: @escaping @Sendable (StreamEvent) -> Void = { _ in }
  ) throws(StreamError) {
    let failures = FailureLog(onEvent)
    var tables = CachedTables(streams)
    var surfaces: [String: Surface] = [:]
    for shape in shapes {
      surfaces[shape.definition.name] = try Surface(
        shape, streams: streams, lists: tables.lists(shape, countMax: Self.listCountMax),
        users: tables.rows(shape.view.user, shape.view, countMax: Self.userCountMax),
        items: tables.rows(shape.view.item, shape.view, countMax: Self.itemCountMax),
        models: models, clock: clock,
        onFailure: { failures.tell($0, $1) })
    }
    self.surfaces = surfaces
    self.streams = streams
    names = shapes.map(\.definition.name)
    let all = tables.all
    caches = all
    for cache in all { cache.refresh() }
    guard hasThreads else {
      worker = nil
      return
    }
    worker = Worker {
      for cache in all { cache.refresh() }
      return .wait(nanoseconds: Self.refreshNanoseconds)
    }
  }

  /// The surface of a name; the only one there is when `nil`.
  ///
  /// - Throws: `notFound`.
  public func surface(_ name: String?) throws(StreamError) -> Surface {
    if let name, let surface = surfaces[name] { return surface }
    if name == nil, names.count == 1, let surface = surfaces[names[0]] { return surface }
    let known = names.map { "'\($0)'" }.joined(separator: ", ")
    guard let name else {
      throw StreamError(
        .invalidArgument, "say which surface: \(known.isEmpty ? "none is declared" : known)")
    }
    throw StreamError(
      .notFound,
      "there is no surface '\(name)'; "
        + (known.isEmpty ? "none is declared" : "there are \(known)"))
  }

  /// Lets what is in memory be as new as the tables.
  func refresh() { for cache in caches { cache.refresh() } }

  /// Ends the threads. Requests after that still find what there is.
  public func close() { worker?.stop() }
}

/// What surfaces keep in memory of tables, each once.
private struct CachedTables {
  private let streams: any StreamService
  private var lists: [TableIdentifier: RowCache<CandidateList>] = [:]
  /// By view and side the sources of that side.
  private var rows: [String: [RowCache<FeatureSourceRow>]] = [:]

  init(_ streams: any StreamService) { self.streams = streams }

  var all: [any RefreshedCache] { Array(lists.values) + rows.values.flatMap { $0 } }

  mutating func lists(
    _ shape: SurfaceShape, countMax: Int
  ) throws(StreamError) -> [RowCache<CandidateList>?] {
    var result: [RowCache<CandidateList>?] = []
    for source in shape.definition.sources {
      guard let table = source.table else {
        result.append(nil)
        continue
      }
      let cache: RowCache<CandidateList>
      if let found = lists[table] {
        cache = found
      } else {
        cache = try RowCache(
          streams.stream(table), columns: [CandidateList.column], countMax: countMax
        ) { rows throws(StreamError) in try CandidateList.lists(rows) }
      }
      lists[table] = cache
      result.append(cache)
    }
    return result
  }

  mutating func rows(
    _ side: FeatureSide, _ view: FeatureView, countMax: Int
  ) throws(StreamError) -> [RowCache<FeatureSourceRow>] {
    let name = "\(side.side) of \(view.definition.name)"
    if let found = rows[name] { return found }
    let isUser = side.side == .user
    var result: [RowCache<FeatureSourceRow>] = []
    for source in side.sources {
      result.append(
        try RowCache(
          streams.stream(source.entry.table), columns: source.tableColumns, countMax: countMax
        ) { rows throws(StreamError) in
          isUser ? try source.encodedRows(of: rows) : try source.rows(of: rows)
        })
    }
    rows[name] = result
    return result
  }
}

/// Tells of failures, each kind once in a while.
private final class FailureLog: Sendable {
  private let onEvent: @Sendable (StreamEvent) -> Void
  private let counts = Mutex<[String: Int]>([:])

  init(_ onEvent: @escaping @Sendable (StreamEvent) -> Void) { self.onEvent = onEvent }

  func tell(_ code: String, _ error: StreamError) {
    let count = counts.withLock { counts in
      counts[code, default: 0] += 1
      return counts[code] ?? 1
    }
    // The first, the second, the fourth, …
    guard count & (count - 1) == 0 else { return }
    onEvent(
      StreamEvent(
        .warning, "serving_fallback", "\(code): \(error)", counts: [("times", Int64(count))]))
  }
}
