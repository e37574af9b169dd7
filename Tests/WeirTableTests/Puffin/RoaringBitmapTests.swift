// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirTable

@Suite struct RoaringBitmapTests {
  /// Positions that make containers of all forms.
  static func positions(_ random: inout SeededRandom) -> Set<Int64> {
    var result: Set<Int64> = []
    for _ in 0..<random.int(1...5) {
      let base = random.pick([0, 1 << 16, 65_000, 1 << 32, 3 << 32, (1 << 62) - 7]) as Int64
      switch random.int(0...3) {
      case 0:
        for _ in 0..<random.int(1...200) { result.insert(base + Int64(random.int(0...200_000))) }
      case 1: for index in 0..<random.int(1...9_000) { result.insert(base + Int64(index)) }
      case 2: for index in 0..<random.int(1...9_000) { result.insert(base + Int64(index * 2)) }
      default:
        for run in 0..<random.int(1...40) {
          for index in 0..<random.int(1...100) { result.insert(base + Int64(run * 1_000 + index)) }
        }
      }
    }
    return result
  }

  @Test func agreesWithSet() throws {
    var random = SeededRandom(seed: 11)
    for round in 0..<12 {
      let expected = Self.positions(&random)
      var bitmap = RoaringBitmap64()
      if round % 2 == 0 {
        bitmap = RoaringBitmap64(expected)
      } else {
        for position in expected { bitmap.insert(position) }
        for position in expected.prefix(50) {
          let isNew = bitmap.insert(position)
          #expect(!isNew)
        }
      }
      let sorted = expected.sorted()
      #expect(bitmap.count == expected.count)
      #expect(bitmap.positions == sorted)
      #expect(bitmap.last == sorted.last)
      var other = try RoaringBitmap64(serialized: Buffer(bitmap.serialized()))
      #expect(other == bitmap)
      for _ in 0..<200 {
        let near = random.pick(sorted) + Int64(random.int(-2...2))
        #expect(bitmap.contains(near) == expected.contains(near))
        #expect(other.contains(near) == expected.contains(near))
      }
      for _ in 0..<10 {
        let start = random.pick(sorted) - Int64(random.int(0...100))
        let range = start..<start + Int64(random.int(0...150_000))
        var found: [Int64] = []
        other.forEach(in: range) { found.append($0) }
        #expect(found == sorted.filter { range.contains($0) })
        #expect(other.count(in: range) == found.count)
      }
      // Runs that were read are changed, too.
      let more = Self.positions(&random)
      let united = expected.union(more)
      #expect(other.union(RoaringBitmap64(more)).positions == united.sorted())
      other.insert(contentsOf: more.sorted())
      #expect(other.count == united.count)
    }
  }

  @Test func readsAndWritesAsPyroaring() throws {
    let expected = try GoldenFiles.json("puffin/bitmaps.json").asObject()
    #expect(expected.count == 9)
    for (name, value) in expected {
      let bytes = try GoldenFiles.bytes("puffin/\(name).bitmap")
      let bitmap = try RoaringBitmap64(serialized: Buffer(bytes))
      var positions: Set<Int64> = []
      for run in try value.asArray() {
        let numbers = try run.asArray().map { try $0.asInt64() }
        let step = numbers.count > 2 ? numbers[2] : 1
        for index in 0..<numbers[1] { positions.insert(numbers[0] + index * step) }
      }
      #expect(bitmap.positions == positions.sorted(), "\(name)")
      #expect(RoaringBitmap64(positions).serialized() == bytes, "\(name)")
    }
  }

  /// Blobs of Apache Iceberg's Java implementation.
  @Test func readsAndWritesAsJava() throws {
    func range(_ bitmap: Int64, _ container: Int64, _ values: Range<Int64>) -> [Int64] {
      values.map { bitmap << 32 + container << 16 + $0 }
    }
    var all: [Int64] = []
    for bitmap in 0...1 as ClosedRange<Int64> {
      all += bitmap == 0 ? [5, 7] : [1 << 32 + 10, 1 << 32 + 20]
      all += range(bitmap, 1, bitmap == 0 ? 1..<1_000 : 10..<500)
      all += range(bitmap, 2, 1..<65_535)
    }
    let expected: [(String, [Int64])] = [
      ("empty", []), ("small-alternating-values", [1, 3, 5, 7, 9]),
      ("small-and-large-values", [100, 101, 2_147_483_747, 2_147_483_748]),
      ("all-container-types", all),
    ]
    for (name, positions) in expected {
      let blob = try GoldenFiles.bytes("puffin/java-\(name).dv")
      let bitmap = try DeletionVector.decode(Buffer(blob), cardinality: positions.count)
      #expect(bitmap.positions == positions, "\(name)")
      #expect(try DeletionVector.encode(RoaringBitmap64(positions)) == blob, "\(name)")
    }
    for name in ["32bitvals", "empty", "spreadvals"] {
      let bytes = try GoldenFiles.bytes("puffin/java-\(name).map")
      let bitmap = try RoaringBitmap64(serialized: Buffer(bytes))
      #expect(bitmap.positions.count == bitmap.count)
      // Written without runs.
      #expect(try RoaringBitmap64(serialized: Buffer(bitmap.serialized())) == bitmap, "\(name)")
    }
    // Its keys do not fit positions.
    let high = try GoldenFiles.buffer("puffin/java-highvals.map")
    #expect(throws: TableError.self) { try RoaringBitmap64(serialized: high) }
  }

  @Test func damagedBytesAreRefused() throws {
    var random = SeededRandom(seed: 12)
    var refused = 0
    let names = ["sparse", "runs", "full", "high", "limits", "few-runs", "one"]
    for round in 0..<600 {
      var bytes = try GoldenFiles.bytes("puffin/\(names[round % names.count]).bitmap")
      switch random.int(0...3) {
      case 0: bytes[random.int(0..<bytes.count)] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes.removeLast(random.int(1...bytes.count))
      case 2:
        for _ in 0..<random.int(1...8) {
          bytes[random.int(0..<min(40, bytes.count))] = random.pick([0, 1, 0x3a, 0x7f, 0xff])
        }
      default: bytes += random.bytes(random.int(1...20))
      }
      do throws(TableError) {
        let bitmap = try RoaringBitmap64(serialized: Buffer(bytes))
        // What was accepted is a bitmap.
        if bitmap.count < 1 << 20 {
          let positions = bitmap.positions
          #expect(positions.count == bitmap.count)
          #expect(zip(positions, positions.dropFirst()).allSatisfy { $0 < $1 })
        }
      } catch {
        #expect(error.code == .damaged)
        refused += 1
      }
    }
    #expect(refused > 400)
  }

  @Test func deletionVectors() throws {
    let bitmap = RoaringBitmap64([3, 5, 1 << 33])
    let blob = try DeletionVector.encode(bitmap)
    #expect(Array(blob[4..<8]) == [0xd1, 0xd3, 0x39, 0x64])
    #expect(try DeletionVector.decode(Buffer(blob), cardinality: 3) == bitmap)
    #expect(throws: TableError.self) { try DeletionVector.decode(Buffer(blob), cardinality: 4) }
    for index in blob.indices {
      var damaged = blob
      damaged[index] ^= 1
      #expect(throws: TableError.self) { try DeletionVector.decode(Buffer(damaged)) }
      #expect(throws: TableError.self) { try DeletionVector.decode(Buffer(Array(blob[..<index]))) }
    }
    let empty = try DeletionVector.encode(RoaringBitmap64())
    #expect(try DeletionVector.decode(Buffer(empty)).isEmpty)
  }
}
