// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// What a version of a model says of its inputs and outputs; the JSON in its registry row.
public struct ModelMetadata: Hashable, Sendable {
  /// Features of the user's side that `user_dense` holds, in order.
  public var userDense: [String] = []
  /// Features of the item's side that `item_dense` holds, in order.
  public var itemDense: [String] = []
  /// Elements of an embedding of a user or an item; 0 without embeddings.
  public var embedding = 0
  /// The list feature of the user's side with the items of `history_embedding`.
  public var history: String?
  /// How many items of it count, the first ones.
  public var historyLength = 0
  /// Elements of the vectors of users and items that are compared; 0 without a retriever.
  public var vector = 0
  /// Vectors of lower versions do not count: those of another training, in another space.
  public var embeddingsFrom: Int64 = 0
  /// What the ranker's scores predict, in order.
  public var tasks: [String] = []

  public static let dimensionMax = 4_096
  public static let featureCountMax = 4_096
  public static let historyLengthMax = 4_096
  public static let taskCountMax = 64

  public init() {}

  /// - Throws: `invalidMetadata`, with what is wrong.
  public init(parsing text: String) throws(RankerError) {
    do throws(JSONError) {
      self = try Self(json: JSONParser(limits: .init(byteCountMax: 1 << 20)).parse(text))
    } catch {
      throw RankerError(.invalidMetadata, "the model's metadata: \(error)")
    }
  }

  private init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    let format = try object.int("format")
    guard format == 1 else {
      throw JSONError(
        .unsupported, "this version of Weir does not know models of format \(format)",
        path: "format")
    }
    userDense = try Self.names(object, "user_dense", Self.featureCountMax)
    itemDense = try Self.names(object, "item_dense", Self.featureCountMax)
    tasks = try Self.names(object, "tasks", Self.taskCountMax)
    embedding = try Self.length(object, "embedding", Self.dimensionMax)
    historyLength = try Self.length(object, "history_length", Self.historyLengthMax)
    vector = try Self.length(object, "vector", Self.dimensionMax)
    history = try object.optionalString("history")
    if history == nil { historyLength = 0 }
    embeddingsFrom = try object.optionalInt64("embeddings_from") ?? 0
  }

  private static func names(
    _ object: JSONObject, _ name: String, _ countMax: Int
  ) throws(JSONError) -> [String] {
    let names = try object.optionalArray(name) { value throws(JSONError) in try value.asString() }
    guard let names else { return [] }
    guard names.count <= countMax, Set(names).count == names.count else {
      throw JSONError(
        .invalidValue, "there are more than \(countMax) names, or one twice", path: name)
    }
    return names
  }

  private static func length(
    _ object: JSONObject, _ name: String, _ most: Int
  ) throws(JSONError) -> Int {
    let value = try object.optionalInt(name) ?? 0
    guard (0...most).contains(value) else {
      throw JSONError(.invalidValue, "\(value) is not between 0 and \(most)", path: name)
    }
    return value
  }

  /// As the registry holds it.
  public var json: JSONValue {
    .object([
      ("format", 1), ("user_dense", .array(userDense.map { .string($0) })),
      ("item_dense", .array(itemDense.map { .string($0) })), ("embedding", .int(embedding)),
      ("history", .optional(history)), ("history_length", .int(historyLength)),
      ("vector", .int(vector)), ("embeddings_from", .int(embeddingsFrom)),
      ("tasks", .array(tasks.map { .string($0) })),
    ])
  }
}
