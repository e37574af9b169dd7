// SPDX-License-Identifier: Apache-2.0
// Safe: reads items of lists within the child array; scratch memory is as large as what is written.

internal import WeirColumnar

/// Lists of numbers as windows on a pool of items, as long as that pays.
final class WindowEncoder {
  private let context: ColumnContext
  private var pool: any PoolBuilder
  /// Rows of the pages that wait, and which of them are null.
  private var waiting: [(count: Int, validity: EncodedNode?)] = []
  private var isFirst = true

  /// Lists shorter than this are not worth a start and a length.
  private static let meanLengthMin = 8

  /// `nil` for items that are no numbers of 4 or 8 bytes.
  init?(_ context: ColumnContext, _ item: DataType) {
    if item.layout == .dictionary(indexWidth: 4) { return nil }
    switch PageKind(item) {
    case .four: pool = ItemPool<UInt32, UInt32>(context)
    case .eight: pool = ItemPool<UInt64, UInt32>(context)
    default: return nil
    }
    self.context = context
  }

  /// Adds a page of lists. Returns the pages that are ready, or `nil` when these lists had better
  /// be written as they are; nothing was added then.
  func add(_ array: ArrayData) -> [EncodedNode]? {
    guard array.dictionary == nil, array.children.count == 1,
      array.children[0].dictionary == nil, array.length > 0
    else { return nil }
    let rows = array.validity.map {
      ValidRows(validity: $0, offset: array.offset, count: array.length)
    }
    let ragged = RaggedRows(array, array.nullCount > 0 ? rows : nil)
    let items = ragged.items(array.children[0])
    // Windows say where they start in 32 bits.
    guard pool.poolCountMax + items.length < Int(UInt32.max) else { return nil }
    guard items.nullCount == 0,
      !isFirst || context.hasRoom && isWorthTrying(ragged.lengths)
    else { return nil }
    if !pool.add(items, ragged.lengths) {
      // Ids that are hashes take all of their bits.
      guard isFirst, PageKind(items.type) == .eight else { return nil }
      pool = ItemPool<UInt64, UInt64>(context)
      guard pool.add(items, ragged.lengths) else { return nil }
    }
    var validity: EncodedNode?
    if array.nullCount > 0, let bits = array.validity {
      validity = BitsEncoder.encode(bits.base, offset: array.offset, count: array.length)
    }
    waiting.append((array.length, validity))
    if isFirst {
      isFirst = false
      // A page holds few of the rows that a window spans: lists that repeat at all are found later.
      if pool.sharedShare < 0.03 { return giveUp() }
    }
    return pool.byteCount >= context.options.windowBytesMax ? close() : []
  }

  /// What the lists of the window take that is open.
  var byteCount: Int { pool.byteCount }

  private func isWorthTrying(_ lengths: [UInt32]) -> Bool {
    let total = lengths.reduce(0) { $0 + Int($1) }
    return total >= lengths.count * Self.meanLengthMin
  }

  /// The first page showed nothing to share: its rows go back to the caller.
  private func giveUp() -> [EncodedNode]? {
    waiting = []
    return nil
  }

  /// The pages that wait; the pool goes on behind what is in it.
  private func close() -> [EncodedNode] {
    if waiting.isEmpty { return [] }
    let pages = pool.close(waiting.map(\.count))
    let result = zip(pages, waiting).map { page, rows -> EncodedNode in
      guard let validity = rows.validity else { return page }
      return EncodedNode(
        encoding: .nullable, kind: .lists, count: page.count, children: [validity, page])
    }
    waiting = []
    return result
  }

  /// What is left, at the end of the column.
  func finish() -> [EncodedNode] {
    let pages = close()
    pool.finish()
    return pages
  }
}

/// Items of lists, shared between them, on their way to an auxiliary array.
private protocol PoolBuilder: AnyObject {
  var byteCount: Int { get }
  /// Items in the pool, at most.
  var poolCountMax: Int { get }
  /// Share of the items so far that other lists had already.
  var sharedShare: Double { get }
  /// False, with nothing added, when the items do not fit the form that they are kept in.
  func add(_ items: ArrayData, _ lengths: [UInt32]) -> Bool
  /// Pages of the rows since the last call.
  func close(_ rowCounts: [Int]) -> [EncodedNode]
  /// The last page of the pool may be written.
  func finish()
}

