// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirStreaming
public import WeirTable

/// What somebody declared about the pipelines of a project.
public struct PipelineDefinitions: Hashable, Sendable {
  public var profiles: [ProfileDefinition] = []
  public var candidates: [CandidateDefinition] = []
  public var featureViews: [FeatureViewDefinition] = []
  public var examples: [ExampleDefinition] = []

  public init(
    profiles: [ProfileDefinition] = [], candidates: [CandidateDefinition] = [],
    featureViews: [FeatureViewDefinition] = [], examples: [ExampleDefinition] = []
  ) {
    self.profiles = profiles
    self.candidates = candidates
    self.featureViews = featureViews
    self.examples = examples
  }

  /// The streams that pipelines need besides those that are declared: their tables, and that of the
  /// positions.
  ///
  /// - Throws: `invalidArgument` for a pipeline that does not fit what it follows, `notFound` when that
  ///   is not there.
  public func streams(sources: [StreamDefinition]) throws(StreamError) -> [StreamDefinition] {
    var result: [StreamDefinition] = []
    for profile in profiles {
      guard let source = sources.first(where: { $0.table == profile.source }) else {
        throw StreamError(
          .notFound, "there is no stream '\(profile.source)', the source of '\(profile.table)'")
      }
      result.append(try ProfileOperator.stream(profile, source: source))
    }
    let followed = sources + result
    for definition in candidates {
      guard let source = followed.first(where: { $0.table == definition.source }) else {
        throw StreamError(
          .notFound,
          "there is no table '\(definition.source)', which '\(definition.table)' follows")
      }
      result.append(
        try CandidateRunner.stream(definition, source: source, profile: profile(of: definition)))
    }
    for definition in examples {
      result.append(try stream(of: definition, sources: sources))
    }
    if examples.contains(where: { $0.history != nil }) { result += try PipelineJobs.streams() }
    if !profiles.isEmpty || !examples.isEmpty { result.append(try PipelinePositions.stream()) }
    return result
  }

  /// The logs that examples read, by their tables.
  ///
  /// - Throws: `invalidArgument` when one is read as that of two views.
  public func requestLogs(sources: [StreamDefinition]) throws(StreamError) -> [StreamDefinition] {
    var result: [StreamDefinition] = []
    for definition in examples {
      guard let table = definition.requests else { continue }
      let stream = try RequestLog.stream(table, view: view(definition.features, streams: sources))
      guard let other = result.first(where: { $0.table == table }) else {
        result.append(stream)
        continue
      }
      guard other == stream else {
        throw StreamError(
          .invalidArgument,
          "the examples '\(definition.table)' take '\(table)' for the log of other "
            + "features than the examples before")
      }
    }
    return result
  }

  private func stream(
    of definition: ExampleDefinition, sources: [StreamDefinition]
  ) throws(StreamError) -> StreamDefinition {
    guard let feedback = sources.first(where: { $0.table == definition.feedback }) else {
      throw StreamError(
        .notFound,
        "there is no stream '\(definition.feedback)', the feedback of '\(definition.table)'")
    }
    let view = try view(definition.features, streams: sources)
    return try ExampleRunner.stream(definition, view: view, feedback: feedback)
  }

  /// The feature view of a name.
  public func view(
    _ name: TableIdentifier, streams: [StreamDefinition]
  ) throws(StreamError) -> FeatureView {
    guard let definition = featureViews.first(where: { $0.name == name }) else {
      throw StreamError(.notFound, "there is no feature view '\(name)'")
    }
    return try FeatureView(definition, profiles: profiles, streams: streams)
  }

  /// The profile whose table candidates follow, when it is one.
  public func profile(of definition: CandidateDefinition) -> ProfileDefinition? {
    profiles.first { $0.table == definition.source }
  }

