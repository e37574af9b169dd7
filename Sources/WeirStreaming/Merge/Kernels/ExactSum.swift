// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  internal import Glibc
#endif

/// The exact sum of doubles, whatever their order.
///
/// It is kept as doubles that do not overlap, of growing magnitude. Source: Jonathan Shewchuk, "Adaptive
/// Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates", 1997; rounding as in
/// Python's `math.fsum`. A sum beyond the greatest double is infinite from then on.
package struct ExactSum: Sendable {
  private var parts: [Double] = []
  /// Once something that is not finite was added: what the sum is.
  private var special: Double?

  package init() {}

  package mutating func add(_ value: Double) {
    guard value.isFinite, special == nil else {
      if !value.isFinite { special = (special ?? 0) + value }
      return
    }
    var x = value
    var count = 0
    for part in parts {
      let (large, small) = x.magnitude < part.magnitude ? (part, x) : (x, part)
      let high = large + small
      guard high.isFinite else {
        special = high
        return
      }
      let low = small - (high - large)
      if low != 0 {
        parts[count] = low
        count += 1
      }
      x = high
    }
    parts.removeSubrange(count...)
    if x != 0 { parts.append(x) }
  }

  /// The double that is nearest; ties to even.
  package var value: Double {
    if let special { return special }
    guard var high = parts.last else { return 0 }
    var rest = parts.dropLast()
    var low = 0.0
    while let part = rest.popLast() {
      let x = high
      high = x + part
      low = part - (high - x)
      if low != 0 { break }
    }
    // Half-way cases go by what is left.
    if let next = rest.last, (low < 0 && next < 0) || (low > 0 && next > 0) {
      let twice = low * 2
      let x = high + twice
      if twice == x - high { high = x }
    }
    return high
  }

  /// The exact sum as doubles, the nearest first, then the nearest to what is left, and so on: the same
  /// for the same sum, however it came about.
  package var canonical: [Double] {
    if let special { return [special.isNaN ? .nan : special] }
    var rest = self
    var result: [Double] = []
    while case let next = rest.value, next != 0 {
      result.append(next)
      rest.add(-next)
    }
    return result
  }
}

/// A sum whose parts lose half their weight every half-life, exact but for each part's own rounding.
///
/// A value `v` of the time `t` counts `v * 2^(t / halfLife)`, as in forward decay (Cormode, Shkapenyuk,
/// Srivastava, Xu, 2009); what is shown is the sum divided by the weight of the row's own time. With
/// `t / halfLife = q + f`, q whole, the sum is kept as that of `v * 2^f * 2^(q - Q)`, Q the greatest q:
/// only `2^f` is rounded, so that parts may come in any order.
package struct DecayedSum: Sendable {
  private let halfLife: Int64
  private var exponent: Int64?
  private var sum = ExactSum()

  /// Parts that weigh less than 2 to the minus this against the greatest are left out.
  private static let exponentsMax: Int64 = 900

  /// - Parameter halfLife: in the unit of times, at least 1.
  package init(halfLife: Int64) { self.halfLife = max(1, halfLife) }

  private func split(_ time: Int64) -> (whole: Int64, weight: Double) {
    var (whole, rest) = time.quotientAndRemainder(dividingBy: halfLife)
    if rest < 0 { (whole, rest) = (whole - 1, rest + halfLife) }
    // Far from the ends, so that differences of exponents do not overflow.
    let bounded = max(Int64.min / 4, min(Int64.max / 4, whole))
    return (bounded, exp2(Double(rest) / Double(halfLife)))
  }

  package mutating func add(_ value: Double, time: Int64) {
    let (whole, weight) = split(time)
    add([value * weight], exponent: whole)
  }

  private mutating func add(_ parts: [Double], exponent added: Int64) {
    let top = max(exponent ?? added, added)
    if let exponent, exponent < top {
      let old = sum.canonical
      sum = ExactSum()
      for part in old { addScaled(part, exponent - top) }
    }
    exponent = top
    for part in parts { addScaled(part, added - top) }
  }

  private mutating func addScaled(_ part: Double, _ exponent: Int64) {
    guard exponent >= -Self.exponentsMax else { return }
    sum.add(part * Double(sign: .plus, exponent: Int(exponent), significand: 1))
  }

  /// The sum at a time.
  package func value(at time: Int64) -> Double {
    guard let exponent else { return 0 }
    let (whole, weight) = split(time)
    let shift = max(-4_000, min(4_000, exponent - whole))
    return scalbn(sum.value / weight, Int32(shift))
  }

  /// The greatest whole exponent, and the parts; 8 bytes each, little-endian.
  package var encoded: [UInt8] {
    var result: [UInt8] = []
    withUnsafeBytes(of: (exponent ?? 0).littleEndian) { result += $0 }
    return result + DoubleBytes.encode(sum.canonical)
  }

  /// Adds what `encoded` gave; false when it breaks the format.
  package mutating func add(encoded: [UInt8]) -> Bool {
    guard encoded.count >= 8, let parts = DoubleBytes.decode(encoded.dropFirst(8)) else {
      return false
    }
    let exponent = encoded.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    // Far from the ends, so that differences of exponents do not overflow.
    let bounded = max(Int64.min / 4, min(Int64.max / 4, Int64(bitPattern: exponent)))
    add(parts, exponent: bounded)
    return true
  }
}

/// Doubles as bytes, little-endian.
package enum DoubleBytes {
  package static func encode(_ values: [Double]) -> [UInt8] {
    var result: [UInt8] = []
    for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { result += $0 } }
    return result
  }

  package static func decode(_ bytes: some Collection<UInt8>) -> [Double]? {
    guard bytes.count % 8 == 0 else { return nil }
    let all = Array(bytes)
    return stride(from: 0, to: all.count, by: 8).map { start in
      Double(
        bitPattern: (0..<8).reduce(UInt64(0)) { $0 | UInt64(all[start + $1]) << UInt64(8 * $1) })
    }
  }
}
