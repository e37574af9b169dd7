// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable

/// What people did through this process of late, so that their next list knows of it.
///
/// Profiles follow their events within milliseconds, and a list that is asked for in between would not
/// know what its user just did. Here is noted up to which offsets a profile must have come; who makes the
/// list looks again until it has, for a bounded time. Only requests whose events are all of one user and
/// count for the profile are noted: then its row ends behind the last of them.
final class OwnWrites: Sendable {
  private let state = Mutex(State())
  private let user: String
  private let filters: [BoundPredicate]
  /// The profiles' offsets among those of the user's side.
  private let ranges: [Range<Int>]

  private static let userCountMax = 50_000

  private struct State {
    var young: [EntityID: [Int: Int64]] = [:]
    var old: [EntityID: [Int: Int64]] = [:]
  }

  /// - Returns: `nil` where no profile of the user is made of the events.
  init?(_ side: FeatureSide, events: TableIdentifier) {
    var ranges: [Range<Int>] = []
    var filters: [BoundPredicate] = []
    var start = 0
    for source in side.sources {
      let range = start..<start + source.offsetCount
      start = range.upperBound
      guard let profile = source.profile, profile.source.table == events else { continue }
      ranges.append(range)
      guard let filter = profile.definition.filter else { continue }
      guard let bound = try? filter.bind(to: profile.source.columns) else { return nil }
      filters.append(bound)
    }
    guard let key = side.sources.first?.key.name, !ranges.isEmpty else { return nil }
    (self.ranges, self.filters, user) = (ranges, filters, key)
  }

  /// Notes events that are durable.
  func note(_ batches: [RecordBatch], _ receipt: StreamReceipt) {
    var users: Set<EntityID> = []
    for batch in batches {
      guard let column = batch[user], column.nullCount == 0 else { return }
      users.formUnion(EntityID.list(column, 0..<batch.rowCount))
      guard users.count == 1 else { return }
      for filter in filters {
        guard let selection = try? filter.selection(batch), selection.isAll else { return }
      }
    }
    guard let user = users.first else { return }
    let ends = receipt.offsets.mapValues(\.upperBound)
    state.withLock { state in
      if state.young.count >= Self.userCountMax { (state.old, state.young) = (state.young, [:]) }
      let known = state.young[user] ?? state.old[user] ?? [:]
      state.young[user] = known.merging(ends) { max($0, $1) }
    }
  }

  /// Whether the features of a user hold all that the user did.
  ///
  /// - Parameter offsets: which events are in the features.
  func isIn(_ user: EntityID, _ offsets: [Int64]) -> Bool {
    guard let ends = state.withLock({ $0.young[user] ?? $0.old[user] }) else { return true }
    return ranges.allSatisfy { range in
      ends.allSatisfy { shard, end in
        let place = range.lowerBound + shard
        return !range.contains(place) || place >= offsets.count || offsets[place] >= end
      }
    }
  }

  /// Nobody needs to look for it any more.
  func forget(_ user: EntityID) {
    state.withLock { state in
      state.young[user] = nil
      state.old[user] = nil
    }
  }
}
