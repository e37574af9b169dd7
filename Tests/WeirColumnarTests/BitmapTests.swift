// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import _WeirTestSupport

@testable internal import WeirColumnar

/// Every combination of alignments around byte and word borders, against bit-by-bit loops. The
/// memory is exactly as large as the bits need, so that the address sanitizer sees reads outside.
@Suite struct BitmapTests {
  private static let counts = [0, 1, 5, 7, 8, 9, 55, 56, 57, 63, 64, 65, 120, 128, 131, 200]

  private func bits(_ base: UnsafeRawPointer, _ offset: Int, _ count: Int) -> [Bool] {
    (offset..<offset + count).map { Bitmap.get(base, $0) }
  }

  private func withBits<R>(
    _ random: inout SeededRandom, _ count: Int, ones: Double = 0.5,
    _ body: (UnsafeMutableRawPointer) throws -> R
  ) rethrows -> R {
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: Bitmap.byteCount(count), alignment: 1)
    defer { memory.deallocate() }
    for index in 0..<Bitmap.byteCount(count) * 8 {
      Bitmap.assign(memory, index, random.chance(ones))
    }
    return try body(memory)
  }

  @Test func countAndCopyAtAllAlignments() {
    var random = SeededRandom(seed: 1)
    for count in Self.counts {
      for from in 0..<17 {
        withBits(&random, from + count) { source in
          let expected = bits(source, from, count)
          let ones = Bitmap.countOnes(source, offset: from, count: count)
          #expect(ones == expected.count { $0 })
          var other = SeededRandom(seed: UInt64(count))
          for to in 0..<17 {
            withBits(&other, to + count + 3) { target in
              let before = bits(target, 0, to)
              let after = bits(target, to + count, 3)
              Bitmap.copy(from: source, offset: from, to: target, offset: to, count: count)
              let good =
                bits(target, to, count) == expected && bits(target, 0, to) == before
                && bits(target, to + count, 3) == after
              if !good { Issue.record("copy of \(count) from \(from) to \(to)") }
            }
          }
        }
      }
    }
  }

  @Test func fillAndWordsAtAllAlignments() {
    var random = SeededRandom(seed: 2)
    for count in Self.counts {
      for offset in 0..<17 {
        withBits(&random, offset + count + 2) { memory in
          let expected = bits(memory, offset, min(count, 64))
          let word = Bitmap.word(memory, offset, count)
          let found = (0..<64).map { word >> UInt64($0) & 1 == 1 }
          if found != expected + Array(repeating: false, count: 64 - expected.count) {
            Issue.record("word of \(count) at \(offset)")
          }
          let outside = (bits(memory, 0, offset), bits(memory, offset + count, 2))
          for bit in [true, false] {
            Bitmap.fill(memory, offset: offset, count: count, bit)
            let good =
              bits(memory, offset, count).allSatisfy { $0 == bit }
              && bits(memory, 0, offset) == outside.0
              && bits(memory, offset + count, 2) == outside.1
            if !good { Issue.record("fill of \(count) at \(offset)") }
          }
        }
      }
    }
  }

  @Test func runsCoverTheOnes() {
    var random = SeededRandom(seed: 3)
    for count in Self.counts {
      for offset in 0..<17 {
        withBits(&random, offset + count, ones: random.pick([0, 0.1, 0.9, 1])) { memory in
          var covered = [Bool](repeating: false, count: count)
          var previousEnd = -1
          let result: Never? = Bitmap.firstInRuns(memory, offset: offset, count: count) { run in
            if run.lowerBound <= previousEnd { Issue.record("runs touch") }
            previousEnd = run.upperBound
            for index in run { covered[index] = true }
            return nil
          }
          #expect(result == nil)
          if covered != bits(memory, offset, count) {
            Issue.record("runs of \(count) at \(offset)")
          }
        }
      }
    }
  }

  @Test func firstDifferenceAtAllAlignments() {
    var random = SeededRandom(seed: 4)
    for count in Self.counts where count > 0 {
      for (aOffset, bOffset) in [(0, 0), (3, 3), (0, 7), (5, 2), (9, 16)] {
        let position = random.int(0..<count)
        withBits(&random, aOffset + count) { a in
          var other = SeededRandom(seed: 5)
          withBits(&other, bOffset + count) { b in
            Bitmap.copy(from: a, offset: aOffset, to: b, offset: bOffset, count: count)
            #expect(Bitmap.firstDifference(a, aOffset, b, bOffset, count: count) == nil)
            Bitmap.assign(b, bOffset + position, !Bitmap.get(a, aOffset + position))
            #expect(Bitmap.firstDifference(a, aOffset, b, bOffset, count: count) == position)
          }
        }
      }
    }
  }
}
