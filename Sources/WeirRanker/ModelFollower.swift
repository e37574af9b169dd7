// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirStreaming

/// Keeps the newest version of a model ready, and makes older ones for replay.
///
/// 1. The registry's stream tells of versions; a row there means that the version's vectors are durable.
///    So the vectors that wait in their stream are read after it, and then there are all of them.
/// 2. The newest version that was not tried yet is built upon the vectors of the one that serves, or of a
///    scan, and run on values for a test.
/// 3. When that goes well it serves, at once and as a whole; who holds the older one keeps it. When not, the
///    older one goes on, an event says why, and the versions between are tried.
///
/// Threads may share it.
public final class ModelFollower: Sendable {
  public let definition: ModelDefinition
  private let registry: ModelRegistry
  private let embeddings: any ServedStream
  private let runtime: OnnxRuntime
  private let onEvent: @Sendable (StreamEvent) -> Void
  private let served = Mutex<ModelBundle?>(nil)
  private let state = Mutex(State())
  private let older = Mutex<[ModelBundle]>([])
  private let worker = Mutex<Worker?>(nil)

  /// Where the follower is; used by one step at a time.
  private struct State {
    var cursor: ModelCursor?
    var versions: Set<Int64> = []
    var refused: Set<Int64> = []
    /// Vectors of the version that serves.
    var vectors: ModelEmbeddings?
    /// What kept it from going on, and was told.
    var failure: String?
  }

  /// Older versions that are kept for replay.
  private static let olderMax = 4
  /// Versions that one step tries.
  private static let triesMax = 8
  private static let pollNanoseconds = 20_000_000
  private static let retryNanoseconds = 1_000_000_000

  /// - Parameters:
  ///   - streams: with those that `ModelDefinition.streams` gives.
  ///   - onEvent: is told of versions that serve (`model_served`) and of those that were refused
  ///     (`model_refused`), and when streams or the library are in the way (`model_failed`); on any thread.
  /// - Throws: `notFound` when the service has no such streams.
  public init(
    _ definition: ModelDefinition, streams: any StreamService, runtime: OnnxRuntime,
    onEvent: @escaping @Sendable (StreamEvent) -> Void = { _ in }
  ) throws(StreamError) {
    self.definition = definition
    registry = ModelRegistry(stream: try streams.stream(definition.table))
    embeddings = try streams.stream(definition.embeddings)
    self.runtime = runtime
    self.onEvent = onEvent
  }

  /// The version that serves; `nil` before there is one.
  public var current: ModelBundle? { served.withLock { $0 } }

  /// Follows on a thread of its own until `close`.
  public func start() {
    worker.withLock { worker in
      guard worker == nil else { return }
      worker = Worker { [weak self] in self?.work() ?? .wait(nanoseconds: Self.retryNanoseconds) }
    }
  }

  /// Lets the step that runs end. The version that serves stays.
  public func close() {
    let worker = worker.withLock { worker in
      defer { worker = nil }
      return worker
    }
    worker?.stop()
  }

  private func work() -> Worker.Next {
    do throws(RankerError) {
      return .wait(nanoseconds: try step() ? 0 : Self.pollNanoseconds)
    } catch {
      return .wait(nanoseconds: Self.retryNanoseconds)
    }
  }

  /// Does what there is to do now: for owners without threads.
  ///
  /// - Returns: whether another version serves.
  /// - Throws: `stream` and `libraryMissing`, which was also told as an event once; the next step tries
  ///   again.
  @discardableResult
  public func step() throws(RankerError) -> Bool {
    let result: Result<Bool, RankerError> = state.withLock { state in
      do throws(RankerError) {
        let isNew = try step(&state)
        state.failure = nil
        return .success(isNew)
      } catch {
        // The streams are read anew: rows that come twice change nothing.
        if error.code == .stream { state.cursor = nil }
        if state.failure != error.message {
          state.failure = error.message
          tell(.warning, "model_failed", "the model does not go on, and tries again: \(error)")
        }
        return .failure(error)
      }
    }
    return try result.get()
  }

