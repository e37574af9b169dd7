// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What a key index holds at one moment.
final class RocksKeyIndexReader: KeyIndexReader {
  private let snapshot: RocksStore.Snapshot
  private let state: RocksKeyIndex.State

  init(_ state: RocksKeyIndex.State, _ snapshot: RocksStore.Snapshot? = nil) {
    self.state = state
    self.snapshot = snapshot ?? RocksStore.Snapshot(state.store)
  }

  var position: IndexPosition? { state.position }

  func path(of file: UInt32) -> String? {
    Int(file) < state.files.count ? state.files[Int(file)] : nil
  }

  func layout(_ number: UInt16) -> Schema? {
    Int(number) < state.layouts.count ? state.layouts[Int(number)] : nil
  }

  func get(
    _ keys: ArrayData, isSorted: Bool, withRows: Bool
  ) throws(StreamError) -> IndexedRows {
    try IndexEntryReader(snapshot, folder: state.store.folder)
      .get(keys, isSorted: isSorted, withRows: withRows)
  }
}
