// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A named group of tables: events, and what is known about items and users.
package struct DataSet: Sendable {
  /// One table, read from files or made on the fly.
  package struct Table: Sendable {
    /// The name of the file it becomes: `events`, `items`, ...
    package var name: String
    /// The files it comes from, none for a synthetic one.
    package var sources: [String]
    package var opener: TableOpener

    package func open() throws(WorldError) -> any TableReader { try opener.open() }
  }

  /// The name of the folder it becomes.
  package var name: String
  package var title: String
  /// What it holds, in one line.
  package var summary: String
  /// Who to name wherever the data is shown; `nil` for synthetic data.
  package var attribution: String?
  package var licence: String?
  /// What `value` counts, for headings: "stars", "seconds watched".
  package var valueName: String?
  package var tables: [Table]
  /// The columns of `items` that name an item for people, best first.
  package var itemLabels: [String]

  package subscript(table name: String) -> Table? { tables.first { $0.name == name } }

  /// What the Parquet files say about where they come from.
  static func metadata(_ name: String, attribution: String?, licence: String?) -> Metadata {
    var metadata: Metadata = ["weir.dataset": name]
    if let attribution { metadata["weir.attribution"] = attribution }
    if let licence { metadata["weir.licence"] = licence }
    return metadata
  }
}
