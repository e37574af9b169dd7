// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirTable

/// Readers who are never asked.
struct CarelessReaders: SnapshotReaders {
  func retire(_ snapshotIDs: Set<Int64>) -> Set<Int64> { [] }
  func restore(_ snapshotIDs: Set<Int64>) {}
}

/// Where tables' metadata was at some time: a cache that is not looked through often enough.
final class StaleEntries: Sendable {
  private let entries = Mutex<[TableIdentifier: (entry: CatalogEntry?, uses: Int)]>([:])
  /// An answer is given so often.
  private static let useCountMax = 24

  func entry(
    _ name: TableIdentifier, _ body: () throws(TableError) -> CatalogEntry?
  ) throws(TableError) -> CatalogEntry? {
    let known = entries.withLock { entries -> CatalogEntry?? in
      guard let known = entries[name], known.uses < Self.useCountMax else { return nil }
      entries[name]?.uses += 1
      return .some(known.entry)
    }
    if let known { return known }
    let found = try body()
    entries.withLock { $0[name] = (found, 0) }
    return found
  }
}
