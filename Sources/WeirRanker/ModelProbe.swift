// SPDX-License-Identifier: Apache-2.0

internal import WeirVector

/// Runs a version before it serves: on values that every model must stand.
///
/// 1. Users and items with all features null, zero, one, large; without and with embeddings and history.
///    The user's vector must be finite, scores probabilities.
/// 2. The same items among others and in other orders, once for each graph. Where that changes a bit of a
///    score, each item is scored in a run of its own from then on.
enum ModelProbe {
  private static let values: [Float] = [.nan, 0, 1, -1, 1e6]
  private static let wholeTrials = 8
  private static let trials = 64
  private static let aloneCount = 32

  /// - Returns: the bundle that may serve.
  /// - Throws: `notFinite`; `invalidGraph` for scores that are no probabilities; `failed`.
  ///
  /// - Parameter other: a version that was tried; with the same graphs it answers for 2.
  static func check(
    _ bundle: ModelBundle, like other: ModelBundle? = nil
  ) throws(RankerError) -> ModelBundle {
    try bundle.graphs.check(bundle.metadata)
    let keys = bundle.sample(.item, ModelBundle.itemsPerRun)
    for value in values {
      for isKnown in [false, true] {
        let user = Sample(bundle, value, isKnown ? keys : [])
        try checkRetriever(bundle, user)
        try checkRanker(bundle, user, isKnown ? keys : [VectorKey("")], value)
      }
    }
    if let other, other.graphs === bundle.graphs {
      return ModelBundle(bundle, itemsPerRun: other.itemsPerRun)
    }
    guard bundle.hasRanker, !isIndependent(bundle, keys) else { return bundle }
    return ModelBundle(bundle, itemsPerRun: 1)
  }

  /// A user whose features are all the same.
  private struct Sample {
    let dense: [Float]
    let key: VectorKey?
    let history: [VectorKey?]
    let name: String

    init(_ bundle: ModelBundle, _ value: Float, _ items: [VectorKey]) {
      dense = [Float](repeating: value, count: bundle.metadata.userDense.count)
      key = bundle.sample(.user, 1).first
      history = items.isEmpty ? [] : Array(items.prefix(bundle.metadata.historyLength))
      let text = value.isNaN ? "null" : "\(value)"
      name = "features that are \(text)" + (items.isEmpty ? " and no history" : "")
    }
  }

  private static func checkRetriever(
    _ bundle: ModelBundle, _ user: Sample
  ) throws(RankerError) {
    guard bundle.hasRetriever else { return }
    do throws(RankerError) {
      _ = try bundle.userVector(userDense: user.dense, user: user.key, history: user.history)
    } catch { throw RankerError(error.code, "\(error.message) (tried with \(user.name))") }
  }

  private static func checkRanker(
    _ bundle: ModelBundle, _ user: Sample, _ items: [VectorKey], _ value: Float
  ) throws(RankerError) {
    guard bundle.hasRanker else { return }
    let width = bundle.metadata.itemDense.count
    do throws(RankerError) {
      let scores = try bundle.scores(
        userDense: user.dense, user: user.key, history: user.history, items: items,
        itemDense: [Float](repeating: value, count: items.count * width))
      if let score = scores.first(where: { $0 < 0 || $0 > 1 }) {
        throw RankerError(
          .invalidGraph,
          "the ranker gives the score \(score), which is no probability; end the graph in a sigmoid"
        )
      }
    } catch { throw RankerError(error.code, "\(error.message) (tried with \(user.name))") }
  }

  /// Whether a run gives each item the same bits wherever it stands, and whatever stands beside it.
  private static func isIndependent(_ bundle: ModelBundle, _ keys: [VectorKey]) -> Bool {
    let (count, width) = (bundle.itemsPerRun, bundle.metadata.itemDense.count)
    var random = Xorshift()
    func next() -> Float { Float.random(in: -4...4, using: &random) }
    let user = (0..<bundle.metadata.userDense.count).map { _ in next() }
    let items = (0..<count).map { keys.isEmpty ? VectorKey("") : keys[$0 % keys.count] }
    let dense = (0..<count * width).map { _ in next() }
    func scores(_ order: [Int]) -> [[UInt32]]? {
      let part = try? bundle.scores(
        userDense: user, user: bundle.sample(.user, 1).first,
        history: (0..<bundle.metadata.historyLength).map { items[$0 % count] },
        items: order.map { items[$0] },
        itemDense: order.flatMap { dense[$0 * width..<($0 + 1) * width] })
      guard let part else { return nil }
      let tasks = bundle.tasks.count
      var result = [[UInt32]](repeating: [], count: count)
      for (place, item) in order.enumerated() {
        result[item] = part[place * tasks..<(place + 1) * tasks].map(\.bitPattern)
      }
      return result
    }
    var order = Array(0..<count)
    guard let first = scores(order) else { return false }
    // Some alone among zeros, at the first place.
    let alone = stride(from: 0, to: count, by: max(1, count / aloneCount))
    guard alone.allSatisfy({ scores([$0])?[$0] == first[$0] }) else { return false }
    // Rows of whole vectors of the processor lie alike; others only now and then differ.
    let isWhole = bundle.metadata.historyLength % 16 == 0
    for _ in 0..<(isWhole ? wholeTrials : trials) {
      for place in order.indices {
        order.swapAt(place, Int.random(in: place..<count, using: &random))
      }
      guard scores(order) == first else { return false }
    }
    return true
  }
}

/// The same numbers each time.
private struct Xorshift: RandomNumberGenerator {
  private var state: UInt64 = 0x1234_5678_9abc_def1

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}
