// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  internal import Glibc
#endif

/// A HyperLogLog sketch of distinct values in the format of Apache DataSketches (HLL_8, compact), which
/// Spark, Druid, Hive and DataSketches' own libraries read: https://datasketches.apache.org.
///
/// Few values are kept as *coupons*: 26 bits of hash for the place, 6 for the number of leading zeros of
/// another 64 bits, plus one. Beyond that, one register for each of the 2^precision places holds the
/// greatest such number. Sketches of the same values are the same bytes, in whatever order and parts the
/// values came.
public struct HyperLogLog: Sendable, Equatable {
  public static let precisions = 4...21

  public let precision: Int
  /// Distinct, ascending; `nil` once there are registers.
  private(set) var coupons: [UInt32]? = []
  private(set) var registers: [UInt8] = []

  /// - Parameter precision: within `precisions`.
  public init(precision: Int) {
    precondition(Self.precisions.contains(precision), "precisions go from 4 to 21")
    self.precision = precision
  }

  private static let coupon26: UInt32 = 0x3ff_ffff

  /// The coupon of a hash.
  static func coupon(_ hash: (UInt64, UInt64)) -> UInt32 {
    let zeros = UInt32(min(hash.1.leadingZeroBitCount, 62))
    return (zeros + 1) << 26 | UInt32(truncatingIfNeeded: hash.0) & coupon26
  }

  /// Coupons before registers take over.
  private static func couponsMax(_ precision: Int) -> Int {
    precision < 8 ? 7 : max(7, 3 << (precision - 3) / 4)
  }

  mutating func add(coupon: UInt32) {
    guard coupons != nil else {
      raise(coupon)
      return
    }
    insert([coupon])
  }

  /// - Parameter added: ascending, distinct.
  private mutating func insert(_ added: [UInt32]) {
    guard let known = coupons else {
      for coupon in added { raise(coupon) }
      return
    }
    var merged: [UInt32] = []
    merged.reserveCapacity(known.count + added.count)
    var (i, j) = (0, 0)
    while i < known.count || j < added.count {
      if j == added.count || (i < known.count && known[i] < added[j]) {
        merged.append(known[i])
        i += 1
      } else {
        if i < known.count, known[i] == added[j] { i += 1 }
        merged.append(added[j])
        j += 1
      }
    }
    if merged.count <= Self.couponsMax(precision) {
      coupons = merged
    } else {
      coupons = nil
      registers = [UInt8](repeating: 0, count: 1 << precision)
      for coupon in merged { raise(coupon) }
    }
  }

  private mutating func raise(_ coupon: UInt32) {
    let place = Int(coupon & (1 << UInt32(precision) - 1))
    registers[place] = max(registers[place], UInt8(coupon >> 26))
  }

  /// Adds all values of another sketch of the same precision.
  public mutating func merge(_ other: HyperLogLog) {
    precondition(precision == other.precision, "sketches of one precision can be merged")
    if let added = other.coupons {
      insert(added)
      return
    }
    let mine = coupons
    if mine != nil {
      coupons = nil
      registers = other.registers
      for coupon in mine ?? [] { raise(coupon) }
      return
    }
    for place in registers.indices {
      registers[place] = max(registers[place], other.registers[place])
    }
  }

  /// About how many distinct values were added: exact but for collisions of 32 bits while they are few;
  /// else with a standard error of about 1.04 / sqrt(2^precision).
  ///
  /// Source: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017,
  /// algorithm 6.
  public var estimate: Double {
    if let coupons { return Double(coupons.count) }
    let count = Double(registers.count)
    let valueMax = 63
    var histogram = [Double](repeating: 0, count: valueMax + 1)
    for register in registers { histogram[min(Int(register), valueMax)] += 1 }
    var z = count * Self.tau(1 - histogram[valueMax] / count)
    for value in stride(from: valueMax - 1, through: 1, by: -1) { z = 0.5 * (z + histogram[value]) }
    z += count * Self.sigma(histogram[0] / count)
    return count / (2 * log(2.0)) * count / z
  }

  private static func sigma(_ start: Double) -> Double {
    if start == 1 { return .infinity }
    var (x, y, z) = (start, 1.0, start)
    while true {
      x *= x
      let last = z
      z += x * y
      y += y
      if z == last { return z }
    }
  }

  private static func tau(_ start: Double) -> Double {
    if start == 0 || start == 1 { return 0 }
    var (x, y, z) = (start, 1.0, 1 - start)
    while true {
      x = x.squareRoot()
      let last = z
      y *= 0.5
      z -= (1 - x) * (1 - x) * y
      if z == last { return z / 3 }
    }
  }
}

/// The bytes, by DataSketches' format.
extension HyperLogLog {
  private static let family: UInt8 = 7
  /// The mode's byte: HLL_8 as the target, and what it is now.
  private static let (list, set, array) = (UInt8(8), UInt8(9), UInt8(10))

  public var encoded: [UInt8] {
    func number(_ value: UInt32) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
    let lg = UInt8(precision)
    guard let coupons else {
      var (low, high) = (0.0, 0.0)
      var zeros: UInt32 = 0
      for register in registers {
        if register == 0 { zeros += 1 }
        let part = scalbn(1.0, -Int32(register))
        if register < 32 { low += part } else { high += part }
      }
      // Flags: compact, out of order (there is no history to estimate from).
      return [10, 1, Self.family, lg, 0, 8 | 16, 0, Self.array] + [UInt8](repeating: 0, count: 8)
        + DoubleBytes.encode([low, high]) + number(zeros) + number(0) + registers
    }
    if coupons.count < 8 {
      let flags: UInt8 = coupons.isEmpty ? 4 | 8 : 8
      return [2, 1, Self.family, lg, 3, flags, UInt8(coupons.count), Self.list]
        + coupons.flatMap(number)
    }
    var lgTable: UInt8 = 5
    while 4 * coupons.count > 3 << Int(lgTable) { lgTable += 1 }
    return [3, 1, Self.family, lg, lgTable, 8, 0, Self.set]
      + number(UInt32(coupons.count)) + coupons.flatMap(number)
  }

  /// Reads what `encoded` gave; `nil` for anything else.
  public init?(encoded bytes: [UInt8]) {
    guard bytes.count >= 8, bytes[1] == 1, bytes[2] == Self.family,
      Self.precisions.contains(Int(bytes[3]))
    else { return nil }
    self.init(precision: Int(bytes[3]))
    func number(_ place: Int) -> UInt32 {
      (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) }
    }
    switch (bytes[7], bytes[0]) {
    case (Self.list, 2), (Self.set, 3):
      let isList = bytes[7] == Self.list
      guard isList || bytes.count >= 12 else { return nil }
      let start = isList ? 8 : 12
      let count = isList ? Int(bytes[6]) : Int(number(8))
      guard count <= Self.couponsMax(precision), bytes.count == start + 4 * count else {
        return nil
      }
      let read = (0..<count).map { number(start + 4 * $0) }
      guard read.allSatisfy({ $0 >> 26 != 0 }), zip(read, read.dropFirst()).allSatisfy(<) else {
        return nil
      }
      coupons = read
    case (Self.array, 10):
      guard bytes.count == 40 + 1 << precision else { return nil }
      coupons = nil
      registers = Array(bytes[40...])
      guard registers.allSatisfy({ $0 <= 63 }) else { return nil }
    default: return nil
    }
  }
}
