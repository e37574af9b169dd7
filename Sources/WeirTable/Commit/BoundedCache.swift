// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Values by key, the least recently used thrown out when their bytes together pass a bound. Threads
/// may share it.
final class BoundedCache<Value: Sendable>: Sendable {
  private struct Slot {
    var value: Value
    var byteCount: Int
    var lastUse: UInt64
  }

  private struct State {
    var slots: [String: Slot] = [:]
    var byteCount = 0
    var clock: UInt64 = 0
  }

  let byteCountMax: Int
  private let state = Mutex(State())

  init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

  subscript(key: String) -> Value? {
    state.withLock { state in
      state.clock += 1
      state.slots[key]?.lastUse = state.clock
      return state.slots[key]?.value
    }
  }

  /// Keeps `value`, unless it alone takes more than a quarter of the bound.
  func insert(_ value: Value, _ key: String, byteCount: Int) {
    guard byteCount <= byteCountMax / 4 else { return }
    state.withLock { state in
      state.clock += 1
      if let old = state.slots[key] { state.byteCount -= old.byteCount }
      state.slots[key] = Slot(value: value, byteCount: byteCount, lastUse: state.clock)
      state.byteCount += byteCount
      guard state.byteCount > byteCountMax else { return }
      // Down to three quarters, so that the search for the oldest is rare.
      for (key, slot) in state.slots.sorted(by: { $0.value.lastUse < $1.value.lastUse }) {
        if state.byteCount <= byteCountMax / 4 * 3 { break }
        state.byteCount -= slot.byteCount
        state.slots[key] = nil
      }
    }
  }

  /// Keeps `value`, perhaps in place of another of this key, if that needs nothing thrown out.
  func insertIfRoom(_ value: Value, _ key: String, byteCount: Int) {
    guard byteCount <= byteCountMax / 4 else { return }
    state.withLock { state in
      let after = state.byteCount - (state.slots[key]?.byteCount ?? 0) + byteCount
      guard after <= byteCountMax else { return }
      state.clock += 1
      state.slots[key] = Slot(value: value, byteCount: byteCount, lastUse: state.clock)
      state.byteCount = after
    }
  }

  func remove(_ key: String) {
    state.withLock { state in
      if let old = state.slots.removeValue(forKey: key) { state.byteCount -= old.byteCount }
    }
  }
}
