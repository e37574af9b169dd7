// SPDX-License-Identifier: Apache-2.0
// Safe: as ColumnEncoder.swift.

internal import WeirColumnar

/// Byte strings of a page: lengths, and the bytes one behind the other; null ones have no bytes.
struct StringRows {
  let lengths: [UInt32]
  let bytes: Buffer
  /// Which rows are not null; `nil` when all are.
  var isValid: ValidRows?

  /// A row, and where its bytes start.
  struct Place {
    var row = 0
    var byte = 0
  }

  init(lengths: [UInt32], bytes: Buffer) {
    self.lengths = lengths
    self.bytes = bytes
  }

  init(_ array: ArrayData, _ isValid: ValidRows?) {
    let ragged = RaggedRows(array, isValid)
    let data = array.buffers.count > 1 ? array.buffers[1] : Buffer()
    let parts = ragged.ranges.map { data.slice(offset: $0.lowerBound, count: $0.count) }
    if parts.count == 1 {
      bytes = parts[0]
    } else {
      let joined = MutableBuffer(capacity: parts.reduce(0) { $0 + $1.count })
      for part in parts { joined.append(part) }
      bytes = joined.finish()
    }
    lengths = ragged.lengths
    self.isValid = isValid
  }

  /// Bytes of a string.
  var mean: Double { Double(bytes.count) / Double(max(lengths.count, 1)) }
}

/// Byte strings: codes of a dictionary that the column's pages share, or what suits a page.
final class StringsEncoder: ColumnEncoder {
  private enum Layout {
    case undecided
    case local
    case dictionary(StringDictionary, number: Int)
  }

  private let local: PageStrings
  private var layout = Layout.undecided
  /// Pages until a dictionary is tried again.
  private var pagesUntilRetry = 0

  /// Pages of fewer rows are not worth a dictionary, nor do they say much about the next.
  private static let rowsMin = 64

  override init(_ context: ColumnContext) {
    local = PageStrings(context)
    super.init(context)
  }

  override func adoptValues(_ page: PageNode, _ dictionaries: [Int: AnyObject]) {
    layout = .local
    pagesUntilRetry = Int.max
    guard page.encoding == .dictionary, page.parameter == 0 else { return }
    let number = Int(truncatingIfNeeded: page.a)
    guard let dictionary = dictionaries[number] as? StringDictionary else { return }
    layout = .dictionary(dictionary, number: number)
  }

  override func encodeValues(_ array: ArrayData, isValid: ValidRows?) -> EncodedNode {
    let rows = StringRows(array, isValid)
    if rows.lengths.count < Self.rowsMin { return local.encode(rows) }
    switch layout {
    case .local:
      if pagesUntilRetry < Int.max { pagesUntilRetry -= 1 }
      if pagesUntilRetry <= 0 { layout = .undecided }
      return local.encode(rows)
    case .undecided:
      if let node = tryDictionary(rows) { return node }
      layout = .local
      pagesUntilRetry = 32
      return local.encode(rows)
    case .dictionary(let dictionary, let number):
      return encode(rows, dictionary, number)
    }
  }

  private func encode(
    _ rows: StringRows, _ dictionary: StringDictionary, _ number: Int
  ) -> EncodedNode {
    let count = rows.lengths.count
    let before = dictionary.count
    let codes = Scratch(count * 4)
    let code = codes.pointer(UInt32.self)
    var place = StringRows.Place()
    let isKnown = dictionary.codes(
      rows, from: &place, count: count, byteCountMax: context.options.dictionaryBytesMax, code)
    // Strings that rarely come again: the dictionary stays as it is.
    if !isKnown || (dictionary.count - before) * 2 > count {
      layout = .local
      pagesUntilRetry = Int.max
    }
    if !isKnown { return local.encode(rows) }
    return node(context.numbers.encode(UnsafePointer(code), count), number)
  }

  /// A dictionary with the codes of a page, which may become the column's.
  private struct Proposal {
    let dictionary: StringDictionary
    let codes: Scratch
    let plan: NumberEncoder.Plan<UInt32>
    /// What a string costs: its code, and strings that are new in the dictionary, which take half of
    /// their bytes, at a guess.
    let codeCost: Double
    let newCost: Double

