// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar

/// A validity bitmap that takes no memory until the first null comes.
///
/// Safe: the pointers go into the bitmap that this value owns.
struct LevelValidity {
  private let nullable: Bool
  private var bits: MutableBuffer?
  private var count = 0
  private var nullCount = 0
  private let scratch = MutableBuffer()

  init(nullable: Bool) { self.nullable = nullable }

  mutating func appendValid(_ valid: Int) {
    if bits != nil {
      let bits = grown(by: valid)
      Bitmap.fill(bits.base, offset: count, count: valid, true)
    }
    count += valid
  }

  mutating func appendNulls(_ nulls: Int) {
    guard nullable && nulls > 0 else {
      count += nulls
      return
    }
    let bits = grown(by: nulls)
    Bitmap.fill(bits.base, offset: count, count: nulls, false)
    count += nulls
    nullCount += nulls
  }

  /// One bit for each level that is at least `slotLevel`: 1 when it is at least `full`.
  mutating func append(
    levels: UnsafePointer<UInt8>, count levelCount: Int, slotLevel: UInt8, full: UInt8
  ) {
    guard nullable else {
      for index in 0..<levelCount where levels[index] >= slotLevel { count += 1 }
      return
    }
    let base = grown(by: levelCount).base
    if slotLevel == 0 {
      scratch.reserve(Bitmap.byteCount(levelCount))
      let ones = weir_pack_at_least_u8(
        levels, full, scratch.base.assumingMemoryBound(to: UInt8.self), levelCount)
      Bitmap.copy(
        from: scratch.base, offset: 0, to: base, offset: count, count: levelCount)
      count += levelCount
      nullCount += levelCount - ones
      return
    }
    var index = count
    var nulls = 0
    for position in 0..<levelCount {
      let level = levels[position]
      if level >= slotLevel {
        if level >= full {
          Bitmap.set(base, index)
        } else {
          Bitmap.clear(base, index)
          nulls += 1
        }
        index += 1
      }
    }
    count = index
    nullCount += nulls
  }

  /// The bitmap with room for `extra` bits beyond `count`, all bits before it set.
  private mutating func grown(by extra: Int) -> MutableBuffer {
    let needed = Bitmap.byteCount(count + extra)
    if let bits {
      if bits.count < needed { bits.appendZeros(needed - bits.count) }
      return bits
    }
    let made = MutableBuffer(capacity: max(needed, 1024))
    made.appendZeros(needed)
    Bitmap.fill(made.base, offset: 0, count: count, true)
    bits = made
    return made
  }

  /// The bitmap (`nil` without nulls) and the number of nulls; starts again empty.
  mutating func finish() -> (Buffer?, Int) {
    defer {
      bits = nil
      count = 0
      nullCount = 0
    }
    guard nullCount > 0, let bits else { return (nil, 0) }
    return (bits.finish(), nullCount)
  }
}
