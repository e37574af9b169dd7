// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirTable

/// What somebody declared about a table of training examples: what was shown to users, with features as they
/// were then, and what came of it.
public struct ExampleDefinition: Hashable, Sendable {
  /// Something that may happen after an item was shown.
  public struct Label: Hashable, Sendable {
    public var name: String
    /// The events of the feedback that count.
    public var filter: Predicate
    /// How long after the item was shown; microseconds.
    public var window: Int64

    public init(_ name: String, filter: Predicate, window: Int64) {
      self.name = name
      self.filter = filter
      self.window = window
    }
  }

  /// Events without a request log, each of which says that its item was shown.
  public struct History: Hashable, Sendable {
    /// The events of the feedback; all when `nil`.
    public var filter: Predicate?
    /// Items beside each, drawn among all that were known by then.
    public var negatives = 0
    public var seed: UInt64 = 0

    public init(filter: Predicate? = nil, negatives: Int = 0, seed: UInt64 = 0) {
      self.filter = filter
      self.negatives = negatives
      self.seed = seed
    }
  }

  /// The keyed table that holds the examples.
  public var table: TableIdentifier
  /// The feature view.
  public var features: TableIdentifier
  /// The request log; `nil` when there is history only.
  public var requests: TableIdentifier?
  /// The stream of events: one without primary key, with an event time.
  public var feedback: TableIdentifier
  /// The column of the feedback that names the request.
  public var request: String?
  public var labels: [Label]
  /// The share of examples without any label that are kept.
  public var negativeRate = 1.0
  public var history: History?
  /// Shards of the table.
  public var shardCount = 1
  /// The format of the table's files.
  public var format: DataFormat?

  public static let labelCountMax = 100
  public static let negativesMax = 1_000
  /// A year; microseconds.
  public static let windowMax: Int64 = 366 * 86_400_000_000

  public init(
    table: TableIdentifier, features: TableIdentifier, feedback: TableIdentifier,
    labels: [Label] = []
  ) {
    self.table = table
    self.features = features
    self.feedback = feedback
    self.labels = labels
  }
}
