// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar

/// The log of one shard as files in one folder.
///
/// The rows are in segments, files that are named by their first offset; only the last one grows. A
/// group of batches is one write to its end and one sync. docs/formats/log.md describes the bytes,
/// `SegmentRecovery` how a folder is opened after a crash.
///
/// After a failed write or sync the log takes no more rows: what is on the disk is not known then, and
/// a sync that is tried again would lie. Opening the folder again finds out.
///
/// Memory: one group's bytes while it is written, the producers (see `ProducerTable`), and for each
/// 64 KiB of segments 16 bytes.
public final class SegmentLog: ShardLog, @unchecked Sendable {
  static let temporarySuffix = ".new"

  private let disk: any Disk
  private let folder: String
  private let options: SegmentLogOptions
  private let lock: any DiskLock
  private let view: SegmentLogView
  /// Guards everything below it. Readers never take it: it is held while the disk works.
  private let writing = Mutex(())
  // Safe: only used while `writing` is held; that makes this class Sendable.
  private var producers: ProducerTable
  private var encoder = GroupEncoder()
  /// Of the last segment.
  private var header: SegmentHeader
  /// Up to where an entry, or the segment's header, says that all is durable.
  private var markedEnd: Int
  /// Bytes of all segments' files.
  private var fileBytes: Int
  /// Whether this file system cannot reserve space.
  private var cannotPreallocate = false

  /// Opens the log in `folder`, which is made when it is missing.
  ///
  /// - Throws: `conflict` when another process has it open, or when it is the log of something else;
  ///   `damaged` when rows that were acknowledged cannot be read; `storage`.
  public init(_ disk: any Disk, folder: String, _ options: SegmentLogOptions) throws(StreamError) {
    try Self.check(options)
    self.disk = disk
    self.folder = folder
    self.options = options
    do throws(DiskError) {
      try disk.makeFolder(folder)
      lock = try disk.lock("\(folder)/lock", owner: options.owner)
    } catch {
      throw StreamError(error).adding(shard: options.shard)
    }
    do {
      let recovery = SegmentRecovery(disk: disk, folder: folder, options: options)
      let recovered: RecoveredLog
      if let found = try recovery.run() {
        recovered = found
      } else {
        let none = ProducerTable(producerCountMax: options.producerCountMax)
        let (segment, header) = try Self.makeFirst(disk, folder, options, none)
        recovered = RecoveredLog(
          segments: [segment], header: header, next: options.firstOffset, producers: none,
          markedEnd: segment.end, first: options.firstOffset)
      }
      producers = recovered.producers
      header = recovered.header
      markedEnd = recovered.markedEnd
      fileBytes = recovered.segments.reduce(0) { $0 + $1.fileBytes }
      view = SegmentLogView(
        folder: folder, shard: options.shard,
        SegmentLogView.State(segments: recovered.segments, next: recovered.next))
      if let last = recovered.segments.last, recovered.markedEnd < last.end {
        try mark(keeping: recovered.segments[0].base)
      }
    } catch {
      lock.release()
      throw error.adding(shard: options.shard)
    }
  }

  deinit { close() }

  private static func check(_ options: SegmentLogOptions) throws(StreamError) {
    guard options.shard >= 0, options.shard <= Int(Int32.max),
      options.identity.utf8.count <= SegmentLogOptions.identityBytesMax,
      options.firstOffset >= 0, options.firstOffset < SegmentFormat.offsetMax,
      options.segmentBytes > 0, options.bytesMax > 0, options.preallocatedBytes >= 0,
      (1...1 << 31).contains(options.batchBytesMax), options.producerCountMax > 0
    else { throw StreamError(.invalidArgument, "the log's options are out of range") }
  }

  public var offsets: Range<Int64> { view.offsets }

  /// Bytes of the log's files, with what is reserved.
  public var byteCount: Int64 {
    view.current.segments.reduce(0) { $0 + Int64($1.fileBytes) }
  }

  public var isUsable: Bool {
    let state = view.current
    return !state.isClosed && state.failure == nil
  }

  public func cursor(from offset: Int64) throws(StreamError) -> any LogCursor {
    try SegmentCursor(view, from: offset)
  }

  public func append(_ group: [LogAppend]) throws(StreamError) -> [LogReceipt] {
    try writing.withLock { (_) throws(StreamError) in
      try checkUsable()
      let plan = try AppendPlan(group, producers, next: view.offsets.upperBound)
      if !plan.fresh.isEmpty { try write(plan.fresh) }
      for (stamp, offsets) in plan.stamps { producers.record(stamp, offsets) }
      return plan.receipts
    }
  }

