// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Says whose snapshot is in the way.
enum ConflictDescription {
  /// `append snapshot 12 of 2026-11-21T06:30:00.000 by weir (job-7)`
  static func who(_ snapshot: Snapshot) -> String {
    let operation = snapshot.summary?["operation"] ?? "unknown operation"
    var text = "\(operation) snapshot \(snapshot.snapshotID) of "
    text += Scalar.int(snapshot.timestampMilliseconds).text(
      as: .timestamp(.millisecond, timeZone: "UTC"))
    if let engine = snapshot.summary?["engine-name"] { text += " by \(engine)" }
    let names = ["app-id", "app-name", "spark.app.id", "flink.job-id", "weir.writer"]
    if let name = names.lazy.compactMap({ snapshot.summary?[$0] }).first { text += " (\(name))" }
    return text
  }

  static func error(_ message: String, _ snapshot: Snapshot, file: String? = nil) -> TableError {
    TableError(
      .conflict,
      "\(message), by \(who(snapshot)); nothing was changed: read the table again and redo the "
        + "operation",
      file: file)
  }
}
