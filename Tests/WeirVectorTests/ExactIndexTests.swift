// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import Glibc
internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirVector

/// The index by the plainest means: every vector, all sums, a sort.
private struct NaiveIndex {
  var vectors: [VectorKey: [Float]] = [:]

  func search(_ vector: [Float], count: Int, where isAllowed: (VectorKey) -> Bool) -> [VectorHit] {
    var hits: [VectorHit] = []
    for (key, other) in vectors where isAllowed(key) {
      var sum: Float = 0
      for (a, b) in zip(other, vector) { sum += a * b }
      if !sum.isNaN { hits.append(VectorHit(key: key, score: sum)) }
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

  /// Elements of any size, near vectors among far ones: bounds by codes lose none.
  @Test(arguments: 1...12)
  func findsTheNearestOfAnySize(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let dimension = random.pick([1, 3, 16, 64, 65, 300])
    // Products from 0 to infinity.
    let spread = random.pick([0, 1, 4, 18, 38])
    func vector() -> [Float] {
      let size = pow(10, Float(spread == 0 ? 0 : random.int(-spread...spread)))
      return (0..<dimension).map { _ in
        random.chance(0.05) ? 0 : Float(random.int(-1_000_000...1_000_000)) / 1_000_000 * size
      }
    }
    var index = ExactIndex(dimension: dimension)
    var naive = NaiveIndex()
    let center = vector()
    for key in Int64(0)..<Int64(random.int(1...1_500)) {
      var new = vector()
      // So near to each other that codes do not tell them apart.
      if random.chance(0.3) { new = center.map { $0 * (1 + Float(random.int(-9...9)) * 1e-6) } }
      try index.upsert(.integer(key), new)
      naive.vectors[.integer(key)] = new
    }
    for query in [center, vector(), vector(), [Float](repeating: 0, count: dimension)] {
      for count in [1, 20, 500] {
        let found = try index.search(query, count: count) { $0 != .integer(3) }
        #expect(found == naive.search(query, count: count) { $0 != .integer(3) })
      }
    }
  }

  /// Vectors that have most of their length in common, as those of a model: products lie close together.
  /// Now and then one is far from all others, and rows change until means are taken anew.
  @Test(arguments: 1...12)
  func findsTheNearestOfVectorsThatAreAlike(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let dimension = random.pick([2, 8, 33, 64])
    let spread = random.pick([0, Float(1e-6), 1e-3, 0.1])
    func values(_ size: Float) -> [Float] {
      (0..<dimension).map { _ in Float(random.int(-1_000_000...1_000_000)) / 1_000_000 * size }
    }
    let common = values(10)
    func vector() -> [Float] {
      if random.chance(0.001) { return values(random.pick([1e-20, 1e6, 1e12])) }
      return zip(common, values(spread)).map { $0 + $1 }
    }
    var index = ExactIndex(dimension: dimension)
    var naive = NaiveIndex()
    let most = random.pick([20, 400, 1_500])
    for round in 0..<3 {
      for _ in 0..<most {
        let key = VectorKey.integer(Int64(random.int(0...most)))
        if random.chance(0.1) {
          #expect(index.remove(key) == (naive.vectors.removeValue(forKey: key) != nil))
          continue
        }
        let new = vector()
        try index.upsert(key, new)
        naive.vectors[key] = new
      }
      for query in [common, vector(), values(1), values(1e-3)] {
        for count in [1, 20, 300] {
          let found = try index.search(query, count: count) { $0 != .integer(3) }
          #expect(found == naive.search(query, count: count) { $0 != .integer(3) }, "\(round)")
        }
      }
    }
  }

  /// Also where codes are exact, and all that is unsure is the query's own rounding.
  @Test(arguments: 1...8)
  func boundsHold(seed: Int) {
    var random = SeededRandom(seed: UInt64(seed))
    for dimension in [1, 2, 7, 40] {
      var codes = CodedVectors(dimension: dimension)
      var rows = [Float](repeating: 0, count: CodedVectors.rowCount * dimension)
      let count = random.pick([10, 300])
      for row in 0..<count {
        for element in 0..<dimension {
          rows[row * dimension + element] = Float(element == 0 ? 127 : random.int(-127...127))
        }
        codes.put(row, of: rows) { $0 <= row }
      }
      for _ in 0..<20 {
        let query = (0..<dimension).map { _ in Float(random.int(-1_000_000...1_000_000)) / 7e5 }
        var space = BoundsSpace(dimension: dimension)
        #expect(codes.bounds(query, &space))
        for row in 0..<count {
          var sum: Float = 0
          for element in 0..<dimension { sum += rows[row * dimension + element] * query[element] }
          #expect(space.lower[row] <= sum && sum <= space.upper[row])
        }
      }
    }
  }

  /// Sums are those of a loop, bit for bit, whatever the instructions.
  @Test func productsAreThoseOfALoop() {
    var random = SeededRandom(seed: 3)
    for dimension in [1, 5, 32, 100] {
      func values(_ count: Int) -> [Float] {
        (0..<count).map { _ in Float(random.int(-1_000_000...1_000_000)) / 777 }
      }
      let (rows, query) = (values(90 * dimension), values(dimension))
      for count in [0, 1, 3, 4, 50, 51] {
        let indices = (0..<count).map { _ in UInt32(random.int(0..<90)) }
        var scores = [Float](repeating: .nan, count: count + 1)
        weir_dot_rows_f32(rows, dimension, indices, count, query, &scores)
        for (score, index) in zip(scores, indices) {
          var sum: Float = 0
          for element in 0..<dimension {
            sum += rows[Int(index) * dimension + element] * query[element]
          }
          #expect(score.bitPattern == sum.bitPattern)
        }
        #expect(scores[count].isNaN)
      }
    }
  }

  @Test func productsOfCodesAreThoseOfALoop() {
    var random = SeededRandom(seed: 4)
    for pairCount in [1, 2, 16, 150] {
      let tiles = (0..<3 * 128 * pairCount).map { _ in Int8(random.int(-127...127)) }
      let query = (0..<2 * pairCount).map { _ in Int16(random.int(-28_000...28_000)) }
      var sums = [Int32](repeating: 0, count: 3 * 64)
      weir_dot_tiles_i8(tiles, 3, query, pairCount, &sums)
      for vector in 0..<3 * 64 {
        let first = vector / 64 * 128 * pairCount + vector % 64 * 2
        var sum = 0
        for element in 0..<2 * pairCount {
          let code = tiles[first + element / 2 * 128 + element % 2]
          sum += Int(code) * Int(query[element])
        }
        #expect(Int(sums[vector]) == sum)
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
