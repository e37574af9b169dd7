// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// Defects that a program could have, for finding out whether the simulation would notice. Production code
/// knows nothing of them: they are in what is handed to it (the disk, the log, the key index, the store).
public enum PlantedFault: String, CaseIterable, Sendable {
  /// What is written to the log is not synced.
  case logWithoutSync = "log-without-sync"
  /// New names in the log's folder are not synced.
  case folderWithoutSync = "folder-without-sync"
  /// An update that comes late goes over a newer row of the table.
  case lateUpdateWins = "late-update-wins"
  /// The table says that it has one row of the log less than it has.
  case cutTooLow = "cut-too-low"
  /// The table says that it has one row of the log more than it has.
  case cutTooHigh = "cut-too-high"
  /// A request that is sent again is appended again.
  case retryAppliedTwice = "retry-applied-twice"
  /// Expiry does not ask who reads.
  case expiryOfFileInUse = "expiry-of-a-file-in-use"
  /// Maintenance takes what was written just now for old: files of a commit that is under way are orphans.
  case orphanOfFileBeingCommitted = "orphan-removal-of-a-file-being-committed"
  /// Expiry takes snapshots for old that were replaced a moment ago.
  case hastyExpiry = "expiry-before-its-time"
  /// Orphans are what the table's metadata of some time ago does not lead to.
  case staleMaintenance = "orphan-removal-by-stale-metadata"
  /// A pipeline notes its position in the source before its rows are durable.
  case outputNotAwaited = "pipeline-position-before-output"
  /// A pipeline does not look for the states that it wrote before it was started again.
  case stateLostAtRestart = "pipeline-state-lost-at-restart"
  /// A pipeline passes over what the source's log has let go of.
  case logStartSkipped = "pipeline-skips-what-the-log-let-go"

  /// Whether a call of the disk is left out.
  func leavesOut(_ call: SimulatedDiskCall) -> Bool {
    switch self {
    case .logWithoutSync: call.operation == .sync && call.path.hasSuffix(".log")
    case .folderWithoutSync: call.operation == .syncFolder && call.path.contains("shard-")
    default: false
    }
  }

  /// By how much the clock of maintenance is wrong; nanoseconds.
  var maintenanceClockAhead: Int? {
    switch self {
    case .orphanOfFileBeingCommitted: 3_600_000_000_000
    case .hastyExpiry: 60_000_000_000
    default: nil
    }
  }

  func log(_ log: any ShardLog) -> any ShardLog {
    self == .retryAppliedTwice ? ForgetfulLog(log) : log
  }

  func index(_ index: any KeyIndex) -> any KeyIndex {
    self == .lateUpdateWins ? VersionlessIndex(index) : index
  }

  /// What is stored instead of an object.
  func stored(_ path: String, _ bytes: Buffer) -> Buffer? {
    guard self == .cutTooLow || self == .cutTooHigh, path.hasSuffix(".metadata.json") else {
      return nil
    }
    return try? shifted(bytes, by: self == .cutTooLow ? -1 : 1)
  }

  /// Table metadata with other offsets in its properties than in the summary of its snapshot.
  private func shifted(_ bytes: Buffer, by step: Int64) throws -> Buffer? {
    var metadata = try JSONValue(parsing: bytes.array(of: UInt8.self)).asObject()
    let current = try metadata.optionalInt64("current-snapshot-id")
    let snapshots = try metadata.optionalArray("snapshots") ?? []
    guard
      let snapshot = try snapshots.map({ try $0.asObject() }).first(where: {
        try $0.int64("snapshot-id") == current
      }),
      let text = try snapshot.optionalObject("summary")?.optionalString(StreamOffsets.property)
    else { return nil }
    var offsets = try JSONValue(parsing: text).asObject()
    for (name, value) in offsets {
      if case .int(let end) = value, end > 0 { offsets.set(name, .int(end + step)) }
    }
    var properties = try metadata.object("properties")
    properties.set(StreamOffsets.property, .string(JSONValue.object(offsets).text))
    metadata.set("properties", .object(properties))
    let target = MutableBuffer()
    target.append(contentsOf: JSONValue.object(metadata).bytes)
    return target.finish()
  }
}

/// A log that forgets who sent a batch.
private final class ForgetfulLog: ShardLog {
  private let log: any ShardLog
  init(_ log: any ShardLog) { self.log = log }

  var offsets: Range<Int64> { log.offsets }
  var byteCount: Int64 { log.byteCount }
  var isUsable: Bool { log.isUsable }
  func append(_ group: [LogAppend]) throws(StreamError) -> [LogReceipt] {
    try log.append(group.map { LogAppend($0.batch, ingestTime: $0.ingestTime) })
  }
  func cursor(from offset: Int64) throws(StreamError) -> any LogCursor {
    try log.cursor(from: offset)
  }
  func trim(before offset: Int64) throws(StreamError) { try log.trim(before: offset) }
  func close() { log.close() }
}

/// An index that does not tell the versions of rows.
private final class VersionlessIndex: KeyIndex {
  private final class Reader: KeyIndexReader {
    private let reader: any KeyIndexReader
    init(_ reader: any KeyIndexReader) { self.reader = reader }

    var position: IndexPosition? { reader.position }
    func get(
      _ keys: ArrayData, isSorted: Bool, withRows: Bool
    ) throws(StreamError) -> IndexedRows {
      var rows = try reader.get(keys, isSorted: isSorted, withRows: withRows)
      let none = BinaryBuilder(.binary)
      for _ in 0..<keys.length { none.appendPlaceholder() }
      rows.versions = none.finish()
      return rows
    }
    func path(of file: UInt32) -> String? { reader.path(of: file) }
    func layout(_ number: UInt16) -> Schema? { reader.layout(number) }
  }

  private let index: any KeyIndex
  init(_ index: any KeyIndex) { self.index = index }

  var position: IndexPosition? { index.position }
  func reader() throws(StreamError) -> any KeyIndexReader { Reader(try index.reader()) }
  func layout(for schema: Schema) throws(StreamError) -> UInt16 { try index.layout(for: schema) }
  func stage(_ batch: IndexBatch) throws(StreamError) -> any StagedIndexBatch {
    try index.stage(batch)
  }
  func publish(_ staged: any StagedIndexBatch) throws(StreamError) { try index.publish(staged) }
  func move(to position: IndexPosition) throws(StreamError) { try index.move(to: position) }
  func forEach(
    batchRows: Int, _ body: (ArrayData, IndexedRows) throws(StreamError) -> Bool
  ) throws(StreamError) { try index.forEach(batchRows: batchRows, body) }
  func clear() throws(StreamError) { try index.clear() }
  func close() { index.close() }
}

extension PlantedFault {
  /// Runs seed after seed of a program with this defect.
  ///
  /// - Returns: how many seeds it took until it was noticed, and what was said; `nil` when it was not.
  public func seedsToNotice(
    first: UInt64, steps: Int, countMax: Int
  ) -> (seeds: Int, message: String)? {
    PlantedProgram(name: rawValue, fault: self, defect: nil)
      .seedsToNotice(first: first, steps: steps, countMax: countMax)
  }
}