  public func trim(before offset: Int64) throws(StreamError) {
    try writing.withLock { (_) throws(StreamError) in
      try checkUsable()
      let segments = view.current.segments
      guard let first = segments.lastIndex(where: { $0.base <= offset }), first > 0 else { return }
      // A file whose name comes back when the power is lost is known by this to be of no use.
      try mark(keeping: segments[first].base)
      // Readers before the files: they must not find a segment whose file is gone.
      view.update { $0.segments.removeFirst(first) }
      for segment in segments[..<first] {
        fileBytes -= segment.fileBytes
        do throws(DiskError) {
          try disk.delete("\(folder)/\(SegmentFormat.name(base: segment.base))")
        } catch {
          throw fail(StreamError(error))
        }
      }
    }
  }

  public func cut() throws(StreamError) -> Int64? {
    try writing.withLock { (_) throws(StreamError) in
      try checkUsable()
      let state = view.current
      let last = state.segments[state.segments.count - 1]
      guard state.next > last.base else { return last.base }
      return try roll(last, next: state.next).base
    }
  }

  public func boundary(behind offset: Int64) -> Int64? {
    view.current.segments.first { $0.base > offset }?.base
  }

  public func close() {
    writing.withLock { _ in
      let state = view.current
      if state.isClosed { return }
      // Only so that damage to the last group is told from a torn one; nothing is lost without it.
      if state.failure == nil, markedEnd < state.segments[state.segments.count - 1].end {
        try? mark(keeping: state.segments[0].base)
      }
      view.update { $0.isClosed = true }
      lock.release()
    }
  }
}

// All of it is called with `writing` held, or before anybody else knows the log.
extension SegmentLog {
  private func checkUsable() throws(StreamError) {
    let state = view.current
    if state.isClosed {
      throw StreamError(.closed, "the log was closed", shard: options.shard, file: folder)
    }
    if let failure = state.failure {
      throw StreamError(
        .closed, "the log failed and takes no more rows; open it again", shard: options.shard,
        file: folder, cause: failure.description)
    }
  }

  /// Notes that what is on the disk is not known any more.
  private func fail(_ error: StreamError) -> StreamError {
    let error = error.adding(shard: options.shard, file: folder)
    view.update { $0.failure = error }
    return error
  }

  private func write(_ group: [LogAppend]) throws(StreamError) {
    let state = view.current
    var segment = state.segments[state.segments.count - 1]
    do {
      var encoded = try encode(group, segment.end, state.next)
      if segment.end + encoded.bytes.count > options.segmentBytes, state.next > segment.base {
        segment = try roll(segment, next: state.next)
        encoded = try encode(group, segment.end, state.next)
      }
      try reserve(encoded.bytes.count, &segment)
      try put(encoded.bytes, &segment)
      for entry in encoded.entries { segment.note(entry.offset, at: entry.position) }
      view.update {
        $0.segments[$0.segments.count - 1] = segment
        $0.next = encoded.next
      }
    } catch {
      encoder.forgetPositions()
      throw error.adding(shard: options.shard)
    }
  }

  private func encode(
    _ group: [LogAppend], _ position: Int, _ next: Int64
  ) throws(StreamError) -> GroupEncoder.Encoded {
    try encoder.encode(
      group, at: position, next: next, salt: header.salt, batchBytesMax: options.batchBytesMax)
  }

  /// Takes space for `count` bytes at the segment's end from the disk and from the log's bound.
  private func reserve(_ count: Int, _ segment: inout Segment) throws(StreamError) {
    let end = segment.end + count + SegmentFormat.markBytes
    let growth = max(0, end - segment.fileBytes)
    guard fileBytes + growth <= options.bytesMax else {
      throw StreamError(
        .overloaded,
        "the log holds \(fileBytes) of at most \(options.bytesMax) bytes and \(growth) more are "
          + "needed; it has room again when the table has taken rows from it", file: folder)
    }
    guard growth > 0, options.preallocatedBytes > 0, !cannotPreallocate else { return }
    let step = options.preallocatedBytes
    let wanted = min((end + step - 1) / step * step, max(options.segmentBytes, end))
    // Near the bound only what is needed.
    let size = fileBytes + wanted - segment.fileBytes <= options.bytesMax ? wanted : end
    do {
      cannotPreallocate = try !segment.file.preallocate(to: size)
    } catch {
      // Nothing was written yet: the log can go on when there is space.
      throw error.code == .full ? StreamError(error) : fail(StreamError(error))
    }
    if !cannotPreallocate {
      fileBytes += size - segment.fileBytes
      segment.fileBytes = size
      let reserved = segment
      view.update { $0.segments[$0.segments.count - 1].fileBytes = reserved.fileBytes }
    }
  }

