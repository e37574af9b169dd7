// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

/// Makes the history of a table of examples when somebody asks for it (`PipelineJobs`). Single steps, one
/// thread at a time.
final class HistoryRunner: PipelineRunner {
  private let definition: ExampleDefinition
  private let view: FeatureView
  private let streams: any StreamService
  private let feedback: any ServedStream
  private let requests: any ServedStream
  private let states: any ServedStream
  private var tail: (any StreamTail)?
  /// Whether requests may have come since they were looked at.
  private var isNews = true
  private var job: Job?
  private var finishedRows: Int64 = 0

  private struct Job {
    let name: String
    let backfill: HistoryBackfill
    var told = HistoryBackfill.Progress()
    var stepsSinceTold = 0
    var note: PendingAppend?
    /// What was wrong, when it ended by that.
    var failure: String?
    var isOver: Bool { failure != nil || backfill.progress.isFinished }
    /// Whether the last note says that it is over.
    var isNoted = false
  }

  /// Steps between two notes of how far a job is.
  private static let noteInterval = 64

  init(
    _ definition: ExampleDefinition, view: FeatureView, streams: any StreamService
  ) throws(StreamError) {
    self.definition = definition
    self.view = view
    self.streams = streams
    feedback = try streams.stream(definition.feedback)
    requests = try streams.stream(PipelineJobs.table(PipelineJobs.requestsName))
    states = try streams.stream(PipelineJobs.table(PipelineJobs.statesName))
  }

  var progress: PipelineProgress {
    let now = job?.backfill.progress
    var position: [Int: Int64]?
    if job == nil {
      // Nobody waits for anything.
      position = [:]
      for shard in feedback.status().shards { position?[shard.shard] = shard.logOffsets.upperBound }
    }
    return PipelineProgress(
      kind: "history", table: definition.table, source: definition.feedback, position: position,
      waitingCount: (now?.impressionCount ?? 0) - (now?.doneCount ?? 0),
      readCount: Int64(now?.eventCount ?? 0),
      writtenCount: finishedRows + Int64(now?.rowCount ?? 0))
  }

  func step() throws(StreamError) -> PipelineStep {
    guard job == nil else { return try work() ? .worked : .idle }
    let tail: any StreamTail
    if let open = self.tail { tail = open } else { tail = try requests.tail(from: .latest) }
    self.tail = tail
    while try tail.next(rowCountMax: 1_000) != nil { isNews = true }
    guard isNews else { return .idle }
    guard let wanted = try PipelineJobs.row(of: definition.table, in: requests)?[PipelineJobs.job],
      case .string(let name) = wanted
    else {
      isNews = false
      return .idle
    }
    let state = try PipelineJobs.row(of: definition.table, in: states)
    isNews = false
    if state?[PipelineJobs.job] == wanted,
      state?["state"] != .string(PipelineJobs.State.running.rawValue)
    {
      return .idle
    }
    job = Job(
      name: name,
      backfill: try HistoryBackfill(definition, view: view, streams: streams))
    return .worked
  }

  private func work() throws(StreamError) -> Bool {
    guard var job else { return false }
    defer { if self.job != nil { self.job = job } }
    if let note = job.note {
      if let result = note.result {
        job.note = nil
        if case .failure = result { job.isNoted = false }
        if job.isNoted {
          finishedRows += Int64(job.backfill.progress.rowCount)
          self.job = nil
          // Somebody may have asked again meanwhile.
          isNews = true
        }
        return true
      }
      guard !job.isOver else { return false }
    }
    if job.isOver {
      try note(&job)
      return true
    }
    var worked = true
    do throws(StreamError) {
      if case .idle = try job.backfill.step() { worked = false }
    } catch  where Self.isFinal(error) {
      job.failure = "\(error)"
    }
    job.stepsSinceTold += worked ? 1 : 0
    if job.note == nil, job.stepsSinceTold >= Self.noteInterval || job.told.eventCount == 0 {
      try note(&job)
    }
    return worked || job.isOver
  }

  private static func isFinal(_ error: StreamError) -> Bool {
    [.unsupported, .invalidArgument, .damaged, .notFound].contains(error.code)
  }

  private func note(_ job: inout Job) throws(StreamError) {
    let progress = job.backfill.progress
    let state: PipelineJobs.State =
      job.failure != nil ? .failed : progress.isFinished ? .finished : .running
    let batch = try PipelineJobs.batch(
      [
        PipelineJobs.pipeline: .string("\(definition.table)"), PipelineJobs.job: .string(job.name),
        "state": .string(state.rawValue), "events": .int(Int64(progress.eventCount)),
        "impressions": .int(Int64(progress.impressionCount)),
        "done": .int(Int64(progress.doneCount)), "rows": .int(Int64(progress.rowCount)),
        "message": job.failure.map { .string($0) } ?? .null,
      ], states.inputSchema)
    job.told = progress
    job.stepsSinceTold = 0
    job.isNoted = job.isOver
    job.note = PendingAppend(batch, to: states)
  }
}
