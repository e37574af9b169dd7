// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// A dictionary or pool of columns that rows are erased from.
///
/// Its values keep their places, so that pages which refer to it need no change. Pages in which a value
/// has gone that nothing uses any more are written again, the others are copied.
final class ErasedArray {
  let array: AuxiliaryArray
  let record: ColumnDescriptor.Auxiliary
  let used: UsedValues
  let writer: AuxiliaryWriter
  /// What stays of a dictionary, for pages that are written again; `nil` for a pool.
  private(set) var dictionary: AnyObject?
  /// Makes the values of a range of places of the dictionary.
  private var encode: (Range<Int>) -> EncodedNode = { _ in preconditionFailure("a dictionary") }
  private var count: () -> Int
  /// Pages of the dictionary that lost a value.
  private var changed: Set<Int> = []
  private let numbers: NumberEncoder
  private let context: ColumnContext

  /// Bytes of values that are decoded at once; more than this writer's dictionaries take.
  private static let decodedByteCountMax = 64 << 20

  /// `nil` for an array that is not followed value by value: one of another role or kind than this
  /// writer makes, or very large.
  init?(
    _ array: AuxiliaryArray, _ record: ColumnDescriptor.Auxiliary, _ options: WeirFileWriteOptions
  ) throws(WeirFileError) {
    guard array.count <= UsedValues.countMax, array.role == .dictionary || array.role == .pool
    else { return nil }
    if array.count > 0 {
      // Dictionaries are decoded as a whole, pools page by page.
      let atOnce = array.role == .pool ? min(array.count, 1 << array.shift) : array.count
      let page = try array.page(0)
      switch (page.kind, array.role) {
      case (.four, _), (.eight, _):
        guard atOnce * page.valueWidth <= Self.decodedByteCountMax else { return nil }
      case (.bytes, .dictionary):
        guard atOnce * 8 <= Self.decodedByteCountMax else { return nil }
      default: return nil
      }
    }
    self.array = array
    self.record = record
    used = UsedValues(count: array.count)
    writer = AuxiliaryWriter(array.role, shift: array.shift)
    count = { array.count }
    numbers = NumberEncoder(profile: options.profile)
    context = ColumnContext(options, hasAuxiliary: false)
  }

  /// Marks what the used values of a pool refer to themselves. False for pages that are not followed.
  func mark(_ marker: ReferenceMarker) throws(WeirFileError) -> Bool {
    if array.count == 0 { return true }
    let kind = try array.page(0).kind
    for index in 0..<array.pageCount {
      let page = try array.page(index)
      let isPlain = !page.hasReferences
      let isDictionary =
        page.encoding == .dictionary && page.parameter == 0 && !page.children[0].hasReferences
      guard isPlain || isDictionary && array.role == .pool else { return false }
      guard page.kind == kind else { throw .damaged("pages of several kinds") }
      guard try marker.mark(page, used.ranges(range(index)), array.decoder) else { return false }
    }
    return true
  }

  private func range(_ page: Int) -> Range<Int> {
    page << array.shift..<min(array.count, (page + 1) << array.shift)
  }

  /// Takes the values out that nothing uses; all of them were marked.
  func scrub() throws(WeirFileError) {
    guard array.role == .dictionary, array.count > 0 else { return }
    switch try array.page(0).kind {
    case .four: try scrub(UInt32.self)
    case .eight: try scrub(UInt64.self)
    default:
      let (strings, changed) = try ScrubbedValues.strings(array, used)
      let context = context
      dictionary = strings
      self.changed = changed
      count = { strings.count }
      encode = { PageStrings(context).encode(strings.strings($0)) }
    }
  }

  private func scrub<T: PageNumber>(_ type: T.Type) throws(WeirFileError) {
    let (values, changed) = try ScrubbedValues.numbers(type, array, used)
    let numbers = numbers
    dictionary = values
    self.changed = changed
    count = { values.count }
    encode = { range in
      values.withValues { known, _ in numbers.encode(known + range.lowerBound, range.count) }
    }
  }

  /// Writes all pages. Returns how many were made anew.
  ///
  /// - Parameter bytes: the page of that number in the former file, its checksum compared.
  func write(
    _ sink: PageSink, _ bytes: (Int) throws(WeirFileError) -> Buffer
  ) throws(WeirFileError) -> Int {
    var rewritten = 0
    let total = count()
    for index in 0..<(total + 1 << array.shift - 1) >> array.shift {
      let first = index << array.shift
      let part = first..<min(total, first + 1 << array.shift)
      let isWhole = first < array.count && part.count == range(index).count
      if isWhole, let node = try changedPool(index) {
        try writer.append(node, sink)
        rewritten += 1
      } else if isWhole && !changed.contains(index) {
        try writer.copy(try bytes(index), count: part.count, sink)
      } else {
        try writer.append(encode(part), sink)
        rewritten += 1
      }
    }
    return rewritten
  }

  /// A page of a pool without the items that no list has any more; `nil` when it stays as it is.
  private func changedPool(_ index: Int) throws(WeirFileError) -> EncodedNode? {
    guard array.role == .pool else { return nil }
    let (page, range) = (try array.page(index), range(index))
    let live = used.ranges(range)
    if live == [0..<range.count] { return nil }
    if page.kind == .four {
      return try ScrubbedValues.pool(UInt32.self, page, used: live, array.decoder, numbers)
    }
    return try ScrubbedValues.pool(UInt64.self, page, used: live, array.decoder, numbers)
  }
}
