// SPDX-License-Identifier: Apache-2.0
// Safe: slots, bytes and offsets grow before they are used; the kernel reads `count` lengths and as
// many bytes as they say, and writes as many codes.

internal import CWeirKernels
internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Distinct byte strings with their codes, in a table that grows while a column is written.
///
/// Codes of what the first page holds are by frequency, as those of `GrowingDictionary`.
final class StringDictionary {
  private var table = weir_string_table()
  private var byteCapacity = 0
  private var countCapacity = 0

  /// Strings and bytes that are looked up in one step.
  private static let stepByteCount = 1 << 20

  init() {
    makeRoom(strings: 1 << 10, bytes: 1 << 14)
    table.offsets[0] = 0
  }

  deinit {
    free(table.slots)
    free(table.bytes)
    free(table.offsets)
  }

  var count: Int { table.count }
  /// Bytes of all strings, and of the table.
  var byteCount: Int { Int(table.offsets[table.count]) + table.count * 4 }

  /// Room for so many strings and bytes more.
  private func makeRoom(strings: Int, bytes: Int) {
    let (count, used) = (table.count + strings, usedByteCount + bytes)
    if count > countCapacity {
      countCapacity = max(count, countCapacity * 3 / 2)
      table.offsets = Self.grown(table.offsets, countCapacity + 1)
    }
    if used > byteCapacity {
      byteCapacity = max(used, byteCapacity * 3 / 2)
      table.bytes = Self.grown(table.bytes, byteCapacity + SymbolTable.slack)
    }
    if table.slots == nil || count * 2 > table.mask + 1 {
      var slots = 1 << 11
      while slots < count * 2 { slots *= 2 }
      fill(slots)
    }
  }

  private var usedByteCount: Int { table.offsets == nil ? 0 : Int(table.offsets[table.count]) }

  private static func grown<T>(
    _ memory: UnsafeMutablePointer<T>?, _ count: Int
  ) -> UnsafeMutablePointer<T> {
    guard let larger = realloc(memory, count * MemoryLayout<T>.stride) else {
      fatalError("out of memory: could not allocate \(count) values")
    }
    return larger.assumingMemoryBound(to: T.self)
  }

  private func fill(_ slots: Int) {
    free(table.slots)
    guard let memory = calloc(slots, 8) else { fatalError("out of memory: \(slots) slots") }
    table.slots = memory.assumingMemoryBound(to: UInt64.self)
    table.mask = slots - 1
    weir_string_table_fill(&table)
  }

  /// Adds strings behind the others, those that are there already, too: codes that were given stay. Of
  /// equal ones the first is found. False when it would hold more than 2 GiB.
  func append(_ strings: StringRows) -> Bool {
    let count = strings.lengths.count
    guard usedByteCount + strings.bytes.count < Int(Int32.max) else { return false }
    makeRoom(strings: count, bytes: strings.bytes.count)
    var at = table.offsets[table.count]
    memcpy(table.bytes + Int(at), strings.bytes.base, strings.bytes.count)
    for (index, length) in strings.lengths.enumerated() {
      at += length
      table.offsets[table.count + index + 1] = at
    }
    table.count += count
    fill(table.mask + 1)
    return true
  }

  /// Writes the code of each of the first `count` strings, adding those that are new. False when
  /// the dictionary would exceed `byteCountMax`, or when strings were chosen to make it slow.
  func codes(
    _ strings: StringRows, from first: inout StringRows.Place, count: Int, byteCountMax: Int,
    _ out: UnsafeMutablePointer<UInt32>
  ) -> Bool {
    let end = first.row + count
    while first.row < end {
      var (rows, bytes) = (0, 0)
      while rows < chunkCount && first.row + rows < end && bytes < Self.stepByteCount {
        bytes += Int(strings.lengths[first.row + rows])
        rows += 1
      }
      guard byteCount <= byteCountMax, usedByteCount + bytes < Int(Int32.max) else { return false }
      makeRoom(strings: rows, bytes: bytes)
      let done = strings.lengths.withUnsafeBufferPointer { lengths in
        weir_string_numbers(
          &table, strings.bytes.bytes + first.byte, bytes, lengths.baseAddress! + first.row, rows,
          strings.isValid?.validity.bytes, (strings.isValid?.offset ?? 0) + first.row,
          out + first.row)
      }
      guard done == rows else { return false }
      first.row += rows
      first.byte += bytes
    }
    return byteCount <= byteCountMax
  }

  /// Writes the codes of the first `count` strings that are known; each that is not gets one behind the
  /// last. Returns how many are not known; `nil` when strings were chosen to make it slow.
  func find(
    _ strings: StringRows, count: Int, _ out: UnsafeMutablePointer<UInt32>
  ) -> Int? {
    var unknown = 0
    let done = strings.lengths.withUnsafeBufferPointer { lengths in
      weir_string_find(
        &table, strings.bytes.bytes, strings.bytes.count, lengths.baseAddress!, count,
        strings.isValid?.validity.bytes, strings.isValid?.offset ?? 0, out, &unknown)
    }
    return done == count ? unknown : nil
  }

  /// Gives the codes anew, the most frequent first, and changes those already written.
  func sortByFrequency(_ codes: UnsafeMutablePointer<UInt32>, _ count: Int) {
    var counts = [UInt32](repeating: 0, count: self.count)
    for index in 0..<count { counts[Int(codes[index])] += 1 }
    let keys = counts.enumerated().map { UInt64(~$1) << 32 | UInt64($0) }.sorted()
    var codeOf = [UInt32](repeating: 0, count: self.count)
    let bytes = Self.grown(nil as UnsafeMutablePointer<UInt8>?, byteCapacity + SymbolTable.slack)
    let offsets = Self.grown(nil as UnsafeMutablePointer<UInt32>?, countCapacity + 1)
    var at: UInt32 = 0
    for (code, key) in keys.enumerated() {
      let former = Int(truncatingIfNeeded: key & 0xffff_ffff)
      codeOf[former] = UInt32(code)
      let start = table.offsets[former]
      let length = table.offsets[former + 1] - start
      memcpy(bytes + Int(at), table.bytes + Int(start), Int(length))
      offsets[code] = at
      at += length
    }
    offsets[self.count] = at
    free(table.bytes)
    free(table.offsets)
    table.bytes = bytes
    table.offsets = offsets
    fill(table.mask + 1)
    for index in 0..<count { codes[index] = codeOf[Int(codes[index])] }
  }

  /// The strings of codes.
  func strings(_ codes: Range<Int>) -> StringRows {
    let lengths = codes.map { table.offsets[$0 + 1] - table.offsets[$0] }
    let start = Int(table.offsets[codes.lowerBound])
    let bytes = UnsafeRawBufferPointer(
      start: table.bytes + start, count: Int(table.offsets[codes.upperBound]) - start)
    return StringRows(lengths: lengths, bytes: Buffer(copying: bytes))
  }
}
