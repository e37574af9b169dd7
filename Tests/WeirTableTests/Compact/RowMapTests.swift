// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirTable

@Suite struct RowMapTests {
  private func map(_ random: inout SeededRandom) -> RowMap {
    let sources = (0..<random.int(1...4)).map {
      RowMap.File(path: "s/\($0)", rowCount: random.int(0...30))
    }
    var rows: [(Int, Int)] = []
    for (number, source) in sources.enumerated() {
      for row in 0..<source.rowCount where random.chance(0.8) { rows.append((number, row)) }
    }
    if random.chance(0.5) { rows.shuffle(using: &random) }
    var ordinals = sources.map { [UInt32](repeating: RowMap.none, count: $0.rowCount) }
    for (ordinal, row) in rows.enumerated() { ordinals[row.0][row.1] = UInt32(ordinal) }
    var outputs: [RowMap.File] = []
    var left = rows.count
    while left > 0 {
      let count = random.int(1...left)
      outputs.append(RowMap.File(path: "o/\(outputs.count)", rowCount: count))
      left -= count
    }
    return RowMap(sources: sources, outputs: outputs, ordinals: ordinals)
  }

  @Test func comesBackAndRefusesDamage() throws {
    var random = SeededRandom(seed: 11)
    for _ in 0..<60 {
      let map = map(&random)
      let bytes = map.encoded().array(of: UInt8.self)
      #expect(try RowMap(decoding: Buffer(bytes)) == map)
      for _ in 0..<20 {
        var damaged = bytes
        damaged[random.int(0..<damaged.count)] = UInt8(truncatingIfNeeded: random.next())
        if random.chance(0.3) { damaged.removeLast(random.int(0..<damaged.count)) }
        // Another map, or an error; never a trap.
        do throws(TableError) {
          _ = try RowMap(decoding: Buffer(damaged))
        } catch { #expect(error.code == .damaged || error.code == .unsupported) }
      }
    }
  }

  @Test func placesAndOriginsAgree() throws {
    var random = SeededRandom(seed: 12)
    for _ in 0..<40 {
      let map = map(&random)
      var found = 0
      for output in map.outputs.indices {
        for (row, origin) in map.origins(of: output).enumerated() {
          found += 1
          let places = map.places(of: origin.source, RoaringBitmap64([Int64(origin.row)]))
          #expect(places == [output: [Int64(row)]])
        }
      }
      let all = map.sources.indices.map { map.places(of: $0, nil) }
      #expect(all.flatMap { $0.values }.reduce(0) { $0 + $1.count } == found)
    }
  }
}
