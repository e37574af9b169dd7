// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Rows in memory of keys that are looked up, where the last version of a key in the log is its row.
///
/// Nothing is merged then: a key that is in memory has the last of its rows there, whatever the index
/// says, and only the columns that are wanted are copied.
struct LatestRows: Sendable {
  private struct Hit: Sendable {
    var entry: LiftedRows
    var row: Int
  }

  private var hits: [Hit?]

  init(keyCount: Int) { hits = [Hit?](repeating: nil, count: keyCount) }

  /// Looks into a run for the keys that later runs do not have.
  mutating func look(
    _ keys: ArrayData, _ hashes: [UInt64], _ table: KeyTable, _ firstRows: [Int],
    _ entries: [LiftedRows]
  ) {
    for (key, hash) in hashes.enumerated() where hits[key] == nil {
      table.visit(hash) { row in
        let (entry, place) = KeyTable.entry(of: row, firstRows)
        guard VersionBytes.compare(entries[entry].keys, place, keys, key) == 0 else { return true }
        hits[key] = Hit(entry: entries[entry], row: place)
        return false
      }
    }
  }

  /// The keys' rows.
  func rows(
    _ keys: ArrayData, _ resolver: RowResolver, _ reader: any KeyIndexReader,
    _ columns: [String]?, cut: Int64
  ) throws(StreamError) -> LookupRows {
    let schema = resolver.layout.fileSchema
    let wanted = try columns.map { names throws(StreamError) in
      try StreamLayout.places(names, schema, "lookup")
    }
    var places = [Int?](repeating: nil, count: hits.count)
    var parts: [RecordBatch] = []
    var count = 0
    for (key, hit) in hits.enumerated() {
      guard let hit, hit.entry.deletes.isEmpty || !hit.entry.deletes[hit.row] else { continue }
      let batch = hit.entry.batch.picked(wanted)
      parts.append(try columnar { () throws(ColumnarError) in try batch.take([hit.row]) })
      places[key] = count
      count += 1
    }
    let missing = hits.indices.filter { hits[$0] == nil }
    if !missing.isEmpty || parts.isEmpty {
      let base = try Self.base(keys, missing, resolver, reader, wanted)
      for (key, isPresent) in zip(missing, base.isPresent) where isPresent {
        places[key] = count
        count += 1
      }
      parts.append(base.rows)
    }
    let (all, order) = (parts, places.compactMap { $0 })
    let rows = try columnar { () throws(ColumnarError) in
      let joined = try RecordBatch.concatenate(all)
      return order == Array(order.indices) ? joined : try joined.take(order)
    }
    var next = 0
    for key in places.indices where places[key] != nil {
      places[key] = next
      next += 1
    }
    return LookupRows(places: places, rows: rows, cut: cut)
  }

  /// What the index holds of some of the keys.
  private static func base(
    _ keys: ArrayData, _ missing: [Int], _ resolver: RowResolver, _ reader: any KeyIndexReader,
    _ columns: [Int]?
  ) throws(StreamError) -> (isPresent: [Bool], rows: RecordBatch) {
    let asked = try columnar { () throws(ColumnarError) in
      missing.count == keys.length ? keys : try keys.take(missing)
    }
    let base = try reader.get(asked, isSorted: false, withRows: true)
    guard let encoded = base.rows else { preconditionFailure("rows were asked for") }
    let isPresent = base.states.map { $0 == .present }
    let kept = isPresent.indices.filter { isPresent[$0] }
    let rows = try resolver.decode(
      try columnar { () throws(ColumnarError) in
        kept.count == encoded.length ? encoded : try encoded.take(kept)
      }, reader, columns: columns)
    return (isPresent, rows)
  }
}

extension RecordBatch {
  /// Only the columns at some places; all when `nil`.
  func picked(_ places: [Int]?) -> RecordBatch {
    guard let places else { return self }
    return RecordBatch(
      trusted: Schema(places.map { schema.fields[$0] }), columns: places.map { columns[$0] },
      rowCount: rowCount)
  }
}
