// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable
internal import Yams

/// Reads the declaration of one table of profiles.
struct ProfileReader {
  let table: TableIdentifier
  /// Where the table's name stands.
  let key: Mark?
  let streams: [StreamDefinition]
  let problems: ProblemList

  /// - Returns: `nil` when it was not understood, which was told then.
  func read(_ node: Node) -> ProfileDefinition? {
    guard
      let section = Section(node, "the profile '\(table)'", keys: ProjectKeys.profile, problems),
      let source = source(section)
    else { return nil }
    var definition = ProfileDefinition(
      table: table, source: source.table, entity: section.names("entity").map(\.name))
    definition.filter = predicate(section, "where", source)
    if let shards = section.int("shards", in: 1...StreamDefinition.shardCountMax) {
      definition.shardCount = shards
    }
    definition.format = section.format()
    _ = section.text("doc")
    guard case .mapping(let features)? = section["features"] else {
      problems.add(
        section.mark(of: "features") ?? key, "the profile '\(table)' has no mapping of features",
        "add them under 'features': a name and a function each")
      return nil
    }
    let countBefore = problems.problems.count
    check(definition, section.mark(of: "entity") ?? key, source)
    let isSound = problems.problems.count == countBefore
    for (name, value) in features where problems.countPart(name.mark) {
      guard let text = name.text, !text.isEmpty else {
        problems.add(name.mark, "\(name.kind) cannot name a feature")
        continue
      }
      guard !text.hasPrefix("_") else {
        problems.add(name.mark, "'\(text)' begins like Weir's own columns", "choose another name")
        continue
      }
      guard let feature = feature(text, value, source) else { continue }
      definition.features.append(feature)
      var alone = definition
      alone.features = [feature]
      if isSound { check(alone, value.mark ?? name.mark, source) }
    }
    if problems.problems.count == countBefore { check(definition, key, source) }
    return problems.problems.count == countBefore ? definition : nil
  }

  private func source(_ section: Section) -> StreamDefinition? {
    guard let name = section.text("source") else {
      if section["source"] == nil {
        problems.add(key, "the profile '\(table)' has no source", "name a stream under 'source'")
      }
      return nil
    }
    if let stream = streams.first(where: { "\($0.table)" == name }) { return stream }
    let close = NameSuggestion.closest(to: name, streams.map { "\($0.table)" })
    problems.add(
      section["source"]?.mark, "there is no stream '\(name)'",
      close.map { "did you mean '\($0)'?" } ?? "declare it under 'streams'")
    return nil
  }

  /// Tells what the operator would say of the definition.
  private func check(_ definition: ProfileDefinition, _ mark: Mark?, _ source: StreamDefinition) {
    var definition = definition
    // What is wrong with features is told of each.
    if definition.features.isEmpty {
      definition.features = [ProfileFeature("any", .count)]
    }
    do throws(StreamError) {
      _ = try ProfileOperator.stream(definition, source: source)
    } catch {
      let column = error.column.map { " (column '\($0)')" } ?? ""
      problems.add(mark, "the profile '\(table)': \(error.message)\(column)")
    }
  }

  // MARK: Features

  private func feature(
    _ name: String, _ node: Node, _ source: StreamDefinition
  ) -> ProfileFeature? {
    if node.text == "count" { return ProfileFeature(name, .count) }
    guard
      let section = Section(node, "the feature '\(name)'", keys: ProjectKeys.feature, problems),
      let function = function(section, name, source)
    else { return nil }
    var feature = ProfileFeature(name, function)
    feature.filter = predicate(section, "where", source)
    feature.distinct = section.names("distinct").map(\.name)
    if let length = section.duration("window", in: 1_000...(3_660 * 86_400_000)) {
      let tile = section.duration("tile", in: 1_000...(3_660 * 86_400_000))
      feature.window = ProfileWindow(length: length * 1_000, tile: tile.map { $0 * 1_000 })
      if feature.window == nil {
        problems.add(
          section.mark(of: "tile") ?? section.mark(of: "window"),
          "the window of '\(name)' has no whole tile, or more than \(ProfileWindow.tileCountMax)",
          "choose another 'tile'")
      }
    } else if section["tile"] != nil, section["window"] == nil {
      problems.add(
        section.mark(of: "tile"), "'\(name)' has a tile and no window", "add 'window'")
    }
    return feature
  }

  private func function(
    _ section: Section, _ name: String, _ source: StreamDefinition
  ) -> ProfileFeature.Function? {
    guard let function = section.text("function") else {
      if section["function"] == nil {
        problems.add(
          section.mark, "the feature '\(name)' has no function",
          "write one of \(ProjectKeys.functions.joined(separator: ", "))")
      }
      return nil
    }
    switch function {
    case "count": return .count
    case "sum": return required(section, "column", name).map { .sum(column: $0) }
    case "mean": return required(section, "column", name).map { .mean(column: $0) }
    case "ratio":
      guard required(section, "of", name) != nil, required(section, "to", name) != nil,
        let of = predicate(section, "of", source), let to = predicate(section, "to", source)
      else { return nil }
      return .ratio(
        of: of, to: to, prior: section.number("prior") ?? 0, weight: section.number("weight") ?? 0)
    case "decayed_count":
      guard let halfLife = section.duration("half_life", in: 1...(3_660 * 86_400_000)) else {
        if section["half_life"] == nil { _ = required(section, "half_life", name) }
        return nil
      }
      return .decayedCount(halfLifeMicroseconds: halfLife * 1_000)
    case "last", "top_k":
      guard let count = section.int("count", in: 1...ProfileFeature.lastCountMax) else {
        if section["count"] == nil { _ = required(section, "count", name) }
        return nil
      }
      let columns = section.names("columns").map(\.name)
      if function == "last" { return .last(columns: columns, count: count) }
      return required(section, "by", name).map { .topK(columns: columns, by: $0, count: count) }
    case "first_time": return .firstTime
    case "last_time": return .lastTime
    default:
      let close = NameSuggestion.closest(to: function, ProjectKeys.functions)
      problems.add(
        section["function"]?.mark, "there is no function '\(function)' for features",
        close.map { "did you mean '\($0)'?" }
          ?? "write one of \(ProjectKeys.functions.joined(separator: ", "))")
      return nil
    }
  }

  private func required(_ section: Section, _ name: String, _ feature: String) -> String? {
    if let text = section.text(name) { return text }
    if section[name] == nil {
      problems.add(section.mark, "the feature '\(feature)' lacks '\(name)'", "add it")
    }
    return nil
  }

  private func predicate(
    _ section: Section, _ name: String, _ source: StreamDefinition
  ) -> Predicate? {
    guard let text = section.text(name) else { return nil }
    do throws(ColumnarError) {
      return try BoundPredicate(parsing: text, schema: source.columns).predicate
    } catch {
      problems.add(section[name]?.mark, "'\(name)': \(error.message)")
      return nil
    }
  }
}

extension Section {
  /// A number that is finite.
  func number(_ name: String) -> Double? {
    guard let node = self[name] else { return nil }
    if let value = node.text.flatMap(Double.init), value.isFinite { return value }
    tell(node.mark, "'\(name)' must be a number, is \(node.kind)")
    return nil
  }
}
