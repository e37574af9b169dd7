// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirTable

/// What somebody declared about a surface: a place where people see a list of items, and how the list is
/// made. Sources retrieve, features are looked up, filters take out, scores order, a rerank chooses, and
/// what was served is logged.
public struct SurfaceDefinition: Hashable, Sendable {
  public var name: String
  /// The feature view with the keys of users and items.
  public var features: TableIdentifier
  /// The stream that takes what people do with what they saw.
  public var events: TableIdentifier?
  /// In the order in which they are asked.
  public var sources: [SurfaceSource] = []
  /// Lists among the user's features; what is in them is not served.
  public var seen: [String] = []
  /// Items for which it is not true are not served; over the features of user and item.
  public var filter: Predicate?
  public var score = SurfaceScore()
  public var rerank = SurfaceRerank()
  public var budget = SurfaceBudget()
  /// The keyed table that holds what was served; nothing is logged when `nil`.
  public var log: TableIdentifier?

  /// The models that retrieve or score for it.
  public var models: [TableIdentifier] {
    let named = sources.compactMap { if case .model(let table) = $0.kind { table } else { nil } }
    return named + [score.model].compactMap { $0 }
  }

  public static let sourceCountMax = 32

  public init(name: String, features: TableIdentifier) {
    self.name = name
    self.features = features
  }
}

/// Where a surface gets candidates from.
public struct SurfaceSource: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    /// A keyed table of ranked lists.
    case table(TableIdentifier)
    /// The items whose vectors are nearest to the user's, by a model's retriever.
    case model(TableIdentifier)
  }

  public var name: String
  public var kind: Kind
  /// A list among the user's features: the table's lists of these items are brought together. Without
  /// it the table is asked for one list, that of `segment`.
  public var seeds: String?
  /// What the list of each seed counts of that of the seed before.
  public var decay = 0.8
  /// How many seeds count, from the first on.
  public var seedCount = 20
  /// A feature of the user that is the key of the list; the list of all, '', when `nil`.
  public var segment: String?
  /// How many items it gives at most.
  public var count = 100
  /// What a place in its list counts where there is no model.
  public var weight = 1.0

  public static let countMax = 10_000
  public static let seedCountMax = 1_000

  public init(_ name: String, _ kind: Kind) {
    self.name = name
    self.kind = kind
  }

  /// The table that it looks up; `nil` for a model.
  public var table: TableIdentifier? { if case .table(let table) = kind { table } else { nil } }
}

/// How items are ordered.
public struct SurfaceScore: Hashable, Sendable {
  /// The model; places in the sources' lists when `nil`, and while there is no version of it.
  public var model: TableIdentifier?
  /// What each of the model's predictions is worth; the first one alone when empty.
  public var values: [Value] = []
  /// How many items are ranked at most: the best by their places in the sources' lists.
  public var count = 200

  public static let countMax = 10_000

  /// A task of the model, and what its probability counts.
  public struct Value: Hashable, Sendable {
    public var task: String
    public var weight: Double

    public init(_ task: String, _ weight: Double) {
      self.task = task
      self.weight = weight
    }
  }

  public init() {}
}

/// How a list is made of ordered items.
public struct SurfaceRerank: Hashable, Sendable {
  /// How many items are served, unless a request says otherwise.
  public var count = 20
  /// How many items of one value are served at most.
  public var caps: [Cap] = []
  /// The share of places that go to an item drawn from all.
  public var explore = 0.0

  public static let countMax = 1_000

  /// No more than `count` items with one value of a feature; nulls do not count.
  public struct Cap: Hashable, Sendable {
    public var feature: String
    public var count: Int

    public init(_ feature: String, _ count: Int) {
      self.feature = feature
      self.count = count
    }
  }

  public init() {}
}

/// For how long stages may begin new work; milliseconds. What is not done then is left out, and the answer
/// says so.
public struct SurfaceBudget: Hashable, Sendable {
  /// For how long a list waits until it knows what its user did last.
  public var fresh: Int64 = 100
  public var retrieve: Int64 = 10
  public var hydrate: Int64 = 10
  public var score: Int64 = 20
  /// For how long an answer waits until its log is durable.
  public var log: Int64 = 20

  public init() {}
}
