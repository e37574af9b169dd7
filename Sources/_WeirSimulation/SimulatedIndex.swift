// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirStreaming

/// The key indexes of a machine. They outlive processes as a database without a log of its own does: what
/// is there at the next start is an earlier state, perhaps none.
final class IndexJournals: Sendable {
  /// What was done to an index.
  enum Change: Sendable {
    case layout(Schema)
    case batch(IndexBatch)
    case move(IndexPosition)
    case clear
  }

  private struct State {
    var journals: [String: [Change]] = [:]
    /// Who has the index open.
    var holders: [String: Fate] = [:]
  }

  private let state = Mutex(State())
  private let values: SharedRandom

  init(_ values: SharedRandom) { self.values = values }

  func open(_ name: String, _ fate: Fate) throws(StreamError) -> any KeyIndex {
    let journal = try state.withLock { state throws(StreamError) -> [Change] in
      if let holder = state.holders[name], holder !== fate, !holder.isDead {
        throw StreamError(.conflict, "another process has the key index open", file: name)
      }
      state.holders[name] = fate
      let all = state.journals[name] ?? []
      let kept: Int
      switch values.below(10) {
      case 0: kept = 0
      case 1...3: kept = values.below(all.count + 1)
      default: kept = all.count
      }
      state.journals[name] = Array(all.prefix(kept))
      return Array(all.prefix(kept))
    }
    let index = MemoryKeyIndex()
    for change in journal {
      switch change {
      case .layout(let schema): _ = try index.layout(for: schema)
      case .batch(let batch): try index.apply(batch)
      case .move(let position): index.move(to: position)
      case .clear: index.clear()
      }
    }
    return JournaledIndex(index, fate) { [weak self] change in
      self?.state.withLock { $0.journals[name, default: []].append(change) }
    }
  }
}

/// An index whose changes are noted.
private final class JournaledIndex: KeyIndex {
  private final class Staged: StagedIndexBatch {
    let batch: IndexBatch
    init(_ batch: IndexBatch) { self.batch = batch }
  }

  private let index: MemoryKeyIndex
  private let fate: Fate
  private let note: @Sendable (IndexJournals.Change) -> Void

  init(
    _ index: MemoryKeyIndex, _ fate: Fate,
    _ note: @escaping @Sendable (IndexJournals.Change) -> Void
  ) {
    self.index = index
    self.fate = fate
    self.note = note
  }

  private func change(
    _ change: IndexJournals.Change, _ body: () throws(StreamError) -> Void
  ) throws(StreamError) {
    try fate.call(
      { StreamError(.storage, $0) },
      { () throws(StreamError) in
        try body()
        note(change)
      })
  }

  var position: IndexPosition? { index.position }
  func reader() -> any KeyIndexReader { index.reader() }

  func layout(for schema: Schema) throws(StreamError) -> UInt16 {
    note(.layout(schema))
    return try index.layout(for: schema)
  }

  func stage(_ batch: IndexBatch) -> any StagedIndexBatch { Staged(batch) }

  func publish(_ staged: any StagedIndexBatch) throws(StreamError) {
    guard let batch = (staged as? Staged)?.batch else {
      preconditionFailure("a batch is published by the index that staged it")
    }
    try change(.batch(batch)) { () throws(StreamError) in try index.apply(batch) }
  }

  func move(to position: IndexPosition) throws(StreamError) {
    try change(.move(position)) { index.move(to: position) }
  }

  func forEach(
    batchRows: Int, _ body: (ArrayData, IndexedRows) throws(StreamError) -> Bool
  ) throws(StreamError) { try index.forEach(batchRows: batchRows, body) }

  func clear() throws(StreamError) { try change(.clear) { index.clear() } }
  func close() {}
}
