// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Definition and repetition levels of one leaf, made level by level from the column's top.
///
/// 1. At the top there is one entry a row, all of them live: they have a position in the current
///    array. `level` is the definition level that live entries have reached.
/// 2. A nullable array lifts the live entries that are valid to the next level; the others stay
///    behind and are dead from then on.
/// 3. A list lifts the live entries with items and replaces each by one entry an item, of which
///    the first keeps its repetition level. Entries of empty lists stay behind.
/// 4. `runs` are the positions of the live entries in the array below, merged where they touch, so
///    that lists without nulls cost one run.
///
/// As long as no entry is dead, no definition levels are kept; as long as there was no list, no
/// repetition levels.
///
/// Safe: levels buffers hold `entryCount` bytes; positions come from arrays that were validated.
struct EncodeLevels {
  private(set) var entryCount: Int
  private(set) var definition: MutableBuffer?
  private(set) var repetition: MutableBuffer?
  private(set) var level: UInt8 = 0
  private(set) var listCount: UInt8 = 0
  private(set) var runs: [Range<Int>]
  /// First entry of each row, once there was one list.
  private(set) var rowStarts: [Int] = []

  init(rowCount: Int) {
    entryCount = rowCount
    runs = rowCount > 0 ? [0..<rowCount] : []
  }

  private static func pointer(_ buffer: MutableBuffer) -> UnsafeMutablePointer<UInt8> {
    buffer.base.assumingMemoryBound(to: UInt8.self)
  }

  /// Gives every entry its own definition level.
  private mutating func materializedDefinition() -> UnsafeMutablePointer<UInt8> {
    if let definition { return Self.pointer(definition) }
    let buffer = MutableBuffer(capacity: entryCount + 8)
    memset(buffer.base, CInt(level), entryCount)
    buffer.advance(by: entryCount)
    definition = buffer
    return Self.pointer(buffer)
  }

  /// Lifts all live entries: nothing of the array is null.
  private mutating func liftAll() {
    if let definition {
      let levels = Self.pointer(definition)
      let live = level
      for entry in 0..<entryCount { levels[entry] &+= levels[entry] == live ? 1 : 0 }
    }
    level += 1
  }

  /// Passes a nullable array; its rows are the live entries' positions.
  mutating func passNullable(_ array: ArrayData, isLeaf: Bool) {
    guard let validity = array.validity else {
      if array.type == .null {
        _ = materializedDefinition()
        runs = []
        level += 1
      } else {
        liftAll()
      }
      return
    }
    let allLive = definition == nil
    let levels = materializedDefinition()
    if isLeaf && allLive && runs.count == 1 {
      EncodeLevels.add(
        bits: validity.base, offset: array.offset + runs[0].lowerBound, to: levels, entryCount)
    } else if isLeaf {
      addLeafValidity(validity.base, array.offset, levels)
    } else {
      addValidity(validity.base, array.offset, levels)
    }
    level += 1
  }

