// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Memory for one step of decoding or encoding, uninitialised, aligned to 16 bytes.
///
/// Safe: it is freed with its owner, who keeps it alive for as long as it uses `base`.
final class Scratch {
  let base: UnsafeMutableRawPointer

  /// - Parameter byteCount: bounded by the caller: a chunk of values, or what a limit allowed.
  init(_ byteCount: Int) {
    guard let memory = malloc(max(byteCount, 1) + 16) else {
      fatalError("out of memory: could not allocate \(byteCount) bytes")
    }
    base = memory
  }

  deinit { free(base) }

  func pointer<T: BitwiseCopyable>(_ type: T.Type) -> UnsafeMutablePointer<T> {
    base.assumingMemoryBound(to: T.self)
  }
}

/// Values that are decoded in one step where a second array is needed on the way: it stays in the
/// cache.
let chunkCount = 4096

/// Calls `body(offset, count)` for chunks of `count` values.
@inline(__always)
func inChunks(
  _ count: Int, of size: Int = chunkCount, _ body: (Int, Int) throws(WeirFileError) -> Void
) throws(WeirFileError) {
  var done = 0
  while done < count {
    let next = min(size, count - done)
    try body(done, next)
    done += next
  }
}

extension Buffer {
  /// The first byte; valid while the buffer is.
  var bytes: UnsafePointer<UInt8> { base.assumingMemoryBound(to: UInt8.self) }
}
