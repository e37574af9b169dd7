// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#endif

/// Allocates what buffers are made of: 64-byte aligned, in multiples of 64 bytes.
///
/// Blocks from 4 KiB on are kept when they are freed, up to `keptByteCountMax` in all and what was ever
/// in use at once, and used again: a scan allocates the same sizes for every batch, and fresh memory from the kernel costs a
/// page fault for every 4 KiB (measured at a third of a scan's time). A batch of thousands of columns
/// is made of blocks of a few KiB, which the C library gives back to the kernel together.
package enum BufferMemory {
  /// Bytes kept for reuse at most.
  package static let keptByteCountMax = 256 << 20
  private static let keptByteCountMin = 8 << 20
  private static let pooledByteCountMin = 4 << 10
  private static let pooledByteCountMax = 64 << 20

  // Safe: never read or written, only a non-nil address for capacity 0.
  private nonisolated(unsafe) static let nothing = UnsafeMutableRawPointer.allocate(
    byteCount: 64, alignment: 64)

  private struct Pool: ~Copyable {
    /// One stack of free blocks' addresses for every size class. Safe: a block is in one stack only,
    /// and nobody else knows it.
    var free: [[UInt]] = Array(repeating: [], count: 64)
    var keptByteCount = 0
    /// Bytes of blocks in use, and the most that ever were.
    var usedByteCount = 0
    var usedByteCountMax = 0

    mutating func use(_ byteCount: Int) {
      usedByteCount += byteCount
      usedByteCountMax = max(usedByteCountMax, usedByteCount)
    }
  }

  private static let pool = Mutex(Pool())

  /// Four classes for every power of two: a block is at most a quarter larger than asked for.
  private static func sizeClass(_ byteCount: Int) -> (index: Int, byteCount: Int) {
    let shift = Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount - 2
    let quarters = (byteCount - 1) >> shift + 1
    return ((shift - 10) * 4 + quarters - 4, quarters << shift)
  }

  static func allocate(_ minimum: Int) -> (UnsafeMutableRawPointer, Int) {
    if minimum == 0 { return (nothing, 0) }
    guard minimum > pooledByteCountMin, minimum <= pooledByteCountMax else {
      return fresh((minimum + 63) & ~63)
    }
    let (index, byteCount) = sizeClass(minimum)
    let reused = pool.withLock { pool -> UInt? in
      pool.use(byteCount)
      guard let block = pool.free[index].popLast() else { return nil }
      pool.keptByteCount -= byteCount
      return block
    }
    if let reused, let base = UnsafeMutableRawPointer(bitPattern: reused) {
      return (base, byteCount)
    }
    return fresh(byteCount)
  }

  private static func fresh(_ capacity: Int) -> (UnsafeMutableRawPointer, Int) {
    guard let base = aligned_alloc(64, capacity) else {
      fatalError("out of memory: could not allocate \(capacity) bytes for a buffer")
    }
    return (base, capacity)
  }

  static func free(_ base: UnsafeMutableRawPointer, capacity: Int) {
    if capacity == 0 { return }
    if capacity > pooledByteCountMin, capacity <= pooledByteCountMax {
      let (index, byteCount) = sizeClass(capacity)
      let block = UInt(bitPattern: base)
      let kept = pool.withLock { pool -> Bool in
        guard byteCount == capacity else { return false }
        pool.usedByteCount -= byteCount
        // No more than was in use at once: a writer's pages are all of other sizes.
        let limit = min(keptByteCountMax, max(pool.usedByteCountMax, keptByteCountMin))
        guard pool.keptByteCount + byteCount <= limit else { return false }
        pool.free[index].append(block)
        pool.keptByteCount += byteCount
        return true
      }
      if kept { return }
    }
    Glibc.free(base)
  }
}