  private func step(_ state: inout State) throws(RankerError) -> Bool {
    if state.cursor == nil {
      state.cursor = try ModelCursor(registry: registry.stream, embeddings: embeddings)
      state.versions.formUnion(try registry.versions())
      state.vectors = nil
    }
    guard var cursor = state.cursor else { return false }
    defer { state.cursor = cursor }
    state.versions.formUnion(try cursor.read())
    let least = current?.version ?? .min
    let candidates = state.versions.filter { $0 > least && !state.refused.contains($0) }
    // Versions that are passed over are made when somebody asks for them.
    state.versions = []
    for version in candidates.sorted(by: >).prefix(Self.triesMax) {
      do throws(RankerError) {
        let (bundle, vectors) = try build(version, state.vectors, &cursor)
        served.withLock { $0 = bundle }
        state.vectors = vectors
        tell(
          .info, "model_served", "version \(version) serves, with \(bundle.vectorCount) vectors",
          [("version", version), ("vectors", Int64(bundle.vectorCount))])
        return true
      } catch {
        if error.code == .stream || error.code == .libraryMissing {
          state.versions.formUnion(candidates)
          throw error
        }
        state.refused.insert(version)
        let rest = current.map { "version \($0.version) goes on" } ?? "there is none yet"
        tell(
          .warning, "model_refused", "version \(version) was refused, \(rest): \(error)",
          [("version", version)])
      }
    }
    return false
  }

  private func build(
    _ version: Int64, _ older: ModelEmbeddings?, _ cursor: inout ModelCursor
  ) throws(RankerError) -> (ModelBundle, ModelEmbeddings) {
    try runtime.load()
    let row = try registry.row(version)
    var isComplete = true
    var vectors: ModelEmbeddings
    if let found = try older?.going(on: row.metadata), !cursor.isIncomplete {
      vectors = found
    } else {
      vectors = ModelEmbeddings(row.metadata)
      let from = row.metadata.embeddingsFrom
      try ModelCursor.scan(embeddings, from...Int64.max) { row throws(RankerError) in
        if row.version > version { isComplete = false } else { try vectors.apply(row) }
      }
    }
    for waiting in cursor.waiting where waiting.version <= version { try vectors.apply(waiting) }
    let result = try bundle(row, vectors, current)
    // Vectors of a version to come, from before the cursor began: the next version scans once more.
    cursor.drop(through: version, isComplete: isComplete)
    return (result, vectors)
  }

  /// A version of its row and vectors, after its test.
  private func bundle(
    _ row: RegistryRow, _ vectors: ModelEmbeddings, _ other: ModelBundle?
  ) throws(RankerError) -> ModelBundle {
    try vectors.check()
    let graphs: ModelGraphs
    if let other, other.graphVersion == row.graphVersion {
      graphs = other.graphs
    } else {
      let bytes = try registry.graphs(of: row)
      graphs = try ModelGraphs(retriever: bytes.retriever, ranker: bytes.ranker, runtime: runtime)
    }
    return try ModelProbe.check(
      ModelBundle(row, graphs: graphs, embeddings: vectors), like: other)
  }

  // MARK: Replay

  /// Any version, as it was when it served.
  ///
  /// Cost: a scan of the stream of embeddings, unless it serves or was asked for lately; replay requests in
  /// order of their versions.
  ///
  /// - Throws: `notFound` when there is no such version, and why it was refused when it was.
  public func bundle(version: Int64) throws(RankerError) -> ModelBundle {
    let kept = older.withLock { $0.first { $0.version == version } }
    let current = current
    if let current, current.version == version { return current }
    if let kept { return kept }
    let row = try registry.row(version)
    var vectors = ModelEmbeddings(row.metadata)
    let from = min(row.metadata.embeddingsFrom, version)
    try ModelCursor.scan(embeddings, from...version) { row throws(RankerError) in
      try vectors.apply(row)
    }
    let result = try bundle(row, vectors, current)
    older.withLock { older in
      if older.count >= Self.olderMax { older.removeFirst() }
      older.append(result)
    }
    return result
  }

  private func tell(
    _ level: StreamEvent.Level, _ name: String, _ message: String,
    _ counts: [(name: String, value: Int64)] = []
  ) {
    onEvent(StreamEvent(level, name, stream: definition.table, message, counts: counts))
  }
}
