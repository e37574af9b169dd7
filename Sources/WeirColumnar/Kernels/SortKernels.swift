// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  internal import Glibc
#endif

// MARK: - Ranks: numbers whose order is the values' order

func integerRanks<T: FixedWidthInteger & BitwiseCopyable>(
  _ type: T.Type, _ array: ArrayData, _ flip: UInt64
) -> [UInt64] {
  // Safe: the array is a parameter and lives until the end.
  let values = array.values(as: type)
  let sign: UInt64 = T.isSigned ? 1 << 63 : 0
  return [UInt64](unsafeUninitializedCapacity: values.count) { target, count in
    for row in 0..<values.count {
      target[row] = (UInt64(truncatingIfNeeded: values[row]) ^ sign) ^ flip
    }
    count = values.count
  }
}

/// NaNs are one value above all others, the zeros are one value.
func floatRanks<T: BinaryFloatingPoint & BitwiseCopyable>(
  _ type: T.Type, _ array: ArrayData, _ flip: UInt64
) -> [UInt64] {
  let values = array.values(as: type)
  return [UInt64](unsafeUninitializedCapacity: values.count) { target, count in
    for row in 0..<values.count {
      let value = Double(values[row])
      let bits = value.isNaN ? Double.nan.bitPattern : (value + 0).bitPattern
      let ordered = bits >> 63 == 1 && value != 0 ? ~bits : bits & ~(1 << 63) | 1 << 63
      target[row] = ordered ^ flip
    }
    count = values.count
  }
}

/// One half of each 128-bit number.
func decimalRanks(_ array: ArrayData, _ flip: UInt64, high: Bool) -> [UInt64] {
  let values = array.values(as: Bytes16.self)
  return [UInt64](unsafeUninitializedCapacity: values.count) { target, count in
    for row in 0..<values.count {
      target[row] = (high ? values[row].high ^ 1 << 63 : values[row].low) ^ flip
    }
    count = values.count
  }
}

// MARK: - Bytes

/// The byte-by-byte order of a string, binary or fixed-size binary column.
struct BytesOrder {
  private let array: ArrayData
  private let descending: Bool

  init(_ array: ArrayData, _ descending: Bool) {
    self.array = array
    self.descending = descending
  }

  /// The first 8 bytes as a big-endian number; shorter values are filled up with zeros.
  func prefixRanks(_ flip: UInt64) -> [UInt64] {
    guard array.length > 0 else { return [] }
    switch array.type.layout {
    case .variableBinary(let width) where width == 4:
      return prefixes(OffsetRows(array.offsets(as: Int32.self).baseAddress!), flip)
    case .variableBinary:
      return prefixes(OffsetRows(array.offsets(as: Int64.self).baseAddress!), flip)
    default: return prefixes(FixedRows(array.type.byteWidth!, array.offset), flip)
    }
  }

  /// Sorts rows whose first 8 bytes are equal, and appends the ranges that stay equal.
  func sort(
    _ indices: UnsafeMutableBufferPointer<Int>, _ range: Range<Int>, _ equal: inout [Range<Int>]
  ) {
    switch array.type.layout {
    case .variableBinary(let width) where width == 4:
      sort(OffsetRows(array.offsets(as: Int32.self).baseAddress!), indices, range, &equal)
    case .variableBinary:
      sort(OffsetRows(array.offsets(as: Int64.self).baseAddress!), indices, range, &equal)
    default: sort(FixedRows(array.type.byteWidth!, array.offset), indices, range, &equal)
    }
  }

  @inline(__always)
  private func prefixes<R: ByteRows>(_ rows: R, _ flip: UInt64) -> [UInt64] {
    let bytes = array.buffers[array.buffers.count - 1].base
    let count = array.length
    return [UInt64](unsafeUninitializedCapacity: count) { target, initialized in
      for row in 0..<count {
        let range = rows.range(row)
        var prefix: UInt64 = 0
        if range.count >= 8 {
          prefix = bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: UInt64.self).bigEndian
        } else {
          for (place, position) in range.enumerated() {
            let byte = bytes.load(fromByteOffset: position, as: UInt8.self)
            prefix |= UInt64(byte) << UInt64(56 - 8 * place)
          }
        }
        target[row] = prefix ^ flip
      }
      initialized = count
    }
  }

  @inline(__always)
  private func sort<R: ByteRows>(
    _ rows: R, _ indices: UnsafeMutableBufferPointer<Int>, _ range: Range<Int>,
    _ equal: inout [Range<Int>]
  ) {
    let bytes = array.buffers[array.buffers.count - 1].base
    let direction = descending ? -1 : 1
    // What follows the equal prefix decides, then the length: a prefix comes first.
    @inline(__always) func order(_ a: Int, _ b: Int) -> Int {
      let (x, y) = (rows.range(a), rows.range(b))
      let common = min(x.count, y.count)
      if common > 8 {
        let result = memcmp(bytes + x.lowerBound + 8, bytes + y.lowerBound + 8, common - 8)
        if result != 0 { return Int(result) * direction }
      }
      return (x.count - y.count) * direction
    }
    var sorted = true
    for position in range.dropFirst() where order(indices[position - 1], indices[position]) > 0 {
      sorted = false
      break
    }
    if !sorted {
      var part = UnsafeMutableBufferPointer(rebasing: indices[range])
      part.sort {
        let result = order($0, $1)
        return result != 0 ? result < 0 : $0 < $1
      }
    }
    var start = range.lowerBound
    for position in range.dropFirst() where order(indices[position - 1], indices[position]) != 0 {
      if position - start > 1 { equal.append(start..<position) }
      start = position
    }
    if range.upperBound - start > 1 { equal.append(start..<range.upperBound) }
  }
}

