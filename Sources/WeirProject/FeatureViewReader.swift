// SPDX-License-Identifier: Apache-2.0

internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable
internal import Yams

/// Reads the declaration of one feature view.
struct FeatureViewReader {
  let name: TableIdentifier
  /// Where the view's name stands.
  let key: Mark?
  let streams: [StreamDefinition]
  let profiles: [ProfileDefinition]
  let problems: ProblemList

  /// - Returns: `nil` when it was not understood, which was told then.
  func read(_ node: Node) -> FeatureViewDefinition? {
    guard case .mapping(let mapping) = node else {
      problems.add(
        node.mark, "the feature view '\(name)' must be a mapping, is \(node.kind)",
        "write its entries: 'user: {table: …, key: …}', 'item: {table: …, key: …}'")
      return nil
    }
    var definition = FeatureViewDefinition(name: name)
    let countBefore = problems.problems.count
    for (key, value) in mapping where problems.countPart(key.mark) {
      guard let text = key.text, !text.isEmpty, !text.hasPrefix("_") else {
        problems.add(key.mark, "\(key.kind) cannot name an entry", "write a name such as 'user'")
        continue
      }
      if let entry = entry(text, value) { definition.entries.append(entry) }
    }
    guard problems.problems.count == countBefore else { return nil }
    do throws(StreamError) {
      _ = try FeatureView(definition, profiles: profiles, streams: streams)
      return definition
    } catch {
      problems.add(key, "the feature view '\(name)': \(error.message)")
      return nil
    }
  }

  private func entry(_ name: String, _ node: Node) -> FeatureViewDefinition.Entry? {
    guard
      let section = Section(node, "the entry '\(name)'", keys: ProjectKeys.featureEntry, problems)
    else { return nil }
    guard let text = section.text("table") else {
      if section["table"] == nil {
        problems.add(section.mark, "the entry '\(name)' has no table", "add 'table'")
      }
      return nil
    }
    guard let table = try? TableIdentifier(parsing: text) else {
      problems.add(section["table"]?.mark, "'\(text)' is no name of a table")
      return nil
    }
    guard let key = section.text("key") else {
      if section["key"] == nil {
        problems.add(section.mark, "the entry '\(name)' has no key", "add 'key': the table's key")
      }
      return nil
    }
    var entry = FeatureViewDefinition.Entry(name, table: table, key: key)
    if section["columns"] != nil { entry.columns = section.names("columns").map(\.name) }
    if let text = section.text("side") {
      guard let side = FeatureViewDefinition.Side(rawValue: text) else {
        problems.add(section["side"]?.mark, "'side' is '\(text)'", "write user or item")
        return nil
      }
      entry.side = side
    }
    do throws(StreamError) {
      try FeatureView.check(entry, profiles: profiles, streams: streams)
      return entry
    } catch {
      problems.add(node.mark, error.message)
      return nil
    }
  }
}
