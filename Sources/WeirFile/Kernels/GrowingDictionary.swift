// SPDX-License-Identifier: Apache-2.0
// Safe: slots and values grow before they are used; reads `count` values and writes as many codes.

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Distinct numbers with their codes, in an open-addressing table that grows while a column is
/// written.
///
/// Codes of what the first page holds are by frequency, so that frequent values have short codes
/// and lie together in the decoder's cache; later values follow as they appear.
final class GrowingDictionary<T: PageNumber> {
  /// Distinct values so far, in the order of their codes.
  private(set) var count = 0
  private var values: UnsafeMutablePointer<T>
  private var capacity = 1 << 10
  private var slots: UnsafeMutablePointer<UInt32>
  private var mask = 1 << 12 - 1

  init() {
    values = Self.memory(nil, 1 << 10)
    slots = Self.zeros(1 << 12)
  }

  /// A dictionary with codes already given; of equal values the first is found.
  @specialized(where T == UInt32)
  @specialized(where T == UInt64)
  init(_ known: UnsafePointer<T>, _ count: Int) {
    capacity = max(count, 1 << 10)
    values = Self.memory(nil, capacity)
    memcpy(values, known, count * MemoryLayout<T>.size)
    var size = 1 << 12
    while count * 3 > size * 2 { size *= 2 }
    slots = Self.zeros(size)
    mask = size - 1
    self.count = count
    for code in 0..<count {
      var place = Self.slot(values[code], mask)
      while slots[place] != 0 && values[Int(slots[place]) - 1] != values[code] {
        place = (place + 1) & mask
      }
      if slots[place] == 0 { slots[place] = UInt32(truncatingIfNeeded: code + 1) }
    }
  }

  deinit {
    free(values)
    free(slots)
  }

  /// Grown in place where the kernel can move it, and without what was not written yet: a writer has a
  /// dictionary for each of its columns.
  private static func memory(
    _ former: UnsafeMutablePointer<T>?, _ count: Int
  ) -> UnsafeMutablePointer<T> {
    guard let memory = realloc(former, count * MemoryLayout<T>.size) else {
      fatalError("out of memory: could not allocate \(count) values of a dictionary")
    }
    return memory.assumingMemoryBound(to: T.self)
  }

  private static func zeros(_ count: Int) -> UnsafeMutablePointer<UInt32> {
    guard let memory = calloc(count, 4) else {
      fatalError("out of memory: could not allocate \(count) slots of a dictionary")
    }
    return memory.assumingMemoryBound(to: UInt32.self)
  }

  /// Calls `body` with the values.
  func withValues<R>(_ body: (UnsafePointer<T>, Int) -> R) -> R { body(values, count) }

  @inline(__always)
  private static func slot(_ value: T, _ mask: Int) -> Int {
    let hash = UInt64(truncatingIfNeeded: value) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: hash >> 20) & mask
  }

  /// Writes the code of each value, adding those that are new.
  @specialized(where T == UInt32)
  @specialized(where T == UInt64)
  func codes(_ source: UnsafePointer<T>, _ count: Int, _ out: UnsafeMutablePointer<UInt32>) {
    var done = 0
    while done < count {
      let number = min(chunkCount, count - done)
      reserve(self.count + number)
      insert(source + done, number, out + done)
      done += number
    }
  }

  private func insert(
    _ source: UnsafePointer<T>, _ count: Int, _ out: UnsafeMutablePointer<UInt32>
  ) {
    let (known, slots, mask) = (values, slots, mask)
    var next = self.count
    for index in 0..<count {
      let value = source[index]
      var place = Self.slot(value, mask)
      while true {
        let code = slots[place]
        if code == 0 {
          known[next] = value
          next += 1
          slots[place] = UInt32(truncatingIfNeeded: next)
          out[index] = UInt32(truncatingIfNeeded: next - 1)
          break
        }
        if known[Int(code - 1)] == value {
          out[index] = code - 1
          break
        }
        place = (place + 1) & mask
      }
    }
    self.count = next
  }

  /// Writes the codes of the values that are known; each that is not gets one behind the last, as if
  /// they were all different. Returns how many are not known.
  @specialized(where T == UInt32)
  @specialized(where T == UInt64)
  func find(
    _ source: UnsafePointer<T>, _ count: Int, _ out: UnsafeMutablePointer<UInt32>
  ) -> Int {
    let (known, slots, mask) = (values, slots, mask)
    let next = self.count
    var unknown = 0
    for index in 0..<count {
      let value = source[index]
      var place = Self.slot(value, mask)
      while true {
        let code = slots[place]
        if code == 0 {
          out[index] = UInt32(truncatingIfNeeded: next + unknown)
          unknown += 1
          break
        }
        if known[Int(code - 1)] == value {
          out[index] = code - 1
          break
        }
        place = (place + 1) & mask
      }
    }
    return unknown
  }

  private func reserve(_ wanted: Int) {
    if wanted > capacity {
      capacity = max(wanted, capacity * 3 / 2)
      values = Self.memory(values, capacity)
    }
    // Slots are at most two thirds full.
    if wanted * 3 <= (mask + 1) * 2 { return }
    var size = mask + 1
    while wanted * 3 > size * 2 { size *= 2 }
    fill(size)
  }

  @specialized(where T == UInt32)
  @specialized(where T == UInt64)
  private func fill(_ size: Int) {
    free(slots)
    let (fresh, mask) = (Self.zeros(size), size - 1)
    for code in 0..<count {
      var place = Self.slot(values[code], mask)
      while fresh[place] != 0 { place = (place + 1) & mask }
      fresh[place] = UInt32(truncatingIfNeeded: code + 1)
    }
    slots = fresh
    self.mask = mask
  }

  /// Gives the codes anew, the most frequent first, and changes those already written.
  @specialized(where T == UInt32)
  @specialized(where T == UInt64)
  func sortByFrequency(_ codes: UnsafeMutablePointer<UInt32>, _ count: Int) {
    var counts = [UInt32](repeating: 0, count: self.count)
    for index in 0..<count { counts[Int(codes[index])] += 1 }
    // As numbers, which sort fast: the most frequent first, then in the order of their codes.
    let keys = counts.enumerated().map { UInt64(~$1) << 32 | UInt64($0) }.sorted()
    let order = keys.map { Int(truncatingIfNeeded: $0 & 0xffff_ffff) }
    var codeOf = [UInt32](repeating: 0, count: self.count)
    let sorted = Self.memory(nil, capacity)
    for (code, former) in order.enumerated() {
      codeOf[former] = UInt32(code)
      sorted[code] = values[former]
    }
    free(values)
    values = sorted
    fill(mask + 1)
    for index in 0..<count { codes[index] = codeOf[Int(codes[index])] }
  }
}
