// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirStreaming
public import WeirTable

/// What somebody declared about a model: what it learns from, and what it predicts.
///
/// One version of a model is a retriever, a ranker and the embeddings that go with them; versions are
/// rows of a keyed stream, the registry, which has the model's name, and their vectors rows of another.
public struct ModelDefinition: Hashable, Sendable {
  /// The registry's table.
  public var table: TableIdentifier
  /// The table of examples.
  public var examples: TableIdentifier
  /// The labels any of which the retriever learns to foresee; the first of the ranker's when empty.
  public var retrieverLabels: [String] = []
  /// Elements of the vectors of users and items.
  public var vector = 32
  /// The labels that the ranker gives a probability of, in order; all of the examples' when empty.
  public var rankerLabels: [String] = []
  /// Elements of the embedding of a user or an item.
  public var embedding = 16
  /// The list feature of the user's side whose items are the history; none without.
  public var history: String?
  /// How many items of it count. Multiples of 16 are fast: see docs/models.md.
  public var historyLength = 48

  public init(table: TableIdentifier, examples: TableIdentifier) {
    self.table = table
    self.examples = examples
  }

  /// The table of the vectors.
  public var embeddings: TableIdentifier {
    TableIdentifier(table.namespace, table.name + "_embeddings")
  }

  /// The streams of all models: a registry and embeddings of each.
  public static func streams(
    _ models: [ModelDefinition]
  ) throws(StreamError) -> [StreamDefinition] {
    var result: [StreamDefinition] = []
    for model in models {
      result.append(try registryStream(model.table))
      result.append(try embeddingStream(model.embeddings))
    }
    return result
  }

  /// A row for each version. It is written when the version's embeddings are durable.
  static func registryStream(_ table: TableIdentifier) throws(StreamError) -> StreamDefinition {
    try stream(
      table, key: ["version"],
      [
        Field("version", .int64, nullable: false),
        Field("created_at", .timestamp(.microsecond, timeZone: "UTC")),
        Field("retriever_graph", .binary), Field("ranker_graph", .binary),
        Field("graph_version", .int64), Field("metadata", .utf8, nullable: false),
        Field("lineage", .utf8), Field("metrics", .utf8),
      ])
  }

  /// A row for each vector that a version changed. It holds until a greater version of the same role and
  /// id.
  static func embeddingStream(_ table: TableIdentifier) throws(StreamError) -> StreamDefinition {
    try stream(
      table, key: ["role", "id", "version"],
      [
        Field("role", .utf8, nullable: false), Field("id", .utf8, nullable: false),
        Field("version", .int64, nullable: false),
        Field("vector", .list(Field("element", .float32, nullable: false)), nullable: false),
      ])
  }

  private static func stream(
    _ table: TableIdentifier, key: [String], _ fields: [Field]
  ) throws(StreamError) -> StreamDefinition {
    do throws(TableError) {
      var result = StreamDefinition(
        table: table, columns: try TableSchema(arrow: Schema(fields)).arrowSchema())
      result.primaryKey = key
      return result
    } catch { throw StreamError(error) }
  }
}

/// What the vectors of a model belong to.
public enum EmbeddingRole: String, Hashable, Sendable, CaseIterable {
  /// Input of the graphs: the user.
  case user
  /// Input of the graphs: the item, and each item of the history.
  case item
  /// Output of the item's tower, compared with the retriever's `user_vector`.
  case itemVector = "item_vector"
}
