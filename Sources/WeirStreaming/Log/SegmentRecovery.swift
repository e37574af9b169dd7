// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

// Opening a folder with segments:
// 1. Remove files with temporary names: segments that never got their name.
// 2. Make the names durable: the process before may have died between giving one and syncing it.
// 3. Walk the last segment's entries from the front, up to the first that is none: there the log
//    ends. All segments before it were whole and durable before this one got its name.
// 4. Look at everything behind that end. An entry there that says that the end, or something behind
//    it, was durable when it was written proves damage: an error, nothing is changed. Everything else
//    is what a crash left of groups that were never acknowledged.
// 5. What lies between the last position that is known to be durable and the end was read from the
//    system's memory, perhaps after a sync that failed: it is written again. Cut the file at the end,
//    so that no later reader finds what is behind it, and sync.
// 6. Remove segments that a trim had let go, check that all others are there and that each header
//    continues the segment before it.
// 7. Add a mark that all up to here is durable.

/// One segment as readers need it.
struct Segment: Sendable {
  var base: Int64
  var file: any DiskFile
  var salt: UInt64
  /// Where the durable entries end.
  var end: Int
  /// For some entries: the offset of its first row, and its position, both growing.
  var index: [(offset: Int64, position: Int)] = []
  /// Where the index has its last place; the next is only taken well behind it.
  static let indexStepBytes = 64 << 10
  /// Bytes of the file, with what is reserved.
  var fileBytes: Int

  /// Notes that an entry with rows is at `position`.
  mutating func note(_ offset: Int64, at position: Int) {
    if position - (index.last?.position ?? 0) >= Self.indexStepBytes {
      index.append((offset, position))
    }
  }

  /// An entry at or before the one with `offset`: its first offset, and its position.
  func start(for offset: Int64) -> (offset: Int64, position: Int) {
    var (low, high) = (0, index.count)
    while low < high {
      let middle = (low + high) / 2
      if index[middle].offset <= offset { low = middle + 1 } else { high = middle }
    }
    return low == 0 ? (base, SegmentFormat.headerBytes) : index[low - 1]
  }
}

/// What was found in the folder.
struct RecoveredLog {
  var segments: [Segment]
  /// The last segment's header.
  var header: SegmentHeader
  /// The offset of the next row.
  var next: Int64
  var producers: ProducerTable
  /// Up to where in the last segment all is known to be durable, without a new mark.
  var markedEnd: Int
  /// Where the first segment begins that is kept.
  var first: Int64
}

struct SegmentRecovery {
  let disk: any Disk
  let folder: String
  let options: SegmentLogOptions

  /// `nil` for a folder without segments.
  func run() throws(StreamError) -> RecoveredLog? {
    let names: [String]
    do throws(DiskError) {
      names = try disk.list(folder)
      for name in names where name.hasSuffix(SegmentLog.temporarySuffix) {
        try disk.delete("\(folder)/\(name)")
      }
      try disk.syncFolder(folder)
    } catch {
      throw StreamError(error)
    }
    let bases = names.compactMap { SegmentFormat.base(name: $0) }.sorted()
    guard let last = bases.last else { return nil }
    let (segment, header) = try open(last)
    var result = try scan(segment, header)
    var next = header
    for base in bases.dropLast().reversed() {
      if base < result.first {
        do throws(DiskError) {
          try disk.delete("\(folder)/\(SegmentFormat.name(base: base))")
        } catch {
          throw StreamError(error)
        }
        continue
      }
      var (segment, header) = try open(base)
      try check(next, follows: header, segment)
      segment.end = Int(next.previousEnd)
      result.segments.append(segment)
      next = header
    }
    result.segments.reverse()
    guard result.segments[0].base == result.first else {
      throw StreamError(
        .damaged,
        "the segment that begins at offset \(result.first) is missing; \(Self.remedy)", file: folder
      )
    }
    return result
  }

  private func open(_ base: Int64) throws(StreamError) -> (Segment, SegmentHeader) {
    let path = "\(folder)/\(SegmentFormat.name(base: base))"
    let file: any DiskFile
    let size: Int
    let bytes: Buffer
    do throws(DiskError) {
      file = try disk.open(path)
      size = try file.size()
      bytes = try file.read(at: 0, count: SegmentFormat.headerBytes)
    } catch {
      throw StreamError(error)
    }
    guard let header = SegmentHeader(bytes), header.base == base,
      header.preambleEnd <= Int64(size)
    else {
      throw StreamError(
        .damaged, "the segment's first bytes are damaged; \(Self.remedy)", file: path)
    }
    guard header.shard == UInt32(options.shard) else {
      throw StreamError(
        .conflict,
        "the segment is of shard \(header.shard), not \(options.shard); give each shard a folder",
        file: path)
    }
    let segment = Segment(
      base: base, file: file, salt: header.salt, end: SegmentFormat.headerBytes, fileBytes: size)
    return (segment, header)
  }

