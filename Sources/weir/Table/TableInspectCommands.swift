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
    let connection = try selection.open()
    let catalog = connection.catalog
    var tables: [String] = []
    var waiting: [Namespace]
    if let namespace {
      waiting = [try Namespace(parsing: namespace)]
      do throws(TableError) {
        _ = try catalog.namespaceProperties(waiting[0])
      } catch {
        guard error.code == .notFound else { throw error }
        let names = try all(catalog, nil).map(\.description)
        let close = NameSuggestion.closest(to: namespace, names)
        throw CommandFailure(
          "there is no namespace \(TextWidth.printable(namespace)) in \(connection.address)"
            + (close.map { "; did you mean \($0)?" } ?? ""),
          hint: "'weir table list' shows the tables of all namespaces.")
      }
    } else {
      waiting = try all(catalog, nil)
    }
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
      let names = tables.map(TextWidth.printable)
      RowPrinter.line(
        names.isEmpty
          ? "There are no tables\(namespace.map { " in \($0)" } ?? "")."
          : names.joined(separator: "\n"))
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
    let order = metadata.defaultSortOrder.fields.map { field in
      let source = metadata.currentSchema.path(ofFieldID: field.sourceID) ?? "\(field.sourceID)"
      let column = field.transform == .identity ? source : "\(field.transform)(\(source))"
      return "\(column) \(field.direction.rawValue)"
    }
    if !order.isEmpty { output.line("  sorted by   \(order.joined(separator: ", "))") }
    if let snapshot = metadata.currentSnapshot {
      let rows = snapshot.liveRows.map(Numbers.grouped) ?? "unknown"
      let files =
        TableText.count(snapshot.summary?["total-data-files"])
        .map { Numbers.counted($0, "file", "files") } ?? "an unknown number of files"
      output.line("  rows        \(rows) in \(files)")
      output.line(
        "  changed     \(TableText.time(snapshot.timestampMilliseconds)) UTC, by "
          + "\(snapshot.operation?.rawValue ?? "an unknown operation")")
      output.line(
        "  history     "
          + Numbers.counted(metadata.snapshots.count, "snapshot", "snapshots")
          + ", \(Numbers.counted(metadata.references.count, "branch or tag", "branches and tags"))")
    } else {
      output.line("  rows        none yet")
    }
    for (index, property) in metadata.properties.enumerated() {
      output.line(
        (index == 0 ? "  properties  " : "              ")
          + TextWidth.printable("\(property.0) = \(property.1)"))
    }
    output.line()
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
    var table = TextTable([
      .right("id"), .left("column"), .left("type", min: nil), .left("", min: nil), .left("doc"),
    ])
    for field in schema.fields { add(field, 0, to: &table) }
    if table.rows.isEmpty { return output.line("  (no columns)") }
    for line in table.lines(width: Terminal.width, style: .output) { output.line(line) }
  }
  /// A column, and what is within it below.
  private static func add(_ field: TableField, _ depth: Int, to table: inout TextTable) {
    let type =
      switch field.type {
      case .struct: "struct"
      case .list: "list"
      case .map: "map"
      default: field.type.description
      }
    table.add([
      String(field.id), String(repeating: "  ", count: depth) + TextWidth.printable(field.name),
      type, field.required ? "required" : "", TextWidth.printable(field.doc ?? ""),
    ])
    for child in field.type.childFields { add(child, depth + 1, to: &table) }
  }
}
