// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirTable

/// What somebody declared about profiles: one row of features for each entity (a user, an item, a pair),
/// kept up with the events of a stream.
///
/// A profile is a fold of events that does not depend on their order: live, in a backfill, and when late
/// events come last, the same events give the same bits.
public struct ProfileDefinition: Hashable, Sendable {
  /// The keyed table that holds the profiles.
  public var table: TableIdentifier
  /// The stream of events: one without primary key, with an event time.
  public var source: TableIdentifier
  /// The columns of the source that name the entity: the table's primary key.
  public var entity: [String]
  /// Which events count at all.
  public var filter: Predicate?
  public var features: [ProfileFeature]
  /// Shards of the table.
  public var shardCount = 1
  /// The format of the table's files.
  public var format: DataFormat?

  public static let featureCountMax = 1_000

  public init(
    table: TableIdentifier, source: TableIdentifier, entity: [String],
    features: [ProfileFeature] = []
  ) {
    self.table = table
    self.source = source
    self.entity = entity
    self.features = features
  }
}

/// One column of a profile.
public struct ProfileFeature: Hashable, Sendable {
  /// What is made of the events.
  public enum Function: Hashable, Sendable {
    /// How many there are: a long.
    case count
    /// The exact sum of a numeric column, rounded once: a double; null without a value.
    case sum(column: String)
    /// The mean of a numeric column: a double; null without a value.
    case mean(column: String)
    /// The share of events `to` that `of` makes up, drawn to `prior` as by `weight` more events:
    /// `(count(of) + prior * weight) / (count(to) + weight)`, a double; null when both are zero.
    case ratio(of: Predicate, to: Predicate, prior: Double, weight: Double)
    /// How many there are, each losing half its weight every half-life: a double.
    case decayedCount(halfLifeMicroseconds: Int64)
    /// The last events by event time, the latest first: a list of structs of these columns and the time.
    case last(columns: [String], count: Int)
    /// The events with the greatest values of a numeric column, the greatest first, the later one among
    /// equals: a list of structs of these columns, that column and the time.
    case topK(columns: [String], by: String, count: Int)
    /// The time of the earliest event by event time; null without one.
    case firstTime
    /// The time of the latest event by event time; null without one.
    case lastTime

    /// Whether it is a list of events.
    public var keepsEvents: Bool {
      switch self {
      case .last, .topK: true
      default: false
      }
    }
  }

  public var name: String
  public var function: Function
  /// Which events count for this feature, besides the profile's own filter.
  public var filter: Predicate?
  /// Which time before "now" counts; all of it when `nil`.
  public var window: ProfileWindow?
  /// For lists of events: of those with equal values in these of its columns only the first is kept.
  public var distinct: [String] = []

  public static let lastCountMax = 10_000

  public init(
    _ name: String, _ function: Function, filter: Predicate? = nil, window: ProfileWindow? = nil
  ) {
    self.name = name
    self.function = function
    self.filter = filter
    self.window = window
  }
}

/// A sliding window, in steps of tiles: at a time T it holds the tiles that end after `T - length`.
public struct ProfileWindow: Hashable, Sendable {
  /// Microseconds.
  public let length: Int64
  /// Microseconds; tiles begin at multiples of it since 1970-01-01 UTC.
  public let tile: Int64

  /// Tiles of one window at most: what a feature takes in memory for an entity.
  public static let tileCountMax: Int64 = 1_000

  /// - Parameter tile: by default the longest of a second, a minute, an hour, a day, and of 5, 10, 15
  ///   and 30 minutes and 6 hours, of which there are at least 24 in the window; a second in short ones.
  /// - Returns: `nil` when the window has no length, or more than `tileCountMax` tiles.
  public init?(length: Int64, tile: Int64? = nil) {
    let tile = tile ?? Self.defaultTile(length)
    guard length > 0, tile > 0, tile <= length, length / tile <= Self.tileCountMax else {
      return nil
    }
    self.length = length
    self.tile = tile
  }

  private static func defaultTile(_ length: Int64) -> Int64 {
    let seconds: [Int64] = [86_400, 21_600, 3_600, 1_800, 900, 600, 300, 60, 1]
    return seconds.map { $0 * 1_000_000 }.first { length / $0 >= 24 } ?? 1_000_000
  }
}
