// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What a table keeps, and for how long; maintenance removes the rest.
public struct MaintenancePolicy: Hashable, Sendable {
  /// Whether anything is done at all.
  public var isEnabled = true
  /// How long a snapshot stays after another one took its place; milliseconds. The table's
  /// `history.expire.max-snapshot-age-ms` (5 days) when `nil`.
  public var snapshotAgeMilliseconds: Int64?
  /// So many snapshots of each branch stay whatever their age: when `nil`, what the table's
  /// `history.expire.min-snapshots-to-keep` says, or else 1 beside an age and 100 without one.
  public var snapshotCountMin: Int?
  /// Files that nothing leads to go at this age, and not before; milliseconds.
  public var orphanAgeMilliseconds: Int64 = 3 * 86_400_000
  /// The table's `write.metadata.previous-versions-max`; left as it is when `nil`.
  public var metadataFileCountMax: Int?
  /// Rows go at some age; they stay when `nil`.
  public var rows: RowRetention?
  /// Small files, and files with many deleted rows, are brought together; they are left alone when `nil`.
  public var compaction: CompactionOptions? = CompactionOptions()
  /// Where compaction moves old files. The table's properties say it; they are brought to this where it is
  /// not `nil`.
  public var tier: TableTier?
  /// From the end of one look for files to bring together to the next; milliseconds.
  public var compactionMilliseconds: Int64 = 10_000
  /// The least time between two counts of distinct values; milliseconds. Only columns that were counted
  /// before are counted again.
  public var statisticsMilliseconds: Int64 = 86_400_000

  /// The least that `orphanAgeMilliseconds` may be where people set it: a commit may write files for
  /// hours before it names them.
  public static let orphanAgeMillisecondsMin: Int64 = 86_400_000

  public init() {}

  /// What is to be done for a table, in this order.
  ///
  /// This is the one place where kinds of care are listed: a new one is a `MaintenanceStep` more.
  ///
  /// - Parameters:
  ///   - readers: who reads snapshots in this process; they stay as long as they are read.
  ///   - compactor: see `CompactionStep`.
  public func steps(
    readers: (any SnapshotReaders)? = nil, compactor: (any TableCompactor)? = nil
  ) -> [any MaintenanceStep] {
    guard isEnabled else { return [] }
    var steps: [any MaintenanceStep] = []
    if let rows { steps.append(RowRetentionStep(rows)) }
    if let compaction {
      steps.append(
        CompactionStep(
          compaction, intervalMilliseconds: compactionMilliseconds, compactor: compactor))
    }
    steps.append(SnapshotStep(self, readers: readers))
    steps.append(MetadataTrim(fileCountMax: metadataFileCountMax))
    steps.append(StatisticsStep(intervalMilliseconds: statisticsMilliseconds))
    steps.append(OrphanStep(ageMilliseconds: orphanAgeMilliseconds))
    return steps
  }
}

/// Rows are kept for some time by one of their columns.
public struct RowRetention: Hashable, Sendable {
  /// A timestamp or a date. Rows in which it is null stay.
  public var column: String
  /// Rows whose time lies further back go; milliseconds.
  public var milliseconds: Int64

  public init(column: String, milliseconds: Int64) {
    self.column = column
    self.milliseconds = milliseconds
  }

  /// Rows for which it holds are too old at the time `now`, in milliseconds.
  ///
  /// - Throws: `notFound` without such a column, `invalidArgument` where it is no time.
  func limit(now: Int64, _ schema: TableSchema) throws(TableError) -> Predicate {
    guard let field = schema.field(path: column) else { throw TableError.noColumn(column, schema) }
    let time = now - milliseconds
    let literal: Literal
    switch field.type {
    case .date:
      let day: Int64 = 86_400_000
      literal = .date(time >= 0 ? time / day : (time - day + 1) / day)
    case .timestamp, .timestampNs: literal = .timestamp(Int128(time) * 1_000_000, zoned: false)
    case .timestamptz, .timestamptzNs:
      literal = .timestamp(Int128(time) * 1_000_000, zoned: true)
    default:
      throw TableError(
        .invalidArgument, "rows are kept by a timestamp or a date, and the column is \(field.type)",
        column: column)
    }
    return .compare(.less, Term(column), literal)
  }
}

/// How much one round of maintenance may do. A round ends behind the piece of work with which it reached
/// a limit; the rest is done in the next ones.
public struct MaintenanceBudget: Hashable, Sendable {
  /// Files that are removed or marked.
  public var fileCountMax = 1_000
  /// Bytes of data that are read or written.
  public var byteCountMax = 256 << 20
  /// No piece of work begins later; milliseconds.
  public var millisecondsMax: Int64 = 10_000

  public init() {}

  /// For who waits until all is done.
  public static var unlimited: MaintenanceBudget {
    var budget = MaintenanceBudget()
    budget.fileCountMax = .max
    budget.byteCountMax = .max
    budget.millisecondsMax = .max
    return budget
  }
}

/// What is left of a budget.
public struct MaintenanceMeter {
  public let budget: MaintenanceBudget
  public private(set) var fileCount = 0
  public private(set) var byteCount = 0
  private let start: Int64
  private let environment: TableEnvironment

  public init(_ budget: MaintenanceBudget, _ environment: TableEnvironment) {
    self.budget = budget
    self.environment = environment
    start = environment.nowMilliseconds
  }

  public mutating func spend(files: Int = 0, bytes: Int = 0) {
    fileCount += files
    byteCount += bytes
  }

  /// Files that may still be removed.
  public var fileCountLeft: Int { max(0, budget.fileCountMax - fileCount) }
  /// A clock that was set back does not make a round longer.
  public var milliseconds: Int64 { max(0, environment.nowMilliseconds - start) }
  public var isSpent: Bool {
    fileCount >= budget.fileCountMax || byteCount >= budget.byteCountMax
      || milliseconds >= budget.millisecondsMax
  }
}
