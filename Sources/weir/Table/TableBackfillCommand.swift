// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import WeirColumnar
internal import WeirConnect
internal import WeirTable

struct TableBackfillCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backfill",
    abstract: "Give a column values, and rewrite nothing else.",
    discussion: """
      The values come from a file (Parquet, Weir, Arrow IPC, CSV) or from another table of the catalog, and \
      go to the rows of the same key; or, without --from, from the row's other columns. They are written beside the data files, as columns of their own, which \
      'weir table compact --full' joins with the rest. A column that the table does not have is added. Rows \
      that the source does not name keep what they have: null in a new column.

      It may run beside writers, readers, compactions and other backfills, and be killed: the values follow \
      the rows. With --engine ray each part of the table is filled by a commit of its own. Readers of Weir see them at once; other engines see the column empty until it is compacted.

      Examples:
        weir table backfill shop.samples --column score --from scores.parquet --key request_id
        weir table backfill shop.items --column ctr --value 'clicks / (views + 10)'
        weir table backfill shop.users --column segment --from shop.segments --key user_id --value name
        weir table backfill shop.orders --column fraud --from checked.arrow --where "model = 'v2'"
        weir table backfill shop.orders --column tax --value 'price * 0.19' --engine ray
        weir table scan shop.orders --columns _row_id,price --json >rows.jsonl  # and then --key _row_id
      """)

  @OptionGroup var table: TableSelection
  @Option(name: .long, help: ArgumentHelp("The column to fill.", valueName: "name"))
  var column: String
  @Option(
    name: .long,
    help: ArgumentHelp(
      "A file, or a table as NAMESPACE.NAME (default: this table's own rows).", valueName: "source")
  )
  var from: String?
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Columns by which rows are the same, of the same names in both, or _row_id (default: the table's "
        + "identifier columns).", valueName: "columns"))
  var key: String?
  @Option(
    name: .long,
    help: ArgumentHelp(
      "What the source calls the values, or an expression of its columns (default: as --column).",
      valueName: "expression"))
  var value: String?
  @Option(
    name: .customLong("where"),
    help: ArgumentHelp("Only such rows of the source.", valueName: "condition"))
  var filter: String?
  @Option(
    name: .long,
    help: ArgumentHelp("A source table's older state.", valueName: "state"))
  var fromAt: String?
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Memory for the source's keys and values, in MB (default: 1024).", valueName: "MB"))
  var memory: Int?
  @OptionGroup var engine: EngineSelection
  @OptionGroup var output: JSONSelection

  func validate() throws {
    if let memory, memory < 1 || memory > 1 << 24 {
      throw ValidationError("--memory needs 1 MB or more, not \(memory)")
    }
    if let key, key.split(separator: ",").isEmpty {
      throw ValidationError("--key needs the name of a column")
    }
    if from == nil {
      if value == nil {
        throw ValidationError(
          "without --from, --value needs an expression of the table's columns, as in 'clicks / views'"
        )
      }
      if key != nil || fromAt != nil {
        throw ValidationError("--key and --from-at are for values --from somewhere else")
      }
    }
  }

  func run() throws {
    if engine.engine == .ray { return try runOnRay() }
    let table = try table.open()
    var options = BackfillOptions(
      column: column, keys: key.map { $0.split(separator: ",").map(String.init) })
    options.value = value
    if let memory { options.sourceBytesMax = memory << 20 }
    let predicate = try filter.map { try WhereSelection.parse($0) }
    let result: BackfillResult
    if let from {
      result = try backfill(table, from: try source(from, predicate), options)
    } else {
      result = try table.backfill(options, where: predicate ?? .always(true))
    }
    guard result.snapshotID != nil else {
      return output.print(
        "The table has no rows to fill"
          + (result.addedColumn ? "; the column \(column) was added." : "."), json(result))
    }
    let missing =
      result.missingRowCount == 0
      ? "" : "; \(Numbers.grouped(result.missingRowCount)) have no value in the source"
    output.print(
      "Filled \(column)\(result.addedColumn ? " (new)" : "") of "
        + "\(Numbers.counted(result.rowCount, "row", "rows"))\(missing): "
        + "\(Numbers.counted(result.fileCount, "column file", "column files")), "
        + "\(Numbers.bytes(result.writtenByteCount)), snapshot \(result.snapshotID ?? 0).",
      json(result))
  }

  private func backfill(
    _ table: Table, from rows: some RecordBatchReader, _ options: BackfillOptions
  ) throws(TableError) -> BackfillResult {
    try table.backfill(from: rows, options)
  }

  /// The rows that hold the values.
  func source(_ from: String, _ predicate: Predicate?) throws -> any RecordBatchReader {
    if access(from, F_OK) == 0 {
      guard fromAt == nil else {
        throw CommandFailure("--from-at is for tables, and \(from) is a file")
      }
      let rows = try InputFile.rows(from, columns: nil, batchRows: 65_536).reader
      guard let predicate else { return rows }
      return FilteredRows(rows, try predicate.bind(to: rows.schema))
    }
    let identifier: TableIdentifier
    do {
      identifier = try TableIdentifier(parsing: from)
    } catch {
      throw CommandFailure("--from '\(from)' is neither a file nor a table's NAMESPACE.NAME")
    }
    let connection = try table.selection.open()
    do throws(TableError) {
      var scan = ScanOptions(where: predicate ?? .always(true))
      if let fromAt { scan.at = try SnapshotSelector(parsing: fromAt) }
      return try connection.table(identifier).scan(scan.naming(sourceColumns(identifier)))
    } catch {
      guard error.code == .notFound, error.column == nil else { throw error }
      throw CommandFailure(
        "there is neither a file '\(from)' nor such a table (\(error))",
        hint: "--from takes a path or NAMESPACE.NAME; 'weir table list' shows the tables.")
    }
  }

  /// Only these are read; without named keys all are.
  private func sourceColumns(_ source: TableIdentifier) -> [String]? {
    guard let key else { return nil }
    let value = value ?? column
    var names = key.split(separator: ",").map(String.init)
    let terms = (try? ScalarExpression(parsing: value).terms.map(\.name)) ?? [value]
    for name in terms where !names.contains(name) { names.append(name) }
    return names
  }

  private func json(_ result: BackfillResult) -> JSONValue {
    [
      "column": .string(column), "added_column": .bool(result.addedColumn),
      "snapshot_id": .optional(result.snapshotID), "rows": .int(Int64(result.rowCount)),
      "rows_without_value": .int(Int64(result.missingRowCount)),
      "source_rows": .int(Int64(result.sourceRowCount)),
      "column_files": .int(Int64(result.fileCount)),
      "bytes": .int(Int64(result.writtenByteCount)),
      "files_made_again": .int(Int64(result.movedFileCount)),
    ]
  }
}

extension ScanOptions {
  fileprivate func naming(_ columns: [String]?) -> ScanOptions {
    var options = self
    options.columns = columns
    return options
  }
}

/// Rows of a file for which a condition is true.
private final class FilteredRows: RecordBatchReader {
  private let rows: any RecordBatchReader
  private let filter: BoundPredicate

  init(_ rows: any RecordBatchReader, _ filter: BoundPredicate) {
    self.rows = rows
    self.filter = filter
  }

  var schema: Schema { rows.schema }

  func next() throws -> RecordBatch? {
    guard let batch = try rows.next() else { return nil }
    return try batch.filter(filter)
  }
}
