// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirPipelines
internal import WeirProject
internal import WeirStreaming

struct ProfileCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "profile", abstract: "Show profiles: features of entities, made of events.",
    subcommands: [ValueCommand.self])

  struct ValueCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "value",
      abstract: "Print the profile of one entity, now or as it was known at a time.",
      discussion: """
        Prints a line of JSON; null without events. Now: the row of the profile's table, whose features \
        are as of the entity's latest event. With --at: what the profile held at that time, from the \
        events that were known then, with windows that end there. The project file says how features \
        are made.

        Examples:
          weir profile value shop.user_profile user_id=7
          weir profile value shop.user_profile user_id=7 --at 2026-01-31T12:00:00Z
        """)

    @Argument(help: "The profile's table: namespace.table.")
    var table: String

    @Argument(help: "The entity: column=value, for each of its columns.")
    var entity: [String]

    @Option(name: .long, help: "A time with its zone, such as 2026-01-31T12:00:00Z.")
    var at: String?

    @Option(
      name: .long, help: "The project file, or its folder.", completion: .file(extensions: ["yaml"])
    )
    var project = "weir.yaml"

    @OptionGroup var service: ServiceOptions

    func run() throws {
      let project = try ProjectFile(project).read()
      guard let profile = project.profiles.first(where: { "\($0.table)" == table }),
        let source = project.streams.first(where: { $0.table == profile.source })
      else {
        let names = project.profiles.map { "\($0.table)" }
        throw CommandFailure(
          "the project declares no profile '\(table)'",
          hint: NameSuggestion.closest(to: table, names).map { "Did you mean '\($0)'?" }
            ?? "It declares: \(names.isEmpty ? "none" : names.joined(separator: ", ")).")
      }
      let values = try values(profile, source)
      guard let at else { return try printNow(profile, values) }
      let events = try events(profile, source, values, at)
      let time = try Self.microseconds(at)
      guard events.rowCount > 0,
        let row = try ProfileHistory.profile(profile, source: source, events: events, at: time)
      else { return Terminal.writeLine("null") }
      Terminal.write(String(decoding: JSONLinesWriter().bytes(row), as: UTF8.self))
    }

    /// The entity's values, by column.
    private func values(
      _ profile: ProfileDefinition, _ source: StreamDefinition
    ) throws -> [(column: String, text: String)] {
      var given: [String: String] = [:]
      for part in entity {
        let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard sides.count == 2, given.updateValue(String(sides[1]), forKey: String(sides[0])) == nil
        else { throw ValidationError("'\(part)' is no column=value, or comes twice") }
      }
      let wanted = profile.entity
      guard Set(given.keys) == Set(wanted) else {
        throw ValidationError(
          "the entity of '\(table)' is \(wanted.map { "\($0)=…" }.joined(separator: " "))")
      }
      return wanted.map { ($0, given[$0] ?? "") }
    }

    private func isText(_ column: String, _ source: Schema) -> Bool {
      switch source[column]?.type {
      case .utf8, .largeUtf8: true
      default: false
      }
    }

    private func printNow(
      _ profile: ProfileDefinition, _ values: [(column: String, text: String)]
    ) throws {
      var key: JSONObject = [:]
      for (column, text) in values {
        key[column] = (try? JSONValue(parsing: text)) ?? .string(text)
      }
      let columns = profile.entity + profile.features.map(\.name) + ["latest_event_time"]
      let query: JSONObject = [
        "keys": [.object(key)], "columns": .array(columns.map { .string($0) }),
      ]
      let answer = try service.client().json(
        "POST", StreamClient.path(table, "/lookup"), body: JSONValue.object(query).bytes)
      for row in try answer.array("rows") { Terminal.writeLine(row.text) }
    }

    /// The entity's events that were known at a time.
    private func events(
      _ profile: ProfileDefinition, _ source: StreamDefinition,
      _ values: [(column: String, text: String)], _ at: String
    ) throws -> RecordBatch {
      var filter = values.map { column, text in
        let quoted = "'" + text.replacing("'", with: "''") + "'"
        return "\"\(column)\" = \(isText(column, source.columns) ? quoted : text)"
      }
      filter.append("\(StreamColumns.knownAt) <= '\(at)'")
      let columns = try ProfileHistory.columns(profile, source: source)
      let bytes = try service.client().send(
        "GET",
        StreamClient.path(
          "\(profile.source)", "/scan",
          query: [
            ("filter", filter.joined(separator: " AND ")),
            ("columns", columns.joined(separator: ",")),
          ]), headers: [("Accept", "application/vnd.apache.arrow.stream")])
      let reader = try ArrowStreamReader(Buffer(bytes))
      var batches: [RecordBatch] = []
      while let batch = try reader.next() { batches.append(batch) }
      return batches.isEmpty
        ? try RecordBatchBuilder(reader.schema).finish() : try RecordBatch.concatenate(batches)
    }

    private static func microseconds(_ text: String) throws -> Int64 {
      guard let (nanoseconds, isZoned) = LiteralText.timestamp(text), isZoned,
        let time = Int64(exactly: nanoseconds / 1_000)
      else {
        throw ValidationError(
          "--at '\(text)' is no time with its zone; write one like 2026-01-31T12:00:00Z")
      }
      return time
    }
  }
}
