// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing
internal import WeirTable
internal import _WeirSimulation
internal import _WeirTestSupport

@testable internal import WeirStreaming

/// The states behind aggregates.
@Suite struct SummaryTests {
  @Test(arguments: 0..<200) func sumsAreExactInAnyOrder(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let range = random.pick([5, 60, 900])
    var values = (0..<random.int(0...60)).map { _ in
      scalbn(Double(Int64(bitPattern: random.next()) >> 11), Int32(random.int(-range...range)))
    }
    // Much cancels out.
    values += values.filter { _ in random.chance(0.7) }.map { -$0 }
    let expected = fixedPointSum(values)
    var canonical: [UInt64]?
    for _ in 0..<4 {
      values.shuffle(using: &random)
      var whole = ExactSum()
      for value in values { whole.add(value) }
      #expect(whole.value == expected)
      // In parts, which are merged by their canonical form.
      var merged = ExactSum()
      var rest = values[...]
      while !rest.isEmpty {
        let count = random.int(1...rest.count)
        var part = ExactSum()
        for value in rest.prefix(count) { part.add(value) }
        for value in part.canonical { merged.add(value) }
        rest = rest.dropFirst(count)
      }
      let bits = merged.canonical.map(\.bitPattern)
      #expect(canonical == nil || canonical == bits)
      #expect(merged.canonical.first ?? 0 == expected)
      canonical = bits
    }
  }

  @Test func sumsThatAreNotFinite() {
    func sum(_ values: [Double]) -> Double {
      var sum = ExactSum()
      for value in values { sum.add(value) }
      return sum.canonical.first ?? 0
    }
    #expect(sum([1, .infinity, -5]) == .infinity)
    #expect(sum([.infinity, -.infinity, 3]).isNaN)
    #expect(sum([.nan, 1]).isNaN)
    #expect(sum([.greatestFiniteMagnitude, .greatestFiniteMagnitude]) == .infinity)
    #expect(sum([1e308, -1e308]) == 0)
  }

  @Test(arguments: 0..<100) func decayedSumsDoNotDependOnTheOrder(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let halfLife = Int64(random.pick([1, 60, 86_400])) * 1_000_000
    let span = Int(halfLife) * random.pick([1, 20])
    let start = 1_700_000_000_000_000
    var values = (0..<random.int(1...40)).map { _ in
      (Double(random.int(1...1000)) / 7, Int64(start + random.int(0...span)))
    }
    let now = values.map(\.1).max() ?? 0
    let expected = values.reduce(0.0) {
      $0 + $1.0 * pow(2, -Double(now - $1.1) / Double(halfLife))
    }
    var bytes: [UInt8]?
    for _ in 0..<4 {
      values.shuffle(using: &random)
      var merged = DecayedSum(halfLife: halfLife)
      var rest = values[...]
      while !rest.isEmpty {
        let count = random.int(1...rest.count)
        var part = DecayedSum(halfLife: halfLife)
        for (value, time) in rest.prefix(count) { part.add(value, time: time) }
        let wasRead = merged.add(encoded: part.encoded)
        #expect(wasRead)
        rest = rest.dropFirst(count)
      }
      #expect(bytes == nil || bytes == merged.encoded)
      bytes = merged.encoded
      #expect(abs(merged.value(at: now) - expected) <= 1e-12 * expected)
    }
    var broken = DecayedSum(halfLife: 1)
    let wasRead = broken.add(encoded: [1, 2, 3])
    #expect(!wasRead)
  }

  private func coupon(_ number: Int64) -> UInt32 {
    withUnsafeBytes(of: number.littleEndian) {
      HyperLogLog.coupon(MurmurHash3.x64(bytes: $0, seed: 9_001))
    }
  }

  /// Against exact counts: few values exactly, many within four standard errors.
  @Test(arguments: [4, 7, 8, 10, 12, 14]) func distinctCounts(precision: Int) {
    let sigma = 1.04 / Double(1 << precision).squareRoot()
    var worst = 0.0
    for seed in 0..<6 {
      var sketch = HyperLogLog(precision: precision)
      var next = 100
      for number in 1...30_000 {
        sketch.add(coupon: coupon(Int64(number) + Int64(seed) * 1_000_000_000))
        guard number == next else { continue }
        next = next * 3 / 2
        let error = abs(sketch.estimate - Double(number)) / Double(number)
        if sketch.coupons != nil { #expect(error < 1e-3) }
        worst = max(worst, error / sigma)
      }
    }
    #expect(worst < 4.5, "\(worst) standard errors")
  }

  @Test(arguments: 0..<60) func sketchesDoNotDependOnTheOrder(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let precision = random.int(4...11)
    var values = (0..<random.int(0...random.pick([5, 20, 300, 3_000]))).map { _ in
      coupon(Int64(random.int(0...2_000)))
    }
    var bytes: [UInt8]?
    for _ in 0..<3 {
      values.shuffle(using: &random)
      var merged = HyperLogLog(precision: precision)
      var rest = values[...]
      while !rest.isEmpty {
        let count = random.int(1...rest.count)
        var part = HyperLogLog(precision: precision)
        for value in rest.prefix(count) { part.add(coupon: value) }
        merged.merge(try #require(HyperLogLog(encoded: part.encoded)))
        rest = rest.dropFirst(count)
      }
      #expect(bytes == nil || bytes == merged.encoded)
      bytes = merged.encoded
      #expect(HyperLogLog(encoded: merged.encoded) == merged)
    }
    var damaged = bytes ?? []
    for _ in 0..<20 {
      damaged[random.int(0..<damaged.count)] = UInt8(random.int(0...255))
      if random.chance(0.2) { damaged.removeLast() }
      if damaged.isEmpty { break }
      if let read = HyperLogLog(encoded: damaged) { #expect(read.estimate.isFinite) }
    }
  }

  /// The head of DataSketches' format; `DataSketchesTests` compare all of it with its library.
  @Test func knownSketches() {
    var few = HyperLogLog(precision: 12)
    for number in 0..<3 { few.add(coupon: coupon(Int64(number))) }
    #expect(few.encoded.prefix(8) == [2, 1, 7, 12, 3, 8, 3, 8])
    #expect(few.encoded.count == 20)
  }
}
