// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#endif

/// The values of an IN: sorted for bounds, and as a table for rows, which is made when first asked.
package final class ValueSet: Hashable, Sendable {
  /// Two or more values of one column type, ascending, each once.
  package let values: [Scalar]
  private let made = Mutex<Lookup?>(nil)

  /// How rows are looked up.
  enum Lookup: Sendable {
    /// One by one, where the others do not serve (decimals beyond 64 bits).
    case scalars([Scalar])
    /// Integers; decimals by their unscaled values; floats by `IntegerTable.key`.
    case integers(IntegerTable)
    case bytes(BytesTable)
  }

  init(sorted values: [Scalar]) { self.values = values }

  package static func == (a: ValueSet, b: ValueSet) -> Bool {
    a === b || a.values == b.values
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(values) }

  var lookup: Lookup {
    made.withLock { made in
      if let made { return made }
      let new = makeLookup()
      made = new
      return new
    }
  }

  private func makeLookup() -> Lookup {
    var integers: [UInt64] = []
    var strings: [[UInt8]] = []
    for value in values {
      switch value {
      case .int(let value): integers.append(UInt64(bitPattern: value))
      case .decimal(let value, _):
        if let value = Int64(exactly: value) { integers.append(UInt64(bitPattern: value)) }
      case .float16(let value): integers.append(IntegerTable.key(Double(value)))
      case .float32(let value): integers.append(IntegerTable.key(Double(value)))
      case .float64(let value): integers.append(IntegerTable.key(value))
      case .uint(let value): integers.append(value)
      case .string(let text): strings.append(Array(text.utf8))
      case .binary(let bytes): strings.append(bytes)
      default: break
      }
    }
    if integers.count == values.count { return .integers(IntegerTable(integers)) }
    if strings.count == values.count { return .bytes(BytesTable(strings)) }
    return .scalars(values)
  }
}

/// Most rows are not in the list: a table with much room, as long as it fits the first cache, ends
/// their search at once.
private func tableSlotsMin(_ count: Int) -> Int { count <= 256 ? 8 * count : 2 * count }

/// Distinct integers as bit patterns of 64 bits: a bitmap where they lie close together, else a hash
/// table with open addresses, at most half full.
final class IntegerTable: Sendable {
  private let base: UInt64
  private let bits: [UInt64]
  private let slots: [UInt64]
  private let shift: UInt64
  /// Marks a free slot; whether it is also a value is kept apart.
  private let hasFree: Bool

  /// Bits that a bitmap may have for each value, and those that one may have in any case: half of
  /// what the first cache holds.
  private static let bitsPerValueMax: UInt64 = 256
  private static let bitmapBits: UInt64 = 1 << 17

  init(_ values: [UInt64]) {
    let base = values.min { Int64(bitPattern: $0) < Int64(bitPattern: $1) } ?? 0
    self.base = base
    let span = values.reduce(0) { max($0, $1 &- base) }
    if span < Self.bitmapBits || span / Self.bitsPerValueMax < UInt64(values.count) {
      var bits = [UInt64](repeating: 0, count: Int(span / 64) + 1)
      for value in values { bits[Int((value &- base) / 64)] |= 1 << ((value &- base) & 63) }
      self.bits = bits
      slots = []
      shift = 0
      hasFree = false
      return
    }
    bits = []
    var slotBits: UInt64 = 4
    while 1 << slotBits < tableSlotsMin(values.count) { slotBits += 1 }
    shift = 64 - slotBits
    hasFree = values.contains(Self.free)
    var slots = [UInt64](repeating: Self.free, count: 1 << slotBits)
    for value in values where value != Self.free {
      var slot = Self.slot(value, 64 - slotBits)
      while slots[slot] != Self.free { slot = (slot + 1) & (slots.count - 1) }
      slots[slot] = value
    }
    self.slots = slots
  }

  fileprivate static let free: UInt64 = 0x8000_0000_0000_0000

  @inline(__always)
  fileprivate static func slot(_ value: UInt64, _ shift: UInt64) -> Int {
    Int(truncatingIfNeeded: ((value ^ value >> 32) &* 0x9e37_79b9_7f4a_7c15) >> shift)
  }

  /// Equal for equal numbers: -0.0 becomes 0.0. NaN, which no list holds, stays NaN.
  @inline(__always)
  static func key(_ value: Double) -> UInt64 { (value + 0).bitPattern }

  /// Safe: the views are used inside `body` only.
  func withLookup<R>(_ body: (View) -> R) -> R {
    bits.withUnsafeBufferPointer { bits in
      slots.withUnsafeBufferPointer { slots in
        body(
          View(
            bitmap: bits.isEmpty ? nil : BitmapView(base: base, bits: bits), slots: slots,
            shift: shift, hasFree: hasFree))
      }
    }
  }

