// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable
internal import Yams

/// Reads the declaration of one table of training examples.
struct ExampleReader {
  let table: TableIdentifier
  /// Where the table's name stands.
  let key: Mark?
  /// With streams, profiles and feature views.
  let project: Project
  let problems: ProblemList

  /// - Returns: `nil` when it was not understood, which was told then.
  func read(_ node: Node) -> ExampleDefinition? {
    let countBefore = problems.problems.count
    guard
      let section = Section(node, "the examples '\(table)'", keys: ProjectKeys.examples, problems),
      let view = view(section), let feedback = feedback(section)
    else { return nil }
    var definition = ExampleDefinition(
      table: table, features: view.name, feedback: feedback.table)
    if let text = section.text("requests") {
      definition.requests = ExampleReader.table(text, section["requests"]?.mark, problems)
    }
    definition.request = section.text("request")
    if let node = section["labels"] { definition.labels = labels(node, feedback) }
    if let node = section["negatives"],
      let part = Section(node, "'negatives'", keys: ProjectKeys.exampleNegatives, problems),
      let rate = part.number("rate")
    {
      definition.negativeRate = rate
    }
    if let node = section["history"] { definition.history = history(node, feedback) }
    if let shards = section.int("shards", in: 1...StreamDefinition.shardCountMax) {
      definition.shardCount = shards
    }
    definition.format = section.format()
    _ = section.text("doc")
    guard problems.problems.count == countBefore else { return nil }
    do throws(StreamError) {
      let view = try FeatureView(view, profiles: project.profiles, streams: project.streams)
      _ = try ExampleRunner.stream(definition, view: view, feedback: feedback)
      return definition
    } catch {
      problems.add(key, "the examples '\(table)': \(error.message)")
      return nil
    }
  }

  private static func table(
    _ text: String, _ mark: Mark?, _ problems: ProblemList
  ) -> TableIdentifier? {
    if let table = try? TableIdentifier(parsing: text), (try? table.check()) != nil { return table }
    problems.add(mark, "'\(text)' is no name of a table", "write namespace.table")
    return nil
  }

  private func view(_ section: Section) -> FeatureViewDefinition? {
    let views = project.featureViews
    return named(section, "features", views, views.map { "\($0.name)" }, "feature view")
  }

  private func feedback(_ section: Section) -> StreamDefinition? {
    let streams = project.streams
    return named(section, "feedback", streams, streams.map { "\($0.table)" }, "stream")
  }

  private func named<T>(
    _ section: Section, _ key: String, _ all: [T], _ names: [String], _ kind: String
  ) -> T? {
    guard let text = section.text(key) else {
      if section[key] == nil {
        problems.add(self.key, "the examples '\(table)' have no '\(key)'", "name a \(kind) there")
      }
      return nil
    }
    if let place = names.firstIndex(of: text) { return all[place] }
    let close = NameSuggestion.closest(to: text, names)
    problems.add(
      section[key]?.mark, "there is no \(kind) '\(text)'",
      close.map { "did you mean '\($0)'?" } ?? "declare it")
    return nil
  }

  private func labels(
    _ node: Node, _ feedback: StreamDefinition
  ) -> [ExampleDefinition.Label] {
    guard case .mapping(let mapping) = node else {
      problems.add(
        node.mark, "'labels' must be a mapping, is \(node.kind)",
        "write 'click: {where: kind = 'click', window: 30m}'")
      return []
    }
    var result: [ExampleDefinition.Label] = []
    for (key, value) in mapping where problems.countPart(key.mark) {
      guard let name = key.text, !name.isEmpty, !name.hasPrefix("_") else {
        problems.add(key.mark, "\(key.kind) cannot name a label")
        continue
      }
      guard
        let section = Section(
          value, "the label '\(name)'", keys: ProjectKeys.exampleLabel, problems)
      else { continue }
      for key in ["where", "window"] where section[key] == nil {
        problems.add(section.mark, "the label '\(name)' lacks '\(key)'", "add it")
      }
      guard let filter = predicate(section, feedback),
        let window = section.duration("window", in: 1...(ExampleDefinition.windowMax / 1_000))
      else { continue }
      result.append(ExampleDefinition.Label(name, filter: filter, window: window * 1_000))
    }
    return result
  }

  private func history(
    _ node: Node, _ feedback: StreamDefinition
  ) -> ExampleDefinition.History? {
    guard let section = Section(node, "'history'", keys: ProjectKeys.exampleHistory, problems)
    else { return nil }
    var result = ExampleDefinition.History(filter: predicate(section, feedback))
    if let negatives = section.int("negatives", in: 0...ExampleDefinition.negativesMax) {
      result.negatives = negatives
    }
    if let seed = section.int("seed", in: 0...Int.max) { result.seed = UInt64(seed) }
    return result
  }

  private func predicate(_ section: Section, _ stream: StreamDefinition) -> Predicate? {
    guard let text = section.text("where") else { return nil }
    do throws(ColumnarError) {
      return try BoundPredicate(parsing: text, schema: stream.columns).predicate
    } catch {
      problems.add(section["where"]?.mark, "'where': \(error.message)")
      return nil
    }
  }
}
