// SPDX-License-Identifier: Apache-2.0

public import WeirVector

/// One version of a model, ready to serve: its graphs, its embeddings, the vectors of its items. It does
/// not change, so that everything of one request is of one version. Threads may share it.
public final class ModelBundle: Sendable {
  public let version: Int64
  /// Microseconds since 1970 at which it was made; `nil` when it does not say.
  public let createdAt: Int64?
  public let metadata: ModelMetadata
  /// JSON: what it was made of, and how good it was; as written.
  public let lineage: String?
  public let metrics: String?
  /// The version whose row holds the graphs.
  public let graphVersion: Int64
  let graphs: ModelGraphs
  private let embeddings: ModelEmbeddings
  /// Items that the ranker scores in one run: always so many, what is missing are rows of zeros. An
  /// item's scores then cannot depend on which others are scored. 1 for a graph whose rows do.
  public let itemsPerRun: Int

  /// Most of a run is what each node of the graph costs, whatever the rows.
  static let itemsPerRun = 256

  init(
    _ row: RegistryRow, graphs: ModelGraphs, embeddings: ModelEmbeddings,
    itemsPerRun: Int = ModelBundle.itemsPerRun
  ) {
    version = row.version
    createdAt = row.createdAt
    metadata = row.metadata
    lineage = row.lineage
    metrics = row.metrics
    graphVersion = row.graphVersion
    self.graphs = graphs
    self.embeddings = embeddings
    self.itemsPerRun = itemsPerRun
  }

  /// The same with another number of items in a run.
  init(_ bundle: ModelBundle, itemsPerRun: Int) {
    version = bundle.version
    createdAt = bundle.createdAt
    metadata = bundle.metadata
    lineage = bundle.lineage
    metrics = bundle.metrics
    graphVersion = bundle.graphVersion
    graphs = bundle.graphs
    embeddings = bundle.embeddings
    self.itemsPerRun = itemsPerRun
  }

  /// Whether `userVector` and `search` give something.
  public var hasRetriever: Bool { graphs.retriever != nil }
  /// Whether `scores` gives something.
  public var hasRanker: Bool { graphs.ranker != nil }
  /// What `scores` predicts, in order.
  public var tasks: [String] { metadata.tasks }
  /// Items that `search` finds.
  public var itemCount: Int { embeddings.index?.count ?? 0 }
  /// Vectors of all roles.
  public var vectorCount: Int { embeddings.count }

  /// The vector of a user, for `search`.
  ///
  /// - Parameters:
  ///   - userDense: values of `metadata.userDense`, in order; NaN for null.
  ///   - user: whose embedding it is; zeros when there is none.
  ///   - history: the items of `metadata.history`, in its order; those behind `metadata.historyLength` do
  ///     not count. A place with a key has mask 1, known or not; one without has 0.
  /// - Throws: `notFound` for a model without retriever; `invalidArgument` for values of another number;
  ///   `notFinite` when the graph gives no numbers.
  /// - Cost: a run of the graph on one row.
  public func userVector(
    userDense: [Float], user: VectorKey?, history: [VectorKey?]
  ) throws(RankerError) -> [Float] {
    guard let retriever = graphs.retriever else {
      throw RankerError(.notFound, "version \(version) of the model has no retriever")
    }
    let inputs = try userInputs(retriever, userDense, user, history, rows: 1)
    let vector = try retriever.run(
      inputs, output: ModelGraphs.userVector, dimensions: [1, metadata.vector])
    guard vector.allSatisfy(\.isFinite) else {
      throw RankerError(.notFinite, "version \(version): the user's vector is not finite")
    }
    return vector
  }

  /// The items whose vectors have the greatest dot product with a user's vector, the best first; among
  /// equals the least item. Empty when the version has no vectors of items.
  ///
  /// - Parameter isAllowed: asked of items that would be among the best; see `VectorIndex.search`.
  /// - Throws: `invalidEmbedding` when the vector has another length.
  public func search(
    _ vector: [Float], count: Int, where isAllowed: ((VectorKey) -> Bool)? = nil
  ) throws(RankerError) -> [VectorHit] {
    guard let index = embeddings.index else { return [] }
    do throws(VectorError) {
      return try index.search(vector, count: count, where: isAllowed)
    } catch { throw RankerError(error) }
  }

  /// The vector of an item, as `search` compares it: for items that are like it.
  public func itemVector(_ item: VectorKey) -> [Float]? { embeddings.itemVectors?[item] }

