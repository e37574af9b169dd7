// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirColumnar
internal import WeirStreaming
internal import _WeirTestSupport

/// A folder of the machine that goes with this object.
final class LogFolder {
  let path: String

  init(in parent: String = "/tmp") {
    var random = SystemRandomNumberGenerator()
    path = "\(parent)/weir-log-\(getpid())-\(String(random.next() as UInt64, radix: 16))"
  }

  deinit {
    let disk = SystemDisk()
    for name in (try? disk.list(path)) ?? [] { try? disk.delete("\(path)/\(name)") }
    rmdir(path)
  }
}

/// A batch whose rows are the numbers of `values` and a text that follows from each.
func numbers(_ values: Range<Int64>) -> RecordBatch {
  let schema = Schema([
    Field("n", .int64, nullable: false, id: 1), Field("t", .utf8, nullable: true, id: 2),
  ])
  do {
    return try RecordBatch(
      schema: schema,
      columns: [
        array(.int64, values.map { .int($0) }),
        array(.utf8, values.map { $0 % 5 == 0 ? .null : .string("text \($0)") }),
      ])
  } catch {
    preconditionFailure("\(error)")
  }
}

extension ShardLog {
  /// All entries from `offset` on.
  func entries(from offset: Int64? = nil) throws -> [LogEntry] {
    let cursor = try cursor(from: offset ?? offsets.lowerBound)
    var entries: [LogEntry] = []
    while let entry = try cursor.next() { entries.append(entry) }
    return entries
  }
}

extension SegmentLogOptions {
  /// Small segments.
  static func small(shard: Int = 0, segmentBytes: Int = 8 << 10, seed: UInt64 = 1)
    -> SegmentLogOptions
  {
    var options = SegmentLogOptions(shard: shard, identity: "table", random: { seed })
    options.segmentBytes = segmentBytes
    options.preallocatedBytes = 4 << 10
    return options
  }
}
