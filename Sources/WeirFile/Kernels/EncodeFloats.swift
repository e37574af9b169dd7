// SPDX-License-Identifier: Apache-2.0
// Safe: as EncodeNumbers.swift.

internal import WeirColumnar

/// Numbers that are the bits of floats.
protocol FloatBits: PageNumber {
  /// The value times `power`, rounded, when the quotient by `power` gives the same bits again.
  static func decimal(_ bits: Self, _ power: Double) -> Self?
  /// Powers of ten that are worth a try.
  static var powerMax: Int { get }
}

extension UInt32: FloatBits {
  static var powerMax: Int { 9 }
  @inline(__always)
  static func decimal(_ bits: UInt32, _ power: Double) -> UInt32? {
    let scaled = (Double(Float(bitPattern: bits)) * power).rounded()
    guard scaled.magnitude < 0x1p31 else { return nil }
    let integer = Int32(scaled)
    return Float(Double(integer) / power).bitPattern == bits ? UInt32(bitPattern: integer) : nil
  }
}

extension UInt64: FloatBits {
  static var powerMax: Int { 17 }
  @inline(__always)
  static func decimal(_ bits: UInt64, _ power: Double) -> UInt64? {
    let scaled = (Double(bitPattern: bits) * power).rounded()
    guard scaled.magnitude < 0x1p53 else { return nil }
    let integer = Int64(scaled)
    return (Double(integer) / power).bitPattern == bits ? UInt64(bitPattern: integer) : nil
  }
}

extension NumberEncoder {
  /// Values that a guess looks at.
  private static let sampleCount = 512

  /// Floats: decimals as integers (ALP), else their exponents by a dictionary and their fractions
  /// packed (ALP-RD), or what suits any number. (Afroozeh, Kuffo, Boncz: ALP, SIGMOD 2024.)
  func encodeFloats<T: FloatBits>(_ values: UnsafePointer<T>, _ count: Int) -> EncodedNode {
    let plain = plan(values, count)
    if count < 16 || plain.cost < cost(bits: 2, nanoseconds: 1) { return plain.node() }
    let halves = HalfFloats(values, count, self)
    let limit = min(plain.cost, halves?.cost ?? .infinity)
    if let decimals = decimals(values, count, below: limit) { return decimals }
    if let sparse = sparseFloats(values, count, below: limit) { return sparse }
    if let split = split(values, count, below: limit) { return split }
    if let halves, halves.cost < plain.cost { return halves.node(count) }
    if let streams = byteStreams(values, count, below: plain.cost) { return streams }
    return plain.node()
  }

  /// Floats of which most are equal, zeros as a rule, and the others are not decimals.
  private func sparseFloats<T: FloatBits>(
    _ values: UnsafePointer<T>, _ count: Int, below limit: Double
  ) -> EncodedNode? {
    guard let (common, share) = Self.majority(values, count), share >= 0.7 else { return nil }
    let bits = (1 - share) * Double(T.bitWidth + 8)
    guard cost(bits: bits, nanoseconds: 0.4 + (1 - share) * 20) < limit else { return nil }
    let (positions, others) = exceptions(values, count, common)
    return EncodedNode(
      encoding: .sparse, kind: T.kind, count: count, a: UInt64(common),
      children: [encode(positions, positions.count), encodeFloats(others, others.count)])
  }

