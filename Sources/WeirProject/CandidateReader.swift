// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirRanker
internal import WeirStreaming
internal import WeirTable
internal import Yams

/// Reads the declaration of one table of candidates.
struct CandidateReader {
  let table: TableIdentifier
  /// Where the table's name stands.
  let key: Mark?
  /// With streams and profiles.
  let project: Project
  let problems: ProblemList

  /// - Returns: `nil` when it was not understood, which was told then.
  func read(_ node: Node) -> CandidateDefinition? {
    guard
      let section = Section(
        node, "the candidates '\(table)'", keys: ProjectKeys.candidates, problems)
    else { return nil }
    let countBefore = problems.problems.count
    let (source, profile) = source(section)
    guard let source, let kind = kind(section) else { return nil }
    var definition = CandidateDefinition(table: table, source: source.table, kind: kind)
    definition.item = section.text("item")
    definition.by = section.names("by").map(\.name)
    definition.filter = predicate(section, source)
    if let count = section.int("count", in: 1...CandidateDefinition.countMax) {
      definition.count = count
    }
    if let interval = section.duration("interval", in: 1...(24 * 3_600_000)) {
      definition.intervalMilliseconds = interval
    }
    if let bytes = section.size("memory", in: 1 << 20...1 << 50) {
      definition.memoryBytesMax = Int(bytes)
    }
    if let shards = section.int("shards", in: 1...StreamDefinition.shardCountMax) {
      definition.shardCount = shards
    }
    _ = section.text("doc")
    tellOfOthers(section, kind)
    guard problems.problems.count == countBefore else { return nil }
    do throws(StreamError) {
      _ = try CandidateRunner.stream(definition, source: source, profile: profile)
      return definition
    } catch {
      problems.add(place(section, error) ?? key, "the candidates '\(table)': \(error.message)")
      return nil
    }
  }

  /// The followed table.
  private func source(_ section: Section) -> (StreamDefinition?, ProfileDefinition?) {
    let name = section["profile"] == nil ? "table" : "profile"
    guard section["profile"] == nil || section["table"] == nil else {
      problems.add(
        section.mark(of: "table"), "the candidates '\(table)' follow a profile and a table",
        "take one of them out")
      return (nil, nil)
    }
    guard let text = section.text(name) else {
      if section[name] == nil {
        problems.add(
          key, "the candidates '\(table)' follow nothing",
          "name a profile under 'profile', or a keyed stream under 'table'")
      }
      return (nil, nil)
    }
    let profiles = project.profiles
    if let profile = profiles.first(where: { "\($0.table)" == text }),
      let events = project.streams.first(where: { $0.table == profile.source })
    {
      return (try? ProfileOperator.stream(profile, source: events), profile)
    }
    if name == "table", let stream = project.streams.first(where: { "\($0.table)" == text }) {
      return (stream, nil)
    }
    let names = profiles.map { "\($0.table)" }
    let known = name == "table" ? project.streams.map { "\($0.table)" } + names : names
    let close = NameSuggestion.closest(to: text, known)
    problems.add(
      section[name]?.mark, "there is no \(name == "table" ? "stream" : "profile") '\(text)'",
      close.map { "did you mean '\($0)'?" }
        ?? "declare it under '\(name == "table" ? "streams" : "profiles")'")
    return (nil, nil)
  }

  private func kind(_ section: Section) -> CandidateDefinition.Kind? {
    guard let kind = section.text("kind") else {
      if section["kind"] == nil {
        problems.add(
          key, "the candidates '\(table)' have no kind",
          "write one of \(ProjectKeys.candidateKinds.joined(separator: ", "))")
      }
      return nil
    }
    switch kind {
    case "trending": return required(section, "feature").map { .trending(feature: $0) }
    case "fresh": return required(section, "time").map { .fresh(time: $0) }
    case "similar":
      guard let feature = required(section, "feature"), let column = required(section, "column")
      else { return nil }
      var items = SimilarItems(feature: feature, column: column)
      if let shrinkage = section.number("shrinkage") { items.shrinkage = shrinkage }
      if let depth = section.int("depth", in: 1...SimilarItems.depthMax) { items.depth = depth }
      if let least = section.int("min_entities", in: 1...Int(Int32.max)) {
        items.entityCountMin = least
      }
      return .similar(items)
    default:
      let close = NameSuggestion.closest(to: kind, ProjectKeys.candidateKinds)
      problems.add(
        section["kind"]?.mark, "there are no candidates of the kind '\(kind)'",
        close.map { "did you mean '\($0)'?" }
          ?? "write one of \(ProjectKeys.candidateKinds.joined(separator: ", "))")
      return nil
    }
  }

  private func required(_ section: Section, _ name: String) -> String? {
    if let text = section.text(name) { return text }
    if section[name] == nil {
      problems.add(section.mark, "the candidates '\(table)' lack '\(name)'", "add it")
    }
    return nil
  }

  /// Keys that belong to other kinds.
  private func tellOfOthers(_ section: Section, _ kind: CandidateDefinition.Kind) {
    let others: [String]
    switch kind {
    case .trending: others = ["column", "time", "shrinkage", "depth", "min_entities"]
    case .fresh: others = ["feature", "column", "shrinkage", "depth", "min_entities"]
    case .similar: others = ["time", "item", "by"]
    }
    for name in others where section[name] != nil {
      problems.add(
        section.mark(of: name), "candidates of this kind take no '\(name)'", "take it out")
    }
  }

  private func predicate(_ section: Section, _ source: StreamDefinition) -> Predicate? {
    guard let text = section.text("where") else { return nil }
    do throws(ColumnarError) {
      return try BoundPredicate(parsing: text, schema: source.columns).predicate
    } catch {
      problems.add(section["where"]?.mark, "'where': \(error.message)")
      return nil
    }
  }

  /// Where the column stands that an error names.
  private func place(_ section: Section, _ error: StreamError) -> Mark? {
    guard let column = error.column else { return section["shrinkage"]?.mark }
    for name in ["feature", "column", "time", "item"] where section[name]?.text == column {
      return section[name]?.mark
    }
    return section.names("by").first { $0.name == column }?.mark
  }
}

extension Project {
  /// What a table's name stands for, with its article; `nil` when it is free.
  func kind(of table: TableIdentifier) -> String? {
    if streams.contains(where: { $0.table == table }) { return "a stream" }
    if profiles.contains(where: { $0.table == table }) { return "a profile" }
    if candidates.contains(where: { $0.table == table }) { return "a table of candidates" }
    if models.contains(where: { $0.table == table }) { return "a model" }
    if models.contains(where: { $0.embeddings == table }) { return "a model's embeddings" }
    if examples.contains(where: { $0.table == table }) { return "a table of examples" }
    return nil
  }
}
