// SPDX-License-Identifier: Apache-2.0
// Safe: the buffer holds `used` bytes and has eight more; a line is read only once its line feed is in
// the buffer, see JSONLineText.swift.

#if canImport(Glibc)
  internal import Glibc
#endif

/// Reads lines of JSON, one object each, straight into columns of a known schema.
///
/// 1. Bytes come in pieces of any size; whole lines are read, the begin of a line waits.
/// 2. A reader for each column (`JSONSink`) appends the value it finds to the column's builder. There
///    is no tree of values in between.
/// 3. A record that does not fit is taken back from all builders and told of; those before and behind
///    it stay.
///
/// Whole numbers may come as `1`, `1.0`, `1e3` or `"1"`; decimals as numbers or strings; floats also as
/// "NaN", "Infinity", "-Infinity"; dates, times and timestamps by ISO 8601; UUIDs in their usual
/// form; maps as objects or as arrays of `{"key":…,"value":…}`. A field that comes twice is an error.
///
/// Memory: a line, the batches, the failures; all bounded by the options. Not thread-safe.
public final class JSONLinesParser {
  public let schema: Schema
  public let options: JSONLinesOptions
  private let builder: RecordBatchBuilder
  private let shape: JSONObjectShape
  private let state: JSONLineState
  private let waiting = MutableBuffer()
  /// Bytes of a line that is too long which were dropped already.
  private var droppedByteCount = 0
  private var lineNumber = 0
  private var batchRowCount = 0
  private var batches: [RecordBatch] = []
  private var failures: [JSONLinesFailure] = []

  /// Rows so far.
  public private(set) var rowCount = 0
  /// Records that were refused so far.
  public private(set) var failureCount = 0

  private static let padding = 8

  /// - Throws: `unsupported` for a type that JSON is not read into (dictionaries, durations, float16),
  ///   `invalidArgument` for two columns of one name.
  public init(
    schema: Schema, options: JSONLinesOptions = JSONLinesOptions()
  ) throws(ColumnarError) {
    self.schema = schema
    self.options = options
    builder = RecordBatchBuilder(schema)
    shape = try JSONObjectShape(schema.fields, builder.columns, options, path: "")
    state = JSONLineState(options)
  }

  /// Reads on.
  ///
  /// - Throws: `overflow` when there are too many rows or refused records; the parser is then done.
  public func append(_ bytes: [UInt8]) throws(ColumnarError) {
    try bytes.withUnsafeBufferPointer { bytes throws(ColumnarError) in
      try append(UnsafeRawBufferPointer(bytes))
    }
  }

  /// As above. The bytes are read during the call only.
  public func append(_ bytes: UnsafeRawBufferPointer) throws(ColumnarError) {
    var rest = bytes
    // In parts, so that one large piece is not held twice.
    while rest.count > 0 {
      let part = rest.prefix(256 << 10)
      waiting.append(UnsafeRawBufferPointer(rebasing: part))
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
      try readLines()
    }
  }

  /// Reads the last line, which may lack its line feed.
  public func finish() throws(ColumnarError) {
    if waiting.count > 0 || droppedByteCount > 0 { try append([0x0a]) }
  }

  /// The rows so far that no earlier call returned, in batches of `batchRowCountMax` at most.
  public func takeBatches() throws(ColumnarError) -> [RecordBatch] {
    try closeBatch()
    defer { batches = [] }
    return batches
  }

  /// The refused records so far that no earlier call returned.
  public func takeFailures() -> [JSONLinesFailure] {
    defer { failures = [] }
    return failures
  }

  private func closeBatch() throws(ColumnarError) {
    guard batchRowCount > 0 else { return }
    batches.append(
      RecordBatch(
        trusted: schema, columns: builder.columns.map { $0.finish() }, rowCount: batchRowCount))
    batchRowCount = 0
  }

