// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirConnect
internal import WeirTable

struct TableListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List tables, of all namespaces or of one.")

  @Argument(help: "The namespace; all when it is left out.")
  var namespace: String?

  @OptionGroup var selection: CatalogSelection

  @Flag(name: .long, help: "Print a JSON list.")
  var json = false

  func run() throws {
    let catalog = try selection.open().catalog
    var tables: [String] = []
    var waiting = try namespace.map { [try Namespace(parsing: $0)] } ?? all(catalog, nil)
    while !waiting.isEmpty {
      let next = waiting.removeFirst()
      var request = PageRequest.first
      while true {
        let page = try catalog.listTables(in: next, page: request)
        tables += page.items.map(\.description)
        guard let token = page.next else { break }
        request = PageRequest(token: token)
      }
      if namespace == nil { waiting += try all(catalog, next) }
    }
    if json {
      RowPrinter.json(.array(tables.map { .string($0) }))
    } else {
      RowPrinter.line(tables.isEmpty ? "There are no tables." : tables.joined(separator: "\n"))
    }
  }

  private func all(_ catalog: any Catalog, _ parent: Namespace?) throws(TableError) -> [Namespace] {
    var page = try catalog.listNamespaces(in: parent, page: .first)
    var result = page.items
    while let token = page.next {
      page = try catalog.listNamespaces(in: parent, page: PageRequest(token: token))
      result += page.items
    }
    return result
  }
}

struct TableDescribeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe",
    abstract: "Show what a table is: columns, partitions, size, properties.")

  @OptionGroup var table: TableSelection

  @Flag(name: .long, help: "Print the table's metadata as JSON.")
  var json = false

  func run() throws {
    let table = try table.open()
    let metadata = table.metadata
    if json { return RowPrinter.json(metadata.json()) }
    var output = OutputBuffer()
    output.line(Style.output.bold(table.identifier.description))
    output.line("  location    \(metadata.location)")
    output.line("  format      Iceberg version \(metadata.formatVersion)")
    let spec = metadata.defaultSpec.fields.map { field in
      let source = metadata.currentSchema.path(ofFieldID: field.sourceID) ?? "\(field.sourceID)"
      return field.transform == .identity ? source : "\(field.transform)(\(source))"
    }
    output.line("  partitions  \(spec.isEmpty ? "none" : spec.joined(separator: ", "))")
    if let snapshot = metadata.currentSnapshot {
      let summary = snapshot.summary
      output.line(
        "  rows        \(summary?["total-records"] ?? "unknown") in "
          + "\(summary?["total-data-files"] ?? "?") files, \(metadata.snapshots.count) snapshots")
    } else {
      output.line("  rows        none yet")
    }
    for (name, value) in metadata.properties { output.line("  \(name) = \(value)") }
    SchemaText.write(metadata.currentSchema, to: &output)
    output.flush()
  }
}

struct TableSchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Show a table's columns.")

  @OptionGroup var table: TableSelection
  @OptionGroup var state: StateSelection

  @Flag(name: .long, help: "Print Iceberg's JSON.")
  var json = false

  func run() throws {
    let schema = try table.open().metadata.resolve(try state.selector()).schema
    if json { return RowPrinter.json(schema.json()) }
    var output = OutputBuffer()
    SchemaText.write(schema, to: &output)
    output.flush()
  }
}

private enum SchemaText {
  static func write(_ schema: TableSchema, to output: inout OutputBuffer) {
    var table = TextTable([.right("id"), .left("column"), .left("type"), .left(""), .left("doc")])
    for field in schema.fields {
      table.add([
        String(field.id), TextWidth.printable(field.name), field.type.description,
        field.required ? "required" : "", TextWidth.printable(field.doc ?? ""),
      ])
    }
    for line in table.lines(width: Terminal.width, style: .output) { output.line(line) }
  }
}

/// A command that shows one of the tables about a table.
protocol MetadataTableCommand: ParsableCommand {
  static var kind: MetadataTable { get }
  var table: TableSelection { get }
  var state: StateSelection { get }
  var json: Bool { get }
}

