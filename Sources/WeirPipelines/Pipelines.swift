// SPDX-License-Identifier: Apache-2.0

public import WeirStreaming
internal import WeirTable

/// The pipelines of one process: a thread for each keeps its table up with its source.
public final class Pipelines: Sendable {
  private let workers: [Worker]

  /// A runner for the one thread that uses it.
  // Safe: only its worker's thread touches it, from the first step on.
  private final class Box: @unchecked Sendable {
    private let runner: ProfileRunner
    private let table: TableIdentifier
    private let onEvent: @Sendable (StreamEvent) -> Void
    /// What kept it from going on, and was told.
    private var failure: String?

    init(
      _ runner: ProfileRunner, _ table: TableIdentifier,
      _ onEvent: @escaping @Sendable (StreamEvent) -> Void
    ) {
      self.runner = runner
      self.table = table
      self.onEvent = onEvent
    }

    func step() -> Worker.Next {
      do throws(StreamError) {
        let progress = try runner.step()
        if failure != nil {
          failure = nil
          onEvent(StreamEvent(.info, "pipeline_resumed", stream: table, "the profile goes on"))
        }
        if case .worked = progress { return .again }
        return .wait(nanoseconds: Pipelines.pollNanoseconds)
      } catch {
        // The same again and again is told once.
        if failure != error.description {
          failure = error.description
          onEvent(
            StreamEvent(
              .warning, "pipeline_failed", stream: table,
              "the profile does not go on, and tries again: \(error)"))
        }
        return .wait(nanoseconds: 1_000_000_000)
      }
    }
  }

  /// The streams that profiles need besides their sources: their tables, and that of the positions.
  ///
  /// - Throws: `invalidArgument` for a profile that does not fit its source.
  public static func streams(
    _ profiles: [ProfileDefinition], sources: [StreamDefinition]
  ) throws(StreamError) -> [StreamDefinition] {
    guard !profiles.isEmpty else { return [] }
    var result: [StreamDefinition] = []
    for profile in profiles {
      guard let source = sources.first(where: { $0.table == profile.source }) else {
        throw StreamError(
          .notFound, "there is no stream '\(profile.source)', the source of '\(profile.table)'")
      }
      result.append(try ProfileOperator.stream(profile, source: source))
    }
    return result + [try PipelinePositions.stream()]
  }

  /// Starts them.
  ///
  /// - Parameters:
  ///   - streams: with the sources, and those that `streams(_:sources:)` gives.
  ///   - onEvent: is told when a pipeline does not go on, and when it does again; on any thread.
  public init(
    _ profiles: [ProfileDefinition], streams: any StreamService,
    onEvent: @escaping @Sendable (StreamEvent) -> Void = { _ in }
  ) throws(StreamError) {
    var boxes: [Box] = []
    for profile in profiles {
      let runner = try ProfileRunner(
        profile, source: streams.stream(profile.source), target: streams.stream(profile.table),
        positions: streams.stream(PipelinePositions.table()))
      boxes.append(Box(runner, profile.table, onEvent))
    }
    workers = boxes.map { box in Worker { box.step() } }
  }

  /// Between two looks for new events.
  private static let pollNanoseconds = 5_000_000

  /// Lets the steps that run end. What was not done is done after the next start.
  public func close() { for worker in workers { worker.stop() } }
}
