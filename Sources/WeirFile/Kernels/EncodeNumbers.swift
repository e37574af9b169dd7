// SPDX-License-Identifier: Apache-2.0
// Safe: reads the `count` values given, writes into buffers of the size that their kernels ask for.

internal import CWeirKernels
internal import WeirColumnar

/// Chooses and writes encodings of numbers that need nothing but the page.
///
/// 1. One pass finds the range, the range of differences, and the runs.
/// 2. A histogram of bit lengths tells what patches and tiers would take.
/// 3. Each candidate costs its bits a value plus its decoding time, weighed by the profile; the
///    cheapest is written. (BtrBlocks and Nimble choose by samples; here the statistics of the
///    whole page are cheap.)
struct NumberEncoder {
  let profile: WeirFileWriteOptions.Profile

  private struct Candidate {
    var encoding: PageEncoding
    var bits: Double
    var nanoseconds: Double
  }

  /// Cost of a node, in bits a value.
  func cost(bits: Double, nanoseconds: Double) -> Double {
    bits + nanoseconds * profile.bitsPerNanosecond
  }

  func encode<T: PageNumber>(_ values: UnsafePointer<T>, _ count: Int) -> EncodedNode {
    plan(values, count).node()
  }

  /// The best encoding and what it costs a value; nothing is written before `node()`.
  struct Plan<T: PageNumber> {
    fileprivate let encoder: NumberEncoder
    fileprivate let values: UnsafePointer<T>
    fileprivate let count: Int
    fileprivate let survey: weir_survey
    fileprivate var tiers: TierPlan?
    fileprivate var patchWidth = 0
    /// The value that most have.
    fileprivate var common: T = 0
    fileprivate var encoding = PageEncoding.constant
    /// Bits a value and decoding time, weighed.
    fileprivate(set) var cost = 0.0
  }

  func plan<T: PageNumber>(_ values: UnsafePointer<T>, _ count: Int) -> Plan<T> {
    if count == 0 {
      return Plan(encoder: self, values: values, count: 0, survey: weir_survey())
    }
    let survey = T.survey(values, count)
    var plan = Plan(encoder: self, values: values, count: count, survey: survey)
    if survey.runs == 1 { return plan }
    let width = bitWidth(survey.range)
    var candidates = [Candidate(encoding: .packed, bits: Double(width), nanoseconds: 0.3)]
    if width == T.bitWidth {
      candidates[0] = Candidate(encoding: .plain, bits: Double(width), nanoseconds: 0.1)
    }
    let number = Double(count)
    let stepWidth = bitWidth(survey.step_range)
    if count >= 64 && stepWidth < width {
      let bits = Double(stepWidth) + Double(width) / 256
      candidates.append(Candidate(encoding: .delta, bits: bits, nanoseconds: 0.8))
    }
    let share = Double(survey.runs) / number
    let runBits = share * (Double(width) + Double(bitWidth(UInt64(count))))
    candidates.append(Candidate(encoding: .runs, bits: runBits, nanoseconds: 0.2 + share * 20))
    if width >= 4 && count >= 64 {
      var histogram = [UInt32](repeating: 0, count: 65)
      T.bitLengths(values, count, base: survey.least, &histogram)
      if width <= TierPlan.widthMax {
        let tiers = TierPlan(histogram)
        let bits = Double(tiers.bits) / number + 0.15
        candidates.append(Candidate(encoding: .tiered, bits: bits, nanoseconds: 0.9))
        plan.tiers = tiers
      }
      let (patchWidth, patchBits, exceptions) = Self.patches(histogram, width, count)
      plan.patchWidth = patchWidth
      candidates.append(
        Candidate(
          encoding: .patched, bits: patchBits, nanoseconds: 0.4 + Double(exceptions) / number * 20))
      if let (common, share) = Self.majority(values, count), share >= 0.7 {
        plan.common = common
        let bits = (1 - share) * Double(width + bitWidth(UInt64(count)))
        candidates.append(
          Candidate(encoding: .sparse, bits: bits, nanoseconds: 0.4 + (1 - share) * 20))
      }
    }
    let best = candidates.min {
      cost(bits: $0.bits, nanoseconds: $0.nanoseconds)
        < cost(bits: $1.bits, nanoseconds: $1.nanoseconds)
    }!
    plan.encoding = best.encoding
    plan.cost = cost(bits: best.bits, nanoseconds: best.nanoseconds)
    return plan
  }

  /// The value that more than half of a sample has, if there is one, and its share of all. (Boyer and
  /// Moore: MJRTY, 1981.)
  static func majority<T: PageNumber>(
    _ values: UnsafePointer<T>, _ count: Int
  ) -> (value: T, share: Double)? {
    // Odd: differences have a value of their own in each 256th place.
    let step = max(1, count / 256) | 1
    var (candidate, votes) = (values[0], 0)
    for index in stride(from: 0, to: count, by: step) {
      if votes == 0 { candidate = values[index] }
      votes += values[index] == candidate ? 1 : -1
    }
    if votes <= 0 { return nil }
    var hits = 0
    for index in 0..<count { hits += values[index] == candidate ? 1 : 0 }
    return (candidate, Double(hits) / Double(count))
  }

  /// The width that makes packed values and their patches smallest.
  private static func patches(
    _ histogram: [UInt32], _ width: Int, _ count: Int
  ) -> (width: Int, bits: Double, exceptions: Int) {
    var best = (width, Double(width), 0)
    var above = 0
    for candidate in stride(from: width - 1, through: 0, by: -1) {
      above += Int(histogram[candidate + 1])
      let patchBits = Double(bitWidth(UInt64(count)) + width)
      let bits = Double(candidate) + Double(above) * patchBits / Double(count)
      if bits < best.1 { best = (candidate, bits, above) }
    }
    return best
  }
}

