// SPDX-License-Identifier: Apache-2.0

internal import _WeirTestSupport

/// Any value of Thrift's compact protocol, parsed without a schema, so that a mutator can change
/// single fields and write the rest as it was.
indirect enum ThriftTree {
  case bool(Bool)
  case byte(UInt8)
  /// i16, i32 or i64: the wire type, and the number before zigzag.
  case number(UInt8, Int64)
  case double([UInt8])
  case bytes([UInt8])
  case list(UInt8, [ThriftTree])
  case structure([(id: Int, value: ThriftTree)])

  var type: UInt8 {
    switch self {
    case .bool(let value): value ? 1 : 2
    case .byte: 3
    case .number(let type, _): type
    case .double: 7
    case .bytes: 8
    case .list: 9
    case .structure: 12
    }
  }

  /// The structure at the start of `bytes` and how long it is; `nil` when it is none.
  static func parse(_ bytes: ArraySlice<UInt8>) -> (tree: ThriftTree, count: Int)? {
    var parser = Parser(rest: bytes)
    guard let tree = parser.structure(depth: 0) else { return nil }
    return (tree, bytes.count - parser.rest.count)
  }

  private struct Parser {
    var rest: ArraySlice<UInt8>

    mutating func varint() -> UInt64? {
      var result: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 64, by: 7) {
        guard let byte = rest.popFirst() else { return nil }
        result |= UInt64(byte & 0x7f) << shift
        if byte & 0x80 == 0 { return result }
      }
      return nil
    }

    mutating func zigzag() -> Int64? {
      varint().map { Int64(bitPattern: ($0 >> 1) ^ (0 &- ($0 & 1))) }
    }

    mutating func take(_ count: Int) -> [UInt8]? {
      guard count >= 0, count <= rest.count else { return nil }
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }

    mutating func structure(depth: Int) -> ThriftTree? {
      guard depth < 20 else { return nil }
      var fields: [(id: Int, value: ThriftTree)] = []
      var id = 0
      while let header = rest.popFirst() {
        if header == 0 { return .structure(fields) }
        if header >> 4 == 0 {
          guard let explicit = zigzag() else { return nil }
          id = Int(truncatingIfNeeded: explicit)
        } else {
          id += Int(header >> 4)
        }
        guard let value = value(header & 15, inList: false, depth) else { return nil }
        fields.append((id, value))
      }
      return nil
    }

    mutating func value(_ type: UInt8, inList: Bool, _ depth: Int) -> ThriftTree? {
      switch type {
      case 1, 2: return inList ? rest.popFirst().map { .bool($0 == 1) } : .bool(type == 1)
      case 3: return rest.popFirst().map { .byte($0) }
      case 4, 5, 6: return zigzag().map { .number(type, $0) }
      case 7: return take(8).map { .double($0) }
      case 8:
        guard let count = varint() else { return nil }
        return take(Int(truncatingIfNeeded: count)).map { .bytes($0) }
      case 9, 10:
        guard let header = rest.popFirst() else { return nil }
        var count = Int(header >> 4)
        if count == 15 {
          guard let long = varint(), long < 1 << 20 else { return nil }
          count = Int(long)
        }
        var items: [ThriftTree] = []
        for _ in 0..<count {
          guard let item = value(header & 15, inList: true, depth + 1) else { return nil }
          items.append(item)
        }
        return .list(header & 15, items)
      case 12: return structure(depth: depth + 1)
      default: return nil
      }
    }
  }

  // MARK: writing

  func encoded() -> [UInt8] {
    var out: [UInt8] = []
    write(&out, inList: false)
    return out
  }

  private static func varint(_ value: UInt64, _ out: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
      out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    out.append(UInt8(rest))
  }

  private static func zigzag(_ value: Int64, _ out: inout [UInt8]) {
    varint(UInt64(bitPattern: (value << 1) ^ (value >> 63)), &out)
  }

  private func write(_ out: inout [UInt8], inList: Bool) {
    switch self {
    case .bool(let value): if inList { out.append(value ? 1 : 2) }
    case .byte(let value): out.append(value)
    case .number(_, let value): Self.zigzag(value, &out)
    case .double(let bytes): out += bytes
    case .bytes(let bytes):
      Self.varint(UInt64(bytes.count), &out)
      out += bytes
    case .list(let type, let items):
      if items.count < 15 {
        out.append(UInt8(items.count) << 4 | type)
      } else {
        out.append(0xf0 | type)
        Self.varint(UInt64(items.count), &out)
      }
      for item in items { item.write(&out, inList: true) }
    case .structure(let fields):
      var last = 0
      for (id, value) in fields {
        let delta = id - last
        if (1...15).contains(delta) {
          out.append(UInt8(delta) << 4 | value.type)
        } else {
          out.append(value.type)
          Self.zigzag(Int64(id), &out)
        }
        last = id
        value.write(&out, inList: false)
      }
      out.append(0)
    }
  }

  // MARK: mutating

  /// Values below and including this one.
  var nodeCount: Int {
    switch self {
    case .list(_, let items): items.reduce(1) { $0 + $1.nodeCount }
    case .structure(let fields): fields.reduce(1) { $0 + $1.value.nodeCount }
    default: 1
    }
  }

  /// Changes value number `target` of a walk over all values.
  mutating func mutate(_ target: inout Int, _ random: inout SeededRandom) {
    if target == 0 {
      target = -1
      self = changed(&random)
      return
    }
    target -= 1
    switch self {
    case .list(let type, var items):
      for index in items.indices where target >= 0 { items[index].mutate(&target, &random) }
      self = .list(type, items)
    case .structure(var fields):
      for index in fields.indices where target >= 0 {
        fields[index].value.mutate(&target, &random)
      }
      self = .structure(fields)
    default: break
    }
  }

  private func changed(_ random: inout SeededRandom) -> ThriftTree {
    switch self {
    case .bool(let value): return .bool(!value)
    case .byte: return .byte(UInt8(truncatingIfNeeded: random.next()))
    case .number(let type, let value):
      return .number(type, random.pick(interestingNumbers(near: value)))
    case .double: return .double(random.bytes(8))
    case .bytes(var bytes):
      if bytes.isEmpty || random.chance(0.3) { return .bytes(random.bytes(random.int(0...20))) }
      if random.chance(0.5) {
        bytes[random.int(0..<bytes.count)] = UInt8(truncatingIfNeeded: random.next())
      } else {
        bytes.removeLast(random.int(1...bytes.count))
      }
      return .bytes(bytes)
    case .list(let type, var items):
      guard !items.isEmpty else { return self }
      let index = random.int(0..<items.count)
      switch random.int(0..<3) {
      case 0: items.remove(at: index)
      case 1: items.insert(items[index], at: random.int(0...items.count))
      default: items.swapAt(index, random.int(0..<items.count))
      }
      return .list(type, items)
    case .structure(var fields):
      guard !fields.isEmpty else { return self }
      let index = random.int(0..<fields.count)
      switch random.int(0..<3) {
      case 0: fields.remove(at: index)
      case 1: fields[index].id = random.int(1...20)
      default: fields.append((random.int(1...20), fields[index].value))
      }
      return .structure(fields)
    }
  }
}

/// Numbers that find mistakes in sizes, counts and offsets.
func interestingNumbers(near value: Int64) -> [Int64] {
  [
    0, 1, 2, 7, 8, 31, 32, 63, 64, 127, 128, 255, 256, 1_000, 65_535, 65_536, 1 << 20, 1 << 24,
    1 << 28, Int64(Int32.max) - 1, Int64(Int32.max), 1 << 31, Int64(UInt32.max), 1 << 40, 1 << 62,
    .max, .min, -1, -2, Int64(Int32.min), value &+ 1, value &- 1, value &* 2, value / 2,
    0 &- value, value &+ 1_000,
  ]
}
