// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

/// A reader that notes what it is asked for.
private final class NotingReader: ObjectReader {
  let name = "noting"
  let bytes: [UInt8]
  let requests = Mutex<[Range<Int>]>([])

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var size: Int { bytes.count }

  func read(_ range: Range<Int>) throws(StorageError) -> Buffer {
    requests.withLock { $0.append(range) }
    return Buffer(Array(bytes[range]))
  }
}

@Suite struct RangeCoalescingTests {
  @Test func agreesWithReadingEachRange() throws {
    var random = SeededRandom(seed: 21)
    let reader = NotingReader(random.bytes(5_000))
    for _ in 0..<2_000 {
      let coalescing = RangeCoalescing(
        gapBytesMax: Int(random.next() % 100), requestBytesMax: Int(random.next() % 1_000))
      let ranges = (0..<Int(random.next() % 20)).map { _ in
        let start = Int.random(in: 0...5_000, using: &random)
        let count = Int(random.next() % 4) == 0 ? 0 : Int(random.next() % 300)
        return start..<min(5_000, start + count)
      }
      reader.requests.withLock { $0 = [] }
      let result = try reader.read(ranges, coalescing: coalescing)
      #expect(result.map { $0.array(of: UInt8.self) } == ranges.map { Array(reader.bytes[$0]) })
      let requests = reader.requests.withLock { $0 }
      let nonEmpty = ranges.filter { !$0.isEmpty }
      #expect(requests.count <= nonEmpty.count)
      for request in requests {
        // Larger than allowed only when one range alone is.
        #expect(request.count <= coalescing.requestBytesMax || nonEmpty.contains(request))
        // No request holds a gap larger than allowed.
        let inside = nonEmpty.filter { request.lowerBound <= $0.lowerBound }
          .filter { $0.upperBound <= request.upperBound }
        var covered = request.lowerBound
        for range in inside.sorted(by: { $0.lowerBound < $1.lowerBound }) {
          #expect(range.lowerBound - covered <= coalescing.gapBytesMax)
          covered = max(covered, range.upperBound)
        }
        #expect(covered == request.upperBound)
      }
    }
  }

  @Test func mergesNearRangesOnly() throws {
    let reader = NotingReader([UInt8](repeating: 0, count: 1_000_000))
    let gap = RangeCoalescing.gapBytesMaxDefault
    let ranges = [500_000..<500_010, 0..<10, 10 + gap..<20 + gap, 21 + 2 * gap..<30 + 2 * gap]
    _ = try reader.read(ranges)
    #expect(
      reader.requests.withLock { $0 } == [
        0..<20 + gap, 21 + 2 * gap..<30 + 2 * gap, 500_000..<500_010,
      ])
  }
}
