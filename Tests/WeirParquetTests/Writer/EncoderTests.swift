// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirParquet

/// Decoders written down from the specification, one bit at a time.
enum NaiveDecoder {
  struct Cursor {
    var bytes: [UInt8]
    var position = 0

    mutating func byte() -> UInt8 {
      defer { position += 1 }
      return bytes[position]
    }

    mutating func varint() -> UInt64 {
      var result: UInt64 = 0
      var shift: UInt64 = 0
      while true {
        let next = byte()
        result |= UInt64(next & 0x7f) << shift
        if next < 0x80 { return result }
        shift += 7
      }
    }

    mutating func zigzag() -> Int64 {
      let raw = varint()
      return Int64(bitPattern: raw >> 1) ^ -Int64(raw & 1)
    }

    /// `count` values of `width` bits; whole bytes.
    mutating func packed(_ count: Int, _ width: Int) -> [UInt64] {
      var values: [UInt64] = []
      for index in 0..<count {
        var value: UInt64 = 0
        for bit in 0..<width {
          let place = index * width + bit
          let set = bytes[position + place / 8] >> UInt8(place % 8) & 1
          value |= UInt64(set) << UInt64(bit)
        }
        values.append(value)
      }
      position += (count * width + 7) / 8
      return values
    }
  }

  static func hybrid(_ bytes: [UInt8], count: Int, width: Int) -> [UInt64] {
    var cursor = Cursor(bytes: bytes)
    var values: [UInt64] = []
    while values.count < count {
      let header = cursor.varint()
      if header & 1 == 1 {
        values += cursor.packed(Int(header >> 1) * 8, width)
      } else {
        var value: UInt64 = 0
        for place in 0..<(width + 7) / 8 { value |= UInt64(cursor.byte()) << UInt64(place * 8) }
        values += Array(repeating: value, count: Int(header >> 1))
      }
    }
    return Array(values.prefix(count))
  }

  /// Also returns where the encoding ends.
  static func delta(_ bytes: [UInt8]) -> (values: [Int64], end: Int) {
    var cursor = Cursor(bytes: bytes)
    let blockSize = Int(cursor.varint())
    let miniblocks = Int(cursor.varint())
    let count = Int(cursor.varint())
    var values = [cursor.zigzag()]
    while values.count < count {
      let least = cursor.zigzag()
      let widths = (0..<miniblocks).map { _ in Int(cursor.byte()) }
      for width in widths where values.count < count {
        for packed in cursor.packed(blockSize / miniblocks, width) {
          values.append(values.last! &+ least &+ Int64(bitPattern: packed))
        }
      }
      values = Array(values.prefix(count))
    }
    return (Array(values.prefix(count)), cursor.position)
  }
}

struct EncoderTests {
  private func bytes(_ body: (MutableBuffer) -> Void) -> [UInt8] {
    let out = MutableBuffer()
    body(out)
    return out.withUnsafeBytes { Array($0) }
  }

  /// Values with runs, so that both kinds of run appear.
  private func runs(_ random: inout SeededRandom, count: Int, below limit: UInt64) -> [UInt64] {
    var values: [UInt64] = []
    while values.count < count {
      let value = UInt64.random(in: 0..<limit, using: &random)
      values += Array(repeating: value, count: random.pick([1, 1, 1, 1, 3, 8, 9, 40, 200]))
    }
    return Array(values.prefix(count))
  }

