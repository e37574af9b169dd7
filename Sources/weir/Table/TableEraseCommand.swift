// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirConnect
internal import WeirProject
internal import WeirStreaming
internal import WeirTable

struct TableEraseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "erase",
    abstract: "Take rows out of every file of a table, and prove it.",
    discussion: """
      Rows go from the current files, also those that are deleted already, from snapshots that can still \
      be read, which expire at once, and from what manifests tell of them. Other rows stay as they are. \
      What was done is written to the folder 'erasures' in the table's location, without the values that \
      were erased. It may run beside writers, and be killed: run it again, and it goes on.

      The table of a stream of 'weir up' is erased by that service: --url names it. Then the stream's log, \
      its dead letters and its key index are erased, too.

      --marker names bytes that must not be anywhere afterwards: all files in the table's location are \
      looked through, as they are and unpacked. The command fails when something is left.

      Examples:
        weir table erase shop.orders --where "user_id = 7"
        weir table erase shop.orders --where "email = 'ann@example.org'" --marker ann@example.org
        weir table erase shop.events --where "user_id = 7" --url http://127.0.0.1:8181
      """)

  @OptionGroup var table: TableSelection
  @Option(
    name: .customLong("where"),
    help: ArgumentHelp("The rows for which this condition is true.", valueName: "condition"))
  var condition: String
  @Option(
    name: .customLong("marker"),
    help: ArgumentHelp(
      "Text that must not be in any file afterwards; may come several times.", valueName: "text"))
  var markers: [String] = []
  @Flag(
    name: .customLong("include-refs"),
    help: "Remove tags that lead to such rows, and rewrite other branches.")
  var includesReferences = false
  @Option(
    name: .long,
    help: ArgumentHelp("The age at which files without a snapshot go (3d).", valueName: "duration"))
  var orphans: String?
  @Option(
    name: .long,
    help: ArgumentHelp("For how long readers are waited for (30s).", valueName: "duration"))
  var wait: String?
  @Flag(
    name: .long,
    help: "With --url: also erase the service's other streams that have the same columns.")
  var cascade = false
  @Flag(
    name: .long,
    help: "Erase the table of a stream that no service runs; its log and its indexes stay.")
  var tableOnly = false
  @Flag(name: .long, help: "Only say what would be erased.")
  var dryRun = false
  @OptionGroup var service: ServiceOptions
  @OptionGroup var output: JSONSelection

  func validate() throws {
    if markers.contains("") { throw ValidationError("--marker is empty") }
    if cascade, service.url == nil {
      throw ValidationError("--cascade is about the streams of a service: name it by --url")
    }
  }

  private func options() throws -> ErasureOptions {
    var options = ErasureOptions()
    options.includesReferences = includesReferences
    options.isDryRun = dryRun
    options.markers = markers.map { Array($0.utf8) }
    if let wait { options.waitMilliseconds = try duration(wait, "--wait") }
    if let orphans { options.orphanAgeMilliseconds = try duration(orphans, "--orphans") }
    return options
  }

  private func duration(_ text: String, _ option: String) throws -> Int64 {
    guard let value = Quantity.milliseconds(text), value >= 0 else {
      throw CommandFailure(
        "\(option) '\(text)' is no duration", hint: "Write \(Quantity.durationForm).")
    }
    return value
  }

  func run() throws {
    let options = try options()
    let target = ErasureTarget(where: try Predicate(parsing: condition))
    if service.url != nil { return try runThroughService(options) }
    let table = try table.open()
    try checkOwner(table)
    let erasure = try TableErasure(table, target, options)
    try erasure.run()
    if !dryRun { try erasure.prove() }
    try Self.report(erasure.result, dryRun: dryRun, json: output.json)
  }

  /// A stream's log and indexes are its owner's.
  private func checkOwner(_ table: Table) throws {
    let metadata = table.metadata
    if metadata.hasStreamOwner(now: table.environment.nowMilliseconds) {
      throw CommandFailure(
        "\(table.identifier) is the table of a stream that a service runs",
        hint:
          "Name the service by --url, so that its log, its index and its memory are erased, too.")
    }
    if metadata.isOfStream, !tableOnly, !dryRun {
      throw CommandFailure(
        "\(table.identifier) is the table of a stream, whose log may hold such rows",
        hint: "Start 'weir up' and name it by --url; --table-only erases the table alone.")
    }
  }

  private func runThroughService(_ options: ErasureOptions) throws {
    let identifier = try table.identifier()
    let body: JSONValue = [
      "where": .string(condition), "markers": .array(markers.map { .string($0) }),
      "include_refs": .bool(includesReferences), "dry_run": .bool(dryRun),
      "cascade": .bool(cascade), "wait_ms": .int(options.waitMilliseconds),
      "orphan_age_ms": .int(options.orphanAgeMilliseconds),
    ]
    let answer = try service.client(isPatient: true).json(
      "POST", StreamClient.path("\(identifier)", "/erase"), body: body.bytes)
    if output.json {
      RowPrinter.json(.object(answer))
    } else {
      for proof in try answer.array("tables").map({ try $0.asObject() }) {
        RowPrinter.line(try Self.text(proof, dryRun: dryRun))
      }
      let others = try answer.array("same_columns").map { try $0.asString() }
      if !others.isEmpty {
        RowPrinter.line(
          "Streams with the same columns were left: \(others.joined(separator: ", ")) "
            + "(--cascade erases them, too).")
      }
    }
    guard try !answer.bool("complete"), !dryRun else { return }
    var left: [String] = []
    for proof in try answer.array("tables").map({ try $0.asObject() }) {
      let name = try proof.string("table")
      left += try proof.array("left").map { "\(name): \(try $0.asString())" }
      if let scan = try proof.optionalObject("scan") {
        left += try scan.array("places").map { "\(name): a marker is in \(try $0.asString())" }
      }
    }
    throw CommandFailure(
      "not all is erased: \(left.prefix(10).joined(separator: "; "))",
      hint: "Run it again when that is over.")
  }

  /// A proof in a line.
  private static func text(_ proof: JSONObject, dryRun: Bool) throws -> String {
    let rows = Int(try proof.int64("rows_erased"))
    let files = try proof.array("files_rewritten").count
    let snapshots = try proof.array("snapshots_expired").count
    return
      "\(TextWidth.printable(try proof.string("table"))): \(dryRun ? "would erase" : "erased") "
      + "\(Numbers.counted(rows, "row", "rows")) in \(Numbers.counted(files, "file", "files")); "
      + "\(Numbers.counted(snapshots, "snapshot", "snapshots")) "
      + (dryRun ? "would expire" : "expired")
  }

  /// Prints what was done; fails when something is left.
  static func report(_ result: TableErasureResult, dryRun: Bool, json: Bool) throws {
    if json {
      RowPrinter.json(result.json)
    } else {
      RowPrinter.line(
        "\(dryRun ? "Would erase" : "Erased") "
          + "\(Numbers.counted(result.erasedRowCount, "row", "rows")) in "
          + "\(Numbers.counted(result.rewrites.count, "file", "files")); "
          + "\(Numbers.counted(result.expiredSnapshotIDs.count, "snapshot", "snapshots")) "
          + (dryRun ? "would expire." : "expired."))
      if !dryRun {
        let manifests = result.removedManifests + result.removedManifestLists
        RowPrinter.line(
          "Removed \(Numbers.counted(result.removedDataFiles, "data file", "data files")), "
            + "\(Numbers.counted(manifests, "manifest", "manifests")).")
      }
      if let scan = result.scan {
        RowPrinter.line(
          "Looked through \(Numbers.counted(scan.fileCount, "file", "files")) "
            + "(\(Numbers.bytes(scan.byteCount)), \(Numbers.bytes(scan.unpackedByteCount)) unpacked): "
            + "\(Numbers.counted(scan.foundCount, "marker", "markers")).")
      }
      if let location = result.location {
        RowPrinter.line("The proof is \(TextWidth.printable(location)).")
      }
    }
    guard !result.isComplete, !dryRun else { return }
    var left = result.left
    if let scan = result.scan, scan.foundCount > 0 {
      left.append("markers are in \(scan.places.prefix(3).joined(separator: ", "))")
    }
    throw CommandFailure(
      "not all is erased: \(left.joined(separator: "; "))", hint: "Run it again when that is over.")
  }
}
