// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirParquet

/// Decoders of runs and deltas against values that a plain encoder wrote, in steps of all sizes.
struct DecoderTests {
  static func varint(_ value: UInt64) -> [UInt8] {
    var rest = value
    var bytes: [UInt8] = []
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  static func zigzag(_ value: Int64) -> [UInt8] {
    varint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }

  static func pack(_ values: [UInt64], _ width: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: (values.count * width + 7) / 8)
    for (index, value) in values.enumerated() {
      for bit in 0..<width where value >> UInt64(bit) & 1 != 0 {
        bytes[(index * width + bit) / 8] |= 1 << UInt8((index * width + bit) % 8)
      }
    }
    return bytes
  }

  /// Random runs, repeated and packed.
  static func hybrid(
    _ random: inout SeededRandom, width: Int, count: Int
  ) -> (values: [UInt64], bytes: [UInt8]) {
    let mask: UInt64 = width == 0 ? 0 : .max >> UInt64(64 - width)
    var values: [UInt64] = []
    var bytes: [UInt8] = []
    while values.count < count {
      if random.chance(0.5) {
        let length = random.int(0...50)
        let value = random.next() & mask
        bytes += varint(UInt64(length) << 1)
        for byte in 0..<(width + 7) / 8 {
          bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * byte)))
        }
        values += [UInt64](repeating: value, count: length)
      } else {
        let groups = random.int(0...6)
        let packed = (0..<groups * 8).map { _ in random.next() & mask }
        bytes += varint(UInt64(groups) << 1 | 1) + pack(packed, width)
        values += packed
      }
    }
    return (values, bytes)
  }

  @Test func hybridRuns() throws {
    var random = SeededRandom(seed: 1)
    for width in 0...32 {
      let (values, bytes) = Self.hybrid(&random, width: width, count: 600)
      var decoder = HybridDecoder(Buffer(bytes), bitWidth: width)
      var levels = HybridDecoder(Buffer(bytes), bitWidth: width)
      var position = 0
      while position < values.count {
        let step = min(random.pick([1, 2, 7, 8, 9, 100]), values.count - position)
        let expected = Array(values[position..<position + step])
        if random.chance(0.3), let run = try decoder.uniformRun(countMax: step) {
          #expect(
            [UInt64](repeating: UInt64(run.value), count: run.count)
              == Array(expected[..<run.count]))
          if width <= 8 {
            var out = [UInt8](repeating: 0, count: run.count)
            try levels.decodeLevels(&out, count: run.count)
          }
          position += run.count
          continue
        }
        var out = [UInt32](repeating: 0, count: step)
        try decoder.decode(&out, count: step)
        #expect(out.map { UInt64($0) } == expected)
        if width <= 8 {
          var small = [UInt8](repeating: 0, count: step)
          try levels.decodeLevels(&small, count: step)
          #expect(small.map { UInt64($0) } == expected)
        }
        position += step
      }
      var beyond = [UInt32](repeating: 0, count: 1)
      #expect(throws: ParquetError.self) { try decoder.decode(&beyond, count: 1) }
    }
  }

  @Test func deprecatedLevels() throws {
    var random = SeededRandom(seed: 2)
    for width in 1...8 {
      for count in [0, 1, 7, 8, 9, 100] {
        let values = (0..<count).map { _ in UInt8(random.next() & (1 << UInt64(width) - 1)) }
        // Most significant bit first.
        var bytes = [UInt8](repeating: 0, count: (count * width + 7) / 8)
        for (index, value) in values.enumerated() {
          for bit in 0..<width where value >> UInt8(width - 1 - bit) & 1 != 0 {
            bytes[(index * width + bit) / 8] |= 0x80 >> UInt8((index * width + bit) % 8)
          }
        }
        let (levels, byteCount) = try LegacyBitPacked.asHybrid(
          Buffer(bytes), bitWidth: width, count: count)
        #expect(byteCount == bytes.count)
        var decoder = HybridDecoder(levels, bitWidth: width)
        var out = [UInt8](repeating: 0, count: count)
        try decoder.decodeLevels(&out, count: count)
        #expect(out == values)
      }
    }
  }

  /// DELTA_BINARY_PACKED by the specification's words.
  static func delta(_ values: [Int64], block: Int, miniblocks: Int, cut: Bool) -> [UInt8] {
    var bytes = varint(UInt64(block)) + varint(UInt64(miniblocks)) + varint(UInt64(values.count))
    bytes += zigzag(values.first ?? 0)
    let deltas = zip(values.dropFirst(), values).map { $0 &- $1 }
    let size = block / miniblocks
    for start in stride(from: 0, to: deltas.count, by: block) {
      let part = Array(deltas[start..<min(start + block, deltas.count)])
      let least = part.min() ?? 0
      bytes += zigzag(least)
      var widths: [UInt8] = []
      var packed: [UInt8] = []
      for mini in 0..<miniblocks {
        let slice = part.dropFirst(mini * size).prefix(size)
          .map { UInt64(bitPattern: $0 &- least) }
        let width = slice.map { 64 - $0.leadingZeroBitCount }.max() ?? 0
        widths.append(UInt8(width))
        if slice.isEmpty { continue }
        // The last miniblock is filled up, or cut, as some writers do.
        let isLast = start + block >= deltas.count && (mini + 1) * size >= part.count
        let padded =
          isLast && cut ? slice : slice + [UInt64](repeating: 0, count: size - slice.count)
        packed += pack(padded, width)
      }
      bytes += widths + packed
    }
    return bytes
  }

  @Test func deltas() throws {
    var random = SeededRandom(seed: 3)
    for bits in [0, 1, 3, 8, 20, 31, 33, 57, 60, 63, 64] {
      for count in [0, 1, 2, 31, 32, 33, 128, 129, 700] {
        let mask: UInt64 = bits == 0 ? 0 : .max >> UInt64(64 - bits)
        let values = (0..<count).map { _ in Int64(bitPattern: random.next() & mask) }
        let (block, miniblocks) = random.pick([(128, 4), (128, 1), (256, 8), (1024, 4)])
        let bytes = Self.delta(
          values, block: block, miniblocks: miniblocks, cut: random.chance(0.5))
        var decoder = try DeltaDecoder(Buffer(bytes))
        #expect(decoder.left == count)
        #expect(try decoder.rest().count == 0)
        var out: [Int64] = []
        while out.count < count {
          let step = min(random.pick([1, 5, 32, 100]), count - out.count)
          var part = [Int64](repeating: 0, count: step)
          try decoder.decode(&part, count: step)
          out += part
        }
        #expect(out == values, "\(bits) bits, \(count) values")
        var beyond = [Int64](repeating: 0, count: 1)
        #expect(throws: ParquetError.self) { try decoder.decode(&beyond, count: 1) }
      }
    }
  }

  @Test func impossibleDeltas() {
    let headers: [[UInt8]] = [
      [], [0x80], Self.varint(0) + [1, 1, 0], Self.varint(100) + [1, 1, 0],
      Self.varint(128) + [0, 1, 0], Self.varint(128) + [3, 1, 0], Self.varint(128) + [8, 1, 0],
      Self.varint(1 << 40) + [4, 1, 0], Self.varint(128) + [4] + Self.varint(1 << 40) + [0],
    ]
    for header in headers {
      #expect(throws: ParquetError.self) { _ = try DeltaDecoder(Buffer(header)) }
    }
  }
}
