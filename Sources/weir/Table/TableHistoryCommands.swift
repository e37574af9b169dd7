// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirTable

/// A command that shows one of the tables about a table: for people what matters most, for programs all
/// columns, whose names are those of other Iceberg implementations.
protocol MetadataTableCommand: ParsableCommand {
  static var kind: MetadataTable { get }
  var table: TableSelection { get }
  var state: StateSelection { get }
  var output: JSONSelection { get }
  func show(_ table: Table, _ rows: any RecordBatchReader) throws
}

extension MetadataTableCommand {
  func run() throws {
    let table = try table.open()
    let rows = try table.inspect(Self.kind, at: try state.selector())
    if output.json { return try RowPrinter.print(rows, json: true) }
    try show(table, rows)
  }
}

/// Rows of a metadata table by the names of their columns.
private struct MetadataRow {
  let batch: RecordBatch
  let row: Int

  static func forEach(
    _ reader: any RecordBatchReader, _ body: (MetadataRow) -> Void
  ) throws {
    while let batch = try reader.next() {
      for row in 0..<batch.rowCount { body(MetadataRow(batch: batch, row: row)) }
    }
  }

  private func column(_ name: String) -> ArrayData? {
    batch.schema.fields.firstIndex { $0.name == name }.map { batch.columns[$0] }
  }

  func int(_ name: String) -> Int? {
    if case .int(let value)? = column(name)?.scalar(at: row) { Int(value) } else { nil }
  }

  func text(_ name: String) -> String {
    guard let column = column(name), column.isValid(row) else { return "" }
    return column.scalar(at: row).text(as: column.type)
  }

  func time(_ name: String) -> String { int(name).map { TableText.time(Int64($0)) } ?? "" }

  /// `day: 2026-01-31, country: de`; empty for a table that is not partitioned.
  var partition: String {
    var text = text("partition")[...]
    if text.hasPrefix("{"), text.hasSuffix("}") { text = text.dropFirst().dropLast() }
    return String(text)
  }
}

struct TableHistoryCommand: MetadataTableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "Show which snapshot was current from when on.")
  static let kind = MetadataTable.history
  @OptionGroup var table: TableSelection
  @OptionGroup var state: StateSelection
  @OptionGroup var output: JSONSelection

  func show(_ table: Table, _ rows: any RecordBatchReader) throws {
    var text = TextTable([
      .left("current from (UTC)", min: nil), .right("snapshot"), .left("operation", min: nil),
      .left(""),
    ])
    try MetadataRow.forEach(rows) { row in
      let id = Int64(row.int("snapshot_id") ?? 0)
      let snapshot = table.metadata.snapshot(id: id)
      let isOnLine = row.text("is_current_ancestor") == "true"
      text.add([
        row.time("made_current_at"), String(id), snapshot?.operation?.rawValue ?? "",
        snapshot == nil ? "expired" : isOnLine ? "" : "no longer part of it",
      ])
    }
    TableText.print(text, ifEmpty: "\(table.identifier) has no snapshots yet.")
  }
}

struct TableSnapshotsCommand: MetadataTableCommand {
  static let configuration = CommandConfiguration(
    commandName: "snapshots", abstract: "Show the snapshots that are kept.")
  static let kind = MetadataTable.snapshots
  @OptionGroup var table: TableSelection
  @OptionGroup var state: StateSelection
  @OptionGroup var output: JSONSelection

  func show(_ table: Table, _ rows: any RecordBatchReader) throws {
    let metadata = table.metadata
    let references = TableText.references(metadata)
    var text = TextTable([
      .right("snapshot"), .left("committed (UTC)", min: nil), .left("operation", min: nil),
      .right("rows added"), .right("deleted"), .right("rows"), .left("branches, tags"),
    ])
    for snapshot in metadata.snapshots {
      text.add([
        String(snapshot.snapshotID), TableText.time(snapshot.timestampMilliseconds),
        snapshot.operation?.rawValue ?? "?", TableText.number(snapshot.addedRowsOfSummary),
        TableText.number(snapshot.deletedRowsOfSummary), TableText.number(snapshot.liveRows),
        references[snapshot.snapshotID] ?? "",
      ])
    }
    TableText.print(text, ifEmpty: "\(table.identifier) has no snapshots yet.")
  }
}

