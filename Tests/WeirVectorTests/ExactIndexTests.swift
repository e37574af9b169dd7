// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import Testing
internal import WeirColumnar
internal import WeirVector
internal import _WeirTestSupport

/// The index by the plainest means: every vector, all sums, a sort.
private struct NaiveIndex {
  var vectors: [VectorKey: [Float]] = [:]

  func search(_ vector: [Float], count: Int, where isAllowed: (VectorKey) -> Bool) -> [VectorHit] {
    let hits = vectors.filter { isAllowed($0.key) }.map { key, other in
      var sum: Float = 0
      for (a, b) in zip(other, vector) { sum += a * b }
      return VectorHit(key: key, score: sum)
    }
    return Array(
      hits.sorted { $0.score > $1.score || ($0.score == $1.score && $0.key < $1.key) }
        .prefix(count))
  }
}

struct ExactIndexTests {
  private static func vector(_ count: Int, _ random: inout SeededRandom) -> [Float] {
    // Few values: many sums are equal.
    (0..<count).map { _ in Float(random.int(-3...3)) / 2 }
  }

  private static func key(_ random: inout SeededRandom, _ most: Int) -> VectorKey {
    let number = random.int(0...most)
    return number % 3 == 0 ? .text("item \(number)") : .integer(Int64(number))
  }

  @Test(arguments: 1...20)
  func findsWhatASortFinds(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let dimension = random.pick([1, 2, 7, 16, 33])
    let most = random.pick([3, 200, 4_000])
    var index = ExactIndex(dimension: dimension)
    var naive = NaiveIndex()
    for _ in 0..<random.int(0...most) {
      let key = Self.key(&random, most)
      if random.chance(0.3) {
        #expect(index.remove(key) == (naive.vectors.removeValue(forKey: key) != nil))
      } else {
        let vector = Self.vector(dimension, &random)
        try index.upsert(key, vector)
        naive.vectors[key] = vector
      }
    }
    #expect(index.count == naive.vectors.count)
    for _ in 0..<10 {
      let vector = Self.vector(dimension, &random)
      let count = random.pick([0, 1, 5, 300, 10_000])
      let rest = Int64(random.int(1...4))
      let isAllowed: (VectorKey) -> Bool = { key in
        if case .integer(let value) = key { value % rest == 0 } else { rest < 3 }
      }
      #expect(
        try index.search(vector, count: count, where: isAllowed)
          == naive.search(vector, count: count, where: isAllowed))
      #expect(try index.search(vector, count: 7) == naive.search(vector, count: 7) { _ in true })
    }
  }

  @Test func copiesStayAsTheyAre() throws {
    var random = SeededRandom(seed: 7)
    var index = ExactIndex(dimension: 8)
    for key in Int64(0)..<3_000 { try index.upsert(.integer(key), Self.vector(8, &random)) }
    let query = Self.vector(8, &random)
    let old = index
    let before = try old.search(query, count: 50)
    for key in Int64(0)..<3_000 where key % 7 == 0 {
      try index.upsert(.integer(key), Self.vector(8, &random))
      index.remove(.integer(key + 1))
    }
    #expect(try old.search(query, count: 50) == before)
    #expect(try index.search(query, count: 50) != before)
  }

  @Test func refusesWhatIsNoVector() throws {
    var index = ExactIndex(dimension: 2)
    try index.upsert(.integer(1), [1, 2])
    let error = #expect(throws: VectorError.self) { try index.upsert(.integer(1), [1, .nan]) }
    #expect(error?.description == "the vector of 1: element 1 is nan")
    #expect(throws: VectorError.self) { try index.upsert(.text("a"), [1, -.infinity]) }
    #expect(throws: VectorError.self) { try index.upsert(.text("a"), [1]) }
    #expect(throws: VectorError.self) { try index.search([.infinity, 1], count: 1) }
    #expect(try index.search([1, 1], count: 5) == [VectorHit(key: .integer(1), score: 3)])
    // Products that are too great are nobody's nearest, or the nearest of all.
    try index.upsert(.integer(2), [3e38, -3e38])
    #expect(try index.search([3e38, 3e38], count: 5).map(\.key) == [.integer(1)])
  }

  /// Sums are those of a loop, bit for bit, whatever the instructions.
  @Test func productsAreThoseOfALoop() {
    var random = SeededRandom(seed: 3)
    for dimension in [1, 5, 32, 100] {
      func values(_ count: Int) -> [Float] {
        (0..<count).map { _ in Float(random.int(-1_000_000...1_000_000)) / 777 }
      }
      let (tiles, query) = (values(2 * 64 * dimension), values(dimension))
      var scores = [Float](repeating: .nan, count: 128)
      weir_dot_tiles_f32(tiles, 2, query, dimension, &scores)
      for vector in 0..<128 {
        var sum: Float = 0
        for element in 0..<dimension {
          sum += tiles[vector / 64 * 64 * dimension + element * 64 + vector % 64] * query[element]
        }
        #expect(scores[vector].bitPattern == sum.bitPattern)
      }
    }
  }
}

struct VectorTableTests {
  @Test(arguments: 1...8)
  func holdsTheGreatestVersionOfEach(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    var table = VectorTable(dimension: 3)
    var naive: [VectorKey: (vector: [Float], stamp: Int64)] = [:]
    var old: [(VectorTable, [VectorKey: (vector: [Float], stamp: Int64)])] = []
    for _ in 0..<2_000 {
      let key = VectorKey("\(random.int(0...900))")
      let vector = (0..<3).map { _ in Float(random.int(0...99)) }
      let stamp = Int64(random.int(0...20))
      let isNew = naive[key].map { $0.stamp <= stamp } ?? true
      #expect(try table.upsert(key, vector, stamp: stamp) == isNew)
      if isNew { naive[key] = (vector, stamp) }
      if random.chance(0.01) { old.append((table, naive)) }
    }
    for (table, naive) in old + [(table, naive)] {
      #expect(table.count == naive.count)
      for (key, entry) in naive {
        #expect(table[key] == entry.vector)
        #expect(table.stamp(of: key) == entry.stamp)
      }
    }
    var values: [Float] = []
    #expect(!table.append(.text("nobody"), to: &values))
    #expect(!table.append(nil, to: &values))
    #expect(values == [0, 0, 0, 0, 0, 0])
    #expect(throws: VectorError.self) { try table.upsert(.integer(1), [1, 2, .nan]) }
  }

  @Test func keysOfTextAndLongsMeet() {
    #expect(VectorKey("17") == .integer(17))
    #expect(VectorKey("-9223372036854775808") == .integer(.min))
    for text in ["007", "+7", "-0", " 7", "9223372036854775808", "", "é"] {
      #expect(VectorKey(text) == .text(text))
      #expect(VectorKey(text).description == text)
    }
    #expect(VectorKey(.int(5)) == VectorKey(.string("5")))
    #expect(VectorKey(.null) == nil)
    #expect(
      [VectorKey.text("a"), .integer(9), .integer(-1)].sorted()
        == [.integer(-1), .integer(9), .text("a")])
  }
}
