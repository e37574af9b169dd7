// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirParquet

/// The C kernels against loops that are too plain to be wrong.
struct KernelTests {
  /// Value `index` of `width` bits, least significant bit first.
  static func bits(_ bytes: [UInt8], _ index: Int, _ width: Int) -> UInt64 {
    var value: UInt64 = 0
    for bit in 0..<width {
      let position = index * width + bit
      if bytes[position / 8] >> UInt8(position % 8) & 1 != 0 { value |= 1 << UInt64(bit) }
    }
    return value
  }

  @Test func unpackingOfAllWidths() {
    var random = SeededRandom(seed: 1)
    for width in 0...64 {
      for count in [0, 1, 7, 8, 9, 31, 32, 33, 64, 65, 200] {
        // Exactly as many bytes as the values need, so that a read beyond them is one.
        let bytes = random.bytes((count * width + 7) / 8)
        let naive = (0..<count).map { Self.bits(bytes, $0, width) }
        var wide = [UInt64](repeating: 1, count: count)
        weir_unpack_u64(bytes, bytes.count, Int32(width), &wide, count)
        #expect(wide == naive, "width \(width), \(count) values")
        if width <= 32 {
          var narrow = [UInt32](repeating: 1, count: count)
          weir_unpack_u32(bytes, bytes.count, Int32(width), &narrow, count)
          #expect(narrow.map { UInt64($0) } == naive, "width \(width), \(count) values")
        }
        if width <= 8 {
          var levels = [UInt8](repeating: 1, count: count)
          weir_unpack_u8(bytes, bytes.count, Int32(width), &levels, count)
          #expect(levels.map { UInt64($0) } == naive, "width \(width), \(count) values")
        }
      }
    }
  }