    /// For the decision for a dictionary: it serves the pages to come, too.
    var cost: Double { codeCost + newCost * 0.5 }
    /// For that between two.
    var lasting: Double { codeCost + newCost / SharedDictionaries.pagesExpected }
  }

  private func tryDictionary(_ rows: StringRows) -> EncodedNode? {
    guard context.hasRoom else { return nil }
    let own = ownDictionary(rows)
    let candidate = context.shared?.best(rows)
    if own == nil && candidate == nil { return nil }
    let limit = local.cost(rows)
    if let candidate,
      let node = shareDictionary(candidate, rows, below: limit, own)
    {
      return node
    }
    guard let own, own.cost < limit else { return nil }
    let (number, writer) = context.add(.dictionary, shift: 16)
    let (context, dictionary) = (context, own.dictionary)
    writer.remaining = {
      let strings = PageStrings(context)
      return auxiliaryPages(dictionary.count, shift: 16) { strings.encode(dictionary.strings($0)) }
    }
    if dictionary.byteCount >= SharedDictionaries.byteCountMin {
      context.shared?.add(dictionary, writer)
    }
    layout = .dictionary(dictionary, number: number)
    return node(own.plan.node(), number)
  }

  private func ownDictionary(_ rows: StringRows) -> Proposal? {
    let count = rows.lengths.count
    let dictionary = StringDictionary()
    let codes = Scratch(count * 4)
    let code = codes.pointer(UInt32.self)
    let byteCountMax = context.options.dictionaryBytesMax
    // Strings of which nearly every one of a sample is new do not repeat enough.
    let probe = min(count, chunkCount)
    var place = StringRows.Place()
    guard
      dictionary.codes(rows, from: &place, count: probe, byteCountMax: byteCountMax, code),
      dictionary.count * 10 <= probe * 9,
      dictionary.codes(rows, from: &place, count: count - probe, byteCountMax: byteCountMax, code),
      dictionary.count > 0, dictionary.count * 2 < count
    else { return nil }
    dictionary.sortByFrequency(code, count)
    let plan = context.numbers.plan(UnsafePointer(code), count)
    return Proposal(
      dictionary: dictionary, codes: codes, plan: plan,
      codeCost: plan.cost + context.numbers.cost(bits: 0, nanoseconds: 3),
      newCost: Double(dictionary.byteCount) / Double(count) * 8 * 0.5)
  }

  /// The page with a dictionary of another column, where that is better than without and with one of
  /// its own.
  private func shareDictionary(
    _ entry: SharedDictionaries.Entry<StringDictionary>, _ rows: StringRows, below limit: Double,
    _ own: Proposal?
  ) -> EncodedNode? {
    let (count, dictionary) = (rows.lengths.count, entry.dictionary)
    let byteCountMax = context.options.dictionaryBytesMax
    if let own, own.dictionary.count * SharedDictionaries.ratioMax < dictionary.count { return nil }
    let codes = Scratch(count * 4)
    let code = codes.pointer(UInt32.self)
    guard dictionary.byteCount < byteCountMax,
      let unknown = dictionary.find(rows, count: count, code), unknown * 2 <= count
    else { return nil }
    let plan = context.numbers.plan(UnsafePointer(code), count)
    let proposal = Proposal(
      dictionary: dictionary, codes: codes, plan: plan,
      codeCost: plan.cost + context.numbers.cost(bits: 0, nanoseconds: 3),
      newCost: Double(unknown) / Double(count) * rows.mean * 8 * 0.5)
    guard proposal.cost < limit, proposal.lasting <= own?.lasting ?? .infinity else { return nil }
    var place = StringRows.Place()
    guard
      dictionary.codes(rows, from: &place, count: count, byteCountMax: byteCountMax, code)
    else { return nil }
    context.shared?.use(dictionary)
    let number = context.join(entry.writer)
    layout = .dictionary(dictionary, number: number)
    return node(context.numbers.encode(UnsafePointer(code), count), number)
  }

  private func node(_ codes: EncodedNode, _ number: Int) -> EncodedNode {
    EncodedNode(
      encoding: .dictionary, kind: .bytes, count: codes.count, a: UInt64(number), children: [codes])
  }
}
