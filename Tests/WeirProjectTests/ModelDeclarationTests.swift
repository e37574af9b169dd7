// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirProject
internal import WeirRanker
internal import WeirStreaming

@Suite struct ModelDeclarationTests {
  private func text(_ models: String) -> String {
    """
    streams:
      shop.events:
        columns: {user_id: long, item_id: long, at: timestamptz, kind: string}
        event_time: at
    models:
    \(models.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))
    """
  }

  @Test func modelsAreReadAsWritten() throws {
    let project = try Project(
      parsing: text(
        """
        shop.model:
          examples: shop.examples
          retriever: {label: [click, like], dimension: 64}
          ranker: {labels: [click, like]}
          embedding: 8
          history: user_recent_item_id
          history_length: 20
        shop.small: {examples: shop.examples}
        """) + "\nonnxruntime: /opt/onnx\n", file: "weir.yaml")
    let model = try #require(project.models.first)
    #expect("\(model.table) \(model.embeddings)" == "shop.model shop.model_embeddings")
    #expect("\(model.examples)" == "shop.examples")
    #expect(model.retrieverLabels == ["click", "like"] && model.rankerLabels == ["click", "like"])
    #expect(model.vector == 64 && model.embedding == 8)
    #expect(model.history == "user_recent_item_id" && model.historyLength == 20)
    #expect(project.models.last?.vector == 32 && project.models.last?.embedding == 16)
    #expect(project.onnxRuntime == "/opt/onnx")
    let streams = try ModelDefinition.streams(project.models)
    #expect(
      streams.map { "\($0.table)" } == [
        "shop.model", "shop.model_embeddings", "shop.small", "shop.small_embeddings",
      ])
    #expect(streams[1].primaryKey == ["role", "id", "version"])
  }

  @Test func whatIsWrongIsSaidWhereItStands() {
    let error = #expect(throws: ProjectProblems.self) {
      try Project(
        parsing: text(
          """
          shop.a: {retriever: {label: like}}
          shop.b: {examples: shop.examples, embeding: 3}
          shop.c: {examples: shop.examples, embedding: 1}
          shop.d: {examples: shop.examples, retriever: {dimension: x}}
          shop.events: {examples: shop.examples}
          shop.e: [1]
          """), file: "weir.yaml")
    }
    #expect(
      error?.problems.map { "\($0.line): \($0.message)" } == [
        "6: the model 'shop.a' has no examples",
        "7: the model 'shop.b' has no key 'embeding'",
        "8: 'embedding' is 1",
        "9: 'dimension' must be a whole number, is 'x'",
        "10: 'shop.events' is a stream already",
        "11: the model 'shop.e' must be a mapping, is a list",
      ])
    #expect(error?.problems[1].remedy == "did you mean 'embedding'?")
  }
}
