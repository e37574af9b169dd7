// SPDX-License-Identifier: Apache-2.0
// Safe: slots and values grow before they are used; reads `count` values and writes as many codes.

internal import WeirColumnar

/// Distinct numbers with their codes, in an open-addressing table that grows while a column is
/// written.
///
/// Codes of what the first page holds are by frequency, so that frequent values have short codes
/// and lie together in the decoder's cache; later values follow as they appear.
final class GrowingDictionary<T: PageNumber> {
  private(set) var values: [T] = []
  private var slots: [UInt32]
  private var mask: Int

  init() {
    slots = [UInt32](repeating: 0, count: 1 << 12)
    mask = slots.count - 1
  }

  @inline(__always)
  private func slot(_ value: T) -> Int {
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
      reserve(values.count + number)
      insert(source + done, number, out + done)
      done += number
    }
  }

  private func insert(
    _ source: UnsafePointer<T>, _ count: Int, _ out: UnsafeMutablePointer<UInt32>
  ) {
    var known = values
    values = []
    let used = known.count
    known.append(contentsOf: repeatElement(0, count: count))
    var next = used
    known.withUnsafeMutableBufferPointer { known in
      slots.withUnsafeMutableBufferPointer { slots in
        let (known, slots) = (known.baseAddress!, slots.baseAddress!)
        for index in 0..<count {
          let value = source[index]
          var place = slot(value)
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
      }
    }
    known.removeLast(known.count - next)
    values = known
  }

  private func reserve(_ count: Int) {
    if values.capacity < count { values.reserveCapacity(max(count, values.capacity * 2)) }
    if count * 2 <= slots.count { return }
    var size = slots.count
    while size < count * 2 { size *= 2 }
    fill(size)
  }

  @specialized(where T == UInt32)
  @specialized(where T == UInt64)
  private func fill(_ size: Int) {
    slots = [UInt32](repeating: 0, count: size)
    mask = size - 1
    for (code, value) in values.enumerated() {
      var place = slot(value)
      while slots[place] != 0 { place = (place + 1) & mask }
      slots[place] = UInt32(code + 1)
    }
  }

  /// Gives the codes anew, the most frequent first, and changes those already written.
  @specialized(where T == UInt32)
  @specialized(where T == UInt64)
  func sortByFrequency(_ codes: UnsafeMutablePointer<UInt32>, _ count: Int) {
    var counts = [UInt32](repeating: 0, count: values.count)
    for index in 0..<count { counts[Int(codes[index])] += 1 }
    let order = values.indices.sorted { (counts[$0], $1) > (counts[$1], $0) }
    var codeOf = [UInt32](repeating: 0, count: values.count)
    for (code, former) in order.enumerated() { codeOf[former] = UInt32(code) }
    values = order.map { values[$0] }
    fill(slots.count)
    for index in 0..<count { codes[index] = codeOf[Int(codes[index])] }
  }
}
