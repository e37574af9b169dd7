// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirRanker
internal import WeirStreaming
internal import WeirTable
internal import Yams

/// Reads the declaration of one model.
struct ModelReader {
  let table: TableIdentifier
  /// Where the model's name stands.
  let key: Mark?
  /// All that stands in the file before models.
  let project: Project
  let problems: ProblemList

  /// - Returns: `nil` when it was not understood, which was told then.
  func read(_ node: Node) -> ModelDefinition? {
    let countBefore = problems.problems.count
    guard let section = Section(node, "the model '\(table)'", keys: ProjectKeys.model, problems)
    else { return nil }
    guard let examples = examples(section) else { return nil }
    var definition = ModelDefinition(table: table, examples: examples)
    if let kind = project.kind(of: definition.embeddings) {
      problems.add(
        key, "'\(definition.embeddings)', where the model's vectors go, is \(kind) already",
        "choose another name for the model")
    }
    if let node = section["retriever"],
      let retriever = Section(node, "'retriever'", keys: ProjectKeys.retriever, problems)
    {
      definition.retrieverLabels = retriever.names("label").map(\.name)
      if let size = retriever.int("dimension", in: 2...ModelMetadata.dimensionMax) {
        definition.vector = size
      }
    }
    if let node = section["ranker"],
      let ranker = Section(node, "'ranker'", keys: ProjectKeys.ranker, problems)
    {
      let labels = ranker.names("labels")
      definition.rankerLabels = labels.map(\.name)
      if labels.count > ModelMetadata.taskCountMax {
        problems.add(
          ranker.mark(of: "labels"),
          "a ranker has at most \(ModelMetadata.taskCountMax) labels, not \(labels.count)")
      }
    }
    if let size = section.int("embedding", in: 2...ModelMetadata.dimensionMax) {
      definition.embedding = size
    }
    definition.history = section.text("history")
    if let length = section.int("history_length", in: 2...ModelMetadata.historyLengthMax) {
      definition.historyLength = length
    }
    _ = section.text("doc")
    return problems.problems.count == countBefore ? definition : nil
  }

  private func examples(_ section: Section) -> TableIdentifier? {
    guard let text = section.text("examples") else {
      if section["examples"] == nil {
        problems.add(
          key, "the model '\(table)' has no examples", "name a table of examples under 'examples'")
      }
      return nil
    }
    guard let examples = try? TableIdentifier(parsing: text) else {
      problems.add(section["examples"]?.mark, "'\(text)' is no name of a table")
      return nil
    }
    return examples
  }
}
