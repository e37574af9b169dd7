// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar

/// A stretch of a leaf's level entries.
///
/// Safe: the pointers are valid during the call that gets this value.
struct LevelStretch {
  /// `nil` when all definition levels are `uniformDefinition`.
  let definition: UnsafePointer<UInt8>?
  let uniformDefinition: UInt8
  /// `nil` when the leaf is not repeated: every entry is a row.
  let repetition: UnsafePointer<UInt8>?
  let count: Int
}

/// Builds the validity of a struct, or the offsets and validity of a list, from the levels of the
/// first leaf below it.
///
/// For each entry, with the node's levels in `LevelInfo`:
/// 1. definition < slotLevel: an ancestor is empty or null; the node has no slot here.
/// 2. repetition > `repetition` of the node: the entry continues a slot (a list may get an item).
/// 3. Otherwise a slot begins. It is valid when definition >= definedLevel.
/// 4. A list gets an item when definition >= itemLevel and repetition <= its own level.
///
/// Source: Melnik et al., "Dremel: Interactive Analysis of Web-Scale Datasets", VLDB 2010.
final class NestedState {
  let info: LevelInfo
  let isList: Bool
  private let isSingleLevel: Bool
  private var validity: LevelValidity
  /// Lists: where each slot's items start.
  private let starts = MutableBuffer()
  private var lastStartsCount = 0
  private(set) var slotCount = 0
  private(set) var itemCount = 0
  var slotCountMax: Int
  private var slotLevels = MutableBuffer()

  /// - Parameter leafRepetitionMax: of the leaf whose levels come.
  init(
    _ info: LevelInfo, isList: Bool, nullable: Bool, leafRepetitionMax: Int, slotCountMax: Int
  ) {
    self.info = info
    isSingleLevel =
      isList && info.slotLevel == 0 && info.repetition == 0 && leafRepetitionMax == 1
    self.isList = isList
    self.slotCountMax = slotCountMax
    validity = LevelValidity(nullable: nullable)
  }

  /// Bytes that the batch takes so far.
  var byteCount: Int { slotCount / 8 + (isList ? slotCount * 8 : 0) }

  func consume(_ stretch: LevelStretch) throws(ParquetError) {
    guard stretch.count <= slotCountMax - slotCount, stretch.count <= slotCountMax - itemCount
    else {
      throw ParquetError(
        .limitExceeded,
        "one batch of this column would have more than \(slotCountMax) items; "
          + "ask for fewer rows a batch")
    }
    if isList { reserveStarts(stretch.count) }
    if isSingleLevel, let repetition = stretch.repetition,
      stretch.definition != nil || Int(stretch.uniformDefinition) >= info.itemLevel
    {
      return consumeSingleLevel(stretch.definition, repetition, stretch.count)
    }
    guard let definition = stretch.definition else { return consumeUniform(stretch) }
    consumeAny(definition, stretch.repetition, stretch.count)
  }

  private func reserveStarts(_ count: Int) {
    if starts.count == 0 { starts.reserve(lastStartsCount) }
    starts.reserve((slotCount + count + 1) * 8)
  }

  /// Lists of the first level over a leaf without deeper lists: no ancestor takes the slot away, and
  /// every entry is an item of this list or an empty or null list.
  private func consumeSingleLevel(
    _ definition: UnsafePointer<UInt8>?, _ repetition: UnsafePointer<UInt8>, _ count: Int
  ) {
    var items = Int64(itemCount)
    let begun = weir_list_starts(
      repetition, definition, UInt8(info.itemLevel), count,
      starts.base.assumingMemoryBound(to: Int64.self) + slotCount, &items)
    itemCount = Int(items)
    slotCount += begun
    starts.setCount(slotCount * 8)
    guard let definition,
      weir_count_at_least_u8(definition, UInt8(info.definedLevel), count) < count
    else { return validity.appendValid(begun) }
    slotLevels.reserve(count)
    let levels = slotLevels.base.assumingMemoryBound(to: UInt8.self)
    var kept = 0
    for index in 0..<count {
      levels[kept] = definition[index]
      kept += repetition[index] == 0 ? 1 : 0
    }
    validity.append(levels: levels, count: kept, slotLevel: 0, full: UInt8(info.definedLevel))
  }

  private func consumeAny(
    _ definition: UnsafePointer<UInt8>, _ repetition: UnsafePointer<UInt8>?, _ count: Int
  ) {
    slotLevels.reserve(count)
    let levels = slotLevels.base.assumingMemoryBound(to: UInt8.self)
    let starts = self.starts.base.assumingMemoryBound(to: Int64.self)
    let slotLevel = UInt8(info.slotLevel)
    let own = UInt8(info.repetition)
    let itemLevel = UInt8(info.itemLevel)
    var slot = slotCount
    var begun = 0
    var items = itemCount
    for index in 0..<count {
      let level = definition[index]
      guard level >= slotLevel else { continue }
      let repeated = repetition?[index] ?? 0
      if repeated <= own {
        if isList { starts[slot] = Int64(items) }
        levels[begun] = level
        begun += 1
        slot += 1
      }
      if isList && level >= itemLevel && repeated <= own + 1 { items += 1 }
    }
    validity.append(levels: levels, count: begun, slotLevel: 0, full: UInt8(info.definedLevel))
    slotCount = slot
    itemCount = items
    if isList { self.starts.setCount(slot * 8) }
  }

  /// All entries have one definition level.
  private func consumeUniform(_ stretch: LevelStretch) {
    let level = Int(stretch.uniformDefinition)
    guard level >= info.slotLevel else { return }
    let own = UInt8(info.repetition)
    let isItem = isList && level >= info.itemLevel
    var begun = 0
    if let repetition = stretch.repetition {
      let starts = self.starts.base.assumingMemoryBound(to: Int64.self)
      var slot = slotCount
      var items = itemCount
      for index in 0..<stretch.count {
        if isList { starts[slot] = Int64(items) }
        slot += repetition[index] <= own ? 1 : 0
        items += isItem && repetition[index] <= own + 1 ? 1 : 0
      }
      begun = slot - slotCount
      itemCount = items
    } else {
      begun = stretch.count
    }
    if level >= info.definedLevel {
      validity.appendValid(begun)
    } else {
      validity.appendNulls(begun)
    }
    slotCount += begun
    if isList { starts.setCount(slotCount * 8) }
  }

  /// Validity and null count; starts again empty.
  func finishValidity() -> (Buffer?, Int) {
    defer { slotCount = 0 }
    return validity.finish()
  }

  /// Lists: `slotCount + 1` offsets of `width` bytes. To be called before `finishValidity`.
  func finishOffsets(width: Int) throws(ParquetError) -> Buffer {
    defer { itemCount = 0 }
    lastStartsCount = starts.count
    if width == 8 {
      starts.append(Int64(itemCount))
      return starts.finish()
    }
    guard itemCount <= Int(Int32.max) else {
      throw ParquetError(
        .limitExceeded, "a batch has more than 2^31 items of one list column; ask for fewer rows")
    }
    let narrow = MutableBuffer(capacity: (slotCount + 1) * 4)
    let target = narrow.base.assumingMemoryBound(to: Int32.self)
    let source = starts.base.assumingMemoryBound(to: Int64.self)
    for index in 0..<slotCount { target[index] = Int32(truncatingIfNeeded: source[index]) }
    target[slotCount] = Int32(itemCount)
    narrow.advance(by: (slotCount + 1) * 4)
    starts.truncate(to: 0)
    return narrow.finish()
  }

  func reset() {
    _ = validity.finish()
    starts.truncate(to: 0)
    slotCount = 0
    itemCount = 0
  }
}
