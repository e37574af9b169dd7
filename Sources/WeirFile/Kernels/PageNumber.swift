// SPDX-License-Identifier: Apache-2.0
// Safe: C reads `count` values and writes into the room that its comments ask for, which callers
// give.

internal import CWeirKernels
internal import WeirColumnar

/// Numbers of pages: unsigned, of 1, 2, 4 or 8 bytes, with their kernels.
protocol PageNumber: FixedWidthInteger & UnsignedInteger & BitwiseCopyable {
  static var kind: PageKind { get }
  static var kernels: NumberKernels<Self> { get }
}

/// The C functions for numbers of one width (weir_pages.h), called once a page.
struct NumberKernels<T> {
  let survey: (UnsafePointer<T>?, Int, UnsafeMutablePointer<weir_survey>?) -> Void
  let bitLengths: (UnsafePointer<T>?, Int, UInt64, UnsafeMutablePointer<UInt32>?) -> Void
  let pack: (UnsafePointer<T>?, Int, UInt64, CInt, UnsafeMutablePointer<UInt8>?) -> Void
  let packTiers:
    (
      UnsafePointer<T>?, Int, UInt64, UnsafePointer<UInt8>?, UnsafePointer<UInt8>?,
      UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt32>?
    ) -> Int
}

extension UInt8: PageNumber {
  static var kind: PageKind { .one }
  static var kernels: NumberKernels<UInt8> {
    NumberKernels(
      survey: weir_survey_8, bitLengths: weir_bit_lengths_8, pack: weir_pack_8,
      packTiers: weir_pack_tiers_8)
  }
}

extension UInt16: PageNumber {
  static var kind: PageKind { .two }
  static var kernels: NumberKernels<UInt16> {
    NumberKernels(
      survey: weir_survey_16, bitLengths: weir_bit_lengths_16, pack: weir_pack_16,
      packTiers: weir_pack_tiers_16)
  }
}

extension UInt32: PageNumber {
  static var kind: PageKind { .four }
  static var kernels: NumberKernels<UInt32> {
    NumberKernels(
      survey: weir_survey_32, bitLengths: weir_bit_lengths_32, pack: weir_pack_32,
      packTiers: weir_pack_tiers_32)
  }
}

extension UInt64: PageNumber {
  static var kind: PageKind { .eight }
  static var kernels: NumberKernels<UInt64> {
    NumberKernels(
      survey: weir_survey_64, bitLengths: weir_bit_lengths_64, pack: weir_pack_64,
      packTiers: weir_pack_tiers_64)
  }
}

extension PageNumber {
  static func survey(_ values: UnsafePointer<Self>, _ count: Int) -> weir_survey {
    var result = weir_survey()
    kernels.survey(values, count, &result)
    return result
  }

  static func bitLengths(
    _ values: UnsafePointer<Self>, _ count: Int, base: UInt64,
    _ histogram: UnsafeMutablePointer<UInt32>
  ) { kernels.bitLengths(values, count, base, histogram) }

  static func pack(
    _ values: UnsafePointer<Self>, _ count: Int, base: UInt64, width: Int,
    _ out: UnsafeMutablePointer<UInt8>
  ) { kernels.pack(values, count, base, CInt(width), out) }

  static func packTiers(
    _ values: UnsafePointer<Self>, _ count: Int, base: UInt64, _ plan: borrowing TierPlan,
    _ out: TierRoom
  ) -> Int {
    kernels.packTiers(
      values, count, base, plan.tierOfLength, plan.widths, out.tags, out.bits, out.starts)
  }
}

/// Where tiers go.
struct TierRoom {
  var tags: UnsafeMutablePointer<UInt8>
  var bits: UnsafeMutablePointer<UInt8>
  var starts: UnsafeMutablePointer<UInt32>
}

/// Bits that the number needs.
func bitWidth(_ number: UInt64) -> Int { 64 - number.leadingZeroBitCount }

/// The four widths that make the values of a histogram of bit lengths smallest.
struct TierPlan {
  var widths: [UInt8] = [0, 0, 0, 0]
  var tierOfLength = [UInt8](repeating: 3, count: 65)
  /// Bits of all values, tags included.
  var bits = 0
  /// Widest value that tiers hold.
  static let widthMax = 57

  /// - Parameter histogram: how many values need 0...64 bits.
  init(_ histogram: [UInt32]) {
    let used = histogram.indices.filter { histogram[$0] > 0 }
    guard let most = used.last else { return }
    // cost[i][j]: bits of the values with the i-th to j-th length, all at the width of the j-th.
    var counts = [0]
    for length in used { counts.append(counts.last! + Int(histogram[length])) }
    func cost(_ from: Int, _ to: Int) -> Int { (counts[to + 1] - counts[from]) * used[to] }
    // best[k][j]: the values up to the j-th length in k + 1 tiers.
    var best = [[Int]](repeating: used.indices.map { cost(0, $0) }, count: 4)
    var cut = [[Int]](repeating: [Int](repeating: 0, count: used.count), count: 4)
    for tier in 1..<4 {
      for last in used.indices {
        best[tier][last] = best[tier - 1][last]
        cut[tier][last] = -1
        for from in stride(from: last, to: 0, by: -1) {
          let total = best[tier - 1][from - 1] + cost(from, last)
          if total < best[tier][last] {
            best[tier][last] = total
            cut[tier][last] = from
          }
        }
      }
    }
    var last = used.count - 1
    var chosen: [Int] = []
    var tier = 3
    while tier > 0 {
      let from = cut[tier][last]
      if from > 0 {
        chosen.append(used[last])
        last = from - 1
      }
      tier -= 1
    }
    chosen.append(used[last])
    chosen.reverse()
    while chosen.count < 4 { chosen.append(most) }
    widths = chosen.map { UInt8($0) }
    for length in 0...64 {
      tierOfLength[length] = UInt8(chosen.firstIndex { $0 >= length } ?? 3)
    }
    bits = best[3][used.count - 1] + 2 * counts.last!
  }
}
