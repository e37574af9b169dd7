// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
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
    RowPrinter.line("Changed \(table.identifier).")
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

struct TableRollbackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rollback", abstract: "Make an older snapshot the current one.")

  @OptionGroup var table: TableSelection

  @Option(name: .customLong("to"), help: "A snapshot's id, a time, a branch or a tag.")
  var state: String

  func run() throws {
    let table = try table.open()
    guard
      let snapshot = try table.metadata.resolve(try SnapshotSelector(parsing: state)).snapshot
    else { throw CommandFailure("the table has no snapshots yet") }
    try table.transaction().rollback(to: snapshot.snapshotID).commit()
    RowPrinter.line("\(table.identifier) is at snapshot \(snapshot.snapshotID).")
  }
}

struct TableBranchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "branch", abstract: "Make or remove a branch.")

  @OptionGroup var table: TableSelection
  @Option(name: .customLong("name"), help: "The branch.")
  var branch: String
  @OptionGroup var state: StateSelection
  @Flag(name: .long, help: "Remove it.")
  var remove = false

  func run() throws {
    let table = try table.open()
    if remove {
      try table.transaction().removeReference(branch).commit()
    } else {
      let snapshot = try table.metadata.resolve(try state.selector()).snapshot
      try table.transaction().createBranch(branch, at: snapshot?.snapshotID).commit()
    }
    RowPrinter.line("\(remove ? "Removed" : "Made") the branch \(branch).")
  }
}

struct TableTagCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tag", abstract: "Make or remove a tag.")

  @OptionGroup var table: TableSelection
  @Option(name: .customLong("name"), help: "The tag.")
  var tag: String
  @OptionGroup var state: StateSelection
  @Flag(name: .long, help: "Remove it.")
  var remove = false

  func run() throws {
    let table = try table.open()
    if remove {
      try table.transaction().removeReference(tag).commit()
    } else {
      let snapshot = try table.metadata.resolve(try state.selector()).snapshot
      try table.transaction().createTag(tag, at: snapshot?.snapshotID).commit()
    }
    RowPrinter.line("\(remove ? "Removed" : "Made") the tag \(tag).")
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
    let lines = metadata.properties.map { "\($0) = \($1)" }
    RowPrinter.line(lines.isEmpty ? "There are no properties." : lines.joined(separator: "\n"))
  }
}

struct TableExpireCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "expire", abstract: "Remove old snapshots and the files that only they led to.",
    discussion: """
      How long and how many are kept is said by the table's properties history.expire.*: five days and \
      one snapshot when nothing is said.
      """)

  @OptionGroup var table: TableSelection

  func run() throws {
    let result = try table.open().expireSnapshots()
    RowPrinter.line(
      "Expired \(Numbers.counted(result.snapshotIDs.count, "snapshot", "snapshots")).")
  }
}

struct TableOrphansCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "orphans", abstract: "Remove files that killed writers left behind.")

  @OptionGroup var table: TableSelection
  @Flag(name: .long, help: "Only list them.")
  var dryRun = false

  func run() throws {
    var options = OrphanCleanup()
    options.isDryRun = dryRun
    let result = try table.open().removeOrphanFiles(options)
    for location in result.locations { RowPrinter.line(location) }
    RowPrinter.line(
      "\(dryRun ? "Found" : "Removed") "
        + Numbers.counted(result.locations.count, "file", "files") + ".")
  }
}

struct TableRenameCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rename", abstract: "Give a table another name; its files stay.")

  @OptionGroup var table: TableSelection
  @Option(name: .customLong("to"), help: "The new name, NAMESPACE.NAME.")
  var target: String

  func run() throws {
    let target = try TableIdentifier(parsing: target)
    try table.selection.open().catalog.renameTable(try table.identifier(), to: target)
    RowPrinter.line("It is called \(target) now.")
  }
}

struct TableDropCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drop", abstract: "Remove a table from the catalog.")

  @OptionGroup var table: TableSelection
  @Flag(name: .long, help: "Remove its files, too. There is no way back.")
  var purge = false

  func run() throws {
    try table.selection.open().catalog.dropTable(try table.identifier(), purge: purge)
    RowPrinter.line(
      "Dropped \(try table.identifier())." + (purge ? "" : " Its files stay where they are."))
  }
}
