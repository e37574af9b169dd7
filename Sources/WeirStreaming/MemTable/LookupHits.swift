// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Rows in memory of keys that are looked up.
struct LookupHits: Sendable {
  /// A row of the log.
  private struct Hit {
    var key: Int
    /// Place in `entries`, and row there.
    var entry: Int
    var row: Int
  }

  private let keyCount: Int
  private var hits: [Hit] = []
  /// Those that have hits: there are many more.
  private var entries: [LiftedRows] = []
  /// Of the run, where its entries are in `entries`.
  private var places: [Int: Int] = [:]

  init(keyCount: Int) { self.keyCount = keyCount }

  /// Adds rows of a run with the key's hash, the latest first: those that do have its key.
  mutating func add(
    _ key: Int, _ rows: [Int], _ firstRows: [Int], _ runEntries: [LiftedRows],
    _ keys: ArrayData
  ) {
    for row in rows.reversed() {
      let (number, row) = KeyTable.entry(of: row, firstRows)
      guard VersionBytes.compare(runEntries[number].keys, row, keys, key) == 0 else { continue }
      let place = places[number] ?? entries.count
      if place == entries.count {
        entries.append(runEntries[number])
        places[number] = place
      }
      hits.append(Hit(key: key, entry: place, row: row))
    }
  }

  /// Later rows are of another run.
  mutating func endRun() { places.removeAll(keepingCapacity: true) }

  /// The keys' rows.
  func rows(
    _ keys: ArrayData, _ resolver: RowResolver, _ reader: any KeyIndexReader,
    _ columns: [String]?, cut: Int64
  ) throws(StreamError) -> LookupRows {
    let base = try reader.get(keys, isSorted: false, withRows: true)
    let schema = resolver.layout.fileSchema
    let wanted = try columns.map { names throws(StreamError) in
      try StreamLayout.places(names, schema, "lookup")
    }
    var outcomes = [MergeOutcome](repeating: .unchanged, count: keyCount)
    var merged: RecordBatch?
    if !hits.isEmpty {
      let output = try resolver.merge(input(base), reader)
      outcomes = output.outcomes
      merged = output.rows
    }
    // First the base rows that stay, then the merged ones; then in the order of the keys.
    let kept = (0..<keyCount).filter { outcomes[$0] == .unchanged && base.states[$0] == .present }
    guard let encoded = base.rows else { preconditionFailure("rows were asked for") }
    var all = try resolver.decode(
      try columnar { () throws(ColumnarError) in try encoded.take(kept) }, reader)
    var next = kept.count
    if let merged {
      let base = all
      all = try columnar { () throws(ColumnarError) in
        try RecordBatch.concatenate([base, merged])
      }
    }
    var order: [Int] = []
    var places = [Int?](repeating: nil, count: keyCount)
    var nextKept = 0
    for key in 0..<keyCount {
      switch outcomes[key] {
      case .unchanged where base.states[key] == .present:
        places[key] = order.count
        order.append(nextKept)
        nextKept += 1
      case .upsert:
        places[key] = order.count
        order.append(next)
        next += 1
      case .tombstone: next += 1
      case .unchanged, .removed: break
      }
    }
    let (rows, sorted) = (all, order)
    let ordered = try columnar { () throws(ColumnarError) in
      merged == nil ? rows : try rows.take(sorted)
    }
    return LookupRows(places: places, rows: ordered.picked(wanted), cut: cut)
  }

  /// The hits as candidates of a merge, key by key.
  private func input(_ base: IndexedRows) throws(StreamError) -> MergeInput {
    // By key; within a key they are in the log's order already.
    let sorted = hits.enumerated().sorted {
      ($0.element.key, $0.offset) < ($1.element.key, $1.offset)
    }.map(\.element)
    var byEntry: [Int: [Int]] = [:]
    for (place, hit) in sorted.enumerated() { byEntry[hit.entry, default: []].append(place) }
    var batches: [RecordBatch] = []
    var versions: [ArrayData] = []
    var deletes: [Bool] = []
    var members = [Int](repeating: 0, count: sorted.count)
    var next = 0
    for (entry, places) in byEntry.sorted(by: { $0.key < $1.key }) {
      let lifted = entries[entry]
      let rows = places.map { sorted[$0].row }
      batches.append(try columnar { () throws(ColumnarError) in try lifted.batch.take(rows) })
      if let all = lifted.versions {
        versions.append(try columnar { () throws(ColumnarError) in try all.take(rows) })
      }
      for (place, row) in zip(places, rows) {
        deletes.append(!lifted.deletes.isEmpty && lifted.deletes[row])
        members[place] = next
        next += 1
      }
    }
    var starts: [Int] = []
    var place = 0
    for key in 0..<keyCount {
      starts.append(place)
      while place < sorted.count, sorted[place].key == key { place += 1 }
    }
    starts.append(place)
    let (allBatches, allVersions) = (batches, versions)
    return MergeInput(
      rows: try columnar { () throws(ColumnarError) in try RecordBatch.concatenate(allBatches) },
      deletes: deletes.contains(true) ? deletes : [],
      versions: try allVersions.isEmpty
        ? nil : columnar { () throws(ColumnarError) in try ArrayData.concatenate(allVersions) },
      starts: starts, members: members, base: base)
  }
}
