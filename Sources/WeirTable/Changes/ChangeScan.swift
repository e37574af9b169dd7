// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// What to tell of the changes between two states of a table.
public struct ChangeScanOptions: Sendable {
  /// The state before the first change; `nil` for the empty table.
  public var from: SnapshotSelector?
  /// The state behind the last change.
  public var to: SnapshotSelector
  /// Columns as in `ScanOptions`, and `ChangeColumn`s; these come behind the others when none of them
  /// is named.
  public var columns: [String]?
  /// Rows to tell of, by the columns of the table.
  public var filter: Predicate
  /// The most rows to give.
  public var limit: Int?
  public var caseSensitive = true
  /// Rows of a batch at most.
  public var batchRowsMax = 65_536
  /// Whether rows that a snapshot deleted and inserted again as they were are left out: those that
  /// copy-on-write engines carry into new files.
  public var removesCarriedRows = true
  /// Whether only the difference of the two states is told: rows that came and went again between
  /// them, or went and came back as they were, are left out.
  ///
  /// Where a column was backfilled between them, rows that came are told with the values that they have
  /// at the end, and rows that went with those at the start. A row of which nothing else became is not
  /// told. A row that a rewrite carried on since it came has the rewrite's ordinal and snapshot.
  public var isNet = false
  /// Columns that tell rows apart: a deletion and an insertion of the same identifiers are told as an
  /// update. No updates when `nil`; the schema's identifier fields when empty.
  public var identifiers: [String]?
  /// What the fingerprints of rows may take while they are paired, in bytes. More rows than that are
  /// paired in several passes.
  public var pairingBytesMax = 256 << 20

  public init(
    from: SnapshotSelector?, to: SnapshotSelector = .current, columns: [String]? = nil,
    where filter: Predicate = .always(true)
  ) {
    self.from = from
    self.to = to
    self.columns = columns
    self.filter = filter
  }
}

extension Table {
  /// The rows that were inserted and deleted by the snapshots between two states, in the schema of the
  /// newer one: snapshot by snapshot, for each first the rows that went. Each has its `ChangeColumn`s.
  ///
  /// Snapshots that only rewrote files tell nothing. A row that is equal in all columns to another is
  /// told as often as it came or went, and which of the equal ones is told is not defined.
  ///
  /// Cost: reads the rows that are told. Snapshots that removed and added rows (with
  /// `removesCarriedRows` or `identifiers`), and all of them with `isNet`, are read twice, and oftener
  /// when `pairingBytesMax` does not hold 40 bytes for each row. With `isNet`, and column files that came
  /// between the states, the files of all rewrites between them are read, too.
  /// Memory: a batch, the deletes of the files that changed, and `pairingBytesMax`.
  ///
  /// - Throws: `notFound` for a snapshot or column that is not there; `invalidArgument` when `from` is
  ///   no ancestor of `to`, or identifiers are missing or not unique.
  public func scanChanges(_ options: ChangeScanOptions) throws(TableError) -> ChangeReader {
    let planner = try planChanges(options)
    do throws(TableError) {
      return try ChangeReader(
        metadata, planner, stores: stores, options, random: environment.random)
    } catch { throw error.adding(table: identifier.description) }
  }

  /// The files whose rows came or went, one after the other. Of `options` only the states and the
  /// filter matter: rows that were carried from file to file are told as deleted and inserted.
  ///
  /// - Throws: as `scanChanges`.
  public func planChanges(_ options: ChangeScanOptions) throws(TableError) -> ChangePlanner {
    do throws(TableError) {
      return try ChangePlanner(
        metadata, files: ManifestFiles(stores: stores, cache: environment.manifestCache),
        filter: options.filter, after: options.from, to: options.to,
        caseSensitive: options.caseSensitive,
        // Rows that are not told may be one half of an update that is.
        prunes: options.identifiers == nil, isNet: options.isNet)
    } catch { throw error.adding(table: identifier.description) }
  }
}
