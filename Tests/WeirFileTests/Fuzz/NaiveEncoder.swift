// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirFile

/// Writes values in any encoding that can hold them, chosen by chance, as the specification says and
/// nothing more: no code is shared with the writer. It is the reference of the decoders' tests.
struct NaiveEncoder {
  var random: SeededRandom
  /// What pages refer to, in order: pages as bytes, and how they are cut.
  var auxiliary: [(role: AuxiliaryRole, shift: Int, count: Int, pages: [Buffer])] = []

  /// Fields of structs that may have pages of their own: not those within pages of auxiliary arrays.
  var hasParts = true

  init(_ random: SeededRandom) { self.random = random }

  /// A field of a struct: as it is, or a part.
  mutating func divided(_ field: EncodedNode) -> EncodedNode {
    guard hasParts, random.chance(0.3) else { return field }
    let known = auxiliary.firstIndex { $0.role == .parts }
    if known == nil { auxiliary.append((.parts, 0, 0, [])) }
    let array = known ?? auxiliary.count - 1
    auxiliary[array].pages.append(field.page())
    auxiliary[array].count += 1
    let hasWidth = field.kind == .fixed || field.kind == .fixedLists
    return EncodedNode(
      encoding: .part, kind: field.kind, count: field.count, a: hasWidth ? field.a : 0,
      b: UInt64(auxiliary[array].count - 1))
  }

  static func encodings(_ shape: NaiveShape) -> [PageEncoding] {
    switch shape {
    case .bits: [.plain, .constant, .runs, .sparse]
    case .one:
      [.plain, .constant, .packed, .patched, .delta, .runs, .dictionary, .tiered, .sparse, .zstd]
    case .two:
      [
        .plain, .constant, .packed, .patched, .delta, .runs, .dictionary, .tiered, .sparse, .zstd,
        .byteStreams,
      ]
    case .four, .eight:
      [
        .plain, .constant, .packed, .patched, .delta, .runs, .dictionary, .tiered, .sparse, .zstd,
        .byteStreams, .split, .decimal,
      ]
    case .sixteen:
      [.plain, .constant, .runs, .dictionary, .sparse, .zstd, .byteStreams, .halves]
    case .fixed: [.plain, .constant, .runs, .dictionary, .sparse, .zstd]
    case .strings: [.constant, .runs, .dictionary, .sparse, .strings, .fsst]
    case .lists: [.list, .window]
    case .fixedLists: [.fixedList]
    case .structs: [.structure]
    case .nulls: [.nulls]
    }
  }

  // MARK: values

  /// Values that repeat and lie near each other now and then, so that each encoding has work.
  mutating func values(_ shape: NaiveShape, _ count: Int) -> [NaiveValue] {
    switch shape {
    case .nulls: return Array(repeating: .null, count: count)
    case .bits:
      let share = random.pick([0, 0.01, 0.5, 1])
      return (0..<count).map { _ in .bit(random.chance(share)) }
    case .one, .two, .four, .eight: return numbers(shape.bitWidth, count).map { .number($0) }
    case .sixteen, .fixed:
      let few = (0..<3).map { _ in NaiveValue.bytes(random.bytes(shape.fixedWidth)) }
      let repeats = random.chance(0.5)
      return (0..<count).map { _ in
        repeats ? random.pick(few) : .bytes(random.bytes(shape.fixedWidth))
      }
    case .strings:
      let few = (0..<4).map { _ in NaiveValue.bytes(random.bytes(random.int(0...20))) }
      let repeats = random.chance(0.5)
      return (0..<count).map { _ in
        repeats ? random.pick(few) : .bytes(random.compressibleBytes(random.int(0...30)))
      }
    case .lists(let item, let nullable):
      return (0..<count).map { _ in
        .many(items(item, random.pick([0, 1, 3, 12]), nullable))
      }
    case .fixedLists(let item, let size, let nullable):
      return (0..<count).map { _ in .many(items(item, size, nullable)) }
    case .structs(let fields, let nullable):
      return (0..<count).map { _ in .many(fields.map { items($0, 1, nullable)[0] }) }
    }
  }

