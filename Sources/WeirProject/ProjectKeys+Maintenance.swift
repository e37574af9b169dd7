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
        "compaction", "When small files, and files with deleted rows, are brought together.",
        reference("compaction")),
      ProjectKey(
        "budget", "What one round may do; the next one goes on.", reference("maintenance_budget")),
    ]

  static let streamMaintenance =
    policy + [
      ProjectKey(
        "compaction", "When small files, and files with deleted rows, are brought together.",
        reference("stream_compaction")),
      ProjectKey(
        "rows", "How long rows stay. They stay for ever without it.", reference("row_retention")),
      ProjectKey(
        "tier", "Where the files of old rows go. They stay where they are without it.",
        reference("tier")),
    ]

  static let compaction = [
    ProjectKey(
      "enabled", "Whether files are brought together at all. The default is true.",
      ["type": "boolean"]),
    ProjectKey(
      "runs",
      "So many files of one partition and shard that are not full come together. The default is 5.",
      ["type": "integer", "minimum": 2]),
    ProjectKey(
      "every", "From the end of one look for such files to the next. The default is 10s.", duration),
  ]

  static let streamCompaction =
    compaction + [
      ProjectKey(
        "sort",
        "The columns by which rows are sorted. The default is the table's sort order, or else the "
          + "primary key.", names)
    ]

  static let tier = [
    ProjectKey(
      "to", "The place, such as s3://cold/weir; the warehouse's storage settings must reach it.",
      text),
    ProjectKey("after", "Files move when all their rows are older.", duration),
    ProjectKey(
      "column",
      "The time of a row: a timestamp or a date. Without it the time counts from when a file was "
        + "added.", text),
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
