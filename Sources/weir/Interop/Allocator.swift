// SPDX-License-Identifier: Apache-2.0

internal import CJemalloc

/// All memory of the program, that of its libraries, too, comes from jemalloc, since the program is linked
/// with it. glibc's allocator keeps what a service lets go of in pieces: under upserts without end it took
/// twice the memory and never stopped growing (docs/measurements.md).
enum Allocator {
  /// Gives memory that nobody uses back to the system from a thread of its own, so that no request does it.
  ///
  /// - Returns: whether it runs; it needs no more than that the process may start a thread.
  @discardableResult
  static func startBackgroundThread() -> Bool {
    var isOn = true
    return mallctl("background_thread", nil, nil, &isOn, MemoryLayout<Bool>.size) == 0
  }
}