  mutating func items(
    _ shape: NaiveShape, _ count: Int, _ nullable: Bool
  ) -> [NaiveValue] {
    values(shape, count).map { nullable && random.chance(0.2) ? .null : $0 }
  }

  mutating func numbers(_ width: Int, _ count: Int) -> [UInt64] {
    let mask = width == 64 ? UInt64.max : (1 << UInt64(width)) - 1
    let range = random.pick([UInt64(1), 5, 300, 70_000, mask])
    let base = random.chance(0.5) ? 0 : random.next()
    let (isRunning, isSorted) = (random.chance(0.3), random.chance(0.3))
    var last = base
    return (0..<count).map { _ in
      if isRunning && random.chance(0.8) { return last & mask }
      let offset = range == .max ? random.next() : random.next() % range
      last = isSorted ? last &+ offset : base &+ offset
      if random.chance(0.02) { last = random.next() }
      return last & mask
    }
  }

  // MARK: nodes

  /// A node of values, null ones among them when it is an array of its own.
  mutating func array(
    _ values: [NaiveValue], _ shape: NaiveShape, _ encoding: PageEncoding? = nil, depth: Int
  ) -> EncodedNode {
    let hasNulls = values.contains(.null)
    if case .nulls = shape, encoding != .nullable { return node(values, shape, encoding, depth) }
    guard hasNulls || encoding == .nullable || random.chance(0.1) else {
      return node(values, shape, encoding, depth)
    }
    let valid = node(values.map { .bit($0 != .null) }, .bits, nil, depth + 1)
    let own = encoding == .nullable ? nil : encoding
    let onlyValid = random.chance(0.5)
    let filled = self.values(shape, values.count)
    let held =
      onlyValid
      ? values.filter { $0 != .null } : zip(values, filled).map { $0 == .null ? $1 : $0 }
    let inner = node(held, shape, own, depth + 1)
    return EncodedNode(
      encoding: .nullable, kind: shape.kind, parameter: onlyValid ? 1 : 0, count: values.count,
      a: inner.kind == .fixed || inner.kind == .fixedLists ? inner.a : 0, children: [valid, inner])
  }

  /// A node of values without nulls: in that encoding if it can hold them.
  mutating func node(
    _ values: [NaiveValue], _ shape: NaiveShape, _ wanted: PageEncoding? = nil, _ depth: Int
  ) -> EncodedNode {
    if let wanted, let node = made(values, shape, wanted, depth) { return node }
    if depth < 3 {
      for _ in 0..<4 {
        let encoding = random.pick(Self.encodings(shape))
        if let node = made(values, shape, encoding, depth) { return node }
      }
    }
    let simple: PageEncoding =
      switch shape {
      case .strings: .strings
      case .lists: .list
      case .fixedLists: .fixedList
      case .structs: .structure
      case .nulls: .nulls
      default: .plain
      }
    return made(values, shape, simple, depth)!
  }

  func empty(
    _ encoding: PageEncoding, _ shape: NaiveShape, _ count: Int
  ) -> EncodedNode {
    var node = EncodedNode(encoding: encoding, kind: shape.kind, count: count)
    if case .fixed(let width) = shape { node.a = UInt64(width) }
    return node
  }

  mutating func positions(_ places: [Int], _ depth: Int) -> EncodedNode {
    node(places.map { .number(UInt64($0)) }, .four, nil, depth + 1)
  }

