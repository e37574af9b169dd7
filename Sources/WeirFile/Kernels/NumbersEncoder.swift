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

  override func adoptValues(_ page: PageNode, _ dictionaries: [Int: AnyObject]) {
    layout = .local
    pagesUntilRetry = Int.max
    guard page.encoding == .dictionary, page.parameter == 0 else { return }
    let number = Int(truncatingIfNeeded: page.a)
    guard let dictionary = dictionaries[number] as? GrowingDictionary<T> else { return }
    layout = .dictionary(dictionary, number: number)
  }

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
      guard let node = chooseDictionary(values, count, below: plan.cost) else {
        layout = .local
        pagesUntilRetry = 32
        return plan.node()
      }
      return node
    case .dictionary(let dictionary, let number):
      let codes = Scratch(count * 4)
      if isFull(dictionary) {
        // Another column filled it; this one may go on with what is there.
        if dictionary.find(values, count, codes.pointer(UInt32.self)) > 0 {
          layout = .local
          pagesUntilRetry = Int.max
          return plan.node()
        }
      } else {
        dictionary.codes(values, count, codes.pointer(UInt32.self))
        if isFull(dictionary) && !context.auxiliary[number].isShared {
          layout = .local
          pagesUntilRetry = Int.max
        }
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

  private func isFull(_ dictionary: GrowingDictionary<T>) -> Bool {
    dictionary.count * (T.bitWidth / 8) > context.options.dictionaryBytesMax
  }

  /// A dictionary with the codes of a page, which may become the column's.
  private struct Proposal {
    let dictionary: GrowingDictionary<T>
    let codes: Scratch
    let plan: NumberEncoder.Plan<UInt32>
    /// What a value costs: codes and their decoding, and values that are new in the dictionary.
    let codeCost: Double
    let newCost: Double

    /// For the decision for a dictionary: it serves the pages to come, too.
    var cost: Double { codeCost + newCost * 0.5 }
    /// For that between two.
    var lasting: Double { codeCost + newCost / SharedDictionaries.pagesExpected }
  }

  /// The page with a dictionary of the column's own, or one that another column has.
  private func chooseDictionary(
    _ values: UnsafePointer<T>, _ count: Int, below limit: Double
  ) -> EncodedNode? {
    guard context.hasRoom else { return nil }
    let own = ownDictionary(values, count, below: limit)
    if let entry = context.shared?.best(values, count),
      let shared = sharedDictionary(entry.dictionary, values, count, below: limit, own)
    {
      context.shared?.use(entry.dictionary)
      let number = context.join(entry.writer)
      layout = .dictionary(entry.dictionary, number: number)
      let code = shared.codes.pointer(UInt32.self)
      entry.dictionary.codes(values, count, code)
      return node(context.numbers.encode(UnsafePointer(code), count), number)
    }
    guard let own else { return nil }
    let (number, writer) = context.add(.dictionary, shift: 16)
    let (numbers, dictionary) = (context.numbers, own.dictionary)
    writer.remaining = {
      dictionary.withValues { values, count in
        auxiliaryPages(count, shift: 16) { range in
          numbers.encode(values + range.lowerBound, range.count)
        }
      }
    }
    if dictionary.count * (T.bitWidth / 8) >= SharedDictionaries.byteCountMin {
      context.shared?.add(dictionary, writer)
    }
    layout = .dictionary(dictionary, number: number)
    return node(own.plan.node(), number)
  }

  /// What a code costs whose dictionary has so many values: a large one is decoded out of the cache.
  private func codeCost(_ plan: NumberEncoder.Plan<UInt32>, _ distinct: Int) -> Double {
    let isLarge = distinct * (T.bitWidth / 8) > 512 << 10
    return plan.cost + context.numbers.cost(bits: 0, nanoseconds: isLarge ? 1.2 : 0.5)
  }

  private func ownDictionary(
    _ values: UnsafePointer<T>, _ count: Int, below limit: Double
  ) -> Proposal? {
    // Values of which every second one of a sample is new rarely repeat enough.
    let dictionary = GrowingDictionary<T>()
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
    let result = Proposal(
      dictionary: dictionary, codes: codes, plan: plan, codeCost: codeCost(plan, distinct),
      newCost: Double(distinct) / Double(count) * valueBits)
    guard result.cost < limit, distinct * (T.bitWidth / 8) <= context.options.dictionaryBytesMax
    else { return nil }
    return result
  }

  /// The page with a dictionary of another column, where that is better than without and with one of
  /// its own. Nothing is added to it.
  private func sharedDictionary(
    _ dictionary: GrowingDictionary<T>, _ values: UnsafePointer<T>, _ count: Int,
    below limit: Double, _ own: Proposal?
  ) -> Proposal? {
    if isFull(dictionary) { return nil }
    if let own, own.dictionary.count * SharedDictionaries.ratioMax < dictionary.count { return nil }
    let codes = Scratch(count * 4)
    let code = codes.pointer(UInt32.self)
    let unknown = dictionary.find(values, count, code)
    let plan = context.numbers.plan(UnsafePointer(code), count)
    let result = Proposal(
      dictionary: dictionary, codes: codes, plan: plan,
      codeCost: codeCost(plan, dictionary.count + unknown),
      newCost: Double(unknown) / Double(count) * limit)
    guard result.cost < limit, result.lasting <= own?.lasting ?? .infinity else { return nil }
    return result
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
