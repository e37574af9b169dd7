// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// How pipelines are, for programs.
enum PipelineMetrics {
  static func json(_ status: PipelineStatus) -> JSONValue {
    let position = status.position?.sorted { $0.key < $1.key }.map { shard, offset in
      JSONValue.object([("shard", .int(shard)), ("next_offset", .int(offset))])
    }
    return .object([
      ("table", .string("\(status.table)")), ("kind", .string(status.kind)),
      ("source", .string("\(status.source)")),
      ("position", position.map { .array($0) } ?? .null),
      ("lag_rows", status.lagRowCount.map { .int($0) } ?? .null),
      ("lag_ms", .int(status.lagMicroseconds / 1_000)), ("waiting_rows", .int(status.waitingCount)),
      ("read_rows", .int(status.readCount)), ("written_rows", .int(status.writtenCount)),
      ("read_rows_per_second", .double(status.readRate)),
      ("written_rows_per_second", .double(status.writtenRate)),
      ("memory_bytes", .int(status.memoryByteCount)), ("failure", .optional(status.failure)),
    ])
  }

  static func add(_ pipelines: [PipelineStatus], to text: inout PrometheusText) {
    guard !pipelines.isEmpty else { return }
    let families: [(String, String, String, (PipelineStatus) -> Double?)] = [
      (
        "weir_pipeline_lag_rows", "gauge", "Rows of the source that a pipeline has not read.",
        { $0.lagRowCount.map { Double($0) } }
      ),
      (
        "weir_pipeline_lag_seconds", "gauge", "For how long there have been such rows.",
        { Double($0.lagMicroseconds) / 1e6 }
      ),
      (
        "weir_pipeline_waiting_rows", "gauge", "Rows of its table that may have to be written.",
        { Double($0.waitingCount) }
      ),
      (
        "weir_pipeline_read_rows_total", "counter", "Rows of the source that were read.",
        { Double($0.readCount) }
      ),
      (
        "weir_pipeline_written_rows_total", "counter", "Rows of its table that were written.",
        { Double($0.writtenCount) }
      ),
      (
        "weir_pipeline_memory_bytes", "gauge", "Bytes that it remembers.",
        { Double($0.memoryByteCount) }
      ),
      (
        "weir_pipeline_failed", "gauge", "1 while it does not go on.",
        { $0.failure == nil ? 0 : 1 }
      ),
    ]
    for (name, type, help, value) in families {
      text.family(name, type, help)
      for status in pipelines {
        guard let value = value(status) else { continue }
        text.sample(name, [("table", "\(status.table)"), ("kind", status.kind)], value)
      }
    }
  }
}
