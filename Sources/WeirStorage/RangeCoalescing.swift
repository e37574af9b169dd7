// SPDX-License-Identifier: Apache-2.0

package import WeirColumnar

/// Which ranges of bytes are read together.
///
/// A request costs time whatever its size (a system call and a seek, or a round trip to S3), so that
/// reading a small gap and throwing it away is cheaper than a second request.
public struct RangeCoalescing: Sendable, Hashable {
  /// The gap of `init()`: 64 KiB.
  public static let gapBytesMaxDefault = 64 << 10
  /// The request of `init()`: 16 MiB.
  public static let requestBytesMaxDefault = 16 << 20

  /// Ranges with at most this many bytes between them are read together.
  public var gapBytesMax: Int
  /// No merged request is larger. A single range that is larger is read as it is.
  public var requestBytesMax: Int

  public init(
    gapBytesMax: Int = gapBytesMaxDefault, requestBytesMax: Int = requestBytesMaxDefault
  ) {
    precondition(gapBytesMax >= 0 && requestBytesMax >= 0, "sizes are not negative")
    self.gapBytesMax = gapBytesMax
    self.requestBytesMax = requestBytesMax
  }

  /// Requests in ascending order of their starts.
  package struct Plan {
    package var requests: [Range<Int>]
    /// For each range the request that holds all of it; `nil` for an empty range.
    package var requestOfRange: [Int?]

    /// The bytes of each of `ranges`, of which this is the plan, from those of its requests.
    package func slices(of merged: [Buffer], for ranges: [Range<Int>]) -> [Buffer] {
      zip(ranges, requestOfRange).map { range, index in
        guard let index else { return Buffer() }
        return merged[index].slice(
          offset: range.lowerBound - requests[index].lowerBound, count: range.count)
      }
    }
  }

  /// The ranges must not be negative.
  package func plan(_ ranges: [Range<Int>]) -> Plan {
    var plan = Plan(requests: [], requestOfRange: Array(repeating: nil, count: ranges.count))
    let order = ranges.indices.filter { !ranges[$0].isEmpty }.sorted {
      (ranges[$0].lowerBound, ranges[$0].upperBound) < (
        ranges[$1].lowerBound, ranges[$1].upperBound
      )
    }
    for index in order {
      let range = ranges[index]
      if let last = plan.requests.last {
        let end = max(last.upperBound, range.upperBound)
        // Subtractions of non-negative numbers do not overflow.
        let near = range.lowerBound - last.upperBound <= gapBytesMax
        let inside = range.upperBound <= last.upperBound
        if inside || (near && end - last.lowerBound <= requestBytesMax) {
          plan.requests[plan.requests.count - 1] = last.lowerBound..<end
          plan.requestOfRange[index] = plan.requests.count - 1
          continue
        }
      }
      plan.requests.append(range)
      plan.requestOfRange[index] = plan.requests.count - 1
    }
    return plan
  }
}