  /// Bytes of the values in streams, where some of these are much shorter than others.
  private func byteStreams<T: FloatBits>(
    _ values: UnsafePointer<T>, _ count: Int, below limit: Double
  ) -> EncodedNode? {
    let width = T.bitWidth / 8
    func stream(_ byte: Int, _ values: UnsafePointer<T>, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: values[$0] >> T(byte * 8)) }
    }
    let sample = sample(values, count)
    let bits = (0..<width).reduce(0.0) { sum, byte in
      let some = stream(byte, sample, sample.count)
      return sum + plan(some, some.count).cost
    }
    guard bits + cost(bits: 0, nanoseconds: Double(width) * 0.3) < limit else { return nil }
    return EncodedNode(
      encoding: .byteStreams, kind: T.kind, count: count,
      children: (0..<width).map { encode(stream($0, values, count), count) })
  }

  private func sample<T: FloatBits>(_ values: UnsafePointer<T>, _ count: Int) -> [T] {
    let step = max(1, count / Self.sampleCount)
    return stride(from: 0, to: count, by: step).map { values[$0] }
  }

  private func decimals<T: FloatBits>(
    _ values: UnsafePointer<T>, _ count: Int, below limit: Double
  ) -> EncodedNode? {
    let sample = sample(values, count)
    var power = 0
    while power <= T.powerMax {
      let hits = sample.count { T.decimal($0, powersOfTen[power]) != nil }
      if hits * 20 >= sample.count * 19 { break }
      power += 1
    }
    guard power <= T.powerMax else { return nil }
    let integers = Scratch(count * MemoryLayout<T>.size)
    let integer = integers.pointer(T.self)
    var positions: [UInt32] = []
    var exceptions: [T] = []
    var last: T = 0
    for index in 0..<count {
      if let exact = T.decimal(values[index], powersOfTen[power]) {
        last = exact
      } else {
        positions.append(UInt32(index))
        exceptions.append(values[index])
      }
      integer[index] = last
    }
    let plan = plan(UnsafePointer(integer), count)
    let exceptionBits = Double(positions.count * (T.bitWidth + 16)) / Double(count)
    guard plan.cost + exceptionBits + cost(bits: 0, nanoseconds: 0.6) < limit else { return nil }
    return EncodedNode(
      encoding: .decimal, kind: T.kind, parameter: UInt8(power), count: count,
      children: [
        plan.node(), encode(positions, positions.count),
        EncodedNode(
          encoding: .plain, kind: T.kind, count: exceptions.count, buffers: [Buffer(exceptions)]),
      ])
  }

  /// Where sign and exponent end in a float.
  private static func fractionBits<T: FloatBits>(_ type: T.Type) -> Int {
    T.bitWidth == 32 ? 23 : 52
  }

  private func split<T: FloatBits>(
    _ values: UnsafePointer<T>, _ count: Int, below limit: Double
  ) -> EncodedNode? {
    let right = Self.fractionBits(T.self)
    let scratch = Scratch(count * 6)
    let codes = scratch.pointer(UInt32.self)
    let high = (scratch.base + count * 4).assumingMemoryBound(to: UInt16.self)
    var counts = [UInt32](repeating: 0, count: 1 << 12)
    for index in 0..<count {
      let value = UInt16(truncatingIfNeeded: values[index] >> T(right))
      high[index] = value
      counts[Int(value)] += 1
    }
    let used = counts.indices.filter { counts[$0] > 0 }
    // Few exponents only: otherwise the fractions are no noise either, and zstd or plain does as
    // well.
    guard used.count <= 512 else { return nil }
    let order = used.sorted { (counts[$0], $1) > (counts[$1], $0) }
    var codeOf = [UInt32](repeating: 0, count: 1 << 12)
    for (code, value) in order.enumerated() { codeOf[value] = UInt32(code) }
    for index in 0..<count { codes[index] = codeOf[Int(high[index])] }
    let plan = plan(UnsafePointer(codes), count)
    guard plan.cost + cost(bits: Double(right), nanoseconds: 1) < limit else { return nil }
    let packed = MutableBuffer()
    let fractions = Scratch(count * MemoryLayout<T>.size)
    let fraction = fractions.pointer(T.self)
    for index in 0..<count { fraction[index] = values[index] & (1 << T(right) - 1) }
    let size = packedByteCount(count, right)
    T.pack(
      UnsafePointer(fraction), count, base: 0, width: right,
      packed.reserveTail(size + 8).assumingMemoryBound(to: UInt8.self))
    packed.advance(by: size)
    let dictionary = order.map { UInt16($0) }
    return EncodedNode(
      encoding: .split, kind: T.kind, parameter: UInt8(right), count: count,
      buffers: [packed.finish()],
      children: [
        EncodedNode(
          encoding: .dictionary, kind: .two, parameter: 1, count: count,
          children: [plan.node(), encode(dictionary, dictionary.count)])
      ])
  }
}
