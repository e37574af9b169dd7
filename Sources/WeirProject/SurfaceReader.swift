// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirRanker
internal import WeirServing
internal import WeirStreaming
internal import WeirTable
internal import Yams

/// Reads the declaration of one surface.
struct SurfaceReader {
  let name: String
  /// Where the surface's name stands.
  let key: Mark?
  let views: [FeatureView]
  /// All streams, also those that are made for profiles and candidates.
  let streams: [StreamDefinition]
  let models: [TableIdentifier]
  /// The logs of the surfaces before.
  let logs: [StreamDefinition]
  let problems: ProblemList

  /// - Returns: `nil` when it was not understood, which was told then.
  func read(_ node: Node) -> SurfaceDefinition? {
    let countBefore = problems.problems.count
    guard
      let section = Section(node, "the surface '\(name)'", keys: ProjectKeys.surface, problems)
    else { return nil }
    guard let features = table(section, "features") else {
      if section["features"] == nil {
        problems.add(
          key, "the surface '\(name)' has no features", "name a feature view under 'features'")
      }
      return nil
    }
    var definition = SurfaceDefinition(name: name, features: features)
    definition.events = table(section, "events")
    definition.log = table(section, "log")
    _ = section.text("doc")
    readSources(section, &definition)
    readFilter(section, &definition)
    readScore(section, &definition)
    readRerank(section, &definition)
    readBudget(section, &definition)
    guard problems.problems.count == countBefore else { return nil }
    check(definition, section)
    return problems.problems.count == countBefore ? definition : nil
  }

  /// Tells what the surface itself would say.
  private func check(_ definition: SurfaceDefinition, _ section: Section) {
    do throws(SurfaceShape.Misfit) {
      let shape = try SurfaceShape(
        definition, views: views, streams: streams, models: models)
      guard let log = definition.log else { return }
      if streams.contains(where: { $0.table == log }) {
        problems.add(
          section["log"]?.mark, "'\(log)' is a stream already", "choose another name for the log")
      } else if let other = logs.first(where: { $0.table == log }),
        let mine = try? shape.logStream(), mine != other
      {
        problems.add(
          section["log"]?.mark, "'\(log)' is the log of a surface with other features",
          "give '\(name)' a log of its own")
      }
    } catch {
      problems.add(
        mark(error.part, section) ?? key, "the surface '\(name)': \(error.error.message)")
    }
  }

  private func mark(_ part: SurfaceShape.Part, _ section: Section) -> Mark? {
    switch part {
    case .features: return section["features"]?.mark
    case .events: return section["events"]?.mark
    case .seen, .filter: return section["filter"]?.mark
    case .score: return section["score"]?.mark
    case .rerank: return section["rerank"]?.mark
    case .log: return section["log"]?.mark
    case .source(let name):
      guard case .mapping(let sources)? = section["sources"] else { return nil }
      return sources.first { $0.key.text == name }?.value.mark
    }
  }

  private func table(_ section: Section, _ name: String) -> TableIdentifier? {
    guard let text = section.text(name) else { return nil }
    guard let table = try? TableIdentifier(parsing: text), (try? table.check()) != nil else {
      problems.add(
        section[name]?.mark, "'\(text)' is no name of a table",
        "write namespace.table, such as shop.\(text)")
      return nil
    }
    return table
  }

  // MARK: Sources

  private func readSources(_ section: Section, _ definition: inout SurfaceDefinition) {
    guard let node = section["sources"] else {
      problems.add(key, "the surface '\(name)' has no sources", "add them under 'sources'")
      return
    }
    guard case .mapping(let mapping) = node, !mapping.isEmpty else {
      problems.add(
        node.mark, "'sources' must be a mapping, is \(node.kind)",
        "write a name for each: 'trending: {from: shop.trending, count: 100}'")
      return
    }
    guard mapping.count <= SurfaceDefinition.sourceCountMax else {
      problems.add(
        node.mark, "\(mapping.count) sources; a surface has \(SurfaceDefinition.sourceCountMax)")
      return
    }
    for (key, value) in mapping where problems.countPart(key.mark) {
      guard let text = key.text, !text.isEmpty else {
        problems.add(key.mark, "\(key.kind) cannot name a source")
        continue
      }
      if let source = source(text, value) { definition.sources.append(source) }
    }
  }

  private func source(_ name: String, _ node: Node) -> SurfaceSource? {
    guard
      let section = Section(
        node, "the source '\(name)'", keys: ProjectKeys.surfaceSource, problems)
    else { return nil }
    var source: SurfaceSource
    switch (section["from"], section["model"]) {
    case (_?, nil):
      guard let table = table(section, "from") else { return nil }
      source = SurfaceSource(name, .table(table))
    case (nil, _?):
      guard let model = table(section, "model") else { return nil }
      source = SurfaceSource(name, .model(model))
    default:
      problems.add(
        section.mark, "the source '\(name)' needs either 'from' or 'model'",
        "name a table of candidates under 'from', or a model under 'model'")
      return nil
    }
    source.seeds = section.text("seeds")
    source.segment = section.text("segment")
    if let decay = section.number("decay", in: 0...1) { source.decay = decay }
    if let count = section.int("seed_count", in: 1...SurfaceSource.seedCountMax) {
      source.seedCount = count
    }
    if let count = section.int("count", in: 1...SurfaceSource.countMax) { source.count = count }
    if let weight = section.number("weight", in: 0...1e9) { source.weight = weight }
    return source
  }

