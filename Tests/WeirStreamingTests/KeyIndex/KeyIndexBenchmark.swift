// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

/// Upserts of 100,000 rows of 21 columns into an index of 1,000,000 keys on disk, and lookups; only with
/// WEIR_BENCH_INDEX=FOLDER in the environment, in a release build. Prints CPU seconds of the whole process.
enum KeyIndexBenchmark {
  static let isWanted = getenv("WEIR_BENCH_INDEX") != nil

  private static func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// User and system time of all threads, and of this one.
  private static func cpu() -> (all: Double, thread: Double) {
    (seconds(CLOCK_PROCESS_CPUTIME_ID), seconds(CLOCK_THREAD_CPUTIME_ID))
  }

  private static func now() -> Double { seconds(CLOCK_MONOTONIC) }

  static func measured<R>(_ name: String, _ body: () throws -> R) rethrows -> R {
    let (before, start) = (cpu(), now())
    let result = try body()
    let (after, end) = (cpu(), now())
    func milliseconds(_ seconds: Double) -> String { "\(Int((seconds * 1e4).rounded()) / 10) ms" }
    print(
      "\(name): \(milliseconds(after.all - before.all)) CPU, "
        + "\(milliseconds(after.thread - before.thread)) of this thread, "
        + "\(milliseconds(end - start)) wall")
    return result
  }

  private static let definition: StreamDefinition = {
    var fields = [
      Field("id", .int64, nullable: false), Field("user_id", .int64), Field("item_id", .int64),
    ]
    fields.append(Field("event_time", .timestamp(.microsecond, timeZone: "UTC")))
    fields += (0..<8).map { Field("dense\($0)", .float32) }
    fields += (0..<6).map { Field("cat\($0)", .int64) }
    fields += (0..<2).map { Field("list\($0)", .list(of: .int64)) }
    fields.append(Field("label", .int32))
    var definition = StreamDefinition(
      table: TableIdentifier(Namespace(["bench"]), "t"), columns: Schema(fields))
    definition.primaryKey = ["id"]
    return definition
  }()

  /// A generator of its own: this file is also compiled alone.
  private struct Numbers {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
  }

  private static func batch(_ ids: [Int64], _ numbers: inout Numbers) throws -> RecordBatch {
    let count = ids.count
    var columns: [ArrayData] = []
    for field in definition.columns.fields {
      switch field.type {
      case .float32:
        columns.append(
          ArrayData(
            type: field.type, length: count,
            buffers: [Buffer((0..<count).map { _ in Float(numbers.next() % 1_000) / 8 })]))
      case .int32:
        columns.append(
          ArrayData(
            type: .int32, length: count,
            buffers: [Buffer((0..<count).map { _ in Int32(numbers.next() % 2) })]))
      case .list:
        var ends: [Int32] = [0]
        for row in 0..<count { ends.append(ends[row] + Int32(numbers.next() % 9)) }
        let total = Int(ends[count])
        let items = ArrayData(
          type: .int64, length: total,
          buffers: [Buffer((0..<total).map { _ in Int64(numbers.next() % 100_000) })])
        columns.append(
          ArrayData(type: field.type, length: count, buffers: [Buffer(ends)], children: [items]))
      default:
        let values =
          field.name == "id" ? ids : (0..<count).map { _ in Int64(numbers.next() % 1_000_000) }
        columns.append(
          ArrayData(type: field.type, length: count, buffers: [Buffer(values)]))
      }
    }
    return try RecordBatch(schema: definition.columns, columns: columns)
  }

  static func run(folder: String) throws {
    var numbers = Numbers(state: 7)
    let index = try RocksKeyIndex.open(folder: folder)
    try index.clear()
    let table = MemTable(try StreamLayout(definition), shard: 0, index: index, from: 0)
    var end: Int64 = 0
    var snapshot: Int64 = 0
    func append(_ ids: [Int64], entryRows: Int) throws {
      var start = 0
      while start < ids.count {
        let part = Array(ids[start..<min(start + entryRows, ids.count)])
        let entry = LogEntry(
          offsets: end..<end + Int64(part.count), ingestTime: 1, producer: nil,
          batch: try batch(part, &numbers))
        end += Int64(part.count)
        start += part.count
        try table.apply(entry)
      }
    }
    func flush() throws {
      table.freeze()
      guard let rows = try measured("  rows of a flush", { try table.flushRows() }) else { return }
      snapshot += 1
      let files = [WrittenRows(path: "f\(snapshot)", rows: Array(0..<rows.batch.rowCount))]
      let staged = try measured("  staged") {
        try table.stage(rows, files: files, snapshotID: snapshot)
      }
      _ = try measured("  published") { try table.finishFlush(staged) }
      print(
        "  \(rows.batch.rowCount) rows, \(rows.replaced.reduce(0) { $0 + $1.rows.count }) replaced")
    }
    try measured("1,000,000 keys in 10 flushes") {
      for part in 0..<10 {
        try append((0..<100_000).map { Int64($0 * 10 + part) }, entryRows: 10_000)
        try flush()
      }
    }
    for round in 0..<3 {
      let known = (0..<50_000).map { _ in Int64(numbers.next() % 1_000_000) }
      let new = (0..<50_000).map { Int64(1_000_000 + round * 50_000 + $0) }
      let entries = try stride(from: 0, to: 100_000, by: 10_000).map { start in
        let entry = LogEntry(
          offsets: end + Int64(start)..<end + Int64(start) + 10_000, ingestTime: 1, producer: nil,
          batch: try batch(Array((known + new)[start..<start + 10_000]), &numbers))
        return entry
      }
      end += 100_000
      try measured("upsert of 100,000 rows, all of it") {
        try measured("  applied") { for entry in entries { try table.apply(entry) } }
        if round == 2 { _ = try measured("  live view") { try table.view() } }
        try flush()
      }
    }
    print("index: \(index.byteCount >> 20) MiB")
    try lookups(table, &numbers)
    index.close()
  }

  private static func lookups(_ table: MemTable, _ numbers: inout Numbers) throws {
    let schema = Schema([definition.columns.fields[0]])
    func keys(_ count: Int) throws -> RecordBatch {
      let ids = (0..<count).map { _ in Int64(numbers.next() % 1_000_000) }
      return try RecordBatch(
        schema: schema,
        columns: [ArrayData(type: .int64, length: count, buffers: [Buffer(ids)])])
    }
    for _ in 0..<3 {
      let batches = try (0..<20).map { _ in try keys(1_000) }
      var found = 0
      try measured("20 lookups of 1,000 random keys") {
        for batch in batches { found += try table.lookup(batch).rows.rowCount }
      }
      let single = try (0..<5_000).map { _ in try keys(1) }
      try measured("5,000 lookups of one random key") {
        for batch in single { found += try table.lookup(batch).rows.rowCount }
      }
      print("  \(found) found")
    }
  }
}
