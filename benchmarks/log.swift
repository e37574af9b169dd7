// SPDX-License-Identifier: Apache-2.0
//
// How fast a shard's log takes rows: `log FOLDER`, on the disk of that folder.
// It is no target of the package, which would be built with it every time; docs/measurements.md says how
// it was run.

internal import Glibc
internal import WeirColumnar
internal import WeirStreaming

/// Events of about 200 bytes: a key, two numbers, a time and a text.
private func events(_ count: Int, from start: Int) throws -> RecordBatch {
  func column<T: BitwiseCopyable>(_ type: DataType, _ value: (Int) -> T) -> ArrayData {
    ArrayData(type: type, length: count, buffers: [Buffer((0..<count).map { value(start + $0) })])
  }
  let text = Array(repeating: UInt8(ascii: "x"), count: 168)
  let offsets = Buffer((0...count).map { Int32($0 * text.count) })
  let texts = MutableBuffer(capacity: count * text.count)
  for _ in 0..<count { texts.append(contentsOf: text) }
  let time = DataType.timestamp(.microsecond, timeZone: "UTC")
  return try RecordBatch(
    schema: Schema([
      Field("key", .int64), Field("item", .int64), Field("weight", .float64), Field("time", time),
      Field("text", .utf8),
    ]),
    columns: [
      column(.int64) { Int64($0 % 100_000) }, column(.int64) { Int64($0 &* 7_919 % 50_000) },
      column(.float64) { Double($0) / 3 }, column(time) { Int64($0) },
      ArrayData(type: .utf8, length: count, buffers: [offsets, texts.finish()]),
    ])
}

private func now() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

private func cpu() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

private func text(_ value: Double, _ digits: Int = 2) -> String {
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  let whole = Int((value * scale).rounded())
  let fraction = String(whole % Int(scale))
  return "\(whole / Int(scale))." + String(repeating: "0", count: digits - fraction.count)
    + fraction
}

private func measure(
  _ folder: String, rows: Int, batches: Int, seconds: Double
) throws -> (log: SegmentLog, appended: Int) {
  let disk = SystemDisk()
  for name in (try? disk.list(folder)) ?? [] { try disk.delete("\(folder)/\(name)") }
  let log = try SegmentLog(disk, folder: folder, SegmentLogOptions(shard: 0, identity: "benchmark"))
  let batch = try events(rows, from: 0)
  let group = (0..<batches).map { LogAppend(batch, ingestTime: Int64($0)) }
  var waits: [Double] = []
  let (start, startCPU) = (now(), cpu())
  while now() - start < seconds {
    let before = now()
    _ = try log.append(group)
    waits.append(now() - before)
    if log.byteCount > 1 << 30 { try log.trim(before: log.offsets.upperBound) }
  }
  let (wall, used) = (now() - start, cpu() - startCPU)
  waits.sort()
  let appended = waits.count * rows * batches
  let bytes = Double(appended) * 200
  print(
    "| \(batches) × \(rows) | \(text(Double(waits.count) / wall, 0)) | "
      + "\(text(Double(appended) / wall / 1e6, 3)) | \(text(bytes / wall / 1e6, 0)) | "
      + "\(text(waits[waits.count / 2] * 1e3)) | \(text(waits[waits.count * 99 / 100] * 1e3)) | "
      + "\(text(Double(appended) / used / 1e6)) |")
  return (log, appended)
}

@main enum LogBenchmark {
  static func main() throws {
    let folder = CommandLine.arguments[1]
    print("| batches × rows | groups/s | M rows/s | MB/s | median ms | p99 ms | M rows/CPU s |")
    for (batches, rows) in [
      (1, 1), (1, 100), (10, 100), (100, 10), (1, 1_000), (10, 1_000), (1, 10_000),
    ] {
      try measure(folder, rows: rows, batches: batches, seconds: 4).log.close()
    }
    let (log, _) = try measure(folder, rows: 1_000, batches: 10, seconds: 4)
    let start = cpu()
    let cursor = try log.cursor(from: log.offsets.lowerBound)
    var count = 0
    while let entry = try cursor.next() { count += entry.batch.rowCount }
    print("read: \(text(Double(count) / (cpu() - start) / 1e6)) M rows/CPU s")
    let end = log.offsets.upperBound
    log.close()
    let before = now()
    let again = try SegmentLog(
      SystemDisk(), folder: folder, SegmentLogOptions(shard: 0, identity: "benchmark"))
    print("open: \(text((now() - before) * 1e3)) ms; end \(again.offsets.upperBound == end)")
  }
}