  fileprivate func runners(
    _ streams: any StreamService
  ) throws(StreamError) -> [any PipelineRunner] {
    var result: [any PipelineRunner] = []
    for profile in profiles {
      result.append(
        try ProfileRunner(
          profile, source: streams.stream(profile.source), target: streams.stream(profile.table),
          positions: streams.stream(PipelinePositions.table())))
    }
    for definition in candidates {
      result.append(
        try CandidateRunner(
          definition, profile: profile(of: definition),
          source: streams.stream(definition.source), target: streams.stream(definition.table)))
    }
    for definition in examples { result += try runners(definition, streams) }
    return result
  }

  private func runners(
    _ definition: ExampleDefinition, _ streams: any StreamService
  ) throws(StreamError) -> [any PipelineRunner] {
    var declared: [StreamDefinition] = []
    for table in streams.tables { declared.append(try streams.stream(table).definition) }
    let view = try view(definition.features, streams: declared)
    var result: [any PipelineRunner] = []
    if let requests = definition.requests {
      result.append(
        try ExampleRunner(
          definition, view: view, requests: streams.stream(requests),
          feedback: streams.stream(definition.feedback), target: streams.stream(definition.table),
          positions: streams.stream(PipelinePositions.table())))
    }
    if definition.history != nil {
      result.append(try HistoryRunner(definition, view: view, streams: streams))
    }
    return result
  }
}

/// The pipelines of one process: a thread for each keeps its table up with its source.
public final class Pipelines: Sendable {
  private let workers: [Worker]

  /// A runner for the one thread that uses it.
  // Safe: only its worker's thread touches it, from the first step on.
  private final class Box: @unchecked Sendable {
    let meter: PipelineMeter
    private let runner: any PipelineRunner
    private let onEvent: @Sendable (StreamEvent) -> Void
    /// What kept it from going on, and was told.
    private var failure: String?

    init(
      _ runner: any PipelineRunner, _ streams: any StreamService,
      _ onEvent: @escaping @Sendable (StreamEvent) -> Void
    ) throws(StreamError) {
      self.runner = runner
      let progress = runner.progress
      meter = PipelineMeter(progress, source: try streams.stream(progress.source))
      self.onEvent = onEvent
    }

    func step() -> Worker.Next {
      do throws(StreamError) {
        let step = try runner.step()
        meter.note(runner, failure: nil)
        if failure != nil {
          failure = nil
          tell(.info, "pipeline_resumed", "it goes on")
        }
        if case .worked = step { return .again }
        return .wait(nanoseconds: Pipelines.pollNanoseconds)
      } catch {
        // The same again and again is told once.
        if failure != error.description {
          failure = error.description
          tell(.warning, "pipeline_failed", "it does not go on, and tries again: \(error)")
        }
        meter.note(runner, failure: failure)
        return .wait(nanoseconds: 1_000_000_000)
      }
    }

    private func tell(_ level: StreamEvent.Level, _ name: String, _ message: String) {
      let progress = runner.progress
      onEvent(
        StreamEvent(level, name, stream: progress.table, "\(progress.kind): \(message)"))
    }
  }

  /// Starts them.
  ///
  /// - Parameters:
  ///   - streams: with the sources, and those that `PipelineDefinitions.streams(sources:)` gives.
  ///   - onEvent: is told when a pipeline does not go on, and when it does again; on any thread.
  public init(
    _ definitions: PipelineDefinitions, streams: any StreamService,
    onEvent: @escaping @Sendable (StreamEvent) -> Void = { _ in }
  ) throws(StreamError) {
    var boxes: [Box] = []
    for runner in try definitions.runners(streams) {
      boxes.append(try Box(runner, streams, onEvent))
    }
    let meters = boxes.map(\.meter)
    streams.report(pipelines: { meters.map(\.status) })
    workers = boxes.map { box in Worker { box.step() } }
  }

  /// Between two looks for new events.
  private static let pollNanoseconds = 5_000_000

  /// Lets the steps that run end. What was not done is done after the next start.
  public func close() { for worker in workers { worker.stop() } }
}