  /// `nil` when the encoding cannot hold the values.
  mutating func made(
    _ values: [NaiveValue], _ shape: NaiveShape, _ encoding: PageEncoding, _ depth: Int
  ) -> EncodedNode? {
    guard Self.encodings(shape).contains(encoding) else { return nil }
    let count = values.count
    var node = empty(encoding, shape, count)
    switch encoding {
    case .plain: node.buffers = [Self.plain(values, shape)]
    case .constant:
      guard let first = values.first, values.allSatisfy({ $0 == first }) else { return nil }
      switch first {
      case .bit(let bit): node.a = bit ? 1 : 0
      case .number(let number): node.a = number
      case .bytes(let bytes): node.buffers = [Buffer(bytes)]
      default: return nil
      }
    case .packed:
      let base = values.map(\.number).min() ?? 0
      let most = values.map { $0.number - base }.max() ?? 0
      let least = 64 - most.leadingZeroBitCount
      let width = random.chance(0.7) ? least : random.int(least...shape.bitWidth)
      node.a = base
      node.parameter = UInt8(width)
      node.buffers = [Self.packed(values.map { $0.number - base }, width)]
    case .patched, .sparse:
      guard encoding == .sparse || depth < 3 else { return nil }
      return patches(values, shape, encoding, depth)
    case .delta: return delta(values, shape, depth)
    case .runs:
      var (ends, kept): ([Int], [NaiveValue]) = ([], [])
      for (index, value) in values.enumerated() {
        if index + 1 == count || values[index + 1] != value || random.chance(0.05) {
          ends.append(index + 1)
          kept.append(value)
        }
      }
      node.children = [positions(ends, depth), self.node(kept, shape, nil, depth + 1)]
    case .dictionary: return dictionary(values, shape, depth)
    case .tiered: return tiered(values.map(\.number), shape)
    case .decimal: return decimal(values, shape, depth)
    case .split:
      let right = random.int(shape.bitWidth - 16...shape.bitWidth - 1)
      let (high, low) = (
        values.map { $0.number >> UInt64(right) },
        values.map { $0.number & ((1 << UInt64(right)) - 1) }
      )
      node.parameter = UInt8(right)
      node.children = [self.node(high.map { .number($0) }, .two, nil, depth + 1)]
      node.buffers = [Self.packed(low, right)]
    case .strings, .list: return ragged(values, shape, depth)
    case .fsst: return fsst(values, depth)
    case .window: return window(values, shape, depth)
    case .fixedList:
      guard case .fixedLists(let item, let size, _) = shape else { return nil }
      node.a = UInt64(size)
      node.children = [array(values.flatMap(\.many), item, depth: depth + 1)]
    case .structure:
      guard case .structs(let fields, _) = shape else { return nil }
      for (index, field) in fields.enumerated() {
        node.children.append(
          divided(array(values.map { $0.many[index] }, field, depth: depth + 1)))
      }
    case .zstd: return zstd(values, shape)
    case .byteStreams:
      let width = shape.kind.width ?? 0
      let bytes = Self.plain(values, shape).array(of: UInt8.self)
      for stream in 0..<width {
        let part = (0..<count).map { NaiveValue.number(UInt64(bytes[$0 * width + stream])) }
        node.children.append(self.node(part, .one, nil, depth + 1))
      }
    case .halves:
      let bytes = Self.plain(values, shape)
      for half in 0..<2 {
        let part = (0..<count).map {
          NaiveValue.number(bytes.number(UInt64.self, at: $0 * 16 + half * 8))
        }
        node.children.append(self.node(part, .eight, nil, depth + 1))
      }
    case .nulls: break
    case .nullable, .float16, .bfloat16, .scaled, .part: return nil
    }
    return node
  }

  static func plain(_ values: [NaiveValue], _ shape: NaiveShape) -> Buffer {
    if case .bits = shape { return packed(values.map { $0 == .bit(true) ? 1 : 0 }, 1) }
    let out = MutableBuffer()
    for value in values {
      switch value {
      case .number(let number):
        out.append(
          contentsOf: (0..<shape.bitWidth / 8).map {
            UInt8(truncatingIfNeeded: number >> UInt64(8 * $0))
          })
      case .bytes(let bytes): out.append(contentsOf: bytes)
      default: preconditionFailure("no plain value")
      }
    }
    return out.finish()
  }

