// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

extension RocksKeyIndex {
  public func clear() throws(StreamError) {
    try state.withLock { state throws(StreamError) in
      // The only reference, so that `nil` closes it.
      var old = state
      state = nil
      guard old != nil else { throw closed }
      let isDamaged: Bool
      do throws(StreamError) {
        try old?.store.deleteAll()
        isDamaged = false
      } catch {
        guard error.code == .damaged, isUnshared(&old) else {
          state = old
          throw error
        }
        isDamaged = true
      }
      let (layouts, bytes) = (old?.layouts ?? [], old?.layoutBytes ?? [])
      let nextStaging = old?.nextStaging ?? 0
      var kept = old?.store
      if isDamaged { kept = nil }
      old = nil
      let store: RocksStore
      if let kept { store = kept } else { store = try replacedStore() }
      var new = State(store: store)
      new.layouts = layouts
      new.layoutBytes = bytes
      new.nextStaging = nextStaging
      state = new
    }
  }

  public func wipe() throws(StreamError) -> Bool {
    try state.withLock { state throws(StreamError) in
      var old = state
      state = nil
      guard old != nil else { throw closed }
      // An open snapshot of a batch under way is a reader, too.
      guard old?.pinned == nil, isUnshared(&old) else {
        state = old
        return false
      }
      let nextStaging = old?.nextStaging ?? 0
      old = nil
      var new = State(store: try replacedStore())
      new.nextStaging = nextStaging
      state = new
      return true
    }
  }

  private func isUnshared(_ state: inout State?) -> Bool {
    guard state != nil else { return false }
    return isKnownUniquelyReferenced(&state!.store)
  }

  /// An empty database in the place of one that is damaged and closed.
  private func replacedStore() throws(StreamError) -> RocksStore {
    try Self.delete(folder: folder)
    return try RocksStore(folder: folder, cacheBytes: cacheBytes)
  }
}
