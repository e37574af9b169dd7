// SPDX-License-Identifier: Apache-2.0
// Safe: typed views of columns are used while the batch is held.

internal import WeirColumnar

/// One merge of aggregates, column by column.
struct AggregateFold {
  let merger: AggregationMerger
  let rows: RecordBatch
  let candidates: MergeCandidates
  /// Keys that have rows.
  let keys: [Int]
  /// The latest row of each.
  let latest: [Int]
  /// By row.
  let states: [Int: MergeState]

  func column(_ place: Int, _ out: inout [MergeState]) throws(StreamError) -> ArrayData {
    let column = rows.columns[place]
    switch merger.operations[place] {
    case .latest, .state: return try taken(column, latest)
    case .greatest: return try taken(column, candidates.greatest(keys, place))
    case .least: return try taken(column, try extremes(place, greatest: false))
    case .most: return try taken(column, try extremes(place, greatest: true))
    case .sumIntegers: return sumIntegers(column)
    case .sumDecimals: return sumDecimals(column)
    case .sumDoubles: return try sumDoubles(place, &out)
    case .decayed(let halfLife): return try decayed(place, halfLife, &out)
    case .items(let count): return try items(column, count)
    case .distinct(let precision): return try distinct(place, precision)
    }
  }

  private func taken(_ column: ArrayData, _ rows: [Int]) throws(StreamError) -> ArrayData {
    try columnar { () throws(ColumnarError) in
      try takeRows(column, rows, rows.contains(-1) ? .null : .none)
    }
  }

  /// The row of the least or greatest value of each key, or -1.
  private func extremes(_ place: Int, greatest: Bool) throws(StreamError) -> [Int] {
    let column = rows.columns[place]
    let encoded = try KeyEncoder(rows.schema, columns: [place], nulls: .first).encode(rows)
    defer { withExtendedLifetime(encoded) {} }
    let order = BytesView(encoded)
    return keys.map { key in
      var best = -1
      for row in candidates[key] where column.isValid(row) {
        guard best >= 0 else {
          best = row
          continue
        }
        let comparison = VersionBytes.compare(order, row, order, best)
        if greatest ? comparison > 0 : comparison < 0 { best = row }
      }
      return best
    }
  }

  /// An array of one number for each key; `nil` for a null.
  private func numbers<T: BitwiseCopyable>(
    _ type: DataType, _ zero: T, _ value: (Int) throws(StreamError) -> T?
  ) throws(StreamError) -> ArrayData {
    var values: [T] = []
    var valid = [UInt8](repeating: 0, count: (keys.count + 7) / 8)
    for place in keys.indices {
      if let value = try value(place) {
        values.append(value)
        valid[place >> 3] |= 1 << UInt8(place & 7)
      } else {
        values.append(zero)
      }
    }
    return ArrayData(
      type: type, length: keys.count, validity: Buffer(valid), buffers: [Buffer(values)])
  }

  private func sumIntegers(_ column: ArrayData) -> ArrayData {
    let values = column.values(as: Int64.self)
    let sums = Result { () throws(StreamError) in
      try numbers(column.type, Int64(0)) { place in
        var sum: Int64?
        for row in candidates[keys[place]] where column.isValid(row) {
          sum = (sum ?? 0) &+ values[row]
        }
        return sum
      }
    }
    switch sums {
    case .success(let array): return array
    case .failure: preconditionFailure("sums of integers do not fail")
    }
  }

  private static let decimalModulus: Int128 = (0..<38).reduce(Int128(1)) { power, _ in power * 10 }

  private func sumDecimals(_ column: ArrayData) -> ArrayData {
    let builder = MutableBuffer(capacity: keys.count * 16)
    var valid = [UInt8](repeating: 0, count: (keys.count + 7) / 8)
    for (place, key) in keys.enumerated() {
      var sum: Int128 = 0
      var any = false
      for row in candidates[key] where column.isValid(row) {
        let value = column.withBytes(row) {
          Int128(littleEndian: $0.loadUnaligned(as: Int128.self))
        }
        // Both are below 10^38 in magnitude, so that their sum fits.
        sum = (sum + value % Self.decimalModulus) % Self.decimalModulus
        if sum > Self.decimalModulus / 2 { sum -= Self.decimalModulus }
        if sum <= -Self.decimalModulus / 2 { sum += Self.decimalModulus }
        any = true
      }
      if any { valid[place >> 3] |= 1 << UInt8(place & 7) }
      builder.append(UInt64(truncatingIfNeeded: sum))
      builder.append(UInt64(truncatingIfNeeded: sum >> 64))
    }
    return ArrayData(
      type: column.type, length: keys.count, validity: Buffer(valid), buffers: [builder.finish()])
  }