/// Where the bytes of a row are.
private protocol ByteRows {
  func range(_ row: Int) -> Range<Int>
}

private struct OffsetRows<T: FixedWidthInteger & BitwiseCopyable>: ByteRows {
  // Safe: used while the array that owns the offsets is alive (BytesOrder holds it).
  private let offsets: UnsafePointer<T>
  init(_ offsets: UnsafePointer<T>) { self.offsets = offsets }

  @inline(__always)
  func range(_ row: Int) -> Range<Int> {
    Range(uncheckedBounds: (Int(offsets[row]), Int(offsets[row + 1])))
  }
}

private struct FixedRows: ByteRows {
  private let width: Int
  private let offset: Int
  init(_ width: Int, _ offset: Int) {
    self.width = width
    self.offset = offset
  }

  @inline(__always)
  func range(_ row: Int) -> Range<Int> {
    Range(uncheckedBounds: ((offset + row) * width, (offset + row + 1) * width))
  }
}

// MARK: - Sorting by rank

struct RankedRow: BitwiseCopyable {
  var rank: UInt64
  var row: Int
}

/// Memory that the ranges of one sort share.
struct RankScratch {
  private let buffers = (MutableBuffer(), MutableBuffer())

  // Safe: valid until the next call; the sorter uses it within one range.
  func pointers(_ count: Int) -> (UnsafeMutablePointer<RankedRow>, UnsafeMutablePointer<RankedRow>)
  {
    let bytes = count * MemoryLayout<RankedRow>.stride
    buffers.0.reserve(bytes)
    buffers.1.reserve(bytes)
    return (
      buffers.0.base.assumingMemoryBound(to: RankedRow.self),
      buffers.1.base.assumingMemoryBound(to: RankedRow.self)
    )
  }
}

/// Rows above which radix passes are cheaper than comparisons.
private let radixCountMin = 512

/// Sorts `range` of `indices` by rank, stable, and appends the ranges of equal ranks.
func sortByRank(
  _ indices: UnsafeMutableBufferPointer<Int>, _ range: Range<Int>,
  _ ranks: UnsafeBufferPointer<UInt64>, _ scratch: inout RankScratch, _ equal: inout [Range<Int>]
) {
  let count = range.count
  let (first, second) = scratch.pointers(count)
  var rows = first
  var sorted = true
  var previous: UInt64 = 0
  var (all, any) = (UInt64.max, UInt64(0))
  for position in 0..<count {
    let row = indices[range.lowerBound + position]
    let rank = ranks[row]
    sorted = sorted && rank >= previous
    previous = rank
    all &= rank
    any |= rank
    rows[position] = RankedRow(rank: rank, row: row)
  }
  if !sorted {
    if count < radixCountMin {
      var part = UnsafeMutableBufferPointer(start: rows, count: count)
      part.sort {
        $0.rank != $1.rank ? $0.rank < $1.rank : $0.row < $1.row
      }
    } else {
      rows = radixSort(first, second, count, varying: all ^ any)
    }
    for position in 0..<count { indices[range.lowerBound + position] = rows[position].row }
  }
  var start = 0
  for position in 1..<count where rows[position].rank != rows[position - 1].rank {
    if position - start > 1 {
      equal.append(range.lowerBound + start..<range.lowerBound + position)
    }
    start = position
  }
  if count - start > 1 { equal.append(range.lowerBound + start..<range.upperBound) }
}

/// Least-significant-byte radix sort; bytes that are the same everywhere (0 in `varying`) are left
/// out. Returns where the result is.
private func radixSort(
  _ first: UnsafeMutablePointer<RankedRow>, _ second: UnsafeMutablePointer<RankedRow>,
  _ count: Int, varying: UInt64
) -> UnsafeMutablePointer<RankedRow> {
  var (from, to) = (first, second)
  withUnsafeTemporaryAllocation(of: Int.self, capacity: 256) { starts in
    for byte in 0..<8 where varying >> UInt64(8 * byte) & 0xff != 0 {
      let shift = UInt64(8 * byte)
      starts.initialize(repeating: 0)
      for position in 0..<count { starts[Int(from[position].rank >> shift & 0xff)] += 1 }
      var next = 0
      for value in 0..<256 {
        let rows = starts[value]
        starts[value] = next
        next += rows
      }
      for position in 0..<count {
        let value = Int(from[position].rank >> shift & 0xff)
        to[starts[value]] = from[position]
        starts[value] += 1
      }
      (from, to) = (to, from)
    }
  }
  return from
}

/// Moves the null rows of `range` to its front or back, keeping the order within both parts, and
/// returns the ranges of valid and of null rows.
func partitionNulls(
  _ indices: UnsafeMutableBufferPointer<Int>, _ range: Range<Int>, _ validity: UnsafeRawPointer,
  _ bitOffset: Int, _ nullsFirst: Bool
) -> (valid: Range<Int>, nulls: Range<Int>) {
  var nulls: [Int] = []
  var next = range.lowerBound
  for position in range {
    let row = indices[position]
    if Bitmap.get(validity, bitOffset + row) {
      indices[next] = row
      next += 1
    } else {
      nulls.append(row)
    }
  }
  let validCount = next - range.lowerBound
  if nullsFirst {
    // The valid rows move back, from the last on.
    for position in stride(from: validCount - 1, through: 0, by: -1) {
      indices[range.lowerBound + nulls.count + position] = indices[range.lowerBound + position]
    }
    next = range.lowerBound
  }
  for (position, row) in nulls.enumerated() { indices[next + position] = row }
  let split = nullsFirst ? range.lowerBound + nulls.count : range.lowerBound + validCount
  return nullsFirst
    ? (split..<range.upperBound, range.lowerBound..<split)
    : (range.lowerBound..<split, split..<range.upperBound)
}
