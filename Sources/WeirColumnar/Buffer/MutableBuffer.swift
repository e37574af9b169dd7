// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  internal import Glibc
#endif

/// Growable, uniquely owned bytes that become a `Buffer` without a copy.
///
/// Memory starts at a 64-byte boundary and its capacity is a multiple of 64. One thread at a time
/// may use it. After `finish()` it is empty and may be used again.
public final class MutableBuffer {
  // Private, behind read-only views: the compiler then proves that accesses never overlap, and leaves
  // out run-time exclusivity checks, which cost more than an append.
  private var start: UnsafeMutableRawPointer
  private var used: Int
  private var reserved: Int

  /// First byte. Safe: valid until the next call that grows, finishes or frees this buffer.
  package var base: UnsafeMutableRawPointer { start }
  /// Bytes in use.
  public var count: Int { used }
  /// Bytes allocated.
  public var capacity: Int { reserved }

  /// Reserves at least `capacity` bytes, uninitialised.
  public init(capacity: Int = 0) {
    precondition(capacity >= 0, "a buffer has no negative capacity")
    (start, reserved) = BufferMemory.allocate(capacity)
    used = 0
  }

  deinit { BufferMemory.free(start, capacity: reserved) }

  /// Grows the capacity to at least `minimum` bytes; at least doubles it when it grows.
  public func reserve(_ minimum: Int) {
    if minimum > reserved { grow(to: minimum) }
  }

  /// Makes room for `additional` bytes behind `count` and returns where they start. The caller
  /// writes them and then calls `advance(by:)`.
  package func reserveTail(_ additional: Int) -> UnsafeMutableRawPointer {
    reserve(used + additional)
    return start + used
  }

  /// Declares `byteCount` bytes behind `count` to be initialised.
  package func advance(by byteCount: Int) {
    precondition(byteCount >= 0 && used + byteCount <= reserved, "advance beyond the capacity")
    used += byteCount
  }

  /// Sets the size to `byteCount`, which must lie within the capacity; the caller has written it.
  package func setCount(_ byteCount: Int) {
    precondition(byteCount >= 0 && byteCount <= reserved, "a size beyond the capacity")
    used = byteCount
  }

  /// Cuts to `byteCount` bytes, which must not be more than there are.
  public func truncate(to byteCount: Int) {
    precondition(byteCount >= 0 && byteCount <= used, "truncate may only shorten")
    used = byteCount
  }

  public func append(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0 else { return }
    memcpy(reserveTail(bytes.count), bytes.baseAddress!, bytes.count)
    used += bytes.count
  }

  public func append(_ buffer: Buffer) {
    buffer.withUnsafeBytes { append($0) }
  }

  @inlinable
  public func append<T: BitwiseCopyable>(_ value: T) {
    appendUninitialized(MemoryLayout<T>.size).storeBytes(of: value, as: T.self)
  }

  /// Safe: the one caller above writes all of the bytes at once.
  @usableFromInline
  func appendUninitialized(_ byteCount: Int) -> UnsafeMutableRawPointer {
    let tail = reserveTail(byteCount)
    used += byteCount
    return tail
  }

  public func append<T: BitwiseCopyable>(contentsOf values: [T]) {
    values.withUnsafeBytes { append($0) }
  }

  /// Appends `byteCount` zero bytes.
  public func appendZeros(_ byteCount: Int) {
    precondition(byteCount >= 0, "a buffer has no negative size")
    memset(reserveTail(byteCount), 0, byteCount)
    used += byteCount
  }

  /// The bytes so far.
  public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try body(UnsafeRawBufferPointer(start: start, count: used))
  }

  /// Hands the bytes over as an immutable buffer, without a copy, and starts again empty.
  public func finish() -> Buffer {
    guard used > 0 else { return Buffer() }
    let owner = BufferOwner(heap: start, capacity: reserved)
    let result = Buffer(owner: owner, base: UnsafeRawPointer(start), count: used)
    (start, reserved) = BufferMemory.allocate(0)
    used = 0
    return result
  }

  @inline(never)
  private func grow(to minimum: Int) {
    let (newBase, newCapacity) = BufferMemory.allocate(max(minimum, reserved * 2))
    memcpy(newBase, start, used)
    BufferMemory.free(start, capacity: reserved)
    start = newBase
    reserved = newCapacity
  }
}
