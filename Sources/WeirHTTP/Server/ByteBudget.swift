// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Bytes that all requests together may hold.
final class ByteBudget: Sendable {
  private let used = Atomic<Int>(0)
  let byteCountMax: Int

  init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

  /// Bytes that are held.
  var byteCount: Int { used.load(ordering: .relaxed) }

  /// Takes `count` bytes, when there are so many left.
  func take(_ count: Int) -> Bool {
    if used.add(count, ordering: .relaxed).newValue <= byteCountMax { return true }
    give(count)
    return false
  }

  /// Gives back what was taken.
  func give(_ count: Int) { used.subtract(count, ordering: .relaxed) }
}