  // MARK: Stages

  private func readFilter(_ section: Section, _ definition: inout SurfaceDefinition) {
    guard let node = section["filter"],
      let filter = Section(node, "'filter'", keys: ProjectKeys.surfaceFilter, problems)
    else { return }
    definition.seen = filter.names("seen").map(\.name)
    guard let text = filter.text("where") else { return }
    do throws(ColumnarError) {
      definition.filter = try Predicate(parsing: text)
    } catch { problems.add(filter["where"]?.mark, "'where': \(error.message)") }
  }

  private func readScore(_ section: Section, _ definition: inout SurfaceDefinition) {
    guard let node = section["score"],
      let score = Section(node, "'score'", keys: ProjectKeys.surfaceScore, problems)
    else { return }
    definition.score.model = table(score, "model")
    if let count = score.int("count", in: 1...SurfaceScore.countMax) {
      definition.score.count = count
    }
    guard let value = score["value"] else { return }
    guard case .mapping(let weights) = value else {
      problems.add(
        value.mark, "'value' must be a mapping, is \(value.kind)",
        "write what each task counts: {click: 1, like: 5}")
      return
    }
    for (key, weight) in weights where problems.countPart(key.mark) {
      guard let task = key.text, let number = weight.text.flatMap(Double.init), number.isFinite
      else {
        problems.add(weight.mark, "what a task counts must be a number, is \(weight.kind)")
        continue
      }
      definition.score.values.append(.init(task, number))
    }
    if definition.score.model == nil {
      problems.add(score.mark(of: "value"), "'value' needs a model", "name it under 'model'")
    }
  }

  private func readRerank(_ section: Section, _ definition: inout SurfaceDefinition) {
    guard let node = section["rerank"],
      let rerank = Section(node, "'rerank'", keys: ProjectKeys.surfaceRerank, problems)
    else { return }
    if let count = rerank.int("count", in: 1...SurfaceRerank.countMax) {
      definition.rerank.count = count
    }
    if let explore = rerank.number("explore", in: 0...1) { definition.rerank.explore = explore }
    guard let caps = rerank["max_per"] else { return }
    let nodes: [Node]
    if case .sequence(let items) = caps { nodes = Array(items) } else { nodes = [caps] }
    for node in nodes {
      guard
        let cap = Section(node, "'max_per'", keys: ProjectKeys.surfaceCap, problems)
      else { continue }
      guard let feature = cap.text("feature"),
        let count = cap.int("count", in: 1...SurfaceRerank.countMax)
      else {
        if cap["feature"] == nil || cap["count"] == nil {
          problems.add(cap.mark, "'max_per' needs 'feature' and 'count'")
        }
        continue
      }
      definition.rerank.caps.append(.init(feature, count))
    }
  }

  private func readBudget(_ section: Section, _ definition: inout SurfaceDefinition) {
    guard let node = section["budget"],
      let budget = Section(node, "'budget'", keys: ProjectKeys.surfaceBudget, problems)
    else { return }
    let range: ClosedRange<Int64> = 0...60_000
    if let time = budget.duration("fresh", in: range) { definition.budget.fresh = time }
    if let time = budget.duration("retrieve", in: range) { definition.budget.retrieve = time }
    if let time = budget.duration("hydrate", in: range) { definition.budget.hydrate = time }
    if let time = budget.duration("score", in: range) { definition.budget.score = time }
    if let time = budget.duration("log", in: range) { definition.budget.log = time }
  }
}

extension ProjectReader {
  static func readSurfaces(
    _ node: Node, into project: inout Project, _ problems: ProblemList
  ) {
    guard case .mapping(let mapping) = node else {
      problems.add(
        node.mark, "'surfaces' must be a mapping, is \(node.kind)",
        "write the name of each surface as a key")
      return
    }
    // Surfaces are checked against the rest: where that is wrong, its own messages say more.
    guard problems.problems.isEmpty, let views = try? project.views(),
      let made = try? project.streamsOfPipelines()
    else { return }
    var logs: [StreamDefinition] = []
    for (key, value) in mapping where problems.countPart(key.mark) {
      guard let name = key.text, !name.isEmpty, name.utf8.count <= 128 else {
        problems.add(key.mark, "\(key.kind) cannot name a surface", "write a short name: home")
        continue
      }
      let streams = project.streams + made
      let reader = SurfaceReader(
        name: name, key: key.mark, views: views, streams: streams,
        models: project.models.map(\.table), logs: logs, problems: problems)
      guard let definition = reader.read(value) else { continue }
      project.surfaces.append(definition)
      if let shape = try? SurfaceShape(
        definition, views: views, streams: streams, models: project.models.map(\.table)),
        let log = try? shape.logStream()
      {
        logs.append(log)
      }
    }
  }
}

extension Section {
  /// A number within a range.
  func number(_ name: String, in range: ClosedRange<Double>) -> Double? {
    guard let value = number(name) else { return nil }
    guard range.contains(value) else {
      tell(
        self[name]?.mark,
        "'\(name)' is \(value) and must be between \(range.lowerBound) and \(range.upperBound)")
      return nil
    }
    return value
  }
}