  /// Adds bit `index` to `levels[index]`.
  private static func add(
    bits: UnsafeRawPointer, offset: Int, to levels: UnsafeMutablePointer<UInt8>, _ count: Int
  ) {
    var index = 0
    while index < count && (offset + index) & 7 != 0 {
      levels[index] &+= Bitmap.get(bits, offset + index) ? 1 : 0
      index += 1
    }
    let raw = UnsafeMutableRawPointer(levels)
    while count - index >= 8 {
      let byte = UInt64(bits.load(fromByteOffset: (offset + index) >> 3, as: UInt8.self))
      let sum = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self) &+ spread(byte)
      raw.storeBytes(of: sum, toByteOffset: index, as: UInt64.self)
      index += 8
    }
    while index < count {
      levels[index] &+= Bitmap.get(bits, offset + index) ? 1 : 0
      index += 1
    }
  }

  /// The 8 bits of a byte as 8 bytes of 0 or 1: lane i of the masked copy is 0 or 2^i, and adding
  /// 0x80 - 2^i carries it into the lane's top bit.
  @inline(__always)
  static func spread(_ byte: UInt64) -> UInt64 {
    let lanes = (byte &* 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201
    return ((lanes &+ 0x0040_6070_787c_7e7f) &>> 7) & 0x0101_0101_0101_0101
  }

  private mutating func addLeafValidity(
    _ bits: UnsafeRawPointer, _ offset: Int, _ levels: UnsafeMutablePointer<UInt8>
  ) {
    let live = level
    var entry = 0
    for run in runs {
      for position in run {
        while levels[entry] != live { entry += 1 }
        levels[entry] = live &+ (Bitmap.get(bits, offset + position) ? 1 : 0)
        entry += 1
      }
    }
  }

  private mutating func addValidity(
    _ bits: UnsafeRawPointer, _ offset: Int, _ levels: UnsafeMutablePointer<UInt8>
  ) {
    let live = level
    var kept: [Range<Int>] = []
    var entry = 0
    for run in runs {
      var start = run.lowerBound
      for position in run {
        while levels[entry] != live { entry += 1 }
        if Bitmap.get(bits, offset + position) {
          levels[entry] = live + 1
        } else {
          if position > start { kept.append(start..<position) }
          start = position + 1
        }
        entry += 1
      }
      if run.upperBound > start { kept.append(start..<run.upperBound) }
    }
    runs = kept
  }

  /// Row of the first live entry that is null in `array`, for the error of a column that allows
  /// none.
  func firstNullRow(_ array: ArrayData) -> Int? {
    if array.nullCount == 0 { return nil }
    var entry = 0
    for run in runs {
      for position in run {
        if let definition {
          while Self.pointer(definition)[entry] != level { entry += 1 }
        }
        if array.isNull(position) { return row(ofEntry: entry) }
        entry += 1
      }
    }
    return nil
  }

  private func row(ofEntry entry: Int) -> Int {
    guard let repetition else { return entry }
    var row = -1
    for index in 0...entry where Self.pointer(repetition)[index] == 0 { row += 1 }
    return row
  }

  /// Goes from a struct's rows to those of its children.
  mutating func enterStruct(_ array: ArrayData) {
    if array.offset == 0 { return }
    runs = runs.map { $0.lowerBound + array.offset..<$0.upperBound + array.offset }
  }

  /// Replaces the live entries by those of the items of a list, map or fixed-size list.
  mutating func enterList(_ array: ArrayData) {
    switch array.type.layout {
    case .list(let width) where width == 4:
      let offsets = array.offsets(as: Int32.self)
      expand { (Int(offsets[$0]), Int(offsets[$0 + 1])) }
    case .list:
      let offsets = array.offsets(as: Int64.self)
      expand { (Int(offsets[$0]), Int(offsets[$0 + 1])) }
    case .fixedSizeList(let size):
      let base = array.offset
      expand { ((base + $0) * size, (base + $0 + 1) * size) }
    default: preconditionFailure("\(array.type) is no list")
    }
  }

  /// - Parameter range: start and end of the items at a position.
  @inline(__always)
  private mutating func expand(_ range: (Int) -> (Int, Int)) {
    var total = entryCount
    var hasEmpty = false
    for run in runs {
      for position in run {
        let (start, end) = range(position)
        total += max(end - start, 1) - 1
        if start == end { hasEmpty = true }
      }
    }
    let keepsDefinition = hasEmpty || definition != nil
    let newRepetition = MutableBuffer(capacity: total + 8)
    let newDefinition = keepsDefinition ? MutableBuffer(capacity: total + 8) : nil
    listCount += 1
    let writer = ExpandedLevels(
      repetition: Self.pointer(newRepetition), definition: newDefinition.map(Self.pointer),
      repeated: listCount, live: level, isFirstList: repetition == nil)
    memset(newRepetition.base, CInt(listCount), total)
    if let newDefinition { memset(newDefinition.base, CInt(level) + 1, total) }
    var kept: [Range<Int>] = []
    if listCount == 1 { rowStarts.reserveCapacity(entryCount) }
    expand(range, writer, &kept)
    newRepetition.advance(by: total)
    newDefinition?.advance(by: total)
    repetition = newRepetition
    definition = newDefinition
    runs = kept
    entryCount = total
    level += 1
    if listCount > 1 { findRowStarts() }
  }

  private struct ExpandedLevels {
    let repetition: UnsafeMutablePointer<UInt8>
    let definition: UnsafeMutablePointer<UInt8>?
    let repeated: UInt8
    let live: UInt8
    let isFirstList: Bool
  }

  /// The levels are filled with what most entries have; only the others are written.
  @inline(__always)
  private mutating func expand(
    _ range: (Int) -> (Int, Int), _ new: ExpandedLevels, _ kept: inout [Range<Int>]
  ) {
    let oldDefinition = definition.map(Self.pointer)
    let oldRepetition = repetition.map(Self.pointer)
    var runStart = 0
    var runEnd = 0
    var entry = 0
    var target = 0
    for run in runs {
      for position in run {
        if let oldDefinition {
          while oldDefinition[entry] != new.live {
            copyDead(oldDefinition[entry], oldRepetition?[entry] ?? 0, new, target)
            entry += 1
            target += 1
          }
        }
        let (start, end) = range(position)
        new.repetition[target] = oldRepetition?[entry] ?? 0
        if new.isFirstList { rowStarts.append(target) }
        if start == end {
          new.definition![target] = new.live
          target += 1
        } else {
          target += end - start
          if start != runEnd {
            if runEnd > runStart { kept.append(runStart..<runEnd) }
            runStart = start
          }
          runEnd = end
        }
        entry += 1
      }
    }
    while entry < entryCount {
      copyDead(oldDefinition![entry], oldRepetition?[entry] ?? 0, new, target)
      entry += 1
      target += 1
    }
    if runEnd > runStart { kept.append(runStart..<runEnd) }
  }

  @inline(__always)
  private mutating func copyDead(
    _ definition: UInt8, _ repetition: UInt8, _ new: ExpandedLevels, _ target: Int
  ) {
    new.definition![target] = definition
    new.repetition[target] = repetition
    if new.isFirstList { rowStarts.append(target) }
  }

  private mutating func findRowStarts() {
    rowStarts.removeAll(keepingCapacity: true)
    guard let repetition else { return }
    let levels = Self.pointer(repetition)
    for entry in 0..<entryCount where levels[entry] == 0 { rowStarts.append(entry) }
  }
}