extension NumberEncoder.Plan {
  func node() -> EncodedNode {
    switch encoding {
    case .packed: packed(values, count, base: survey.least, width: bitWidth(survey.range))
    case .plain: plain()
    case .delta: delta()
    case .runs: runs()
    case .tiered: tiered()
    case .patched: patched()
    case .sparse: sparse()
    default:
      EncodedNode(
        encoding: .constant, kind: T.kind, count: count, a: count == 0 ? 0 : UInt64(values[0]))
    }
  }

  private func plain() -> EncodedNode {
    EncodedNode(
      encoding: .plain, kind: T.kind, count: count,
      buffers: [
        Buffer(
          copying: UnsafeRawBufferPointer(start: values, count: count * MemoryLayout<T>.size))
      ])
  }

  private func packed(
    _ values: UnsafePointer<T>, _ count: Int, base: UInt64, width: Int
  ) -> EncodedNode {
    let out = MutableBuffer()
    let size = packedByteCount(count, width)
    let room = out.reserveTail(size + 8).assumingMemoryBound(to: UInt8.self)
    T.pack(values, count, base: base, width: width, room)
    out.advance(by: size)
    return EncodedNode(
      encoding: .packed, kind: T.kind, parameter: UInt8(width), count: count, a: base,
      buffers: [out.finish()])
  }

  private func tiered() -> EncodedNode {
    let tiers = tiers!
    let blocks = (count + 255) / 256
    let tags = MutableBuffer()
    tags.appendZeros((count + 3) / 4)
    let starts = MutableBuffer()
    starts.appendZeros(blocks * 4)
    let bits = MutableBuffer(capacity: tiers.bits / 8 + blocks * 8 + 16)
    let size = T.packTiers(
      values, count, base: survey.least, tiers,
      TierRoom(
        tags: tags.base.assumingMemoryBound(to: UInt8.self),
        bits: bits.base.assumingMemoryBound(to: UInt8.self),
        starts: starts.base.assumingMemoryBound(to: UInt32.self)))
    bits.setCount(size)
    let widths = tiers.widths.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return EncodedNode(
      encoding: .tiered, kind: T.kind, count: count, a: survey.least, b: widths,
      buffers: [tags.finish(), bits.finish(), starts.finish()])
  }

  private func delta() -> EncodedNode {
    let shift = 8
    let blocks = (count + 255) >> shift
    let firsts = Scratch(blocks * MemoryLayout<T>.size)
    let steps = Scratch(count * MemoryLayout<T>.size)
    let first = firsts.pointer(T.self)
    let step = steps.pointer(T.self)
    // The difference to the value before a block is not needed; one of the page's keeps the range
    // small.
    for index in 0..<count {
      if index & 255 == 0 {
        first[index >> shift] = values[index]
        step[index] = T(truncatingIfNeeded: survey.least_step)
      } else {
        step[index] = values[index] &- values[index - 1]
      }
    }
    return EncodedNode(
      encoding: .delta, kind: T.kind, parameter: UInt8(shift), count: count,
      children: [
        encoder.encode(UnsafePointer(first), blocks), encoder.encode(UnsafePointer(step), count),
      ])
  }

  private func runs() -> EncodedNode {
    let number = Int(survey.runs)
    let ends = Scratch(number * 4)
    let found = Scratch(number * MemoryLayout<T>.size)
    let end = ends.pointer(UInt32.self)
    let value = found.pointer(T.self)
    var run = 0
    for index in 0..<count where index + 1 == count || values[index] != values[index + 1] {
      end[run] = UInt32(index + 1)
      value[run] = values[index]
      run += 1
    }
    return EncodedNode(
      encoding: .runs, kind: T.kind, count: count,
      children: [
        encoder.encode(UnsafePointer(end), number), encoder.encode(UnsafePointer(value), number),
      ])
  }

  private func sparse() -> EncodedNode {
    let (positions, others) = encoder.exceptions(values, count, common)
    return EncodedNode(
      encoding: .sparse, kind: T.kind, count: count, a: UInt64(common),
      children: [
        encoder.encode(positions, positions.count), encoder.encode(others, others.count),
      ])
  }

  private func patched() -> EncodedNode {
    let limit = patchWidth == 64 ? UInt64.max : (1 << UInt64(patchWidth)) - 1
    let base = T(truncatingIfNeeded: survey.least)
    let kept = Scratch(count * MemoryLayout<T>.size)
    let keep = kept.pointer(T.self)
    var positions: [UInt32] = []
    var exceptions: [T] = []
    for index in 0..<count {
      if UInt64(values[index] &- base) > limit {
        positions.append(UInt32(index))
        exceptions.append(values[index])
        keep[index] = base
      } else {
        keep[index] = values[index]
      }
    }
    return EncodedNode(
      encoding: .patched, kind: T.kind, count: count,
      children: [
        packed(UnsafePointer(keep), count, base: survey.least, width: patchWidth),
        encoder.encode(positions, positions.count), encoder.encode(exceptions, exceptions.count),
      ])
  }
}

extension NumberEncoder {
  /// The values that are not `common`, and where they are.
  func exceptions<T: PageNumber>(
    _ values: UnsafePointer<T>, _ count: Int, _ common: T
  ) -> (positions: [UInt32], values: [T]) {
    var positions: [UInt32] = []
    var others: [T] = []
    for index in 0..<count where values[index] != common {
      positions.append(UInt32(index))
      others.append(values[index])
    }
    return (positions, others)
  }
}
