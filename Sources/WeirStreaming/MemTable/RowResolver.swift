// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// Rows of the log that were brought together by key, with what the index knows of the keys.
struct ResolvedKeys {
  /// Each key once; ascending where all rows of runs were resolved.
  var keys: ArrayData
  var base: IndexedRows
  var output: MergeOutput
}

/// Merges rows of the log over what a key index holds.
struct RowResolver: Sendable {
  let layout: StreamLayout

  /// All rows of `runs`, which are in the log's order, key by key.
  func resolve(
    _ runs: [LiftedRows], _ reader: any KeyIndexReader
  ) throws(StreamError) -> ResolvedKeys {
    let rows = try columnar { () throws(ColumnarError) in
      try RecordBatch.concatenate(runs.map(\.batch))
    }
    let all = try columnar { () throws(ColumnarError) in
      try ArrayData.concatenate(runs.map(\.keys))
    }
    let order = try columnar { () throws(ColumnarError) in try all.sortIndices() }
    var starts: [Int] = []
    starts.reserveCapacity(order.count + 1)
    let bytes = BytesView(all)
    for place in order.indices
    where place == 0 || VersionBytes.compare(bytes, order[place - 1], bytes, order[place]) != 0 {
      starts.append(place)
    }
    let keys = try columnar { () throws(ColumnarError) in
      try all.take(starts.map { order[$0] })
    }
    starts.append(order.count)
    let base = try reader.get(keys, isSorted: true, withRows: layout.merger.needsBaseRows)
    let input = MergeInput(
      rows: rows, deletes: Self.deletes(runs), versions: try Self.versions(runs), starts: starts,
      members: order, base: base)
    return ResolvedKeys(keys: keys, base: base, output: try merge(input, reader))
  }

  private static func deletes(_ runs: [LiftedRows]) -> [Bool] {
    guard runs.contains(where: { !$0.deletes.isEmpty }) else { return [] }
    var result: [Bool] = []
    for run in runs {
      result +=
        run.deletes.isEmpty ? [Bool](repeating: false, count: run.batch.rowCount) : run.deletes
    }
    return result
  }

  private static func versions(_ runs: [LiftedRows]) throws(StreamError) -> ArrayData? {
    let parts = runs.compactMap(\.versions)
    guard !parts.isEmpty else { return nil }
    return try columnar { () throws(ColumnarError) in try ArrayData.concatenate(parts) }
  }

  /// Merges, with the base rows where the engine wants them.
  func merge(
    _ input: MergeInput, _ reader: any KeyIndexReader
  ) throws(StreamError) -> MergeOutput {
    guard layout.merger.needsBaseRows, let encoded = input.base.rows else {
      return try layout.merger.merge(input)
    }
    var input = input
    var known: [Int] = []
    input.baseRows = [Int](repeating: -1, count: input.keyCount)
    for (key, state) in input.base.states.enumerated() where state != .absent {
      input.baseRows[key] = input.rows.rowCount + known.count
      known.append(key)
    }
    if !known.isEmpty {
      let taken = try columnar { () throws(ColumnarError) in try encoded.take(known) }
      let base = try decode(taken, reader)
      let rows = input.rows
      input.rows = try columnar { () throws(ColumnarError) in
        try RecordBatch.concatenate([rows, base])
      }
      if !input.deletes.isEmpty {
        input.deletes += [Bool](repeating: false, count: base.rowCount)
      }
    }
    return try layout.merger.merge(input)
  }

  /// Rows of an index in the layout's file schema, whatever schema they were encoded under.
  ///
  /// - Parameter columns: places in that schema; all by default.
  func decode(
    _ rows: ArrayData, _ reader: any KeyIndexReader, columns: [Int]? = nil
  ) throws(StreamError) -> RecordBatch {
    var byLayout: [UInt16: [Int]] = [:]
    for row in 0..<rows.length {
      guard let number = RowCodec.layoutNumber(rows, row) else {
        throw StreamError(.damaged, "row \(row) of the key index has no layout")
      }
      byLayout[number, default: []].append(row)
    }
    var parts: [RecordBatch] = []
    var places = [Int](repeating: 0, count: rows.length)
    var next = 0
    for (number, members) in byLayout.sorted(by: { $0.key < $1.key }) {
      guard let schema = reader.layout(number) else {
        throw StreamError(.damaged, "the key index has rows of the layout \(number) without it")
      }
      let encoded = try columnar { () throws(ColumnarError) in
        byLayout.count == 1 ? rows : try rows.take(members)
      }
      let codec = try RowCodec(schema, layoutNumber: number)
      if schema == layout.fileSchema {
        parts.append(try codec.decode(encoded, columns: columns))
      } else {
        parts.append(try conformed(try codec.decode(encoded)).picked(columns))
      }
      for row in members {
        places[row] = next
        next += 1
      }
    }
    if parts.count == 1 { return parts[0] }
    if parts.isEmpty {
      return try columnar { () throws(ColumnarError) in
        try RecordBatchBuilder(layout.fileSchema).finish().picked(columns)
      }
    }
    let (all, order) = (parts, places)
    return try columnar { () throws(ColumnarError) in
      try RecordBatch.concatenate(all).take(order)
    }
  }

  /// Columns that the layout does not know are left out: while a stream learns of columns that others
  /// added, its index has them before its rows in memory do.
  private func conformed(_ batch: RecordBatch) throws(StreamError) -> RecordBatch {
    if batch.schema == layout.fileSchema { return batch }
    let known = batch.schema.fields.indices.filter { place in
      let field = batch.schema.fields[place]
      return layout.fileSchema.fields.contains {
        $0.name == field.name || (field.id != nil && $0.id == field.id)
      }
    }
    var conformer = RowConformer(layout.tableFields)
    do throws(TableError) {
      return try conformer.conformed(batch.picked(known))
    } catch { throw StreamError(error) }
  }
}

extension RowCodec {
  /// The number of the layout of an encoded row; `nil` for a null or too few bytes.
  static func layoutNumber(_ rows: ArrayData, _ row: Int) -> UInt16? {
    guard rows.isValid(row) else { return nil }
    return rows.withBytes(row) { bytes in
      bytes.count < 2 ? nil : UInt16(bytes[0]) | UInt16(bytes[1]) << 8
    }
  }
}

/// Runs `body` with its error turned into a stream's.
func columnar<R>(_ body: () throws(ColumnarError) -> R) throws(StreamError) -> R {
  do throws(ColumnarError) { return try body() } catch { throw StreamError(error) }
}