extension MetadataTableCommand {
  func run() throws {
    try RowPrinter.print(
      try table.open().inspect(Self.kind, at: try state.selector()), json: json)
  }
}

struct TableHistoryCommand: MetadataTableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "Show which snapshot was current from when on.")
  static let kind = MetadataTable.history
  @OptionGroup var table: TableSelection
  @OptionGroup var state: StateSelection
  @Flag(name: .long, help: "Print JSON, one object per line.")
  var json = false
}

struct TableSnapshotsCommand: MetadataTableCommand {
  static let configuration = CommandConfiguration(
    commandName: "snapshots", abstract: "Show the snapshots that are kept.")
  static let kind = MetadataTable.snapshots
  @OptionGroup var table: TableSelection
  @OptionGroup var state: StateSelection
  @Flag(name: .long, help: "Print JSON, one object per line.")
  var json = false
}

struct TableFilesCommand: MetadataTableCommand {
  static let configuration = CommandConfiguration(
    commandName: "files", abstract: "Show the data and delete files of a snapshot.")
  static let kind = MetadataTable.files
  @OptionGroup var table: TableSelection
  @OptionGroup var state: StateSelection
  @Flag(name: .long, help: "Print JSON, one object per line.")
  var json = false
}

struct TablePartitionsCommand: MetadataTableCommand {
  static let configuration = CommandConfiguration(
    commandName: "partitions", abstract: "Show rows and files of each partition.")
  static let kind = MetadataTable.partitions
  @OptionGroup var table: TableSelection
  @OptionGroup var state: StateSelection
  @Flag(name: .long, help: "Print JSON, one object per line.")
  var json = false
}

struct TableRefsCommand: MetadataTableCommand {
  static let configuration = CommandConfiguration(
    commandName: "refs", abstract: "Show branches and tags.")
  static let kind = MetadataTable.refs
  @OptionGroup var table: TableSelection
  @OptionGroup var state: StateSelection
  @Flag(name: .long, help: "Print JSON, one object per line.")
  var json = false
}

struct TableDiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff", abstract: "Show what was done from one state to another.",
    discussion: "Lists the snapshots between two states, the older one not included.")

  @OptionGroup var table: TableSelection

  @Option(name: .long, help: "The older state: a snapshot's id, a time, a branch or a tag.")
  var from: String

  @Option(name: .long, help: "The newer state; the current one when it is left out.")
  var to: String?

  @Flag(name: .long, help: "Print a JSON list.")
  var json = false

  func run() throws {
    let metadata = try table.open().metadata
    let older = try metadata.resolve(try SnapshotSelector(parsing: from)).snapshot
    let newer = try metadata.resolve(
      try to.map { text throws(TableError) in try SnapshotSelector(parsing: text) } ?? .current
    ).snapshot
    guard let older, let newer else {
      throw CommandFailure("the table has no snapshots yet")
    }
    let line = metadata.ancestors(of: newer.snapshotID)
    guard let end = line.firstIndex(where: { $0.snapshotID == older.snapshotID }) else {
      throw CommandFailure(
        "snapshot \(older.snapshotID) is not an ancestor of \(newer.snapshotID)",
        hint: "'weir table history' shows the line of snapshots.")
    }
    let steps = line[..<end].reversed()
    if json { return RowPrinter.json(.array(steps.map { $0.json() })) }
    var text = TextTable([
      .left("snapshot"), .left("operation"), .right("rows added"), .right("rows deleted"),
      .right("files added"), .right("files removed"),
    ])
    for step in steps {
      let summary = step.summary
      text.add([
        String(step.snapshotID), summary?["operation"] ?? "",
        summary?["added-records"] ?? "0",
        summary?["deleted-records"] ?? summary?["added-position-deletes"] ?? "0",
        summary?["added-data-files"] ?? "0", summary?["deleted-data-files"] ?? "0",
      ])
    }
    var output = OutputBuffer()
    for line in text.lines(width: Terminal.width, style: .output) { output.line(line) }
    if steps.isEmpty { output.line("  (no changes)") }
    output.flush()
  }
}
