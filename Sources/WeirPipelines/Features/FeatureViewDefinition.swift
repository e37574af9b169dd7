// SPDX-License-Identifier: Apache-2.0

public import WeirTable

/// What somebody declared about the features that models and surfaces see: columns of profiles and of other
/// keyed tables, some of the user who asks, the others of each item.
public struct FeatureViewDefinition: Hashable, Sendable {
  /// Whom an entry is about.
  public enum Side: String, Hashable, Sendable, CaseIterable {
    case user
    case item
  }

  /// Columns of one table.
  public struct Entry: Hashable, Sendable {
    /// What names of its features begin with.
    public var name: String
    /// A profile, or a stream with a primary key.
    public var table: TableIdentifier
    /// The table's one key column.
    public var key: String
    /// Its columns, in order. A profile's `last` feature stands for all columns that it keeps, or
    /// names one of them: `recent.item_id`. All columns, without the key, when `nil`.
    public var columns: [String]?
    /// By default that of the name, `user` or `item`, or that of another entry with the same key.
    public var side: Side?

    public init(
      _ name: String, table: TableIdentifier, key: String, columns: [String]? = nil,
      side: Side? = nil
    ) {
      self.name = name
      self.table = table
      self.key = key
      self.columns = columns
      self.side = side
    }
  }

  public var name: TableIdentifier
  public var entries: [Entry]

  public init(name: TableIdentifier, entries: [Entry] = []) {
    self.name = name
    self.entries = entries
  }
}
