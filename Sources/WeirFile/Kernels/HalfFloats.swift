// SPDX-License-Identifier: Apache-2.0
// Safe: as EncodeNumbers.swift.

internal import WeirColumnar

/// Floats of 32 bits that are equal to floats of 16, and those.
struct HalfFloats {
  private let encoding: PageEncoding
  private let halves: [UInt16]
  private let encoder: NumberEncoder
  /// Bits a value and decoding time, weighed.
  let cost: Double

  private static let sampleCount = 512

  /// `nil` when some value is no float of 16 bits.
  init?<T: FloatBits>(_ values: UnsafePointer<T>, _ count: Int, _ encoder: NumberEncoder) {
    guard T.bitWidth == 32 else { return nil }
    let step = max(1, count / Self.sampleCount)
    let sample = stride(from: 0, to: count, by: step)
    func bits(_ index: Int) -> UInt32 { UInt32(truncatingIfNeeded: values[index]) }
    if sample.allSatisfy({ bits($0) & 0xffff == 0 }),
      (0..<count).allSatisfy({ bits($0) & 0xffff == 0 })
    {
      encoding = .bfloat16
      halves = (0..<count).map { UInt16(truncatingIfNeeded: bits($0) >> 16) }
    } else if sample.allSatisfy({ HalfFloat.exact(bits($0)) != nil }) {
      encoding = .float16
      var exact: [UInt16] = []
      exact.reserveCapacity(count)
      for index in 0..<count {
        guard let half = HalfFloat.exact(bits(index)) else { return nil }
        exact.append(half)
      }
      halves = exact
    } else {
      return nil
    }
    self.encoder = encoder
    cost = encoder.plan(halves, count).cost + encoder.cost(bits: 0, nanoseconds: 0.5)
  }

  func node(_ count: Int) -> EncodedNode {
    EncodedNode(
      encoding: encoding, kind: .four, count: count, children: [encoder.encode(halves, count)])
  }
}

extension HalfFloat {
  /// The float16 whose value, as read, has the same bits.
  static func exact(_ bits: UInt32) -> UInt16? {
    let half = nearest(bits)
    return value(half).bitPattern == bits ? half : nil
  }

  /// The float16 nearest to a float32, ties to even.
  static func nearest(_ bits: UInt32) -> UInt16 {
    let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
    let magnitude = bits & 0x7fff_ffff
    if magnitude >= 0x7f80_0000 {
      // Infinity, or NaN, which stays one.
      let fraction = UInt16(truncatingIfNeeded: magnitude >> 13) & 0x3ff
      return sign | 0x7c00 | (magnitude == 0x7f80_0000 ? 0 : max(fraction, 1))
    }
    if magnitude >= 0x4780_0000 { return sign | 0x7c00 }
    if magnitude < 0x3880_0000 {
      // Below 2^-14: multiples of 2^-24.
      let scaled = (Float(bitPattern: magnitude) * 0x1p24).rounded(.toNearestOrEven)
      return sign | UInt16(scaled)
    }
    let rounded = magnitude &+ 0xfff &+ (magnitude >> 13 & 1)
    return sign | UInt16(truncatingIfNeeded: (rounded - 0x3800_0000) >> 13)
  }
}