/// - `Item`: the number that lists hold; `Stored`: how it is kept meanwhile.
private final class ItemPool<Item: PageNumber, Stored: PageNumber>: PoolBuilder {
  private let context: ColumnContext
  private let encoder: NumbersEncoder<Item>
  private var builder = WindowBuilder<Stored>()
  private var array: (number: Int, writer: AuxiliaryWriter)?
  /// Items that do not make a page of the pool yet, and how many came before them.
  private var tail: [Item] = []
  private var writtenCount = 0

  /// Items of a page of the pool, as a power of two.
  private static var shift: Int { 16 }

  init(_ context: ColumnContext) {
    self.context = context
    encoder = NumbersEncoder<Item>(context)
  }

  var byteCount: Int { builder.byteCount }
  var poolCountMax: Int { writtenCount + tail.count + builder.itemCount }

  var sharedShare: Double {
    builder.itemCount == 0 ? 0 : 1 - Double(builder.poolCount) / Double(builder.itemCount)
  }

  @specialized(where Item == UInt32, Stored == UInt32)
  @specialized(where Item == UInt64, Stored == UInt32)
  @specialized(where Item == UInt64, Stored == UInt64)
  func add(_ items: ArrayData, _ lengths: [UInt32]) -> Bool {
    let count = items.length
    let kept = Scratch(count * MemoryLayout<Stored>.size)
    let stored = kept.pointer(Stored.self)
    if count > 0 {
      let values = items.values(as: Item.self).baseAddress!
      let most = UInt64(Stored.max)
      var all: UInt64 = 0
      for index in 0..<count {
        all |= UInt64(values[index])
        stored[index] = Stored(truncatingIfNeeded: values[index])
      }
      guard all <= most else { return false }
    }
    var next = 0
    for length in lengths {
      builder.add(stored + next, Int(length))
      next += Int(length)
    }
    return true
  }

  @specialized(where Item == UInt32, Stored == UInt32)
  @specialized(where Item == UInt64, Stored == UInt32)
  @specialized(where Item == UInt64, Stored == UInt64)
  func close(_ rowCounts: [Int]) -> [EncodedNode] {
    let base = writtenCount + tail.count
    let starts = builder.starts(base: base)
    let lengths = builder.lengths
    // Page by page: all items at once would take the memory a second time.
    var pages: [EncodedNode] = []
    tail.reserveCapacity(1 << Self.shift)
    builder.forChains { items, count in
      var done = 0
      while done < count {
        let end = min(count, done + 1 << Self.shift - tail.count)
        for index in done..<end { tail.append(Item(truncatingIfNeeded: items[index])) }
        done = end
        if tail.count == 1 << Self.shift { pages += encode(tail.count) }
      }
    }
    builder = WindowBuilder<Stored>()
    // The pool's number comes behind that of the dictionary that its pages may use: whether there
    // is one is decided now, if need be by a page that is not full.
    if array == nil && pages.isEmpty { decide() }
    let (number, writer) = array ?? context.add(.pool, shift: Self.shift)
    array = (number, writer)
    writer.ready += pages
    var result: [EncodedNode] = []
    var row = 0
    for count in rowCounts {
      result.append(
        EncodedNode(
          encoding: .window, kind: .lists, count: count, a: UInt64(number),
          children: [encode(starts[row..<row + count]), encode(lengths[row..<row + count])]))
      row += count
    }
    return result
  }

  private func decide() {
    tail.withUnsafeBufferPointer { items in
      if let start = items.baseAddress { _ = encoder.encodePool(start, items.count) }
    }
  }

  private func encode(_ numbers: ArraySlice<UInt32>) -> EncodedNode {
    numbers.withUnsafeBufferPointer {
      context.numbers.encode($0.baseAddress!, $0.count)
    }
  }

  /// Pages of the first `count` items of the tail, which leave it.
  private func encode(_ count: Int) -> [EncodedNode] {
    let pages = tail.withUnsafeBufferPointer { items in
      auxiliaryPages(count, shift: Self.shift) { range in
        encoder.encodePool(items.baseAddress! + range.lowerBound, range.count)
      }
    }
    if count == tail.count {
      tail.removeAll(keepingCapacity: true)
    } else {
      tail.removeFirst(count)
    }
    writtenCount += count
    return pages
  }

  func finish() {
    guard let array else { return }
    array.writer.ready += encode(tail.count)
  }
}
