// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

extension FlushRows {
  /// Rows of a table without key, as they came.
  init(
    _ entries: [LiftedRows], _ offsets: Range<Int64>, _ schema: Schema? = nil
  ) throws(StreamError) {
    self.offsets = offsets
    batch = try columnar { () throws(ColumnarError) in
      if entries.isEmpty, let schema { return try RecordBatchBuilder(schema).finish() }
      return try RecordBatch.concatenate(entries.map(\.batch))
    }
    tombstones = []
    replaced = []
    position = nil
    indexKeys = try bytesArray([])
    indexStates = []
    indexRows = []
    versions = try bytesArray([])
  }

  init(
    _ resolved: ResolvedKeys, _ offsets: Range<Int64>, _ reader: any KeyIndexReader
  ) throws(StreamError) {
    self.offsets = offsets
    position = reader.position
    batch = resolved.output.rows
    versions = resolved.output.versions
    var tombstones: [Int] = []
    var changed: [Int] = []
    var states: [KeyState] = []
    var rows: [Int] = []
    var replaced: [RowLocation] = []
    var next = 0
    for (key, outcome) in resolved.output.outcomes.enumerated() where outcome != .unchanged {
      changed.append(key)
      if resolved.base.states[key] == .present { replaced.append(resolved.base.locations[key]) }
      switch outcome {
      case .unchanged, .removed:
        states.append(.absent)
        rows.append(-1)
        continue
      case .tombstone:
        tombstones.append(next)
        states.append(.deleted)
      case .upsert: states.append(.present)
      }
      rows.append(next)
      next += 1
    }
    self.tombstones = tombstones
    indexKeys = try columnar { () throws(ColumnarError) in try resolved.keys.take(changed) }
    indexStates = states
    indexRows = rows
    self.replaced = try Self.byPath(replaced, reader)
  }

  static func byPath(
    _ locations: [RowLocation], _ reader: any KeyIndexReader
  ) throws(StreamError) -> [HiddenRows] {
    var result: [HiddenRows] = []
    let sorted = locations.sorted()
    var start = 0
    while start < sorted.count {
      var end = start
      while end < sorted.count, sorted[end].file == sorted[start].file { end += 1 }
      guard let path = reader.path(of: sorted[start].file) else {
        throw StreamError(
          .damaged, "the key index names a data file, number \(sorted[start].file), without a path")
      }
      result.append(HiddenRows(path: path, rows: sorted[start..<end].map(\.row)))
      start = end
    }
    return result.sorted { $0.path < $1.path }
  }

  /// The batch without tombstones.
  func visible() throws(StreamError) -> RecordBatch {
    if tombstones.isEmpty { return batch }
    var isTombstone = [Bool](repeating: false, count: batch.rowCount)
    for row in tombstones { isTombstone[row] = true }
    let rows = batch
    return try columnar { () throws(ColumnarError) in
      try rows.take((0..<rows.rowCount).filter { !isTombstone[$0] })
    }
  }

  func indexBatch(
    _ files: [WrittenRows], _ snapshotID: Int64, _ codec: RowCodec
  ) throws(StreamError) -> IndexBatch {
    var places = [RowLocation](
      repeating: RowLocation(file: .max, row: .max), count: batch.rowCount)
    for (number, file) in files.enumerated() {
      for (place, row) in file.rows.enumerated() {
        guard row >= 0, row < places.count, places[row].file == .max,
          let place = UInt32(exactly: place)
        else {
          throw StreamError(
            .invalidArgument, "the rows written are not those of the flush", file: file.path)
        }
        places[row] = RowLocation(file: UInt32(truncatingIfNeeded: number), row: place)
      }
    }
    guard !places.contains(where: { $0.file == .max }) else {
      throw StreamError(.invalidArgument, "not all rows of a flush were written")
    }
    let encoded = try codec.encode(batch)
    let isWhole = indexRows.count == batch.rowCount
    let (versions, rows) = (self.versions, indexRows)
    let none = RowLocation(file: 0, row: 0)
    return IndexBatch(
      position: IndexPosition(snapshotID: snapshotID, offset: offsets.upperBound),
      files: files.map(\.path), keys: indexKeys, states: indexStates,
      locations: isWhole ? places : rows.map { $0 < 0 ? none : places[$0] },
      versions: isWhole ? versions : try Self.spread(versions, rows),
      rows: isWhole ? encoded : try Self.spread(encoded, rows))
  }

  /// The values at `rows`; an empty one for -1.
  private static func spread(_ values: ArrayData, _ rows: [Int]) throws(StreamError) -> ArrayData {
    try columnar { () throws(ColumnarError) in try takeRows(values, rows, .placeholder) }
  }
}