  @Test func hybridOfLevels() {
    var random = SeededRandom(seed: 1)
    for width in 1...8 {
      for count in [1, 7, 8, 9, 63, 64, 65, 1_000] {
        let values = runs(&random, count: count, below: 1 << UInt64(width)).map { UInt8($0) }
        let encoded = bytes { EncodeHybrid.levels(values, count: count, width: width, into: $0) }
        #expect(
          NaiveDecoder.hybrid(encoded, count: count, width: width) == values.map { UInt64($0) })
      }
    }
  }

  @Test func hybridOfIndices() {
    var random = SeededRandom(seed: 2)
    for width in 0...32 {
      for count in [1, 8, 17, 700] {
        let values = runs(&random, count: count, below: 1 << UInt64(width)).map { UInt32($0) }
        let encoded = bytes { EncodeHybrid.indices(values, count: count, width: width, into: $0) }
        #expect(
          NaiveDecoder.hybrid(encoded, count: count, width: width) == values.map { UInt64($0) })
      }
    }
  }

  @Test func packingOfAllWidths() {
    var random = SeededRandom(seed: 3)
    for width in 1...64 {
      let mask: UInt64 = width == 64 ? .max : 1 << UInt64(width) - 1
      let values = (0..<64).map { _ in random.next() & mask }
      let wide = bytes { EncodePack.pack(values, count: 64, width: width, into: $0) }
      var cursor = NaiveDecoder.Cursor(bytes: wide)
      #expect(cursor.packed(64, width) == values)
      #expect(wide.count == 8 * width)
      if width <= 32 {
        let narrow = bytes {
          EncodePack.pack(values.map { UInt32($0) }, count: 64, width: width, into: $0)
        }
        #expect(narrow == wide)
      }
    }
  }

  @Test func deltaOfIntegers() {
    var random = SeededRandom(seed: 4)
    for count in [1, 2, 33, 128, 129, 130, 1_000] {
      let shapes: [[Int64]] = [
        (0..<count).map { Int64($0) * 3 },
        (0..<count).map { _ in Int64(bitPattern: random.next()) },
        (0..<count).map { $0 % 2 == 0 ? .max : .min },
        Array(repeating: -7, count: count),
        (0..<count).map { _ in Int64.random(in: -50...50, using: &random) },
      ]
      for values in shapes {
        let encoded = bytes { EncodeDelta.encode(values, count: count, into: $0) }
        let decoded = NaiveDecoder.delta(encoded)
        #expect(decoded.values == values)
        #expect(decoded.end == encoded.count)
        let narrow = values.map { Int32(truncatingIfNeeded: $0) }
        let encodedNarrow = bytes { EncodeDelta.encode(narrow, count: count, into: $0) }
        #expect(
          NaiveDecoder.delta(encodedNarrow).values.map { Int32(truncatingIfNeeded: $0) } == narrow)
      }
    }
  }

  @Test func byteArrays() {
    var random = SeededRandom(seed: 5)
    var strings: [[UInt8]] = []
    for _ in 0..<400 {
      let shared = Array((strings.last ?? []).prefix(random.int(0...20)))
      strings.append(shared + random.bytes(random.int(0...9)))
    }
    let buffer = Buffer(strings.flatMap { $0 })
    var views: [ByteView] = []
    var position = 0
    for string in strings {
      views.append(ByteView(base: buffer.base + position, count: string.count))
      position += string.count
    }
    defer { withExtendedLifetime(buffer) {} }

    let lengths = bytes { EncodeBytes.deltaLength(views, count: views.count, into: $0) }
    let sizes = NaiveDecoder.delta(lengths)
    #expect(sizes.values.map { Int($0) } == strings.map(\.count))
    #expect(Array(lengths[sizes.end...]) == strings.flatMap { $0 })

    let shared = bytes { EncodeBytes.deltaBytes(views, count: views.count, into: $0) }
    let prefixes = NaiveDecoder.delta(shared)
    let rest = Array(shared[prefixes.end...])
    let suffixes = NaiveDecoder.delta(rest)
    var start = suffixes.end
    var previous: [UInt8] = []
    for (index, string) in strings.enumerated() {
      let end = start + Int(suffixes.values[index])
      previous = Array(previous.prefix(Int(prefixes.values[index]))) + Array(rest[start..<end])
      start = end
      #expect(previous == string)
    }
  }

  /// Both ways to build, against a Swift dictionary.
  @Test func integerDictionaries() {
    var random = SeededRandom(seed: 6)
    let limits = DictionaryLimits(bytesMax: 1 << 30, otherBits: .infinity)
    for distinct in [1, 5, 3_000, 60_000] {
      let pool = (0..<distinct).map { _ in random.next() }
      let keys = (0..<30_000).map { _ in random.pick(pool) }
      var indices = [UInt32](repeating: 0, count: keys.count)
      var hashed = IntegerDictionary<UInt64>()
      #expect(
        hashed.fill(keys, count: keys.count, indices: &indices, limits: limits, direct: nil))
      #expect(zip(indices, keys).allSatisfy { hashed.entries[Int($0)] == $1 })
      #expect(Set(hashed.entries).count == hashed.entries.count)

      let small = keys.map { UInt32($0 % 1_000) &- 500 }
      var direct = IntegerDictionary<UInt32>()
      #expect(
        direct.fill(
          small, count: small.count, indices: &indices, limits: limits,
          direct: (base: UInt32(bitPattern: -500), span: 999)))
      #expect(zip(indices, small).allSatisfy { direct.entries[Int($0)] == $1 })
      var again = IntegerDictionary<UInt32>()
      #expect(
        again.fill(small, count: small.count, indices: &indices, limits: limits, direct: nil))
      #expect(again.entries == direct.entries)
    }
  }

  @Test func dictionariesGiveUp() {
    var random = SeededRandom(seed: 8)
    let keys = (0..<100_000).map { _ in random.next() }
    var indices = [UInt32](repeating: 0, count: keys.count)
    var dictionary = IntegerDictionary<UInt64>()
    let limits = DictionaryLimits(bytesMax: 1 << 30, otherBits: 64)
    #expect(
      !dictionary.fill(keys, count: keys.count, indices: &indices, limits: limits, direct: nil))
    #expect(dictionary.entries.count < 20_000)
  }

  @Test func bitsBecomeBytes() {
    for byte in 0..<256 {
      let spread = EncodeLevels.spread(UInt64(byte))
      for bit in 0..<8 {
        #expect(spread >> UInt64(8 * bit) & 0xff == UInt64(byte >> bit & 1))
      }
    }
  }
}