  private func check(
    _ header: SegmentHeader, follows previous: SegmentHeader, _ segment: Segment
  ) throws(StreamError) {
    guard header.previousBase == previous.base else {
      throw StreamError(
        .damaged,
        "the segment before offset \(header.base), which began at \(header.previousBase), is missing"
          + "; \(Self.remedy)", file: folder)
    }
    guard header.previousEnd <= Int64(segment.fileBytes),
      header.previousEnd >= previous.preambleEnd
    else {
      throw StreamError(
        .damaged,
        "the segment has \(segment.fileBytes) bytes, of which \(header.previousEnd) were durable; "
          + Self.remedy, file: segment.file.path)
    }
  }

  static let remedy =
    "restore the file from a copy, or move the log's folder away to go on without its rows"

  private func scan(
    _ segment: Segment, _ header: SegmentHeader
  ) throws(StreamError) -> RecoveredLog {
    var segment = segment
    var reader = SegmentReader(segment.file, salt: header.salt)
    var result = RecoveredLog(
      segments: [], header: header, next: header.base,
      producers: ProducerTable(producerCountMax: options.producerCountMax), markedEnd: 0,
      first: header.base)
    var durable = Int(header.preambleEnd)
    var position = SegmentFormat.headerBytes
    var rowsEnd = position
    while let head = try reader.head(at: position, limit: segment.fileBytes),
      let payload = try reader.payload(of: head, at: position, limit: segment.fileBytes)
    {
      try take(head, payload, at: position, &segment, &result)
      durable = max(durable, head.durable)
      position += head.byteCount
      if head.kind != .mark { rowsEnd = position }
    }
    if let proof = try proof(against: position, durable, segment, &reader) {
      throw StreamError(
        .damaged,
        "the entry at byte \(position) is damaged, after offset \(result.next); the one at byte "
          + "\(proof) shows that it was durable; \(Self.remedy)", file: segment.file.path)
    }
    segment.end = position
    // A mark at the end is not worth a mark.
    result.markedEnd = durable >= rowsEnd ? position : durable
    try repair(&segment, from: min(durable, position))
    result.segments = [segment]
    return result
  }

  /// Takes up what one entry of the last segment says.
  private func take(
    _ head: EntryHeader, _ payload: Buffer, at position: Int, _ segment: inout Segment,
    _ result: inout RecoveredLog
  ) throws(StreamError) {
    let header = result.header
    func damaged(_ what: String) -> StreamError {
      StreamError(
        .damaged, "\(what) at byte \(position); \(Self.remedy)", file: segment.file.path)
    }
    if (position == SegmentFormat.headerBytes) != (head.kind == .state) {
      throw damaged("the segment's state is not where it belongs,")
    }
    if head.kind == .mark || head.kind == .state, !(0...header.base).contains(head.time) {
      throw damaged("an offset that no segment begins with,")
    }
    guard head.firstOffset == result.next else {
      throw damaged("offset \(head.firstOffset) where \(result.next) is expected,")
    }
    switch head.kind {
    case .schema: break
    case .mark: result.first = max(result.first, head.time)
    case .rows:
      segment.note(head.firstOffset, at: position)
      result.next = head.offsets.upperBound
      if let producer = head.producer { result.producers.record(producer, head.offsets) }
    case .state:
      var input = VarintReader(payload)
      guard let identity = input.text(countMax: SegmentLogOptions.identityBytesMax),
        let producers = ProducerTable(&input, producerCountMax: options.producerCountMax),
        input.isAtEnd
      else { throw damaged("the segment's state cannot be read,") }
      guard identity == options.identity else {
        throw StreamError(
          .conflict,
          "the log is of '\(identity)', not of '\(options.identity)'; move its folder away if that "
            + "table is gone", file: segment.file.path)
      }
      result.producers = producers
      result.first = head.time
    }
  }

  /// An entry that proves that something at or behind `end` was durable, `nil` when there is none.
  private func proof(
    against end: Int, _ durable: Int, _ segment: Segment, _ reader: inout SegmentReader
  ) throws(StreamError) -> Int? {
    if durable > end { return 0 }
    var position = end
    while position < segment.fileBytes {
      let bytes = try reader.bytes(
        at: position, count: SegmentReader.chunkBytes, limit: segment.fileBytes)
      if bytes.count == 0 { return nil }
      for offset in stride(from: 0, to: bytes.count, by: SegmentFormat.alignment)
      where EntryHeader.mayBegin(bytes, at: offset) {
        let place = position + offset
        if let head = try reader.head(at: place, limit: segment.fileBytes), head.durable > end {
          return place
        }
      }
      position += bytes.count
    }
    return nil
  }

  /// Makes the entries up to the segment's end durable, and nothing else.
  private func repair(_ segment: inout Segment, from durable: Int) throws(StreamError) {
    let file = segment.file
    do throws(DiskError) {
      var position = durable
      while position < segment.end {
        let bytes = try file.read(
          at: position, count: min(SegmentReader.chunkBytes, segment.end - position))
        guard bytes.count > 0 else { break }
        try file.write(bytes, at: position)
        position += bytes.count
      }
      try file.truncate(to: segment.end)
      try file.sync()
    } catch {
      throw StreamError(error)
    }
    segment.fileBytes = segment.end
    // For marks; without it, they may find the disk full.
    let size = segment.end + 2 * SegmentFormat.markBytes
    if options.preallocatedBytes > 0, (try? segment.file.preallocate(to: size)) == true {
      segment.fileBytes = size
    }
  }
}
