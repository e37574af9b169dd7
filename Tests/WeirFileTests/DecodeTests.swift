// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// Kernels that only some processors have beside their portable forms, and both beside naive ones.
struct KernelTests {
  /// Bits packed one by one.
  static func packed(_ values: [UInt64], width: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: (values.count * width + 7) / 8)
    for (index, value) in values.enumerated() {
      for bit in 0..<width where value >> UInt64(bit) & 1 == 1 {
        bytes[(index * width + bit) / 8] |= 1 << UInt8((index * width + bit) % 8)
      }
    }
    return bytes
  }

  @Test(arguments: 0...64)
  func unpack(width: Int) {
    var random = SeededRandom(seed: UInt64(width))
    let count = 700
    let mask = width == 0 ? 0 : UInt64.max >> UInt64(64 - width)
    let values = (0..<count).map { _ in random.next() & mask }
    let bytes = Self.packed(values, width: width)
    for _ in 0..<40 {
      let start = random.int(0..<count)
      let number = random.int(0...min(count - start, random.pick([9, 40, count])))
      let base = random.next()
      let expected = values[start..<start + number].map { $0 &+ base }
      // What lies behind the room must stay.
      var (wide, portable) = (
        [UInt64](repeating: 7, count: number + 8), [UInt64](repeating: 7, count: number + 8)
      )
      weir_unpack_add_64(bytes, bytes.count, CInt(width), base, start, &wide, number)
      weir_unpack_add_64_portable(bytes, bytes.count, CInt(width), base, start, &portable, number)
      #expect(wide == expected + [UInt64](repeating: 7, count: 8))
      #expect(wide == portable)
      var narrow = [UInt64](repeating: 7, count: number + 8)
      if weir_unpack_add_64_avx2(bytes, bytes.count, CInt(width), base, start, &narrow, number) != 0
      {
        #expect(narrow == portable)
      }
      if width > 32 { continue }
      var (wide4, portable4) = (
        [UInt32](repeating: 7, count: number + 16), [UInt32](repeating: 7, count: number + 16)
      )
      weir_unpack_add_32(bytes, bytes.count, CInt(width), base, start, &wide4, number)
      weir_unpack_add_32_portable(
        bytes, bytes.count, CInt(width), base, start, &portable4, number)
      let expected4 = expected.map { UInt32(truncatingIfNeeded: $0) }
      #expect(wide4 == expected4 + [UInt32](repeating: 7, count: 16))
      #expect(wide4 == portable4)
      var narrow4 = [UInt32](repeating: 7, count: number + 16)
      if weir_unpack_add_32_avx2(
        bytes, bytes.count, CInt(width), base, start, &narrow4, number) != 0
      {
        #expect(narrow4 == portable4)
      }
    }
  }

  @Test(arguments: [
    [0, 2, 4, 6], [0, 0, 0, 9], [1, 4, 7, 14], [3, 8, 13, 17], [5, 12, 20, 28], [0, 9, 20, 32],
  ])
  func tiers(widths: [UInt8]) {
    var random = SeededRandom(seed: UInt64(widths[3]))
    let count = 1_500
    let values = (0..<count).map { _ in
      let width = Int(random.pick(widths))
      return width == 0 ? 0 : UInt32(truncatingIfNeeded: random.next()) >> UInt32(32 - width)
    }
    let tierOfLength = (0...64).map { length in
      UInt8(widths.firstIndex { Int($0) >= length } ?? 3)
    }
    var tags = [UInt8](repeating: 0, count: (count + 3) / 4)
    var starts = [UInt32](repeating: 0, count: (count + 255) / 256)
    var bits = [UInt8](repeating: 0, count: count * 4 + starts.count * 8 + 8)
    let size = weir_pack_tiers_32(
      values, count, 0, tierOfLength, widths, &tags, &bits, &starts)
    for round in 0..<60 {
      let start = random.int(0..<count)
      let number = random.int(1...min(count - start, random.pick([3, 70, count])))
      // Bits that are cut off are found by both.
      let cut = round % 3 == 0 ? random.int(8...size) : size
      let base = random.next()
      var (wide, portable) = (
        [UInt32](repeating: 7, count: number + 8), [UInt32](repeating: 7, count: number + 8)
      )
      let found = starts.withUnsafeBytes { starts -> [CInt] in
        let starts = starts.baseAddress!.assumingMemoryBound(to: UInt8.self)
        return [
          weir_tiered_32(tags, bits, cut, starts, widths, base, start, &wide, number),
          weir_tiered_32_portable(tags, bits, cut, starts, widths, base, start, &portable, number),
        ]
      }
      #expect(found[0] == found[1])
      if found[0] != 0 { continue }
      let expected = values[start..<start + number].map { $0 &+ UInt32(truncatingIfNeeded: base) }
      #expect(wide == expected + [UInt32](repeating: 7, count: 8))
      #expect(wide == portable)
    }
  }

  @Test(arguments: [1, 5, 31, 32, 33, 64, 65, 900])
  func gather(size: Int) {
    var random = SeededRandom(seed: UInt64(size))
    let dictionary = (0..<size).map { _ in UInt16(truncatingIfNeeded: random.next()) }
    for count in [1, 31, 32, 33, 100, 1_000] {
      let indices = (0..<count).map { _ in UInt32(random.int(0..<size)) }
      var out = [UInt16](repeating: 7, count: count + 1)
      weir_gather_16(dictionary, size, indices, &out, count)
      #expect(out == indices.map { dictionary[Int($0)] } + [7])
    }
  }

  @Test func checksums() {
    var random = SeededRandom(seed: 5)
    let bytes = random.bytes(6_000)
    for _ in 0..<200 {
      let start = random.int(0..<500)
      let count = random.int(0...random.pick([600, 5_500]))
      let crc = UInt32(truncatingIfNeeded: random.next())
      let (one, other) = bytes.withUnsafeBytes { bytes in
        (
          weir_crc32c(crc, bytes.baseAddress! + start, count),
          weir_crc32c_portable(crc, bytes.baseAddress! + start, count)
        )
      }
      #expect(one == other)
    }
  }
}