  /// The probability of each task for each item.
  ///
  /// An item's scores depend on the user's values and its own alone, bit for bit: not on the other items,
  /// nor on their order.
  ///
  /// - Parameters:
  ///   - userDense, user, history: as for `userVector`.
  ///   - items: whose embeddings they are; zeros where there is none.
  ///   - itemDense: for each item the values of `metadata.itemDense`, one item behind the other; NaN for
  ///     null.
  /// - Returns: for each item the scores of `tasks`, one item behind the other.
  /// - Throws: `notFound` for a model without ranker; `invalidArgument`; `notFinite`.
  /// - Cost: a run of the graph for each `itemsPerRun` items.
  public func scores(
    userDense: [Float], user: VectorKey?, history: [VectorKey?], items: [VectorKey],
    itemDense: [Float]
  ) throws(RankerError) -> [Float] {
    guard let ranker = graphs.ranker else {
      throw RankerError(.notFound, "version \(version) of the model has no ranker")
    }
    let width = metadata.itemDense.count
    guard itemDense.count == items.count * width else {
      throw RankerError(
        .invalidArgument,
        "\(items.count) items have \(items.count * width) values of features, not \(itemDense.count)"
      )
    }
    guard !items.isEmpty else { return [] }
    let names = Set(ranker.inputs.map(\.name))
    let user = try userInputs(ranker, userDense, user, history, rows: itemsPerRun)
    var result: [Float] = []
    result.reserveCapacity((items.count + itemsPerRun) * tasks.count)
    for first in stride(from: 0, to: items.count, by: itemsPerRun) {
      let part = first..<min(items.count, first + itemsPerRun)
      var inputs = user
      if names.contains("item_dense") {
        var values = Array(itemDense[part.lowerBound * width..<part.upperBound * width])
        values += repeatElement(0, count: (itemsPerRun - part.count) * width)
        inputs.append(OnnxInput("item_dense", [itemsPerRun, width], values))
      }
      if names.contains("item_embedding") {
        inputs.append(itemEmbeddings(items[part]))
      }
      let scores = try ranker.run(
        inputs, output: ModelGraphs.scores, dimensions: [itemsPerRun, tasks.count])
      result += scores.prefix(part.count * tasks.count)
    }
    guard result.allSatisfy(\.isFinite) else {
      throw RankerError(.notFinite, "version \(version): a score is not finite")
    }
    return result
  }

  /// Some keys that have embeddings, for probes.
  func sample(_ role: EmbeddingRole, _ count: Int) -> [VectorKey] {
    (role == .user ? embeddings.user : embeddings.item)?.firstKeys(count) ?? []
  }

  private func itemEmbeddings(_ items: ArraySlice<VectorKey>) -> OnnxInput {
    let width = metadata.embedding
    var values: [Float] = []
    values.reserveCapacity(itemsPerRun * width)
    for item in items { embeddings.item?.append(item, to: &values) }
    values += repeatElement(0, count: itemsPerRun * width - values.count)
    return OnnxInput("item_embedding", [itemsPerRun, width], values)
  }

  /// The inputs of the user's side that a graph has, the same in each of `rows`; one row where the graph
  /// wants no more.
  private func userInputs(
    _ session: OnnxSession, _ dense: [Float], _ user: VectorKey?, _ history: [VectorKey?],
    rows: Int
  ) throws(RankerError) -> [OnnxInput] {
    guard dense.count == metadata.userDense.count else {
      throw RankerError(
        .invalidArgument,
        "a user has \(metadata.userDense.count) values of features, not \(dense.count)")
    }
    let (embedding, length) = (metadata.embedding, metadata.historyLength)
    var result: [OnnxInput] = []
    for input in session.inputs {
      let rows = input.dimensions.first == 1 ? 1 : rows
      var row: [Float] = []
      var dimensions = [rows]
      switch input.name {
      case "user_dense":
        row = dense
        dimensions.append(dense.count)
      case "user_embedding":
        embeddings.user?.append(user, to: &row)
        dimensions.append(embedding)
      case "history_embedding":
        row.reserveCapacity(length * embedding)
        for key in history.prefix(length) { embeddings.item?.append(key, to: &row) }
        dimensions += [length, embedding]
      case "history_mask":
        row = history.prefix(length).map { $0 == nil ? 0 : 1 }
        dimensions.append(length)
      default: continue
      }
      let width = dimensions.dropFirst().reduce(1, *)
      row += repeatElement(0, count: width - row.count)
      var values: [Float] = []
      values.reserveCapacity(rows * width)
      for _ in 0..<rows { values += row }
      result.append(OnnxInput(input.name, dimensions, values))
    }
    return result
  }
}