struct TableFilesCommand: MetadataTableCommand {
  static let configuration = CommandConfiguration(
    commandName: "files", abstract: "Show the data and delete files of a snapshot.")
  static let kind = MetadataTable.files
  @OptionGroup var table: TableSelection
  @OptionGroup var state: StateSelection
  @OptionGroup var output: JSONSelection

  func show(_ table: Table, _ rows: any RecordBatchReader) throws {
    let location = table.metadata.location
    var text = TextTable([
      .left("kind", min: nil), .right("rows"), .right("size"), .left("partition", max: 40),
      .left("file", min: 24),
    ])
    try MetadataRow.forEach(rows) { row in
      let isVector = row.text("file_format").uppercased() == "PUFFIN"
      let kind =
        switch row.int("content") {
        case 0?: "data"
        case 1?: isVector ? "vector" : "positions"
        default: "equality"
        }
      text.add([
        kind, TableText.number(row.int("record_count")),
        Numbers.bytes(row.int("file_size_in_bytes") ?? 0), row.partition,
        TableText.path(row.text("file_path"), in: location),
      ])
    }
    TableText.print(text, ifEmpty: "There are no files.")
  }
}

struct TablePartitionsCommand: MetadataTableCommand {
  static let configuration = CommandConfiguration(
    commandName: "partitions", abstract: "Show rows and files of each partition.",
    discussion: "Rows count those that deletes hide, too; these are in the column of deletes.")
  static let kind = MetadataTable.partitions
  @OptionGroup var table: TableSelection
  @OptionGroup var state: StateSelection
  @OptionGroup var output: JSONSelection

  func show(_ table: Table, _ rows: any RecordBatchReader) throws {
    var text = TextTable([
      .left("partition", min: 12), .right("rows"), .right("files"), .right("size"),
      .right("deletes"), .left("changed (UTC)", min: nil),
    ])
    try MetadataRow.forEach(rows) { row in
      let deletes =
        (row.int("position_delete_record_count") ?? 0)
        + (row.int("equality_delete_record_count") ?? 0)
      text.add([
        row.partition.isEmpty ? "(all)" : row.partition,
        TableText.number(row.int("record_count")), TableText.number(row.int("file_count")),
        Numbers.bytes(row.int("total_data_file_size_in_bytes") ?? 0), Numbers.grouped(deletes),
        row.time("last_updated_at"),
      ])
    }
    TableText.print(text, ifEmpty: "There are no partitions.")
  }
}

struct TableRefsCommand: MetadataTableCommand {
  static let configuration = CommandConfiguration(
    commandName: "refs", abstract: "Show branches and tags.")
  static let kind = MetadataTable.refs
  @OptionGroup var table: TableSelection
  @OptionGroup var state: StateSelection
  @OptionGroup var output: JSONSelection

  func show(_ table: Table, _ rows: any RecordBatchReader) throws {
    var text = TextTable([
      .left("name"), .left("kind", min: nil), .right("snapshot"), .left("kept"),
    ])
    for (name, reference) in table.metadata.references.sorted(by: { $0.key < $1.key }) {
      var kept: [String] = []
      if let age = reference.maxReferenceAgeMilliseconds { kept.append(TableText.days(age)) }
      if let count = reference.minSnapshotsToKeep {
        kept.append("at least \(Numbers.counted(count, "snapshot", "snapshots"))")
      }
      if let age = reference.maxSnapshotAgeMilliseconds {
        kept.append("snapshots for \(TableText.days(age))")
      }
      text.add([
        name, reference.kind.rawValue, String(reference.snapshotID), kept.joined(separator: ", "),
      ])
    }
    TableText.print(text, ifEmpty: "\(table.identifier) has no branches or tags yet.")
  }
}
