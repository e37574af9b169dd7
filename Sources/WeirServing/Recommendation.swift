// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Who wants a list.
public struct RecommendRequest: Sendable {
  public var user: EntityID
  /// How many items; those that the surface declares when `nil`.
  public var count: Int?
  /// Items that are not wanted.
  public var exclude: [EntityID] = []
  /// Whether the answer says why each item is there.
  public var explain = false

  public init(user: EntityID) { self.user = user }
}

/// A list for somebody, and all that went into it.
public struct Recommendation: Sendable {
  /// One item of the list.
  public struct Item: Sendable {
    public var item: EntityID
    public var score: Double
    /// The name of the source in whose list it counts most.
    public var source: String
    /// The probability with which it got its place.
    public var propensity: Double
    public var reason: String?
    /// By each source that gave it: its place from 1, and its score there.
    public var places: [(source: String, place: Int, score: Double)] = []
    /// Its row of `itemFeatures`.
    public var row: Int
  }

  public var requestID: String
  public var surface: String
  public var user: EntityID
  /// Microseconds since 1970; features are as of then.
  public var time: Int64
  public var items: [Item] = []
  public var modelVersion: Int64?
  /// What did not go as declared, as codes (docs/serving.md).
  public var fallbacks: [String] = []
  /// Microseconds that each stage took.
  public var timing: [(stage: String, microseconds: Int64)] = []
  /// One row.
  public var userFeatures: RecordBatch?
  /// A row for each item that was ranked.
  public var itemFeatures: RecordBatch?
  /// What goes into the request log; `nil` where nothing is logged.
  public var log: RecordBatch?
}
