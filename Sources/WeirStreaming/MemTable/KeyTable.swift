// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Finds the rows of a key among rows that only grow in number: open addressing by 64-bit hashes, rows
/// of one hash in a chain from the latest to the earliest.
struct KeyTable: Sendable {
  /// Latest row of a hash + 1; 0 for an empty slot. A power of two of them.
  private var slots: [Int32] = []
  private var hashes: [UInt64] = []
  /// The row before of the same hash, or -1.
  private var previous: [Int32] = []

  static let rowCountMax = Int(Int32.max) - 1

  var rowCount: Int { hashes.count }
  var byteCount: Int { slots.count * 4 + hashes.count * 12 }

  /// Adds one row for each key.
  mutating func append(_ keys: ArrayData) {
    let added = KeyHash.hashes(keys)
    if slots.count < 2 * (hashes.count + added.count) { grow(hashes.count + added.count) }
    // Room grows by doubling: entries of the log are small, and come by the thousand.
    for hash in added {
      let slot = slot(hash)
      previous.append(slots[slot] - 1)
      hashes.append(hash)
      slots[slot] = Int32(truncatingIfNeeded: hashes.count)
    }
  }

  /// Rows whose keys have this hash, the latest first.
  func rows(_ hash: UInt64) -> [Int] {
    var result: [Int] = []
    visit(hash) { row in
      result.append(row)
      return true
    }
    return result
  }

  /// Rows whose keys have this hash, the latest first, until `body` has found what it wants.
  ///
  /// - Parameter body: returns whether it wants more.
  func visit(_ hash: UInt64, _ body: (Int) -> Bool) {
    guard !slots.isEmpty else { return }
    var row = Int(slots[slot(hash)]) - 1
    while row >= 0, body(row) { row = Int(previous[row]) }
  }

  /// The entry that a row is in, and its place there.
  ///
  /// - Parameter firstRows: the first row of each entry, ascending from 0.
  static func entry(of row: Int, _ firstRows: [Int]) -> (entry: Int, place: Int) {
    var (low, high) = (0, firstRows.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if firstRows[middle] <= row { low = middle } else { high = middle }
    }
    return (low, row - firstRows[low])
  }

  @inline(__always)
  private func slot(_ hash: UInt64) -> Int {
    var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
    while slots[slot] != 0, hashes[Int(slots[slot]) - 1] != hash {
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }

  @inline(never)
  private mutating func grow(_ rows: Int) {
    var size = max(64, slots.count)
    while size < 2 * rows { size *= 2 }
    slots = [Int32](repeating: 0, count: size)
    for row in hashes.indices { slots[slot(hashes[row])] = Int32(truncatingIfNeeded: row + 1) }
  }
}
