// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Walks over the entries of a manifest and reads what is asked for. See `EntryPlan`.
///
/// Safe: `steps` and `starts` are allocated in the initialiser, freed in `deinit`, and indexed by
/// steps and slots that the plan made; positions lie in `chunk`, which is held.
final class EntryCursor {
  private let content: ManifestContent
  private let steps: UnsafeMutableBufferPointer<EntryPlan.Step>
  /// By slot: where the value starts in the block; -1 for fields that the writer did not know.
  private let starts: UnsafeMutablePointer<Int>
  private var chunk = AvroChunk()
  /// The next block of the chunk.
  private var blockIndex = 0
  /// Where the current block lies in the chunk, and where in the file it starts.
  private var blockStart = 0
  private var blockByteCount = 0
  private var blockPosition = 0
  /// Within the block.
  private var position = 0
  private var recordsLeft = 0

  init(_ content: ManifestContent) {
    self.content = content
    steps = .allocate(capacity: content.plan.steps.count)
    _ = steps.initialize(from: content.plan.steps)
    starts = .allocate(capacity: EntryPlan.Slot.allCases.count)
    starts.initialize(repeating: -1, count: EntryPlan.Slot.allCases.count)
  }

  deinit {
    steps.deallocate()
    starts.deallocate()
  }

  var header: AvroHeader { content.header }
  private var plan: EntryPlan { content.plan }
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
      throw header.inside(block: blockPosition, error)
    }
    return true
  }

  private func nextBlock() throws(TableError) -> Bool {
    if position < blockByteCount {
      throw header.inside(
        block: blockPosition,
        TableError(
          .damaged,
          "\(blockByteCount - position) bytes follow the last entry, at byte \(position)"))
    }
    blockStart += blockByteCount
    blockByteCount = 0
    position = 0
    if blockIndex == chunk.blocks.count {
      chunk = AvroChunk()
      blockIndex = 0
      blockStart = 0
      guard let next = try content.next() else { return false }
      chunk = next
    }
    let block = chunk.blocks[blockIndex]
    blockIndex += 1
    blockByteCount = block.end - blockStart
    blockPosition = block.position
    recordsLeft = block.recordCount
    return true
  }

  private func walk() throws(TableError) {
    var cursor = AvroCursor(
      chunk.bytes.base + blockStart, position: position, end: blockByteCount)
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
  func value(_ slot: EntryPlan.Slot) throws(TableError) -> AvroCursor? {
    let start = starts[slot.rawValue]
    guard start >= 0 else { return nil }
    var cursor = AvroCursor(
      chunk.bytes.base + blockStart, position: start, end: blockByteCount)
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

  /// The bytes of the partition tuple; `nil` when they are more than 16, or nobody knows where they
  /// end.
  func partitionKey() throws(TableError) -> PartitionBytes? {
    guard let after = plan.slotAfterPartition else { return nil }
    let start = starts[EntryPlan.Slot.partition.rawValue]
    let end = starts[after.rawValue]
    guard start >= 0, end >= start, end - start <= 16, end <= blockByteCount else { return nil }
    var key = PartitionBytes()
    key.count = end - start
    let bytes = UnsafeRawBufferPointer(
      start: chunk.bytes.base + blockStart + start, count: key.count)
    for index in 0..<min(key.count, 8) { key.low |= UInt64(bytes[index]) << UInt64(8 * index) }
    for index in 8..<max(key.count, 8) {
      key.high |= UInt64(bytes[index]) << UInt64(8 * (index - 8))
    }
    return key
  }

  /// The entry's metrics, which keep the block alive.
  func metrics() throws(TableError) -> FileMetrics {
    var starts = SIMD8<Int32>(repeating: -1)
    var isEmpty = true
    for part in EncodedMetrics.Part.allCases {
      let slot = EntryPlan.Slot(rawValue: EntryPlan.Slot.columnSizes.rawValue + part.rawValue)
      guard let slot, let cursor = try value(slot) else { continue }
      guard let start = Int32(exactly: blockStart + cursor.position) else { continue }
      starts[part.rawValue] = start
      isEmpty = false
    }
    return isEmpty
      ? FileMetrics()
      : FileMetrics(storage: .encoded(EncodedMetrics(bytes: chunk.bytes, starts: starts)))
  }
}
