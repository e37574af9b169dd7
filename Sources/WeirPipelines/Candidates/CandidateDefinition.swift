// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirTable

/// What somebody declared about a table of candidates: ranked lists of items by key, kept up with a
/// keyed table.
///
/// Candidates are a function of the rows that the followed table has, and of nothing else: neither the
/// order in which rows came nor the moments at which lists were written show in them.
public struct CandidateDefinition: Hashable, Sendable {
  /// How items are ranked.
  public enum Kind: Hashable, Sendable {
    /// The items with the most of a feature: a decayed count, or a number without a window.
    case trending(feature: String)
    /// For each item those that the same entities have in their lists.
    case similar(SimilarItems)
    /// The items with the latest time.
    case fresh(time: String)
  }

  /// The keyed table that holds the lists.
  public var table: TableIdentifier
  /// The keyed table that is followed: a profile's, or one of attributes.
  public var source: TableIdentifier
  public var kind: Kind
  /// The column that names items; by default the one of the source's primary key that is not in `by`.
  public var item: String?
  /// Columns of the source by whose values lists are kept apart.
  public var by: [String] = []
  /// Which rows of the source count.
  public var filter: Predicate?
  /// Items in a list at most.
  public var count = 100
  /// The least time between two versions of a list; milliseconds.
  public var intervalMilliseconds: Int64 = 1_000
  /// What is remembered of the source at most.
  public var memoryBytesMax = 1 << 30
  /// Shards of the table.
  public var shardCount = 1

  public static let countMax = 10_000

  public init(table: TableIdentifier, source: TableIdentifier, kind: Kind) {
    self.table = table
    self.source = source
    self.kind = kind
  }
}

/// Items that go together: by the cosine of the sets of entities that have them, shrunk where few have
/// both.
///
/// With `co` entities that have both, and `n` that have one: `co / sqrt(n1 * n2) * co / (co + shrinkage)`.
/// Source: item-based collaborative filtering by cosine (Sarwar, Karypis, Konstan, Riedl, 2001), with the
/// shrinkage of Koren and Bell (Advances in Collaborative Filtering, 2011).
public struct SimilarItems: Hashable, Sendable {
  /// The column of the source with the entity's list: a list of structs.
  public var feature: String
  /// The member of the structs that names items.
  public var column: String
  /// How many entities more would halve the score of pairs that so many have; at least 0.
  public var shrinkage: Double
  /// How many entries of a list count, from its first on.
  public var depth: Int
  /// Pairs that fewer entities have are left out; at least 1.
  public var entityCountMin: Int

  /// What an entity costs grows with the square of it.
  public static let depthMax = 1_000

  public init(
    feature: String, column: String, shrinkage: Double = 10, depth: Int = 100,
    entityCountMin: Int = 1
  ) {
    self.feature = feature
    self.column = column
    self.shrinkage = shrinkage
    self.depth = depth
    self.entityCountMin = entityCountMin
  }
}