  struct BitmapView {
    let base: UInt64
    let bits: UnsafeBufferPointer<UInt64>

    @inline(__always)
    func contains(_ value: UInt64) -> Bool {
      let place = value &- base
      guard place >> 6 < UInt64(bits.count) else { return false }
      return bits[Int(truncatingIfNeeded: place >> 6)] >> (place & 63) & 1 != 0
    }
  }

  struct View {
    let bitmap: BitmapView?
    let slots: UnsafeBufferPointer<UInt64>
    let shift: UInt64
    let hasFree: Bool

    @inline(__always)
    func contains(_ value: UInt64) -> Bool {
      if value == IntegerTable.free { return hasFree }
      var slot = IntegerTable.slot(value, shift)
      while true {
        let found = slots[slot]
        if found == value { return true }
        if found == IntegerTable.free { return false }
        slot = (slot + 1) & (slots.count - 1)
      }
    }
  }
}

/// Distinct byte strings in a hash table with open addresses, at most half full.
final class BytesTable: Sendable {
  private let bytes: [UInt8]
  /// Of value i: starts[i] ..< starts[i + 1].
  private let starts: [Int]
  /// The value's number, -1 when free, and the upper half of its hash.
  private let slots: [Slot]

  fileprivate struct Slot {
    var value: Int32
    var hash: UInt32
  }

  init(_ values: [[UInt8]]) {
    var bytes: [UInt8] = []
    var starts = [0]
    var slotCount = 16
    while slotCount < tableSlotsMin(values.count) { slotCount *= 2 }
    var slots = [Slot](repeating: Slot(value: -1, hash: 0), count: slotCount)
    for (number, value) in values.enumerated() {
      bytes += value
      starts.append(bytes.count)
      let hash = value.withUnsafeBytes { Self.hash($0) }
      var slot = Int(truncatingIfNeeded: hash) & (slotCount - 1)
      while slots[slot].value >= 0 { slot = (slot + 1) & (slotCount - 1) }
      slots[slot] = Slot(
        value: Int32(truncatingIfNeeded: number), hash: UInt32(truncatingIfNeeded: hash >> 32))
    }
    self.bytes = bytes
    self.starts = starts
    self.slots = slots
  }

  /// Safe: the view is used inside `body` only.
  func withLookup<R>(_ body: (View) -> R) -> R {
    bytes.withUnsafeBytes { bytes in
      starts.withUnsafeBufferPointer { starts in
        slots.withUnsafeBufferPointer { slots in
          body(View(bytes: bytes, starts: starts, slots: slots))
        }
      }
    }
  }

  struct View {
    let bytes: UnsafeRawBufferPointer
    let starts: UnsafeBufferPointer<Int>
    fileprivate let slots: UnsafeBufferPointer<Slot>

    @inline(__always)
    func contains(_ value: UnsafeRawBufferPointer) -> Bool {
      let hash = BytesTable.hash(value)
      let high = UInt32(truncatingIfNeeded: hash >> 32)
      let mask = slots.count &- 1
      var slot = Int(truncatingIfNeeded: hash) & mask
      while true {
        let found = slots[slot]
        if found.value < 0 { return false }
        if found.hash == high && holds(Int(found.value), value) { return true }
        slot = (slot &+ 1) & mask
      }
    }

    @inline(__always)
    private func holds(_ number: Int, _ value: UnsafeRawBufferPointer) -> Bool {
      let start = starts[number]
      guard starts[number + 1] - start == value.count else { return false }
      guard let base = bytes.baseAddress, let other = value.baseAddress else { return true }
      return memcmp(base + start, other, value.count) == 0
    }
  }

  /// Eight bytes at a time, the last eight overlapping, by folded multiplication (as wyhash does); not secret: whoever chooses the
  /// list and the rows may slow down their own query.
  @inline(__always)
  fileprivate static func hash(_ value: UnsafeRawBufferPointer) -> UInt64 {
    let count = value.count
    let seed = UInt64(truncatingIfNeeded: count) ^ 0xa076_1d64_78bd_642f
    @inline(__always) func word(_ position: Int) -> UInt64 {
      value.loadUnaligned(fromByteOffset: position, as: UInt64.self)
    }
    if count >= 8 {
      var hash = seed
      var position = 0
      while position &+ 8 < count {
        hash = mixed(hash ^ word(position))
        position &+= 8
      }
      return mixed(hash ^ word(count &- 8))
    }
    var tail: UInt64 = 0
    if count >= 4 {
      tail =
        UInt64(value.loadUnaligned(as: UInt32.self)) << 32
        | UInt64(value.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self))
    } else {
      for byte in value { tail = tail << 8 | UInt64(byte) }
    }
    return mixed(seed ^ tail)
  }

  @inline(__always)
  private static func mixed(_ value: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: 0xe703_7ed1_a0b4_28db)
    return product.high ^ product.low
  }
}
