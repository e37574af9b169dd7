// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Walks over the entries of a manifest and reads what is asked for. See `EntryPlan`.
///
/// Safe: `steps` and `starts` are allocated in the initialiser, freed in `deinit`, and indexed by
/// steps and slots that the plan made; positions lie in `block`, which is held.
final class EntryCursor {
  let file: AvroFileReader
  private let plan: EntryPlan
  private let steps: UnsafeMutableBufferPointer<EntryPlan.Step>
  /// By slot: where the value starts in the block; -1 for fields that the writer did not know.
  private let starts: UnsafeMutablePointer<Int>
  private var block = Buffer()
  private var blockPosition = 0
  private var position = 0
  private var recordsLeft = 0

  init(_ file: AvroFileReader) throws(TableError) {
    self.file = file
    do throws(TableError) {
      plan = try EntryPlan(file.type)
    } catch {
      throw error.adding(file: file.name)
    }
    steps = .allocate(capacity: plan.steps.count)
    _ = steps.initialize(from: plan.steps)
    starts = .allocate(capacity: EntryPlan.Slot.allCases.count)
    starts.initialize(repeating: -1, count: EntryPlan.Slot.allCases.count)
  }

  deinit {
    steps.deallocate()
    starts.deallocate()
  }

  var partitionFields: [AvroField] { plan.partitionFields }

  /// Goes to the next entry; false at the end.
  func advance() throws(TableError) -> Bool {
    if recordsLeft == 0 {
      guard try nextBlock() else { return false }
    }
    recordsLeft &-= 1
    do throws(TableError) {
      try walk()
    } catch {
      recordsLeft = 0
      throw file.inside(block: blockPosition, error)
    }
    return true
  }

  private func nextBlock() throws(TableError) -> Bool {
    if position < block.count {
      throw file.inside(
        block: blockPosition,
        TableError(
          .damaged, "\(block.count - position) bytes follow the last entry, at byte \(position)"))
    }
    guard let next = try file.nextBlock() else {
      block = Buffer()
      position = 0
      return false
    }
    block = next.bytes
    blockPosition = next.position
    recordsLeft = next.recordCount
    position = 0
    return true
  }

  private func walk() throws(TableError) {
    var cursor = AvroCursor(block.base, position: position, end: block.count)
    for index in 0..<steps.count {
      let step = steps[index]
      if step.slot >= 0 { starts[step.slot] = cursor.position }
      switch step.skip {
      case .number: try cursor.skipLong()
      case .optionalNumber(let null): if try cursor.branch() != null { try cursor.skipLong() }
      case .bytes: _ = try cursor.bytesRange()
      case .optionalBytes(let null): if try cursor.branch() != null { _ = try cursor.bytesRange() }
      case .optionalCounts(let null): if try cursor.branch() != null { try cursor.skipCounts() }
      case .optionalBounds(let null): if try cursor.branch() != null { try cursor.skipBounds() }
      case .nothing: break
      case .boolean: _ = try cursor.boolean()
      case .fixed(let count): _ = try cursor.take(count)
      case .general: try cursor.skip(plan.types[step.type])
      }
    }
    position = cursor.position
  }

  /// A cursor at the value of a field; `nil` when it is null or not there.
  @inline(__always)
  private func value(_ slot: EntryPlan.Slot) throws(TableError) -> AvroCursor? {
    let start = starts[slot.rawValue]
    guard start >= 0 else { return nil }
    var cursor = AvroCursor(block.base, position: start, end: block.count)
    let null = plan.nulls[slot.rawValue]
    if null >= 0, try cursor.branch() == null { return nil }
    return cursor
  }

  func long(_ slot: EntryPlan.Slot) throws(TableError) -> Int64? {
    guard var cursor = try value(slot) else { return nil }
    return try cursor.long()
  }

  func string(_ slot: EntryPlan.Slot) throws(TableError) -> String? {
    guard var cursor = try value(slot) else { return nil }
    return try cursor.string()
  }

  /// Calls `body` with the bytes of a field.
  func withBytes<R>(
    _ slot: EntryPlan.Slot, _ body: (UnsafeRawBufferPointer) -> R
  ) throws(TableError) -> R? {
    guard var cursor = try value(slot) else { return nil }
    return body(cursor.view(try cursor.bytesRange()))
  }

  func longs(_ slot: EntryPlan.Slot) throws(TableError) -> [Int64]? {
    guard var cursor = try value(slot) else { return nil }
    var result: [Int64] = []
    try cursor.forEachItem(byteCountMin: 1) { (cursor) throws(TableError) in
      result.append(try cursor.long())
    }
    return result
  }

  /// The partition tuple: `targets` says for each field of the writer where its value goes, -1 for
  /// nowhere.
  func partition(targets: [Int], count: Int) throws(TableError) -> [Scalar] {
    guard count > 0 || !targets.isEmpty, var cursor = try value(.partition) else { return [] }
    var values = [Scalar](repeating: .null, count: count)
    for (index, field) in plan.partitionFields.enumerated() {
      if targets[index] >= 0 {
        values[targets[index]] = try cursor.scalar(field.type)
      } else {
        try cursor.skip(field.type)
      }
    }
    return values
  }

  /// The entry's metrics, which keep the block alive.
  func metrics() throws(TableError) -> FileMetrics {
    var starts = SIMD8<Int32>(repeating: -1)
    var isEmpty = true
    for part in EncodedMetrics.Part.allCases {
      let slot = EntryPlan.Slot(rawValue: EntryPlan.Slot.columnSizes.rawValue + part.rawValue)
      guard let slot, let cursor = try value(slot) else { continue }
      guard let start = Int32(exactly: cursor.position) else { continue }
      starts[part.rawValue] = start
      isEmpty = false
    }
    return isEmpty
      ? FileMetrics()
      : FileMetrics(storage: .encoded(EncodedMetrics(bytes: block, starts: starts)))
  }
}
