// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  internal import Glibc
#endif

/// Immutable, reference-counted bytes; the unit that every Arrow array is made of.
///
/// A buffer is a window on memory that an owner keeps alive. Slicing shares the owner and copies
/// nothing. Buffers that `MutableBuffer` made start at a 64-byte boundary; slices and imported
/// buffers may start anywhere.
public struct Buffer: @unchecked Sendable {
  /// Keeps the bytes alive; `nil` only for an empty buffer.
  private let owner: BufferOwner?

  /// First byte. Valid while this buffer, or a copy of it, is alive: take it inside
  /// `withExtendedLifetime` or from a parameter.
  package let base: UnsafeRawPointer

  /// Number of bytes.
  public let count: Int

  /// An empty buffer. Its base points to 64 readable zero bytes.
  public init() {
    self.owner = nil
    self.base = UnsafeRawPointer(Buffer.emptyBase)
    self.count = 0
  }

  package init(owner: BufferOwner, base: UnsafeRawPointer, count: Int) {
    precondition(count >= 0, "a buffer has no negative size")
    self.owner = owner
    self.base = base
    self.count = count
  }

  /// Copies `bytes` into new aligned memory.
  public init(copying bytes: UnsafeRawBufferPointer) {
    let mutable = MutableBuffer(capacity: bytes.count)
    mutable.append(bytes)
    self = mutable.finish()
  }

  /// Copies the elements' bytes into new aligned memory.
  public init<T: BitwiseCopyable>(_ elements: [T]) {
    self = elements.withUnsafeBytes { Buffer(copying: $0) }
  }

  /// Wraps memory that somebody else owns; `release` runs once, when the last slice is gone.
  public init(
    foreign base: UnsafeRawPointer, count: Int, release: @escaping @Sendable () -> Void
  ) {
    self.init(owner: BufferOwner(release: release), base: base, count: count)
  }

  /// Bytes `offset ..< offset + count` of this buffer, without a copy.
  ///
  /// The range must lie within the buffer (a caller's bug otherwise: it traps).
  public func slice(offset: Int, count: Int) -> Buffer {
    precondition(
      offset >= 0 && count >= 0 && offset <= self.count - count, "slice lies outside its buffer")
    guard let owner else { return self }
    return Buffer(owner: owner, base: base + offset, count: count)
  }

  /// Calls `body` with the bytes; they must not escape it.
  public func withUnsafeBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    defer { withExtendedLifetime(owner) {} }
    return try body(UnsafeRawBufferPointer(start: base, count: count))
  }

  /// The bytes as elements of `T`; a trailing part of an element is left out. `T` needs no alignment
  /// beyond what the buffer has: x86-64 and arm64 load unaligned.
  ///
  /// Safe: the pointer is valid while this buffer is alive, see `base`.
  package func elements<T: BitwiseCopyable>(of type: T.Type) -> UnsafeBufferPointer<T> {
    UnsafeBufferPointer(
      start: base.assumingMemoryBound(to: T.self), count: count / MemoryLayout<T>.stride)
  }

  /// The bytes as an array of `T`: a copy, for tests and small metadata.
  public func array<T: BitwiseCopyable>(of type: T.Type) -> [T] {
    let elementCount = count / MemoryLayout<T>.stride
    return [T](unsafeUninitializedCapacity: elementCount) { target, initialized in
      if elementCount > 0 {
        memcpy(target.baseAddress!, base, elementCount * MemoryLayout<T>.stride)
      }
      initialized = elementCount
    }
  }

  // Safe: allocated once, never freed, never written after this.
  private nonisolated(unsafe) static let emptyBase: UnsafeMutableRawPointer = {
    let p = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
    memset(p, 0, 64)
    return p
  }()
}

/// Keeps the memory of buffers alive, and gives it back when the last buffer on it is gone.
package final class BufferOwner: Sendable {
  private enum Memory: @unchecked Sendable {
    /// Of `BufferMemory`. Safe: this owner is the only one who frees it.
    case heap(UnsafeMutableRawPointer, capacity: Int)
    /// Of somebody else (a mapped file, the Arrow C interface).
    case foreign(release: @Sendable () -> Void)
  }

  private let memory: Memory

  init(heap base: UnsafeMutableRawPointer, capacity: Int) {
    memory = .heap(base, capacity: capacity)
  }

  init(release: @escaping @Sendable () -> Void) { memory = .foreign(release: release) }

  deinit {
    switch memory {
    case .heap(let base, let capacity): BufferMemory.free(base, capacity: capacity)
    case .foreign(let release): release()
    }
  }
}
