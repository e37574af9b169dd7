// SPDX-License-Identifier: Apache-2.0
// Safe: as ColumnEncoder.swift.

internal import CWeirKernels
internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Numbers of one width.
final class NumbersEncoder<T: PageNumber>: ColumnEncoder {
  private enum Layout {
    case undecided
    case local
    case dictionary(GrowingDictionary<T>, number: Int)
  }

  private var layout = Layout.undecided
  /// Pages until a dictionary is tried again.
  private var pagesUntilRetry = 0

  @specialized(where T == UInt8)
  @specialized(where T == UInt16)
  @specialized(where T == UInt32)
  @specialized(where T == UInt64)
  override func encodeValues(_ array: ArrayData, isValid: ValidRows?) -> EncodedNode {
    if array.length == 0 { return EncodedNode(encoding: .constant, kind: T.kind, count: 0) }
    let values = array.values(as: T.self).baseAddress!
    guard let isValid else { return encode(values, array.length) }
    let filled = fillNulls(values, isValid)
    defer { withExtendedLifetime(filled) {} }
    return encode(UnsafePointer(filled.pointer(T.self)), array.length)
  }

  @specialized(where T == UInt8)
  @specialized(where T == UInt16)
  @specialized(where T == UInt32)
  @specialized(where T == UInt64)
  func encode(_ values: UnsafePointer<T>, _ count: Int) -> EncodedNode {
    let plan = context.numbers.plan(values, count)
    if T.bitWidth < 32 || count < 256 || plan.cost < 2 { return plan.node() }
    switch layout {
    case .local:
      if pagesUntilRetry < Int.max { pagesUntilRetry -= 1 }
      if pagesUntilRetry <= 0 { layout = .undecided }
      return plan.node()
    case .undecided:
      let dictionary = GrowingDictionary<T>()
      guard let node = tryDictionary(dictionary, values, count, below: plan.cost) else {
        layout = .local
        pagesUntilRetry = 32
        return plan.node()
      }
      return node
    case .dictionary(let dictionary, let number):
      let codes = Scratch(count * 4)
      dictionary.codes(values, count, codes.pointer(UInt32.self))
      if dictionary.count * (T.bitWidth / 8) > context.options.dictionaryBytesMax {
        layout = .local
        pagesUntilRetry = Int.max
      }
      let codePlan = context.numbers.plan(UnsafePointer(codes.pointer(UInt32.self)), count)
      if plan.cost < codePlan.cost { return plan.node() }
      return node(codePlan.node(), number)
    }
  }

  /// Items of a pool, which are decoded a few at a time and several times over: a dictionary only
  /// where it makes them much shorter, and from the first page on or never, for its number must be
  /// below the pool's.
  @specialized(where T == UInt8)
  @specialized(where T == UInt16)
  @specialized(where T == UInt32)
  @specialized(where T == UInt64)
  func encodePool(_ values: UnsafePointer<T>, _ count: Int) -> EncodedNode {
    if count == 0 { return EncodedNode(encoding: .constant, kind: T.kind, count: 0) }
    if case .undecided = layout {
      let width = bitWidth(T.survey(values, count).range)
      if context.options.profile == .fast && width <= 32 { layout = .local }
    }
    let node = encode(values, count)
    if case .dictionary = layout { return node }
    layout = .local
    pagesUntilRetry = Int.max
    return node
  }

  private func tryDictionary(
    _ dictionary: GrowingDictionary<T>, _ values: UnsafePointer<T>, _ count: Int,
    below limit: Double
  ) -> EncodedNode? {
    // Values of which every second one of a sample is new rarely repeat enough.
    let codes = Scratch(count * 4)
    let code = codes.pointer(UInt32.self)
    let probe = min(count, 4 * chunkCount)
    dictionary.codes(values, probe, code)
    if dictionary.count * 10 > probe * 9 { return nil }
    dictionary.codes(values + probe, count - probe, code + probe)
    dictionary.sortByFrequency(code, count)
    let distinct = dictionary.count
    let plan = context.numbers.plan(UnsafePointer(code), count)
    let valueBits = dictionary.withValues { context.numbers.plan($0, $1).cost }
    // The dictionary serves the pages to come, too; a large one is decoded out of the cache.
    let share = Double(distinct) / Double(count)
    let isLarge = distinct * (T.bitWidth / 8) > 512 << 10
    let cost =
      plan.cost + share * valueBits * 0.5
      + context.numbers.cost(bits: 0, nanoseconds: isLarge ? 1.2 : 0.5)
    guard cost < limit, context.hasRoom,
      distinct * (T.bitWidth / 8) <= context.options.dictionaryBytesMax
    else {
      return nil
    }
    let (number, writer) = context.add(.dictionary, shift: 16)
    let numbers = context.numbers
    writer.remaining = {
      dictionary.withValues { values, count in
        auxiliaryPages(count, shift: 16) { range in
          numbers.encode(values + range.lowerBound, range.count)
        }
      }
    }
    layout = .dictionary(dictionary, number: number)
    return node(plan.node(), number)
  }

  private func node(_ codes: EncodedNode, _ number: Int) -> EncodedNode {
    EncodedNode(
      encoding: .dictionary, kind: T.kind, count: codes.count, a: UInt64(number), children: [codes])
  }
}

/// The values with each null row's replaced by the valid one before it (or the first).
func fillNulls<T: BitwiseCopyable>(_ values: UnsafePointer<T>, _ isValid: ValidRows) -> Scratch {
  let count = isValid.count
  let scratch = Scratch(count * MemoryLayout<T>.size)
  let out = scratch.pointer(T.self)
  memcpy(out, values, count * MemoryLayout<T>.size)
  var row = Bitmap.endOfRun(
    isValid.validity.base, offset: isValid.offset, from: 0, count: count, false)
  if row < count { for before in 0..<row { out[before] = out[row] } }
  while row < count {
    let null = Bitmap.endOfRun(
      isValid.validity.base, offset: isValid.offset, from: row, count: count, true)
    row =
      null < count
      ? Bitmap.endOfRun(
        isValid.validity.base, offset: isValid.offset, from: null, count: count, false) : count
    for place in null..<row { out[place] = out[null - 1] }
  }
  return scratch
}

/// Floats of one width, by their bits.
final class FloatsEncoder<T: FloatBits>: ColumnEncoder {
  @specialized(where T == UInt32)
  @specialized(where T == UInt64)
  override func encodeValues(_ array: ArrayData, isValid: ValidRows?) -> EncodedNode {
    if array.length == 0 { return EncodedNode(encoding: .constant, kind: T.kind, count: 0) }
    let values = array.values(as: T.self).baseAddress!
    if T.bitWidth == 32, let group = context.scaledGroup,
      let node = ScaledFloats.node(
        array.values(as: UInt32.self).baseAddress!, array.length, group: group, isValid,
        context.numbers)
    {
      return node
    }
    guard let isValid else { return context.numbers.encodeFloats(values, array.length) }
    let filled = fillNulls(values, isValid)
    defer { withExtendedLifetime(filled) {} }
    return context.numbers.encodeFloats(UnsafePointer(filled.pointer(T.self)), array.length)
  }
}
