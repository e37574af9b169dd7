// SPDX-License-Identifier: Apache-2.0

/// The graphs of a version, which fit its metadata.
final class ModelGraphs: Sendable {
  /// Gives the vector of a user.
  let retriever: OnnxSession?
  /// Gives the scores of items.
  let ranker: OnnxSession?

  static let userVector = "user_vector"
  static let scores = "scores"

  /// Reads the graphs; `nil` where a model has none.
  ///
  /// - Throws: `invalidGraph` for bytes that are no graph; `notFound` without any; `libraryMissing`.
  init(
    retriever: [UInt8]?, ranker: [UInt8]?, runtime: OnnxRuntime
  ) throws(RankerError) {
    guard retriever != nil || ranker != nil else {
      throw RankerError(.notFound, "the version has neither a retriever's nor a ranker's graph")
    }
    self.retriever = try Self.session(retriever, "retriever", runtime)
    self.ranker = try Self.session(ranker, "ranker", runtime)
  }

  private static func session(
    _ graph: [UInt8]?, _ name: String, _ runtime: OnnxRuntime
  ) throws(RankerError) -> OnnxSession? {
    guard let graph else { return nil }
    do throws(RankerError) {
      return try OnnxSession(graph, runtime: runtime)
    } catch { throw RankerError(error.code, "the \(name): \(error.message)") }
  }

  /// - Throws: `invalidGraph` when an input or output is not what the metadata say.
  func check(_ metadata: ModelMetadata) throws(RankerError) {
    if let retriever {
      try Self.check(
        retriever, "retriever", metadata, hasItem: false,
        output: OnnxTensor(
          name: Self.userVector, isFloat: true, dimensions: [nil, metadata.vector]))
    }
    if let ranker {
      try Self.check(
        ranker, "ranker", metadata, hasItem: true,
        output: OnnxTensor(
          name: Self.scores, isFloat: true, dimensions: [nil, metadata.tasks.count]))
    }
  }

  /// The inputs of whose rows a ranker needs one only: all items of a run are for one user.
  static let ofUser: Set<String> = [
    "user_dense", "user_embedding", "history_embedding", "history_mask",
  ]

  /// The shape of each input that a graph may have; the first length is that of the batch.
  static func inputs(_ metadata: ModelMetadata, hasItem: Bool) -> [OnnxTensor] {
    let (embedding, length) = (metadata.embedding, metadata.historyLength)
    let user: [(String, [Int])] = [
      ("user_dense", [metadata.userDense.count]), ("user_embedding", [embedding]),
      ("history_embedding", [length, embedding]), ("history_mask", [length]),
    ]
    let item: [(String, [Int])] = [
      ("item_dense", [metadata.itemDense.count]), ("item_embedding", [embedding]),
    ]
    return (hasItem ? user + item : user).map { name, lengths in
      OnnxTensor(name: name, isFloat: true, dimensions: [nil] + lengths)
    }
  }

  private static func check(
    _ session: OnnxSession, _ graph: String, _ metadata: ModelMetadata, hasItem: Bool,
    output: OnnxTensor
  ) throws(RankerError) {
    let known = inputs(metadata, hasItem: hasItem)
    for input in session.inputs {
      guard let expected = known.first(where: { $0.name == input.name }) else {
        throw RankerError(
          .invalidGraph,
          "the \(graph) has an input \(input); it may have "
            + known.map(\.name).joined(separator: ", "))
      }
      try check(
        input, expected, "the \(graph)'s input",
        maySingle: hasItem && ofUser.contains(input.name))
    }
    guard let found = session.outputs.first(where: { $0.name == output.name }) else {
      let names = session.outputs.map { "'\($0.name)'" }.joined(separator: ", ")
      throw RankerError(
        .invalidGraph, "the \(graph) has no output '\(output.name)' but \(names)")
    }
    try check(found, output, "the \(graph)'s output")
  }

  private static func check(
    _ tensor: OnnxTensor, _ expected: OnnxTensor, _ what: String, maySingle: Bool = false
  ) throws(RankerError) {
    var fits = tensor.isFloat && tensor.dimensions.count == expected.dimensions.count
    if fits {
      for (length, wanted) in zip(tensor.dimensions, expected.dimensions).dropFirst() {
        fits = fits && (length == nil || length == wanted)
      }
      // The batch has any length.
      fits =
        fits && (tensor.dimensions.first == .some(nil) || maySingle && tensor.dimensions[0] == 1)
    }
    if !fits {
      throw RankerError(.invalidGraph, "\(what) is \(tensor); by the metadata it is \(expected)")
    }
    if expected.dimensions.dropFirst().contains(0) {
      throw RankerError(.invalidGraph, "\(what) \(tensor) has no values by the metadata")
    }
  }
}
