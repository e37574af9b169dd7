// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirTable

struct TableRollbackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rollback", abstract: "Make an older snapshot the current one.",
    discussion: "The snapshots behind it stay in the history until they expire.")

  @OptionGroup var table: TableSelection

  @Option(name: .customLong("to"), help: "A snapshot's id, a time, a branch or a tag.")
  var state: String

  @OptionGroup var output: JSONSelection

  func run() throws {
    let table = try table.open()
    guard
      let snapshot = try table.metadata.resolve(try SnapshotSelector(parsing: state)).snapshot
    else { throw CommandFailure("\(table.identifier) has no snapshots yet") }
    try table.transaction().rollback(to: snapshot.snapshotID).commit()
    output.print(
      "\(table.identifier) is at snapshot \(snapshot.snapshotID), of "
        + "\(TableText.time(snapshot.timestampMilliseconds)) UTC.",
      ["table": .string(table.identifier.description), "snapshot_id": .int(snapshot.snapshotID)])
  }
}

/// `branch` and `tag`, which differ in what they make.
protocol ReferenceCommand: ParsableCommand {
  static var kind: SnapshotReference.Kind { get }
  var table: TableSelection { get }
  var name: String? { get }
  var state: StateSelection { get }
  var remove: Bool { get }
  var output: JSONSelection { get }
}

extension ReferenceCommand {
  func validate() throws {
    if name == nil, remove || state.at != nil {
      throw ValidationError(
        "say which \(Self.kind.rawValue): weir table \(Self.kind.rawValue) TABLE NAME")
    }
    if remove, state.at != nil { throw ValidationError("--remove and --at do not go together") }
  }

  func run() throws {
    let table = try table.open()
    guard let name else { return list(table) }
    var snapshotID = table.metadata.references[name]?.snapshotID
    if remove {
      try check(name, table.metadata)
      try table.transaction().removeReference(name).commit()
    } else {
      snapshotID = try table.metadata.resolve(try state.selector()).snapshot?.snapshotID
      let transaction = table.transaction()
      if Self.kind == .branch {
        try transaction.createBranch(name, at: snapshotID).commit()
      } else {
        try transaction.createTag(name, at: snapshotID).commit()
      }
    }
    let place = remove ? "" : snapshotID.map { " at snapshot \($0)" } ?? ""
    output.print(
      "\(remove ? "Removed" : "Made") the \(Self.kind.rawValue) \(name)\(place).",
      [
        "name": .string(name), "type": .string(Self.kind.rawValue.uppercased()),
        "snapshot_id": .optional(snapshotID), "removed": .bool(remove),
      ])
  }

  private func check(_ name: String, _ metadata: TableMetadata) throws {
    let names = metadata.references.filter { $0.value.kind == Self.kind }.keys.sorted()
    guard !names.contains(name) else { return }
    let close = NameSuggestion.closest(to: name, names).map { "; did you mean \($0)?" } ?? ""
    throw CommandFailure(
      "there is no \(Self.kind.rawValue) '\(TextWidth.printable(name))'\(close)",
      hint: "'weir table refs \(table.name)' shows them.")
  }

  private func list(_ table: Table) {
    let references = table.metadata.references.filter { $0.value.kind == Self.kind }
      .sorted { $0.key < $1.key }
    if output.json {
      return RowPrinter.json(
        .array(
          references.map {
            ["name": .string($0.key), "snapshot_id": .int($0.value.snapshotID)]
          }))
    }
    var text = TextTable([.left("name"), .right("snapshot")])
    for (name, reference) in references { text.add([name, String(reference.snapshotID)]) }
    TableText.print(
      text, ifEmpty: Self.kind == .tag ? "There are no tags." : "There are no branches yet.")
  }
}

struct TableBranchCommand: ReferenceCommand {
  static let configuration = CommandConfiguration(
    commandName: "branch", abstract: "List branches, make one or remove one.")
  static let kind = SnapshotReference.Kind.branch

  @OptionGroup var table: TableSelection
  @Argument(help: "The branch; all are listed when it is left out.")
  var name: String?
  @OptionGroup var state: StateSelection
  @Flag(name: .long, help: "Remove it.")
  var remove = false
  @OptionGroup var output: JSONSelection
}

struct TableTagCommand: ReferenceCommand {
  static let configuration = CommandConfiguration(
    commandName: "tag", abstract: "List tags, make one or remove one.")
  static let kind = SnapshotReference.Kind.tag

  @OptionGroup var table: TableSelection
  @Argument(help: "The tag; all are listed when it is left out.")
  var name: String?
  @OptionGroup var state: StateSelection
  @Flag(name: .long, help: "Remove it.")
  var remove = false
  @OptionGroup var output: JSONSelection
}