  /// Reads all whole lines that wait.
  private func readLines() throws(ColumnarError) {
    waiting.reserve(waiting.count + Self.padding)
    let text = JSONText(waiting.base.assumingMemoryBound(to: UInt8.self))
    let end = waiting.count
    var start = 0
    while let length = Self.lineLength(text + start, end - start) {
      let stop = start + length
      lineNumber += 1
      if droppedByteCount + length > options.recordByteCountMax {
        try refuseLongLine(text, start, stop)
      } else {
        try readLine(text, start, stop)
      }
      droppedByteCount = 0
      start = stop + 1
    }
    keepRest(start, end)
  }

  /// Moves the begin of a line to the front, or drops what of it is beyond the limit.
  private func keepRest(_ start: Int, _ end: Int) {
    var rest = UnsafeRawBufferPointer(start: waiting.base + start, count: end - start)
    let room = max(0, options.recordByteCountMax + 1 - droppedByteCount)
    if rest.count > room && rest.count > options.failureByteCountMax {
      // The line is refused whatever follows; only what will be shown of it stays.
      let kept = options.failureByteCountMax
      droppedByteCount += rest.count - kept
      rest = UnsafeRawBufferPointer(rebasing: rest.prefix(kept))
    }
    if start > 0 && rest.count > 0 {
      waiting.base.copyMemory(from: rest.baseAddress!, byteCount: rest.count)
    }
    waiting.truncate(to: rest.count)
  }

  private static func lineLength(_ start: JSONText, _ count: Int) -> Int? {
    guard count > 0, let found = memchr(start, 0x0a, count) else { return nil }
    return UnsafeRawPointer(found) - UnsafeRawPointer(start)
  }

  private func readLine(_ text: JSONText, _ start: Int, _ stop: Int) throws(ColumnarError) {
    var at = start
    if lineNumber == 1, stop - start >= 3, text[at] == 0xef, text[at + 1] == 0xbb,
      text[at + 2] == 0xbf
    {
      at += 3
    }
    at = jsonSkipSpace(text, at)
    if at == stop { return }
    guard text[at] == UInt8(ascii: "{") else {
      _ = state.fail(text, at, wanted: "an object, one on each line,")
      return try refuse(text, start, stop)
    }
    var next = shape.read(text, at, state)
    if next >= 0 {
      next = jsonSkipSpace(text, next)
      if next != stop { next = state.fail(text, next, wanted: "the end of the line") }
    }
    guard next >= 0 else {
      shape.truncate(to: batchRowCount)
      return try refuse(text, start, stop)
    }
    batchRowCount += 1
    rowCount += 1
    if batchRowCount >= options.batchRowCountMax { try closeBatch() }
    guard rowCount <= options.rowCountMax else {
      throw ColumnarError(
        .overflow, "more than \(options.rowCountMax) records; send them in several requests")
    }
  }

  @inline(never)
  private func refuseLongLine(
    _ text: JSONText, _ start: Int, _ stop: Int
  ) throws(ColumnarError) {
    _ = state.fail(
      "the record has \(droppedByteCount + stop - start) bytes, at most "
        + "\(options.recordByteCountMax) are taken")
    try refuse(text, start, stop)
  }

  @inline(never)
  private func refuse(_ text: JSONText, _ start: Int, _ stop: Int) throws(ColumnarError) {
    failureCount += 1
    let path = state.path
    state.path = []
    guard failureCount <= options.failureCountMax else {
      throw ColumnarError(
        .overflow,
        "more than \(options.failureCountMax) records do not fit; the last, on line \(lineNumber): "
          + state.reason)
    }
    let kept = min(stop - start, options.failureByteCountMax)
    failures.append(
      JSONLinesFailure(
        line: lineNumber, column: path.isEmpty ? nil : path.joined(separator: "."),
        reason: state.reason,
        bytes: Array(UnsafeBufferPointer(start: text + start, count: kept)),
        isCut: droppedByteCount > 0 || kept < stop - start))
  }
}
