// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar

/// What the writer of a log shows its readers.
final class SegmentLogView: Sendable {
  struct State: Sendable {
    /// Never empty.
    var segments: [Segment]
    var next: Int64
    var isClosed = false
    /// Why the log takes no more rows.
    var failure: StreamError?
  }

  let folder: String
  let shard: Int
  private let state: Mutex<State>

  init(folder: String, shard: Int, _ state: State) {
    self.folder = folder
    self.shard = shard
    self.state = Mutex(state)
  }

  var current: State { state.withLock { $0 } }

  func update(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

  var offsets: Range<Int64> { state.withLock { $0.segments[0].base..<$0.next } }

  /// The segment that holds `offset`, or will once it is written, and the offset of the next row.
  func segment(with offset: Int64) throws(StreamError) -> (Segment, next: Int64) {
    let (found, kept, isClosed) = state.withLock { state -> (Segment?, Range<Int64>, Bool) in
      let kept = state.segments[0].base..<state.next
      guard offset >= kept.lowerBound, offset <= kept.upperBound else {
        return (nil, kept, state.isClosed)
      }
      return (state.segments.last { $0.base <= offset }, kept, state.isClosed)
    }
    if isClosed { throw StreamError(.closed, "the log was closed", shard: shard, file: folder) }
    guard let found else {
      throw StreamError(
        .notFound,
        "the log keeps offsets \(kept.lowerBound) to \(kept.upperBound), and not \(offset); earlier "
          + "ones are in the table", shard: shard, file: folder)
    }
    return (found, kept.upperBound)
  }
}

/// Goes along the entries of a `SegmentLog`.
final class SegmentCursor: LogCursor {
  private let view: SegmentLogView
  private let place: Mutex<Place>

  init(_ view: SegmentLogView, from offset: Int64) throws(StreamError) {
    self.view = view
    place = Mutex(Place(try view.segment(with: offset).0, offset))
  }

  func next() throws(StreamError) -> LogEntry? {
    try place.withLock { (place) throws(StreamError) -> LogEntry? in
      do throws(StreamError) {
        return try place.next(view)
      } catch {
        throw error.adding(shard: view.shard, file: place.segment.file.path)
      }
    }
  }

  /// Where the cursor stands.
  private struct Place {
    var segment: Segment
    private var reader: SegmentReader
    private var decoder = PayloadDecoder()
    private var position: Int
    /// All entries that end at or below it were returned.
    private var offset: Int64
    /// The first offset of the entry at `position`.
    private var expected: Int64

    init(_ segment: Segment, _ offset: Int64) {
      self.segment = segment
      self.offset = offset
      reader = SegmentReader(segment.file, salt: segment.salt)
      (expected, position) = segment.start(for: offset)
    }

    mutating func next(_ view: SegmentLogView) throws(StreamError) -> LogEntry? {
      while true {
        if position >= segment.end {
          let (current, next) = try view.segment(with: offset)
          if current.base != segment.base {
            self = Place(current, offset)
          } else if current.end > segment.end {
            segment.end = current.end
          } else if expected == next {
            return nil
          } else {
            throw damaged(position)
          }
          continue
        }
        let here = position
        guard let head = try reader.head(at: here, limit: segment.end),
          head.firstOffset == expected
        else { throw damaged(here) }
        if head.kind == .rows, head.offsets.upperBound > offset {
          guard let payload = try reader.payload(of: head, at: here, limit: segment.end) else {
            throw damaged(here)
          }
          let batch = try decoder.batch(head, payload, at: here, &reader, limit: segment.end)
          position += head.byteCount
          expected = head.offsets.upperBound
          offset = head.offsets.upperBound
          return LogEntry(
            offsets: head.offsets, ingestTime: head.time, producer: head.producer,
            batch: batch)
        }
        position += head.byteCount
        expected = head.offsets.upperBound
      }
    }

    private func damaged(_ position: Int) -> StreamError {
      StreamError(
        .damaged,
        "the entry at byte \(position), of offset \(offset) or behind, is damaged; "
          + SegmentRecovery.remedy)
    }
  }
}
