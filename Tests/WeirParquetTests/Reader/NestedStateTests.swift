// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirParquet

/// Offsets and validity from levels, against trees of values that were taken apart naively.
struct NestedStateTests {
  private enum Kind: Equatable {
    case structure(nullable: Bool)
    case list(nullable: Bool)
  }

  private indirect enum Value {
    case null
    case leaf
    case structure(Value)
    case list([Value])
  }

  /// The nodes from the root down to a leaf that may be null.
  private struct Chain {
    var kinds: [Kind]

    init(_ random: inout SeededRandom) {
      kinds = (0..<random.int(1...5)).map { _ in
        random.chance(0.5)
          ? .structure(nullable: random.chance(0.6)) : .list(nullable: random.chance(0.6))
      }
    }

    func isNullable(_ index: Int) -> Bool {
      guard index < kinds.count else { return true }
      switch kinds[index] {
      case .structure(let nullable), .list(let nullable): return nullable
      }
    }

    func value(_ index: Int, _ random: inout SeededRandom) -> Value {
      if isNullable(index) && random.chance(0.2) { return .null }
      guard index < kinds.count else { return .leaf }
      switch kinds[index] {
      case .structure: return .structure(value(index + 1, &random))
      case .list:
        return .list((0..<random.pick([0, 0, 1, 2, 5])).map { _ in value(index + 1, &random) })
      }
    }

    var infos: [LevelInfo] {
      var definition = 0
      var repetition = 0
      var slot = 0
      var infos: [LevelInfo] = []
      for kind in kinds {
        switch kind {
        case .structure(let nullable):
          if nullable { definition += 1 }
          infos.append(
            LevelInfo(
              slotLevel: slot, repetition: repetition, definedLevel: definition, itemLevel: 0))
        case .list(let nullable):
          if nullable { definition += 1 }
          infos.append(
            LevelInfo(
              slotLevel: slot, repetition: repetition, definedLevel: definition,
              itemLevel: definition + 1))
          definition += 1
          repetition += 1
          slot = definition
        }
      }
      return infos
    }
  }

  private struct Levels {
    var definition: [UInt8] = []
    var repetition: [UInt8] = []
  }

  /// Dremel's striping.
  private func stripe(
    _ value: Value, _ chain: Chain, _ index: Int, definition: Int, repetition: Int, depth: Int,
    into levels: inout Levels
  ) {
    func end() {
      levels.definition.append(UInt8(definition))
      levels.repetition.append(UInt8(repetition))
    }
    let present = definition + (chain.isNullable(index) ? 1 : 0)
    switch value {
    case .null: end()
    case .leaf:
      levels.definition.append(UInt8(present))
      levels.repetition.append(UInt8(repetition))
    case .structure(let child):
      stripe(
        child, chain, index + 1, definition: present, repetition: repetition, depth: depth,
        into: &levels)
    case .list(let items):
      guard !items.isEmpty else {
        levels.definition.append(UInt8(present))
        levels.repetition.append(UInt8(repetition))
        return
      }
      for (position, item) in items.enumerated() {
        stripe(
          item, chain, index + 1, definition: present + 1,
          repetition: position == 0 ? repetition : depth + 1, depth: depth + 1, into: &levels)
      }
    }
  }

  /// What node `target` holds: validity, and the offsets of lists.
  private struct Expected {
    var valid: [Bool] = []
    var offsets: [Int64] = [0]
  }

  private func collect(_ value: Value, _ out: inout Expected) {
    let last = out.offsets[out.offsets.count - 1]
    switch value {
    case .null:
      out.valid.append(false)
      out.offsets.append(last)
    case .list(let items):
      out.valid.append(true)
      out.offsets.append(last + Int64(items.count))
    default: out.valid.append(true)
    }
  }

  @Test(arguments: 0..<60)
  func randomTrees(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let chain = Chain(&random)
    let rows = (0..<random.pick([1, 20, 300])).map { _ in chain.value(0, &random) }
    var levels = Levels()
    for row in rows {
      stripe(row, chain, 0, definition: 0, repetition: 0, depth: 0, into: &levels)
    }
    let listCount = chain.kinds.filter { if case .list = $0 { true } else { false } }.count
    for (index, info) in chain.infos.enumerated() {
      let isList = if case .list = chain.kinds[index] { true } else { false }
      let state = NestedState(
        info, isList: isList, nullable: chain.isNullable(index), leafRepetitionMax: listCount,
        slotCountMax: 1 << 30)
      try feed(levels, to: state, isRepeated: listCount > 0, &random)
      let expected = expect(rows, chain, index)
      #expect(state.slotCount == expected.valid.count, "\(chain.kinds), node \(index)")
      if isList {
        let offsets = try state.finishOffsets(width: 8).array(of: Int64.self)
        #expect(offsets == expected.offsets, "\(chain.kinds), node \(index)")
      }
      let (validity, nullCount) = state.finishValidity()
      if chain.isNullable(index) {
        #expect(nullCount == expected.valid.filter { !$0 }.count)
        for (row, isValid) in expected.valid.enumerated() {
          #expect((validity.map { Bitmap.get($0.base, row) } ?? true) == isValid)
        }
      }
    }
  }

  /// Slots below null structs are slots, those below null lists are not.
  private func expect(_ rows: [Value], _ chain: Chain, _ target: Int) -> Expected {
    var out = Expected()
    func visit(_ value: Value, _ index: Int) {
      if index == target { return collect(value, &out) }
      switch (value, chain.kinds[index]) {
      case (.list(let items), _): for item in items { visit(item, index + 1) }
      case (.structure(let child), _): visit(child, index + 1)
      case (.null, .structure): visit(.null, index + 1)
      default: break
      }
    }
    for row in rows { visit(row, 0) }
    return out
  }

  /// The levels in stretches of random lengths, uniform ones as such.
  private func feed(
    _ levels: Levels, to state: NestedState, isRepeated: Bool, _ random: inout SeededRandom
  ) throws {
    var position = 0
    while position < levels.definition.count {
      let count = min(random.pick([1, 3, 64, 65, 500]), levels.definition.count - position)
      let definition = Array(levels.definition[position..<position + count])
      let repetition = Array(levels.repetition[position..<position + count])
      let isUniform = Set(definition).count == 1 && random.chance(0.7)
      try definition.withUnsafeBufferPointer { definition in
        try repetition.withUnsafeBufferPointer { repetition in
          try state.consume(
            LevelStretch(
              definition: isUniform ? nil : definition.baseAddress,
              uniformDefinition: definition[0],
              repetition: isRepeated ? repetition.baseAddress : nil, count: count))
        }
      }
      position += count
    }
  }
}