  private func sumDoubles(_ place: Int, _ out: inout [MergeState]) throws(StreamError) -> ArrayData
  {
    let column = rows.columns[place]
    let values = column.values(as: Double.self)
    let id = merger.fieldIDs[place]
    var rests: [Int: [UInt8]] = [:]
    let result = try numbers(column.type, 0.0) { (key) throws(StreamError) -> Double? in
      var sum = ExactSum()
      var any = false
      for row in candidates[keys[key]] where column.isValid(row) {
        any = true
        sum.add(values[row])
        guard let bytes = states[row]?.sums[id] else { continue }
        guard let parts = DoubleBytes.decode(bytes) else { throw damaged(place) }
        for part in parts { sum.add(part) }
      }
      guard any else { return nil }
      let parts = sum.canonical
      if parts.count > 1 { rests[key] = DoubleBytes.encode(Array(parts.dropFirst())) }
      return parts.first ?? 0
    }
    for (key, bytes) in rests { out[key].sums[id] = bytes }
    return result
  }

  private func decayed(
    _ place: Int, _ halfLife: Int64, _ out: inout [MergeState]
  ) throws(StreamError) -> ArrayData {
    guard let timePlace = merger.eventTime else { return rows.columns[place] }
    let column = rows.columns[place]
    let values = column.values(as: Double.self)
    let timeColumn = rows.columns[timePlace]
    let times = timeColumn.values(as: Int64.self)
    let id = merger.fieldIDs[place]
    var encoded: [Int: [UInt8]] = [:]
    let result = try numbers(column.type, 0.0) { (key) throws(StreamError) -> Double? in
      let members = candidates[keys[key]]
      var sum = DecayedSum(halfLife: halfLife)
      var any = false
      for row in members where column.isValid(row) && timeColumn.isValid(row) {
        any = true
        if let bytes = states[row]?.sums[id] {
          guard sum.add(encoded: bytes) else { throw damaged(place) }
        } else {
          sum.add(values[row], time: times[row])
        }
      }
      guard any else { return nil }
      // A single value that came alone is shown as it is.
      if members.count == 1, let row = members.first, states[row]?.sums[id] == nil {
        return values[row]
      }
      encoded[key] = sum.encoded
      return sum.value(at: times[latest[key]])
    }
    for (key, bytes) in encoded { out[key].sums[id] = bytes }
    return result
  }

  private func damaged(_ place: Int) -> StreamError {
    StreamError(
      .damaged, "the state of an aggregate breaks its format",
      column: rows.schema.fields[place].name)
  }

  /// The first `count` of all items of a key's lists, the greatest first by the items' second field.
  private func items(_ column: ArrayData, _ count: Int) throws(StreamError) -> ArrayData {
    let all = column.children[0]
    let fields = all.children.map { $0.slice(offset: all.offset, length: all.length) }
    guard case .struct(let types) = all.type, types.count == 2 else {
      preconditionFailure("items of such lists have two fields")
    }
    let encoded = try KeyEncoder(Schema(types), columns: [1, 0], nulls: .first)
      .encode([fields[1], fields[0]], rowCount: all.length)
    defer { withExtendedLifetime(encoded) {} }
    let order = BytesView(encoded)
    var picked: [Int] = []
    var ends: [Int32] = [0]
    for key in keys {
      var members: [Int] = []
      for row in candidates[key] where column.isValid(row) { members += column.itemRange(row) }
      members.sort { VersionBytes.compare(order, $0, order, $1) > 0 }
      picked += members.prefix(count)
      guard let end = Int32(exactly: picked.count) else {
        throw StreamError(.overloaded, "the lists of a flush have more than 2^31 items")
      }
      ends.append(end)
    }
    let chosen = picked
    let items = try columnar { () throws(ColumnarError) in try all.take(chosen) }
    return ArrayData(
      type: column.type, length: keys.count, buffers: [Buffer(ends)], children: [items])
  }

  private func distinct(_ place: Int, _ precision: Int) throws(StreamError) -> ArrayData {
    let column = rows.columns[place]
    var sketches: [[UInt8]?] = []
    for key in keys {
      var sketch = HyperLogLog(precision: precision)
      for row in candidates[key] where column.isValid(row) {
        guard let part = HyperLogLog(encoded: column.byteArray(row)), part.precision == precision
        else { throw damaged(place) }
        sketch.merge(part)
      }
      sketches.append(sketch.encoded)
    }
    return try bytesArray(sketches)
  }
}
