// SPDX-License-Identifier: Apache-2.0

/// What a table takes of its store, and for what.
public struct TableCost: Sendable {
  /// Files, their bytes, and rows in them.
  public struct Share: Hashable, Sendable {
    public var fileCount = 0
    public var byteCount = 0
    public var rowCount = 0

    public init() {}

    mutating func add(bytes: Int, rows: Int = 0) {
      fileCount += 1
      byteCount &+= bytes
      rowCount &+= rows
    }
  }

  /// A part of the table's data by some name.
  public struct Part: Hashable, Sendable {
    public var name: String
    public var share: Share
  }

  /// What rewriting would make of the data, worked out from some of its rows.
  public struct Estimate: Hashable, Sendable {
    /// Bytes of the files whose rows were rewritten, without those that are deleted.
    public var sampledByteCount = 0
    public var sampledRowCount = 0
    /// Bytes that the same rows take in one file, by format: `parquet`, `weir`.
    public var byteCounts: [String: Int] = [:]

    public init() {}
  }

  /// Data files of the current snapshot.
  public var data = Share()
  /// Their format, when it is one.
  public var format: String?
  /// Delete files of the current snapshot; rows are those that they delete.
  public var deletes = Share()
  /// Column files of the current snapshot: columns that were backfilled and not compacted since.
  public var columnFiles = Share()
  /// By partition, the greatest first.
  public var partitions: [Part] = []
  /// By column, the greatest first: bytes as the files' metrics tell them. Rows are not counted.
  public var columns: [Part] = []
  /// Bytes of data files that no column has: indexes, footers, files without metrics.
  public var otherByteCount = 0
  /// By the time at which files were added, the youngest first.
  public var ages: [Part] = []

  // What nobody needs to read the current snapshot.

  /// About the bytes of rows that are deleted.
  public var deletedByteCount = 0
  /// Files below half of the size that the table's writers aim at, where a partition has several.
  public var small = Share()
  /// Content files that only earlier snapshots lead to.
  public var history = Share()
  /// Metadata files, manifest lists, manifests and statistics.
  public var metadata = Share()
  /// Files in the table's folders that nothing leads to, and that are three days old.
  public var orphans = Share()
  /// Younger ones, which a commit may be about to name.
  public var unnamed = Share()

  public var estimate: Estimate?

  public init() {}

  /// All that the table takes.
  public var byteCount: Int {
    data.byteCount + deletes.byteCount + columnFiles.byteCount + history.byteCount
      + metadata.byteCount
      + orphans.byteCount + unnamed.byteCount
  }

  /// About what a compaction of the small files and of those with deleted rows saves, once the snapshots
  /// before it have expired.
  public var compactionSaving: Int {
    var saving = deletedByteCount + deletes.byteCount
    if let estimate, let format, let after = estimate.byteCounts[format],
      estimate.sampledByteCount > 0
    {
      let share = 1 - Double(after) / Double(estimate.sampledByteCount)
      saving += max(0, Int(share * Double(small.byteCount)))
    }
    return saving
  }

  /// About what the data would take more (or, below zero, less) in another format.
  public func difference(in other: String) -> Int? {
    guard let estimate, let format, let now = estimate.byteCounts[format], now > 0,
      let then = estimate.byteCounts[other], other != format
    else { return nil }
    let live = Double(max(0, data.byteCount - deletedByteCount))
    return Int(live * (Double(then) / Double(now) - 1))
  }
}

/// How to work out what a table takes.
public struct TableCostOptions: Sendable {
  /// Bytes of data files that are read for the estimate; none without one.
  public var sampleBytesMax = 64 << 20
  /// Partitions that are told apart; the others are one.
  public var partitionCountMax = 100_000

  public init() {}
}

extension Table {
  /// What the table takes of its store, as it is now.
  ///
  /// Cost: reads all manifests of all snapshots, lists the table's folders, and reads and rewrites in
  /// memory a sample of the rows. Memory: one manifest, and some 50 bytes for each file.
  public func cost(_ options: TableCostOptions = TableCostOptions()) throws(TableError) -> TableCost
  {
    do {
      let metadata = try refresh()
      var survey = CostSurvey(self, metadata, options)
      var cost = try survey.run()
      cost.estimate = try CostSample(self, metadata, options.sampleBytesMax).run()
      return cost
    } catch {
      throw error.adding(table: identifier.description)
    }
  }
}