/// Chosen rows beside the same rows of a scan, for columns of the shapes that samples have.
struct TakeTests {
  private static func column(_ type: DataType, _ values: [Scalar]) throws -> ArrayData {
    let builder = makeBuilder(for: type)
    for value in values { try builder.append(value) }
    return builder.finish()
  }

  /// Numbers of which small ones are frequent.
  private static func frequent(_ random: inout SeededRandom, _ most: Int) -> Int64 {
    Int64(random.int(0..<max(random.int(1...most) >> random.int(0...12), 1)))
  }

  /// - Parameter nulls: whether most values are null, so that valid ones are kept alone.
  static func batch(_ random: inout SeededRandom, rows: Int, nulls: Bool) throws -> RecordBatch {
    var time: Int64 = 1_790_000_000_000
    let list = DataType.list(of: .int64)
    let vector = DataType.fixedSizeList(Field("item", .float32), size: 5)
    let codes = (0..<900).map { _ in Int64(bitPattern: random.next()) }
    func some(_ value: Scalar) -> Scalar { nulls && random.chance(0.7) ? .null : value }
    var values: [[Scalar]] = Array(repeating: [], count: 10)
    for row in 0..<rows {
      time += random.chance(0.01) ? 90_000 : Int64(random.int(0..<900))
      let items = (0..<random.pick([0, 1, 3, 8, 40])).map { _ in
        Scalar.int(frequent(&random, 90_000) * 7)
      }
      let normal = Double((0..<6).reduce(0) { sum, _ in sum + random.int(-4_000...4_000) }) / 7_919
      values[0].append(.int(time))
      values[1].append(some(.int(frequent(&random, 5_000) * 1_000)))
      values[2].append(some(.int(codes[Int(frequent(&random, 900))])))
      values[3].append(some(.float32(Float(random.int(0..<3_000)) / 100)))
      values[4].append(some(.float32(Float(normal))))
      values[5].append(.list(items))
      values[6].append(
        .list((0..<5).map { .float32(Float(normal * Double($0 + 1))) }))
      values[7].append(.int(random.chance(0.01) ? 1 << 50 : Int64(random.int(0..<50))))
      values[8].append(some(.string("word \(row % 100) \(frequent(&random, 400))")))
      values[9].append(random.chance(0.005) ? .int(Int64(row)) : .int(0))
    }
    let types: [DataType] = [
      .int64, .int64, .int64, .float32, .float32, list, vector, .int64, .utf8, .int32,
    ]
    let schema = Schema(types.enumerated().map { Field("c\($0.offset)", $0.element) })
    let columns = try zip(types, values).map { try column($0, $1) }
    return try RecordBatch(schema: schema, columns: columns)
  }

  @Test(arguments: 0..<8)
  func chosenRows(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let count = 5_000
    let batch = try Self.batch(&random, rows: count, nulls: seed % 2 == 1)
    var options = WeirFileWriteOptions()
    options.profile = seed % 4 < 2 ? .fast : .compact
    options.pageRowsMax = random.pick([700, 65_536])
    let file = try RoundTripTests.write([batch], batch.schema, options)
    let written = rows(batch)
    let reader = try WeirFileReader(file)
    #expect(
      try RoundTripTests.all(reader.batches(batchRows: random.pick([999, 5_000]))) == written)
    for density in [0.001, 0.03, 0.3, 1] {
      var chosen = (0..<count).filter { _ in random.chance(density) }
      // Some rows again and again.
      chosen += chosen.filter { _ in random.chance(0.1) }
      chosen.sort()
      let taken = try rows(WeirFileReader(file).take(rows: chosen))
      #expect(taken == chosen.map { written[$0] }, "density \(density)")
    }
  }

  /// A row that is wanted twice, beside one that is left out.
  @Test func repeatedRows() throws {
    var random = SeededRandom(seed: 1)
    let batch = try Self.batch(&random, rows: 600, nulls: false)
    let file = try RoundTripTests.write([batch], batch.schema, WeirFileWriteOptions())
    let written = rows(batch)
    for chosen in [[1, 1, 3], [0, 2, 2], [5, 5, 5, 7, 8], [255, 255, 257]] {
      let taken = try rows(WeirFileReader(file).take(rows: chosen))
      #expect(taken == chosen.map { written[$0] })
    }
  }
}
