// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirConnect
internal import WeirTable

struct TableAlterCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "alter", abstract: "Change columns, partitions and order, in one commit.",
    discussion: """
      No data is rewritten. Examples:
        weir table alter shop.orders --add 'device string' --rename ts=event_time
        weir table alter shop.orders --partition 'bucket(16, user_id)' --sort 'event_time desc'
      """)

  @OptionGroup var table: TableSelection

  @Option(name: .long, help: ArgumentHelp("Add a column.", valueName: "name type"))
  var add: [String] = []
  @Option(name: .long, help: ArgumentHelp("Rename a column.", valueName: "old=new"))
  var rename: [String] = []
  @Option(name: .long, help: ArgumentHelp("Widen a column's type.", valueName: "name=type"))
  var widen: [String] = []
  @Option(name: .long, help: ArgumentHelp("Drop a column.", valueName: "name"))
  var drop: [String] = []
  @Option(name: .long, help: ArgumentHelp("Divide by a column, too.", valueName: "column"))
  var partition: [String] = []
  @Option(name: .long, help: ArgumentHelp("No longer divide by it.", valueName: "field"))
  var unpartition: [String] = []
  @Option(name: .long, help: ArgumentHelp("Sort rows within files.", valueName: "column"))
  var sort: [String] = []
  @OptionGroup var output: JSONSelection

  func run() throws {
    let table = try table.open()
    let transaction = table.transaction()
    for (name, new) in try pairs(rename, "--rename") {
      transaction.updateSchema().renameColumn(name, to: new)
    }
    for (name, type) in try pairs(widen, "--widen") {
      transaction.updateSchema().changeType(name, to: try Self.type(type))
    }
    for text in add {
      let words = text.split(separator: " ", maxSplits: 1).map(String.init)
      guard words.count == 2 else {
        throw CommandFailure("--add '\(text)' is not of the form 'NAME TYPE'")
      }
      transaction.updateSchema().addColumn(words[0], try Self.type(words[1]))
    }
    for name in drop { transaction.updateSchema().dropColumn(name) }
    for text in partition {
      let column = try TransformedColumn(parsing: text)
      transaction.updateSpec().addField(column.path, column.transform)
    }
    for name in unpartition { transaction.updateSpec().removeField(name) }
    if !sort.isEmpty { transaction.setSortOrder(try sort.map(SortColumn.init(parsing:))) }
    guard !transaction.isEmpty else {
      throw CommandFailure("nothing to change was given", hint: "See weir table alter --help.")
    }
    try transaction.commit()
    output.print(
      "Changed \(table.identifier).",
      ["table": .string(table.identifier.description), "schema": table.schema.json()])
  }

  private static func type(_ text: String) throws -> TableType {
    guard let type = TableType(named: text) else {
      throw CommandFailure(
        "there is no type '\(text)'",
        hint: "Types are boolean, int, long, float, double, decimal(P,S), date, time, timestamp, "
          + "timestamptz, string, uuid, binary.")
    }
    return type
  }

  private func pairs(_ texts: [String], _ option: String) throws -> [(String, String)] {
    try texts.map { text in
      guard let split = text.firstIndex(of: "=") else {
        throw CommandFailure("\(option) '\(text)' is not of the form NAME=VALUE")
      }
      return (String(text[..<split]), String(text[text.index(after: split)...]))
    }
  }
}

struct TablePropertiesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "properties", abstract: "Show or change a table's properties.")

  @OptionGroup var table: TableSelection
  @Option(name: .customLong("set"), help: ArgumentHelp("Set one.", valueName: "name=value"))
  var set: [String] = []
  @Option(name: .customLong("unset"), help: ArgumentHelp("Remove one.", valueName: "name"))
  var unset: [String] = []
  @Flag(name: .long, help: "Print a JSON object.")
  var json = false

  func run() throws {
    let table = try table.open()
    let transaction = table.transaction()
    if !set.isEmpty {
      transaction.setProperties(StringMap(try KeyValues.read(set, "--set")))
    }
    if !unset.isEmpty { transaction.removeProperties(unset) }
    let metadata = transaction.isEmpty ? table.metadata : try transaction.commit()
    if json { return RowPrinter.json(metadata.properties.json()) }
    let lines = metadata.properties.sorted { $0.0 < $1.0 }.map {
      TextWidth.printable("\($0) = \($1)")
    }
    RowPrinter.line(lines.isEmpty ? "There are no properties." : lines.joined(separator: "\n"))
  }
}

struct TableRenameCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rename", abstract: "Give a table another name; its files stay.")

  @OptionGroup var table: TableSelection
  @Option(name: .customLong("to"), help: "The new name, NAMESPACE.NAME.")
  var target: String
  @OptionGroup var output: JSONSelection

  func run() throws {
    let target = try TableIdentifier(parsing: target)
    let old = try table.open().identifier
    try table.selection.open().catalog.renameTable(old, to: target)
    output.print(
      "\(old) is called \(target) now.",
      ["table": .string(target.description), "was": .string(old.description)])
  }
}

struct TableDropCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drop", abstract: "Remove a table from the catalog.")

  @OptionGroup var table: TableSelection
  @Flag(name: .long, help: "Remove its files, too. There is no way back.")
  var purge = false
  @OptionGroup var output: JSONSelection

  func run() throws {
    let connection = try table.selection.open()
    let identifier = try table.identifier()
    // A table whose metadata is damaged can be dropped, too: it is not opened.
    if !(try connection.catalog.tableExists(identifier)) { _ = try table.open() }
    try connection.catalog.dropTable(identifier, purge: purge)
    output.print(
      "Dropped \(identifier)."
        + (purge ? " Its files are removed." : " Its files stay where they are."),
      ["table": .string(identifier.description), "purged": .bool(purge)])
  }
}