  static func packed(_ values: [UInt64], _ width: Int) -> Buffer {
    var bytes = [UInt8](repeating: 0, count: (values.count * width + 7) / 8)
    for (index, value) in values.enumerated() {
      for bit in 0..<width where value >> UInt64(bit) & 1 == 1 {
        let place = index * width + bit
        bytes[place / 8] |= 1 << UInt8(place % 8)
      }
    }
    return Buffer(bytes)
  }

  mutating func patches(
    _ values: [NaiveValue], _ shape: NaiveShape, _ encoding: PageEncoding, _ depth: Int
  ) -> EncodedNode? {
    var node = empty(encoding, shape, values.count)
    let common: NaiveValue
    if encoding == .sparse {
      switch shape {
      case .bits:
        node.a = random.chance(0.5) ? 1 : 0
        common = .bit(node.a == 1)
      case .sixteen, .fixed:
        common = .bytes([UInt8](repeating: 0, count: shape.fixedWidth))
      case .strings: common = .bytes([])
      default:
        node.a = random.chance(0.5) && !values.isEmpty ? random.pick(values).number : 0
        common = .number(node.a)
      }
    } else {
      common = values.first ?? .number(0)
    }
    var places: [Int] = []
    var base = values
    for (index, value) in values.enumerated() {
      if encoding == .sparse ? value != common || random.chance(0.05) : random.chance(0.1) {
        places.append(index)
        base[index] = common
      }
    }
    let kept = self.node(places.map { values[$0] }, shape, nil, depth + 1)
    node.children = [positions(places, depth), kept]
    if encoding == .patched {
      node.children.insert(self.node(base, shape, nil, depth + 1), at: 0)
    }
    return node
  }

  mutating func delta(
    _ values: [NaiveValue], _ shape: NaiveShape, _ depth: Int
  ) -> EncodedNode {
    let shift = random.pick([0, 1, 4, 8, 12])
    let mask = shape.bitWidth == 64 ? UInt64.max : (1 << UInt64(shape.bitWidth)) - 1
    var (firsts, deltas): ([NaiveValue], [NaiveValue]) = ([], [])
    for (index, value) in values.enumerated() {
      if index % (1 << shift) == 0 {
        firsts.append(value)
        deltas.append(.number(random.next() & mask))
      } else {
        deltas.append(.number((value.number &- values[index - 1].number) & mask))
      }
    }
    var node = empty(.delta, shape, values.count)
    node.parameter = UInt8(shift)
    node.children = [
      self.node(firsts, shape, nil, depth + 1), self.node(deltas, shape, nil, depth + 1),
    ]
    return node
  }

  mutating func dictionary(
    _ values: [NaiveValue], _ shape: NaiveShape, _ depth: Int
  ) -> EncodedNode? {
    guard depth < 3 else { return nil }
    var kept = Array(Set(values))
    if random.chance(0.5) { kept += self.values(shape, 2) }
    let codes = values.map { value in NaiveValue.number(UInt64(kept.firstIndex(of: value)!)) }
    var node = empty(.dictionary, shape, values.count)
    node.children = [self.node(codes, .four, nil, depth + 1)]
    if random.chance(0.5) {
      node.parameter = 1
      node.children.append(self.node(kept, shape, nil, depth + 1))
    } else {
      let number = UInt64(addAuxiliary(.dictionary, kept, shape, depth + 1))
      if shape.kind == .fixed { node.b = number } else { node.a = number }
    }
    return node
  }

  /// Cuts values into pages of an auxiliary array; returns its number.
  mutating func addAuxiliary(
    _ role: AuxiliaryRole, _ values: [NaiveValue], _ shape: NaiveShape, _ depth: Int
  ) -> Int {
    let shift = random.pick([0, 2, 16])
    var pages: [Buffer] = []
    let hadParts = hasParts
    hasParts = false
    defer { hasParts = hadParts }
    for start in stride(from: 0, to: values.count, by: 1 << shift) {
      let part = Array(values[start..<min(values.count, start + 1 << shift)])
      pages.append(node(part, shape, nil, depth).page())
    }
    // What its pages refer to has smaller numbers.
    auxiliary.append((role, shift, values.count, pages))
    return auxiliary.count - 1
  }
}
