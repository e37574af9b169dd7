// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirStreaming

/// How far a pipeline is, for those who look at it from other threads.
final class PipelineMeter: Sendable {
  private let source: any ServedStream
  private let state: Mutex<State>

  private struct State {
    var status: PipelineStatus
    /// When it was noted the last time; microseconds.
    var noteTime = Int64.min
    /// When it was first seen behind its source, since it was up with it.
    var behindSince: Int64?
    /// Where the rates count from.
    var rateTime: Int64
    var rateStart: (read: Int64, written: Int64) = (0, 0)
  }

  /// Between two notes at least, and what rates are of.
  private static let noteMicroseconds: Int64 = 50_000
  private static let rateMicroseconds: Int64 = 2_000_000

  init(_ progress: PipelineProgress, source: any ServedStream) {
    self.source = source
    let status = PipelineStatus(kind: progress.kind, table: progress.table, source: progress.source)
    state = Mutex(State(status: status, rateTime: source.status().time))
  }

  var status: PipelineStatus { state.withLock { $0.status } }

  /// Notes how far the runner is; called between its steps. Mostly nothing but a look at the clock.
  func note(_ runner: any PipelineRunner, failure: String?) {
    let source = source.status()
    let time = source.time
    let isDue = state.withLock { state in
      (time &- state.noteTime).magnitude >= UInt64(Self.noteMicroseconds) || failure != nil
        || state.status.failure != nil
    }
    guard isDue else { return }
    let progress = runner.progress
    state.withLock { state in
      state.noteTime = time
      state.status.failure = failure
      state.status.position = progress.position
      state.status.waitingCount = progress.waitingCount
      state.status.readCount = progress.readCount
      state.status.writtenCount = progress.writtenCount
      state.status.memoryByteCount = progress.memoryByteCount
      state.status.lagRowCount = progress.position.map { position in
        source.shards.reduce(0) { sum, shard in
          sum + max(0, shard.logOffsets.upperBound - (position[shard.shard] ?? 0))
        }
      }
      let isUp = state.status.lagRowCount == 0
      state.behindSince = isUp ? nil : state.behindSince ?? time
      state.status.lagMicroseconds = state.behindSince.map { max(0, time - $0) } ?? 0
      let elapsed = time - state.rateTime
      guard elapsed >= Self.rateMicroseconds || elapsed < 0 else { return }
      let seconds = Double(max(1, elapsed)) / 1e6
      state.status.readRate = Double(progress.readCount - state.rateStart.read) / seconds
      state.status.writtenRate = Double(progress.writtenCount - state.rateStart.written) / seconds
      state.rateStart = (progress.readCount, progress.writtenCount)
      state.rateTime = time
    }
  }
}