  @Test func levels() {
    var random = SeededRandom(seed: 2)
    for count in [0, 1, 7, 8, 63, 64, 65, 127, 128, 300, 1_000] {
      for limit in [1, 2, 4, 255] {
        let levels = (0..<count).map { _ in UInt8(random.int(0...limit)) }
        for value in Set([0, 1, 2, UInt8(limit), 128, 255]) {
          let least = levels.filter { $0 >= value }.count
          #expect(weir_count_at_least_u8(levels, value, count) == least)
          #expect(
            weir_count_equal_u8(levels, value, count) == levels.filter { $0 == value }.count)
          var packed = [UInt8](repeating: 0xaa, count: (count + 7) / 8)
          #expect(weir_pack_at_least_u8(levels, value, &packed, count) == least)
          for index in 0..<packed.count * 8 {
            let expected = index < count && levels[index] >= value
            #expect((packed[index / 8] >> UInt8(index % 8) & 1 == 1) == expected)
          }
        }
      }
    }
  }

  @Test func listStarts() {
    var random = SeededRandom(seed: 3)
    for count in [0, 1, 63, 64, 65, 200, 1_000] {
      let repetition = (0..<count).map { _ in UInt8(random.int(0...1)) }
      let definition = (0..<count).map { _ in UInt8(random.int(0...3)) }
      for (levels, itemLevel) in [(nil, 0), (definition, 1), (definition, 3)] {
        var expected: [Int64] = []
        var seen: Int64 = 17
        for index in 0..<count {
          if repetition[index] == 0 { expected.append(seen) }
          if levels.map({ $0[index] >= UInt8(itemLevel) }) ?? true { seen += 1 }
        }
        var starts = [Int64](repeating: -1, count: count)
        var items: Int64 = 17
        let written =
          if let levels {
            weir_list_starts(repetition, levels, UInt8(itemLevel), count, &starts, &items)
          } else {
            weir_list_starts(repetition, nil, UInt8(itemLevel), count, &starts, &items)
          }
        #expect(Array(starts.prefix(written)) == expected)
        #expect(items == seen)
      }
    }
  }

  @Test func byteStreams() {
    var random = SeededRandom(seed: 4)
    for width in [1, 2, 3, 4, 5, 7, 8, 12, 16] {
      let count = 37
      let values = random.bytes(count * width)
      var split = [UInt8](repeating: 0, count: values.count)
      weir_byte_stream_split(values, Int32(width), &split, count)
      for index in 0..<count {
        for byte in 0..<width {
          #expect(split[byte * count + index] == values[index * width + byte])
        }
      }
      for (first, part) in [(0, count), (5, 20), (36, 1)] {
        var joined = [UInt8](repeating: 0, count: part * width)
        weir_byte_stream_join(split, count, first, Int32(width), &joined, part)
        #expect(joined == Array(values[first * width..<(first + part) * width]))
      }
    }
  }

  @Test func smallOnes() {
    var random = SeededRandom(seed: 5)
    for count in [0, 1, 5, 8, 100] {
      let indices = (0..<count).map { _ in UInt32(random.int(0..<50)) }
      #expect(weir_max_u32(indices, count) == indices.max() ?? 0)
      let narrow = (0..<50).map { UInt32($0) &* 77_777_777 }
      let wide = (0..<50).map { UInt64($0) &* 0x1234_5678_9abc }
      var narrowOut = [UInt32](repeating: 0, count: count)
      var wideOut = [UInt64](repeating: 0, count: count)
      weir_gather_32(narrow, indices, &narrowOut, count)
      weir_gather_64(wide, indices, &wideOut, count)
      #expect(narrowOut == indices.map { narrow[Int($0)] })
      #expect(wideOut == indices.map { wide[Int($0)] })
      let bools = (0..<count).map { _ in UInt8(random.pick([0, 1, 2, 255])) }
      var packed = [UInt8](repeating: 0xff, count: (count + 7) / 8)
      weir_pack_bools(bools, &packed, count)
      for index in 0..<packed.count * 8 {
        let expected = index < count && bools[index] != 0
        #expect((packed[index / 8] >> UInt8(index % 8) & 1 == 1) == expected)
      }
    }
    for count in [0, 1, 31, 32, 5_000] {
      var text = [UInt8](repeating: 0x7f, count: count)
      #expect(weir_is_ascii(text, count) == 1)
      guard count > 0 else { continue }
      text[random.int(0..<count)] = 0x80
      #expect(weir_is_ascii(text, count) == 0)
    }
  }

  /// Text of characters of all lengths, whole and with one byte changed, against Swift's decoder.
  @Test func utf8() {
    var random = SeededRandom(seed: 8)
    let edges: [UInt32] = [
      0, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd7ff, 0xe000, 0xffff, 0x1_0000,
      0x3_ffff, 0x4_0000, 0xf_ffff, 0x10_0000, 0x10_ffff,
    ]
    var refused = 0
    for round in 0..<6_000 {
      var text = ""
      for _ in 0..<random.int(0...60) {
        let code = random.chance(0.3) ? random.pick(edges) : UInt32(random.int(32...126))
        if let scalar = Unicode.Scalar(code) { text.unicodeScalars.append(scalar) }
      }
      var bytes = Array(text.utf8)
      if round % 3 != 0 && !bytes.isEmpty {
        let position = random.int(0..<bytes.count)
        switch random.int(0..<3) {
        case 0: bytes[position] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes.remove(at: position)
        default:
          bytes[position] = random.pick([
            0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff,
          ])
        }
      }
      let isValid = String(validating: bytes, as: UTF8.self) != nil
      #expect((weir_is_utf8(bytes, bytes.count) == 1) == isValid, "\(bytes)")
      if !isValid { refused += 1 }
    }
    #expect(refused > 1_000)
    // Every pair of bytes, and every character cut off, at the end of a block.
    for first in 0..<256 {
      for second in stride(from: 0, to: 256, by: 5) {
        for filler in [62, 63, 64, 70] {
          let bytes =
            [UInt8](repeating: 97, count: filler) + [UInt8(first), UInt8(second), 0x80, 0x80]
          for count in filler...bytes.count {
            let part = Array(bytes.prefix(count))
            let isValid = String(validating: part, as: UTF8.self) != nil
            #expect((weir_is_utf8(part, count) == 1) == isValid, "\(part.suffix(4))")
          }
        }
      }
    }
  }

  // MARK: checksums and hashes

  private func naiveCRC(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
    }
    return ~crc
  }

  @Test func checksums() {
    // zlib's check value.
    #expect(weir_crc32(0, Array("123456789".utf8), 9) == 0xcbf4_3926)
    #expect(weir_crc32(0, [UInt8](), 0) == 0)
    let bytes = SeededRandom(seed: 6).copy { $0.bytes(2_000) }
    for count in Array(0...200) + [255, 256, 257, 1_000, 1_999] {
      for offset in [0, 1] {
        let part = bytes[offset..<min(offset + count, bytes.count)]
        let crc = part.withUnsafeBytes { weir_crc32(0, $0.baseAddress, $0.count) }
        #expect(crc == naiveCRC(part), "\(count) bytes at \(offset)")
      }
    }
    // In two parts.
    let first = weir_crc32(0, bytes, 777)
    let rest = Array(bytes[777...])
    #expect(weir_crc32(first, rest, rest.count) == naiveCRC(bytes[...]))
  }

  @Test func hashes() {
    // Of the reference implementation, seed 0.
    #expect(XXHash64.hash([]) == 0xef46_db37_51d8_e999)
    #expect(XXHash64.hash(Array("a".utf8)) == 0xd24e_c4f1_a98c_6e5b)
    #expect(XXHash64.hash(Array("abc".utf8)) == 0x44bc_2cf5_ad77_0999)
    #expect(
      XXHash64.hash(Array("Nobody inspects the spammish repetition".utf8))
        == 0xfbce_a83c_8a37_8bf1)
  }

  @Test func bloomFilters() {
    var random = SeededRandom(seed: 7)
    let count = 2_000
    let byteCount = SplitBlockBloomFilter.byteCount(
      distinctCount: count, falsePositiveRate: 0.01)
    let filter = MutableBuffer(capacity: byteCount)
    filter.appendZeros(byteCount)
    let hashes = (0..<count).map { _ in random.next() }
    for hash in hashes { SplitBlockBloomFilter.insert(hash, into: filter) }
    let bits = filter.finish()
    #expect(hashes.allSatisfy { SplitBlockBloomFilter.mayContain($0, in: bits) })
    let wrong = (0..<10_000).filter { _ in
      SplitBlockBloomFilter.mayContain(random.next(), in: bits)
    }.count
    #expect(wrong < 200, "\(wrong) of 10,000 absent values pass a filter made for 100")
  }
}

extension SeededRandom {
  /// What `body` makes with a copy.
  func copy<R>(_ body: (inout SeededRandom) -> R) -> R {
    var copy = self
    return body(&copy)
  }
}
