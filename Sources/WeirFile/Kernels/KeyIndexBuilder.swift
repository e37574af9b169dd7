// SPDX-License-Identifier: Apache-2.0
// Safe: hashes the bytes of the `length` rows of arrays, which their owner keeps alive.

internal import WeirColumnar

/// Hashes of keys (section 6 of the specification).
enum KeyHash {
  /// Whether columns of the type may be keys: equal values have equal bytes.
  static func isSupported(_ type: DataType) -> Bool {
    switch type {
    case .bool, .float16, .float32, .float64: false
    case .dictionary(_, let value, _): isSupported(value)
    default: PageStatistics.hasBounds(type)
    }
  }

  /// Calls `body(row, hash)` for the rows that are not null, of an array that is no dictionary array.
  static func forRows(_ array: ArrayData, _ body: (Int, UInt64) -> Void) {
    if let width = array.type.byteWidth, array.length > 0 {
      let base = array.buffers[0].base + array.offset * width
      for row in 0..<array.length where array.isValid(row) {
        body(
          row, XXHash64.hash(UnsafeRawBufferPointer(start: base + row * width, count: width)))
      }
      return
    }
    for row in 0..<array.length where array.isValid(row) {
      body(row, array.withBytes(row) { XXHash64.hash($0) })
    }
  }

  /// Of a value as a predicate on a column of the type has it; `nil` when it is not of that type.
  static func of(_ value: Scalar, _ type: DataType) -> UInt64? {
    switch (value, type) {
    case (_, .dictionary(_, let inner, _)): return of(value, inner)
    case (.int(let number), _):
      return littleEndian(UInt128(UInt64(bitPattern: number)), type.byteWidth)
    case (.uint(let number), _): return littleEndian(UInt128(number), type.byteWidth)
    case (.decimal(let number, let scale), .decimal128(_, let own)) where scale == own:
      return littleEndian(UInt128(truncatingIfNeeded: number), 16)
    case (.string(let text), .utf8), (.string(let text), .largeUtf8):
      return XXHash64.hash(Array(text.utf8))
    case (.binary(let bytes), _): return XXHash64.hash(bytes)
    default: return nil
    }
  }

  private static func littleEndian(_ bits: UInt128, _ width: Int?) -> UInt64? {
    guard let width, width <= 16 else { return nil }
    return XXHash64.hash((0..<width).map { UInt8(truncatingIfNeeded: bits >> UInt128(8 * $0)) })
  }
}

/// Gathers the keys of a column while it is written: for a bloom filter, and for an exact index as
/// long as that fits its memory.
final class KeyIndexBuilder {
  private struct Entry {
    var hash: UInt64
    var row: UInt64
  }

  /// Values of a page of the index, as a power of two.
  static let shift = 12

  private let byteCountMax: Int
  private let falsePositiveRate: Double
  private var entries: [Entry] = []
  private var rowCount = 0
  /// Once there are too many entries: a filter of the most bytes, and how many values were new to it.
  private var filter: MutableBuffer?
  private var distinctCount = 0
  private var isSorted = false

  init(byteCountMax: Int, falsePositiveRate: Double) {
    self.byteCountMax = byteCountMax
    self.falsePositiveRate = min(max(falsePositiveRate, 1e-9), 0.999)
  }

  /// Bytes of the filter while there are too many keys for an index.
  private var filterByteCountMax: Int {
    var size = SplitBlockBloomFilter.blockByteCount
    while size * 2 <= min(byteCountMax, 128 << 20) { size *= 2 }
    return size
  }

  /// Bytes of memory that it takes until the file ends.
  var heldByteCount: Int { entries.count * MemoryLayout<Entry>.size + (filter?.count ?? 0) }

  /// Adds the rows of an array that is no dictionary array.
  func add(_ array: ArrayData) {
    KeyHash.forRows(array) { row, hash in
      if filter != nil {
        insert(hash)
      } else {
        entries.append(Entry(hash: hash, row: UInt64(rowCount + row)))
        if entries.count * MemoryLayout<Entry>.size >= byteCountMax { giveUpRows() }
      }
    }
    rowCount += array.length
  }

  private func giveUpRows() {
    let filter = MutableBuffer(capacity: filterByteCountMax)
    filter.appendZeros(filterByteCountMax)
    self.filter = filter
    for entry in entries { insert(entry.hash) }
    entries = []
  }

  private func insert(_ hash: UInt64) {
    guard let filter else { return }
    if SplitBlockBloomFilter.insertIfNew(hash, into: filter) { distinctCount += 1 }
  }

  private func sort() {
    if isSorted { return }
    entries.sort { ($0.hash, $0.row) < ($1.hash, $1.row) }
    isSorted = true
  }

  /// The bloom filter of all keys.
  func finishFilter() -> Buffer {
    if let filter {
      let wanted = SplitBlockBloomFilter.byteCount(
        distinctCount: distinctCount, falsePositiveRate: falsePositiveRate)
      while filter.count > wanted { SplitBlockBloomFilter.halve(filter) }
      return filter.finish()
    }
    if entries.isEmpty { return Buffer() }
    sort()
    var distinct = 1
    for index in 1..<entries.count where entries[index].hash != entries[index - 1].hash {
      distinct += 1
    }
    let filter = MutableBuffer()
    filter.appendZeros(
      SplitBlockBloomFilter.byteCount(
        distinctCount: distinct, falsePositiveRate: falsePositiveRate))
    for entry in entries { SplitBlockBloomFilter.insert(entry.hash, into: filter) }
    return filter.finish()
  }

  /// Whether there is an index, and not just a filter.
  var hasRows: Bool { !entries.isEmpty && entries.count < Int(UInt32.max) }

  /// The pages of the index: the upper halves of the hashes, ascending, with their rows.
  func pages(_ numbers: NumberEncoder) -> [EncodedNode] {
    sort()
    return auxiliaryPages(entries.count, shift: Self.shift) { range in
      let part = entries[range]
      let hashes = part.map { UInt32(truncatingIfNeeded: $0.hash >> 32) }
      let rows =
        rowCount <= Int(UInt32.max)
        ? numbers.encode(part.map { UInt32(truncatingIfNeeded: $0.row) }, part.count)
        : numbers.encode(part.map(\.row), part.count)
      return EncodedNode(
        encoding: .structure, kind: .structs, count: part.count,
        children: [numbers.encode(hashes, part.count), rows])
    }
  }
}
