// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

/// Valid streams with damage: whatever comes, the readers return or throw, and what they return can
/// be walked.
@Suite struct ArrowFuzzTests {
  private static let environment = ProcessInfo.processInfo.environment
  /// `dev/fuzz` sets these.
  private static let secondsMax = environment["WEIR_FUZZ_SECONDS"].flatMap(Double.init)
  private static let firstSeed = environment["WEIR_FUZZ_SEED"].flatMap(UInt64.init)

  private func options() -> ArrowReadOptions {
    var options = ArrowReadOptions()
    options.bodyBytesMax = 1 << 20
    options.metadataBytesMax = 1 << 20
    options.dictionaryBytesMax = 1 << 20
    return options
  }

  @Test func damagedStreamsNeverCrash() throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(Self.secondsMax ?? 4)
    var seed = Self.firstSeed ?? 20
    var (tried, threw) = (0, 0)
    while clock.now < end {
      // Printed before, since a crash prints nothing after.
      if Self.secondsMax != nil { print("ArrowFuzzTests seed", seed) }
      var random = SeededRandom(seed: seed)
      seed += 1
      let bytes = try sample(&random)
      for _ in 0..<200 where clock.now < end {
        tried += 1
        if try !reads(damage(bytes, &random)) { threw += 1 }
      }
    }
    #expect(tried > 1_000)
    #expect(threw > tried / 10)
  }

  /// Whether the reader took the bytes for a stream.
  private func reads(_ bytes: [UInt8]) throws -> Bool {
    do {
      let reader = try ArrowStreamReader(Buffer(bytes), options: options())
      // A few batches are enough: a length field can make many empty ones of one stream.
      for _ in 0..<5 {
        guard let batch = try reader.next() else { break }
        walk(batch)
      }
      return true
    } catch is ColumnarError {
      return false
    }
  }

  @Test func everyCutThrowsOrEnds() throws {
    var random = SeededRandom(seed: 21)
    let bytes = try sample(&random)
    for count in 0..<min(bytes.count, 3_000) {
      do {
        let reader = try ArrowStreamReader(bytes.slice(offset: 0, count: count), options: options())
        while let batch = try reader.next() { walk(batch) }
      } catch is ColumnarError {}
    }
  }

  private func sample(_ random: inout SeededRandom) throws -> Buffer {
    if random.chance(0.1) { return try viewStream() }
    let schema = random.annotatedSchema()
    let batches = (0..<random.int(1...2)).map { _ in
      random.batch(schema, rows: random.int(0...20))
    }
    var options = ArrowWriteOptions(
      compression: random.pick(ArrowWriteOptions.Compression.allCases))
    options.alignment = random.pick([8, 64])
    return try arrowStream(schema, batches, options)
  }

  private func damage(_ bytes: Buffer, _ random: inout SeededRandom) -> [UInt8] {
    var damaged = bytes.array(of: UInt8.self)
    for _ in 0..<random.int(1...4) where damaged.count > 8 {
      let position = random.int(0..<damaged.count)
      switch random.int(0..<7) {
      case 0: damaged[position] ^= 1 << UInt8(random.int(0..<8))
      case 1: damaged[position] = random.pick([0, 1, 0x7f, 0x80, 0xff])
      case 2: damaged[position] = UInt8(truncatingIfNeeded: random.next())
      case 3:  // A number of 4 or 8 bytes, small, huge or negative.
        let number = random.pick([0, 1, -1, Int64.max, .min, 1 << 31, Int64(damaged.count)])
        let start = position & ~3
        withUnsafeBytes(of: number) { source in
          for (index, byte) in source.prefix(random.pick([4, 8])).enumerated()
          where start + index < damaged.count { damaged[start + index] = byte }
        }
      case 4:
        let count = min(random.int(1...64), damaged.count - position)
        damaged.removeSubrange(position..<position + count)
      case 5:
        let count = min(random.int(1...64), damaged.count - position)
        damaged.insert(
          contentsOf: damaged[position..<position + count], at: random.int(0...damaged.count))
      default:
        let other = random.int(0..<damaged.count)
        for index in 0..<min(16, damaged.count - max(position, other)) {
          damaged[position + index] = damaged[other + index]
        }
      }
    }
    return damaged
  }

  /// Reads the values of some rows of each column.
  private func walk(_ batch: RecordBatch) {
    for column in batch.columns {
      for row in 0..<min(column.length, 50) { _ = column.scalar(at: row) }
    }
  }
}
