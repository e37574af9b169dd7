// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirTable

struct TableLayoutCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "layout",
    abstract: "Show or set the order in which columns lie in a table's Weir files.",
    discussion: """
      Columns that are read together should lie together: fewer and longer reads then bring them. New files \
      and compactions follow the order. It can be learnt: processes with the environment variable WEIR_READS \
      note in that folder which columns their scans read, a few lines for each kind of scan.

      Examples:
        weir table layout shop.samples
        WEIR_READS=reads python train.py && weir table layout shop.samples --learn --reads reads
        weir table layout shop.samples --columns user_id,item_id,label
        weir table layout shop.samples --clear
      """)

  @OptionGroup var table: TableSelection
  @Flag(help: "Make the order from the reads that were noted.")
  var learn = false
  @Option(
    name: .long,
    help: ArgumentHelp("The folder of noted reads; WEIR_READS without it.", valueName: "folder"),
    completion: .directory)
  var reads: String?
  @Option(
    name: .long,
    help: ArgumentHelp("Columns that come first, in this order.", valueName: "names"))
  var columns: String?
  @Flag(help: "Columns lie as in the schema again.")
  var clear = false
  @Flag(help: "Show the order (what is done without another flag).")
  var show = false

  func validate() throws {
    guard [learn, columns != nil, clear].filter({ $0 }).count <= 1 else {
      throw ValidationError("give one of --learn, --columns and --clear")
    }
    if reads != nil, !learn { throw ValidationError("--reads goes with --learn") }
  }

  func run() throws {
    let table = try table.open()
    if learn {
      try set(learnt(table), table)
    } else if let columns {
      try set(named(columns, table), table)
    } else if clear {
      let transaction = table.transaction()
      transaction.removeProperties([ColumnLayout.property])
      try transaction.commit()
    }
    write(table)
  }

  private func set(_ layout: ColumnLayout, _ table: Table) throws {
    let transaction = table.transaction()
    transaction.setProperties([ColumnLayout.property: layout.text])
    try transaction.commit()
  }

  private func learnt(_ table: Table) throws -> ColumnLayout {
    guard let log = reads.map({ ReadLog(folder: $0) }) ?? ReadLog.shared else {
      throw ValidationError(
        "--learn needs --reads, or the environment variable \(ReadLog.variable): the folder in which scans "
          + "noted what they read")
    }
    let reads = table.metadata.uuid.map(log.reads) ?? []
    guard !reads.isEmpty else {
      throw ValidationError(
        "no scan of some columns of \(table.identifier) was noted; run what reads the table with "
          + "\(ReadLog.variable)=FOLDER first")
    }
    return ColumnLayout(learning: reads)
  }

  private func named(_ text: String, _ table: Table) throws -> ColumnLayout {
    var ids: [Int32] = []
    for name in text.split(separator: ",").map(\.trimmed) {
      guard let field = table.schema.fields.first(where: { $0.name == name }) else {
        throw ValidationError("--columns has '\(name)'; the table has no such column")
      }
      if !ids.contains(field.id) { ids.append(field.id) }
    }
    return ColumnLayout(ids)
  }

  private func write(_ table: Table) {
    let layout = table.metadata.properties[ColumnLayout.property].flatMap { ColumnLayout($0) }
    let fields = table.schema.fields
    let names = (layout?.fieldIDs ?? []).compactMap { id in fields.first { $0.id == id }?.name }
    if names.isEmpty {
      Terminal.writeLine("\(table.identifier): columns lie as in the schema")
      return
    }
    let rest = fields.count - names.count
    Terminal.writeLine(
      "\(table.identifier): \(Numbers.counted(names.count, "column", "columns")) first, "
        + "then the other \(Numbers.grouped(rest)) as in the schema")
    for name in names { Terminal.writeLine("  \(TextWidth.printable(name))") }
  }
}
