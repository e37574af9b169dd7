// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

/// How maintenance is, for programs.
enum MaintenanceMetrics {
  static func json(_ status: TableCareStatus) -> JSONValue {
    .object([
      ("table", .string("\(status.table)")), ("steps", .array(status.steps.map(\.json))),
    ])
  }

  static func add(_ tables: [TableCareStatus], to text: inout PrometheusText) {
    guard !tables.isEmpty else { return }
    let families: [(String, String, String, (MaintenanceStatus) -> Double)] = [
      (
        "weir_maintenance_runs_total", "counter", "Runs of a step of maintenance.",
        { Double($0.runCount) }
      ),
      (
        "weir_maintenance_failed_runs_total", "counter", "Those that failed.",
        { Double($0.failedRunCount) }
      ),
      (
        "weir_maintenance_failed", "gauge", "1 while the last run failed.",
        { $0.failure == nil ? 0 : 1 }
      ),
      (
        "weir_maintenance_seconds_total", "counter", "What they took.",
        { Double($0.milliseconds) / 1e3 }
      ),
      (
        "weir_maintenance_expired_snapshots_total", "counter", "Snapshots that expired.",
        { Double($0.total.snapshotCount) }
      ),
      (
        "weir_maintenance_removed_files_total", "counter", "Files that were removed.",
        { Double($0.total.removedFileCount) }
      ),
      (
        "weir_maintenance_removed_bytes_total", "counter", "About their bytes.",
        { Double($0.total.removedByteCount) }
      ),
      (
        "weir_maintenance_deleted_rows_total", "counter", "Rows that were too old.",
        { Double($0.total.deletedRowCount) }
      ),
      (
        "weir_maintenance_written_bytes_total", "counter", "Bytes that maintenance wrote.",
        { Double($0.total.writtenByteCount) }
      ),
    ]
    for (name, type, help, value) in families {
      text.family(name, type, help)
      for table in tables {
        for step in table.steps {
          text.sample(name, [("table", "\(table.table)"), ("step", step.step)], value(step))
        }
      }
    }
  }
}
