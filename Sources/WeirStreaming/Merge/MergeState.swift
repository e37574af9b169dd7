// SPDX-License-Identifier: Apache-2.0
// Safe: typed views of columns are used while their arrays are held.

internal import WeirColumnar

/// The value of `_merge_state`: what merging a row further needs and its columns do not show.
///
/// Entries follow each other in the order of kind and field id: kind (1 byte), field id, number of bytes
/// (4 bytes each, little-endian), bytes.
///
/// | kind | field | bytes |
/// |---|---|---|
/// | 1 | a column of a sequence group | the sequence of its value, where older than the group's |
/// | 2 | a group's first sequence column | the sequence of its greatest delete |
/// | 3 | a summed or decayed column | see `ExactSum`, `DecayedSum` |
///
/// Sequences are encoded as keys are, nulls first.
struct MergeState {
  var columns: [Int32: [UInt8]] = [:]
  var deletes: [Int32: [UInt8]] = [:]
  var sums: [Int32: [UInt8]] = [:]

  init() {}

  /// - Throws: `damaged`; the value may come from anybody's file.
  init(_ array: ArrayData, _ row: Int) throws(StreamError) {
    guard array.isValid(row) else { return }
    let bytes = array.byteArray(row)
    var place = 0
    func number() -> Int? {
      guard bytes.count - place >= 4 else { return nil }
      defer { place += 4 }
      return (0..<4).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
    }
    while place < bytes.count {
      let kind = bytes[place]
      place += 1
      guard let field = number(), let count = number(), count <= bytes.count - place,
        let id = Int32(exactly: field), 1...3 ~= kind
      else {
        throw StreamError(
          .damaged, "the state of a merged row breaks its format",
          column: StreamColumns.mergeState)
      }
      let value = Array(bytes[place..<place + count])
      place += count
      switch kind {
      case 1: columns[id] = value
      case 2: deletes[id] = value
      default: sums[id] = value
      }
    }
  }

  /// `nil` for a row that needs none.
  var encoded: [UInt8]? {
    var result: [UInt8] = []
    for (kind, entries) in [(UInt8(1), columns), (2, deletes), (3, sums)] {
      for (id, bytes) in entries.sorted(by: { $0.key < $1.key }) {
        result.append(kind)
        withUnsafeBytes(of: UInt32(bitPattern: id).littleEndian) { result += $0 }
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: bytes.count).littleEndian) { result += $0 }
        result += bytes
      }
    }
    return result.isEmpty ? nil : result
  }
}

/// The rows of each key: its base row first, if it has one, then those of the log.
struct MergeCandidates {
  private var starts: [Int] = [0]
  private var rows: [Int] = []
  private let bases: [Bool]
  private let columns: [ArrayData]

  /// - Parameter sinceDelete: leaves out the last delete and all before it.
  init(_ input: MergeInput, sinceDelete: Bool = false) {
    columns = input.rows.columns
    var bases: [Bool] = []
    rows.reserveCapacity(input.members.count + input.keyCount)
    starts.reserveCapacity(input.keyCount + 1)
    for key in 0..<input.keyCount {
      var members = input.starts[key]..<input.starts[key + 1]
      var hasBase = !input.baseRows.isEmpty && input.baseRows[key] >= 0
      if sinceDelete {
        if input.base.states[key] == .deleted { hasBase = false }
        if let last = members.last(where: { input.isDelete(input.members[$0]) }) {
          hasBase = false
          members = last + 1..<members.upperBound
        }
      }
      if hasBase { rows.append(input.baseRows[key]) }
      for place in members { rows.append(input.members[place]) }
      bases.append(hasBase)
      starts.append(rows.count)
    }
    self.bases = bases
  }

  var keyCount: Int { bases.count }

  subscript(key: Int) -> ArraySlice<Int> { rows[starts[key]..<starts[key + 1]] }

  func hasBase(_ key: Int) -> Bool { bases[key] }

  /// The row of the greatest value of an integer column of each key, or -1 when all are null.
  func greatest(_ keys: [Int], _ column: Int) -> [Int] {
    let array = columns[column]
    defer { withExtendedLifetime(array) {} }
    if array.type == .int32 { return greatest(keys, array, array.values(as: Int32.self)) }
    return greatest(keys, array, array.values(as: Int64.self))
  }

  private func greatest<T: FixedWidthInteger>(
    _ keys: [Int], _ array: ArrayData, _ values: UnsafeBufferPointer<T>
  ) -> [Int] {
    let hasNulls = array.nullCount > 0
    return keys.map { key in
      var best = -1
      for row in self[key] where !hasNulls || array.isValid(row) {
        if best < 0 || values[row] > values[best] { best = row }
      }
      return best
    }
  }
}
