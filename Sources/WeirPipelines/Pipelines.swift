// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirStreaming
internal import WeirTable

/// The pipelines of one process: a thread for each keeps its table up with its source.
public final class Pipelines: Sendable {
  private let workers: [Worker]
  private let failures: Failures

  /// What keeps a pipeline from going on, by its table's name.
  private final class Failures: Sendable {
    let texts = Mutex<[String: String]>([:])
  }

  /// A runner for the one thread that uses it.
  // Safe: only its worker's thread touches it, from the first step on.
  private final class Box: @unchecked Sendable {
    let runner: ProfileRunner
    init(_ runner: ProfileRunner) { self.runner = runner }
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
  /// - Parameter streams: with the sources, and those that `streams(_:sources:)` gives.
  public init(_ profiles: [ProfileDefinition], streams: any StreamService) throws(StreamError) {
    var boxes: [(String, Box)] = []
    for profile in profiles {
      let runner = try ProfileRunner(
        profile, source: streams.stream(profile.source), target: streams.stream(profile.table),
        positions: streams.stream(PipelinePositions.table()))
      boxes.append(("\(profile.table)", Box(runner)))
    }
    let failures = Failures()
    self.failures = failures
    workers = boxes.map { name, box in
      Worker {
        do throws(StreamError) {
          let progress = try box.runner.step()
          failures.texts.withLock { texts in
            if texts[name] != nil { texts[name] = nil }
          }
          if case .worked = progress { return .again }
          return .wait(nanoseconds: Self.pollNanoseconds)
        } catch {
          failures.texts.withLock { $0[name] = error.description }
          return .wait(nanoseconds: 1_000_000_000)
        }
      }
    }
  }

  /// Between two looks for new events.
  private static let pollNanoseconds = 5_000_000

  /// Why pipelines do not go on, by their tables' names; empty when all do.
  public var failureTexts: [String: String] { failures.texts.withLock { $0 } }

  /// Lets the steps that run end. What was not done is done after the next start.
  public func close() { for worker in workers { worker.stop() } }
}
