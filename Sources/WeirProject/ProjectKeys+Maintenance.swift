// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The keys of maintenance.
extension ProjectKeys {
  private static let count: JSONObject = ["type": "integer", "minimum": 1]

  private static let policy = [
    ProjectKey(
      "enabled", "Whether the service looks after tables at all. The default is true.",
      ["type": "boolean"]),
    ProjectKey(
      "snapshots",
      "How long a snapshot stays after another one took its place: readers at earlier states have so "
        + "long. The default is what the table's properties say, or 5d.", duration),
    ProjectKey(
      "keep_snapshots",
      "So many snapshots stay whatever their age. The default is 1 beside 'snapshots', and 100 without.",
      count),
    ProjectKey(
      "orphans",
      "The age at which files go that nothing leads to: longer than any commit takes. The default is 3d.",
      duration),
    ProjectKey(
      "metadata_files", "How many earlier metadata files stay. The default is 100.", count),
    ProjectKey(
      "statistics",
      "The least time between two counts of distinct values, of columns that were counted before "
        + "(weir table analyze). The default is 1d.", duration),
  ]

  static let maintenance =
    policy + [
      ProjectKey(
        "budget", "What one round may do; the next one goes on.",
        ["$ref": "#/definitions/maintenance_budget"])
    ]

  static let streamMaintenance =
    policy + [
      ProjectKey(
        "rows", "How long rows stay. They stay for ever without it.",
        ["$ref": "#/definitions/row_retention"])
    ]

  static let maintenanceBudget = [
    ProjectKey("files", "Files that are removed. The default is 1000.", count),
    ProjectKey("bytes", "Bytes that are read or written. The default is 256MiB.", size),
    ProjectKey("time", "For how long work may begin. The default is 10s.", duration),
  ]

  static let rowRetention = [
    ProjectKey("column", "The time of a row: a timestamp or a date.", text),
    ProjectKey("keep", "Rows whose time lies further back go, a tenth later at most.", duration),
  ]
}
