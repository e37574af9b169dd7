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
    _ indices: UnsafeMutableBufferPointer<Int>, _ range: Range<Int>, _ scratch: RankScratch,
    _ equal: inout [Range<Int>]
  ) {
    switch array.type.layout {
    case .variableBinary(let width) where width == 4:
      sort(OffsetRows(array.offsets(as: Int32.self).baseAddress!), indices, range, scratch, &equal)
    case .variableBinary:
      sort(OffsetRows(array.offsets(as: Int64.self).baseAddress!), indices, range, scratch, &equal)
    default:
      sort(FixedRows(array.type.byteWidth!, array.offset), indices, range, scratch, &equal)
    }
  }

  @inline(__always)
  private func prefixes<R: ByteRows>(_ rows: R, _ flip: UInt64) -> [UInt64] {
    let bytes = array.buffers[array.buffers.count - 1].base
    let count = array.length
    return [UInt64](unsafeUninitializedCapacity: count) { target, initialized in
      for row in 0..<count { target[row] = eightBytes(bytes, rows.range(row)) ^ flip }
      initialized = count
    }
  }

  /// Goes on with the next 8 bytes within what is still equal; where all values have ended, their
  /// lengths decide (zeros at the end look like the filling).
  @inline(__always)
  private func sort<R: ByteRows>(
    _ rows: R, _ indices: UnsafeMutableBufferPointer<Int>, _ range: Range<Int>,
    _ scratch: RankScratch, _ equal: inout [Range<Int>]
  ) {
    let bytes = array.buffers[array.buffers.count - 1].base
    let flip: UInt64 = descending ? .max : 0
    var pending = [(range: range, done: 8)]
    while let next = pending.popLast() {
      var same: [Range<Int>] = []
      var lengthMax = 0
      for position in next.range {
        lengthMax = max(lengthMax, rows.range(indices[position]).count)
      }
      if lengthMax <= next.done {
        sortByRank(indices, next.range, scratch, &same) {
          UInt64(rows.range($0).count) ^ flip
        }
        equal += same
        continue
      }
      let skipped = next.done + commonPrefix(rows, bytes, indices, next.range, next.done)
      sortByRank(indices, next.range, scratch, &same) { row in
        let all = rows.range(row)
        let start = min(all.upperBound, all.lowerBound + skipped)
        return eightBytes(bytes, Range(uncheckedBounds: (start, all.upperBound))) ^ flip
      }
      for range in same { pending.append((range, skipped + 8)) }
    }
  }

  /// Bytes after the first `done` that all rows of `range` share.
  @inline(__always)
  private func commonPrefix<R: ByteRows>(
    _ rows: R, _ bytes: UnsafeRawPointer, _ indices: UnsafeMutableBufferPointer<Int>,
    _ range: Range<Int>, _ done: Int
  ) -> Int {
    let first = rows.range(indices[range.lowerBound])
    let start = bytes + first.lowerBound + done
    var common = max(0, first.count - done)
    for position in range.dropFirst() where common > 0 {
      let other = rows.range(indices[position])
      common = min(common, max(0, other.count - done))
      let otherStart = bytes + other.lowerBound + done
      if common == 0 || memcmp(start, otherStart, common) == 0 { continue }
      var equal = 0
      while start.load(fromByteOffset: equal, as: UInt8.self)
        == otherStart.load(fromByteOffset: equal, as: UInt8.self)
      {
        equal += 1
      }
      common = equal
    }
    return common
  }
}

/// The first 8 bytes of `range` as a big-endian number, filled up with zeros.
@inline(__always)
private func eightBytes(_ bytes: UnsafeRawPointer, _ range: Range<Int>) -> UInt64 {
  if range.count >= 8 {
    return bytes.loadUnaligned(fromByteOffset: range.lowerBound, as: UInt64.self).bigEndian
  }
  var result: UInt64 = 0
  var shift: UInt64 = 56
  for position in range {
    result |= UInt64(bytes.load(fromByteOffset: position, as: UInt8.self)) << shift
    shift -= 8
  }
  return result
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

/// Sorts `range` of `indices` by the rank of each row, stable, and appends the ranges of equal ranks.
@inline(__always)
func sortByRank(
  _ indices: UnsafeMutableBufferPointer<Int>, _ range: Range<Int>, _ scratch: RankScratch,
  _ equal: inout [Range<Int>], _ rankOf: (Int) -> UInt64
) {
  let count = range.count
  let (first, second) = scratch.pointers(count)
  var rows = first
  var sorted = true
  var previous: UInt64 = 0
  var (all, any) = (UInt64.max, UInt64(0))
  for position in 0..<count {
    let row = indices[range.lowerBound + position]
    let rank = rankOf(row)
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

/// Radix sort from the least significant digit on. The bits that vary are cut into as few digits as
/// possible of at most 11 bits each; digits that are the same everywhere are left out. Returns where
/// the result is.
private func radixSort(
  _ first: UnsafeMutablePointer<RankedRow>, _ second: UnsafeMutablePointer<RankedRow>,
  _ count: Int, varying: UInt64
) -> UnsafeMutablePointer<RankedRow> {
  var (from, to) = (first, second)
  let low = varying.trailingZeroBitCount
  let span = max(0, 64 - varying.leadingZeroBitCount - low)
  let digitBits = span == 0 ? 1 : (span + (span + 10) / 11 - 1) / ((span + 10) / 11)
  let mask = (UInt64(1) << UInt64(digitBits)) - 1
  withUnsafeTemporaryAllocation(of: Int.self, capacity: 1 << digitBits) { starts in
    for lowBit in stride(from: low, to: low + span, by: digitBits) {
      let shift = UInt64(lowBit)
      if varying >> shift & mask == 0 { continue }
      starts.initialize(repeating: 0)
      for position in 0..<count { starts[Int(from[position].rank >> shift & mask)] += 1 }
      var next = 0
      for value in 0..<1 << digitBits {
        let rows = starts[value]
        starts[value] = next
        next += rows
      }
      for position in 0..<count {
        let value = Int(from[position].rank >> shift & mask)
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