  /// Writes at the segment's end and waits until it is durable.
  private func put(_ bytes: Buffer, _ segment: inout Segment) throws(StreamError) {
    do throws(DiskError) {
      try segment.file.write(bytes, at: segment.end)
      try segment.file.sync()
    } catch {
      throw fail(StreamError(error))
    }
    segment.end += bytes.count
    let growth = max(0, segment.end - segment.fileBytes)
    fileBytes += growth
    segment.fileBytes += growth
  }

  /// Adds an entry that says that everything before it is durable, and which segments are kept.
  private func mark(keeping base: Int64) throws(StreamError) {
    let state = view.current
    var segment = state.segments[state.segments.count - 1]
    let buffer = MutableBuffer()
    EntryHeader.append(
      EntryHeader(kind: .mark, firstOffset: state.next, time: base, durable: segment.end),
      at: segment.end, salt: header.salt, to: buffer
    ) { _ in }
    try put(buffer.finish(), &segment)
    markedEnd = segment.end
    view.update { $0.segments[$0.segments.count - 1] = segment }
  }

  /// Starts a new segment; the last one is whole and durable.
  private func roll(_ last: Segment, next: Int64) throws(StreamError) -> Segment {
    var previous = header
    previous.preambleEnd = Int64(last.end)
    // What was reserved and is not needed. Its loss would be no harm.
    var last = last
    if last.fileBytes > last.end, (try? last.file.truncate(to: last.end)) != nil {
      fileBytes -= last.fileBytes - last.end
      last.fileBytes = last.end
    }
    let made: (segment: Segment, header: SegmentHeader)
    do throws(DiskError) {
      made = try Self.makeSegment(
        disk, folder, options, base: next, previous: previous,
        keeping: view.offsets.lowerBound, producers)
    } catch {
      // The last segment is as it was: when there is space again, the log can go on.
      throw error.code == .full ? StreamError(error) : fail(StreamError(error))
    }
    header = made.header
    markedEnd = made.segment.end
    fileBytes += made.segment.fileBytes
    encoder.forgetPositions()
    let trimmed = last
    view.update {
      $0.segments[$0.segments.count - 1] = trimmed
      $0.segments.append(made.segment)
    }
    return made.segment
  }

  private static func makeFirst(
    _ disk: any Disk, _ folder: String, _ options: SegmentLogOptions, _ producers: ProducerTable
  ) throws(StreamError) -> (Segment, SegmentHeader) {
    do {
      return try makeSegment(
        disk, folder, options, base: options.firstOffset, previous: nil,
        keeping: options.firstOffset, producers)
    } catch {
      throw StreamError(error)
    }
  }

  /// A new segment with its state, durable under its name.
  ///
  /// - Parameter previous: the header of the segment before it, with its end as `preambleEnd`.
  private static func makeSegment(
    _ disk: any Disk, _ folder: String, _ options: SegmentLogOptions, base: Int64,
    previous: SegmentHeader?, keeping kept: Int64, _ producers: ProducerTable
  ) throws(DiskError) -> (Segment, SegmentHeader) {
    var header = SegmentHeader(
      shard: UInt32(options.shard), base: base, salt: options.random(),
      previousBase: previous?.base ?? -1, previousEnd: previous?.preambleEnd ?? 0, preambleEnd: 0)
    let state = MutableBuffer()
    let start = SegmentFormat.headerBytes
    EntryHeader.append(
      EntryHeader(kind: .state, firstOffset: base, time: kept, durable: 0), at: start,
      salt: header.salt,
      to: state
    ) { buffer in
      var output = VarintWriter(buffer)
      output.append(options.identity)
      producers.encode(into: buffer)
    }
    let end = start + state.count
    header.preambleEnd = Int64(end)
    let bytes = MutableBuffer()
    bytes.append(header.bytes)
    bytes.append(state.finish())
    let path = "\(folder)/\(SegmentFormat.name(base: base))"
    let temporary = path + temporarySuffix
    let file: any DiskFile
    do throws(DiskError) {
      file = try disk.create(temporary)
    } catch {
      // Left by an attempt that found the disk full.
      if error.code != .exists { throw error }
      try disk.delete(temporary)
      file = try disk.create(temporary)
    }
    try file.write(bytes.finish(), at: 0)
    let size = end + SegmentFormat.markBytes
    let isReserved = options.preallocatedBytes > 0 ? try file.preallocate(to: size) : false
    try file.sync()
    try disk.rename(temporary, to: path)
    try disk.syncFolder(folder)
    let segment = Segment(
      base: base, file: file, salt: header.salt, end: end, fileBytes: isReserved ? size : end)
    return (segment, header)
  }
}
