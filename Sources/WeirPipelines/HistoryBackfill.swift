// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirStreaming
internal import WeirTable

/// Makes the examples of a table's history, out of all events that there are when it begins.
///
/// It may run beside the live join, and again: the same events give the same rows under the same keys. All
/// events are held in memory. Several processes may each make a part (`HistoryPart`). Single steps, one
/// thread at a time.
public final class HistoryBackfill {
  private let shape: ExampleShape
  private let target: any ServedStream
  private let eventCountMax: Int
  private let part: HistoryPart?
  /// What is still to be read, the next last.
  private var unread: [Unread] = []
  private var reader: (any RecordBatchReader)?
  private var batches: [RecordBatch] = []
  private var events: [TableIdentifier: RecordBatch] = [:]
  private var rows: [TableIdentifier: RecordBatch] = [:]
  private var eventCount = 0
  private var history: HistoryExamples?
  /// Rows that are to be written, or on their way.
  private var batch: RecordBatch?
  private var append: PendingAppend?

  /// Impressions of one write.
  private static let impressionCount = 512

  private struct Unread {
    let stream: any ServedStream
    let columns: [String]
  }

  /// How far it is.
  public struct Progress: Hashable, Sendable {
    /// Events that were read.
    public var eventCount = 0
    /// Things that were shown, by the events; 0 until all are read.
    public var impressionCount = 0
    public var doneCount = 0
    /// Examples that were written.
    public var rowCount = 0
    public var isFinished = false

    public init() {}
  }

  public private(set) var progress = Progress()

  /// - Parameters:
  ///   - streams: with the feedback, the view's tables, the sources of its profiles, and the examples.
  ///   - part: all of it when `nil`.
  ///   - eventCountMax: with more events it fails.
  /// - Throws: `invalidArgument` for examples that declare no history, or that do not fit.
  public init(
    _ definition: ExampleDefinition, view: FeatureView, streams: any StreamService,
    part: HistoryPart? = nil, eventCountMax: Int = 50_000_000
  ) throws(StreamError) {
    guard definition.history != nil else {
      throw StreamError(
        .invalidArgument, "the examples declare no 'history' to be made of events",
        stream: "\(definition.table)")
    }
    let feedback = try streams.stream(definition.feedback)
    shape = try ExampleShape(definition, view: view, feedback: feedback.definition)
    target = try streams.stream(definition.table)
    self.part = part
    self.eventCountMax = eventCountMax
    var columns = [feedback.definition.table: shape.feedbackColumns()]
    for source in view.user.sources + view.item.sources {
      if let (profile, events) = source.profile {
        let needed = try ProfileHistory.columns(profile, source: events)
        let known = columns[events.table] ?? []
        columns[events.table] = known + needed.filter { !known.contains($0) }
      } else {
        let names = [source.entry.key] + source.names.dropLast() + [StreamColumns.knownAt]
        let known = columns[source.entry.table] ?? []
        columns[source.entry.table] = known + names.filter { !known.contains($0) }
      }
    }
    for (table, columns) in columns.sorted(by: { "\($0.key)" < "\($1.key)" }) {
      unread.append(Unread(stream: try streams.stream(table), columns: columns))
    }
  }

  /// Divides what there is by now, before the first step.
  public func parts(_ count: Int) -> [HistoryPart] {
    var ends: [TableIdentifier: [Int: Int64]] = [:]
    for next in unread where !next.stream.definition.isKeyed {
      for shard in next.stream.status().shards {
        ends[next.stream.definition.table, default: [:]][shard.shard] = shard.logOffsets.upperBound
      }
    }
    return (0..<count).map { HistoryPart(index: $0, count: count, ends: ends) }
  }

  /// Does one thing: reads some events, makes or writes some examples.
  ///
  /// - Throws: what kept it from going on: after `unsupported`, which says that there is too much, for
  ///   good; otherwise the next step tries again.
  public func step() throws(StreamError) -> PipelineStep {
    do throws(StreamError) {
      if let next = unread.last {
        try read(next)
        return .worked
      }
      guard let history else {
        history = try HistoryExamples(shape, events: events, rows: rows, part: part)
        (events, rows) = ([:], [:])
        progress.impressionCount = history?.impressionCount.all ?? 0
        return .worked
      }
      return try write(history) ? .worked : .idle
    } catch { throw error.adding(stream: "\(shape.definition.table)") }
  }

  private func read(_ next: Unread) throws(StreamError) {
    let reader: any RecordBatchReader
    if let open = self.reader {
      reader = open
    } else {
      let filter = try part?.filter(next.stream.definition.table)
      reader = try next.stream.scan(StreamScan(columns: next.columns, filter: filter))
      batches = []
    }
    self.reader = reader
    let batch: RecordBatch?
    do { batch = try reader.next() } catch {
      // From its beginning again.
      progress.eventCount -= batches.reduce(0) { $0 + $1.rowCount }
      self.reader = nil
      throw (error as? StreamError) ?? StreamError(.table, "\(error)")
    }
    if let batch {
      progress.eventCount += batch.rowCount
      guard progress.eventCount <= eventCountMax else {
        throw StreamError(
          .unsupported,
          "there are more than \(eventCountMax) events; make the history of fewer of them")
      }
      batches.append(batch)
      return
    }
    let all: RecordBatch
    do throws(ColumnarError) {
      all =
        batches.isEmpty
        ? try RecordBatchBuilder(reader.schema).finish() : try RecordBatch.concatenate(batches)
    } catch { throw StreamError(error) }
    let definition = next.stream.definition
    if definition.isKeyed { rows[definition.table] = all } else { events[definition.table] = all }
    (self.reader, batches) = (nil, [])
    unread.removeLast()
  }

  /// - Returns: whether there was something to do.
  private func write(_ history: HistoryExamples) throws(StreamError) -> Bool {
    if let append {
      guard let result = append.result else { return false }
      self.append = nil
      _ = try result.get()
      progress.rowCount += batch?.rowCount ?? 0
      progress.doneCount = history.impressionCount.done
      batch = nil
    }
    guard !progress.isFinished else { return false }
    if batch == nil {
      let rows = history.next(impressions: Self.impressionCount)
      guard !rows.isEmpty else {
        progress.isFinished = true
        return false
      }
      batch = try shape.batch(rows, target.inputSchema)
    }
    if let batch { append = PendingAppend(batch, to: target) }
    return true
  }
}
