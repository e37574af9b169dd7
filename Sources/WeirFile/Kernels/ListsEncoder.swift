// SPDX-License-Identifier: Apache-2.0
// Safe: as ColumnEncoder.swift.

internal import WeirColumnar

/// Lists and maps: lengths, and the items one behind the other; or windows on a pool, where they
/// repeat.
final class ListsEncoder: ColumnEncoder {
  private let items: ColumnEncoder
  private var windows: WindowEncoder?

  init(_ context: ColumnContext, _ item: DataType) {
    items = ColumnEncoder.make(item, context)
    super.init(context)
    if context.options.windowBytesMax > 0 { windows = WindowEncoder(context, item) }
  }

  override func adoptValues(_ page: PageNode, _ dictionaries: [Int: AnyObject]) {
    if page.encoding == .list { items.adopt(page.children[1], dictionaries) }
  }

  override func encodeValues(_ array: ArrayData, isValid: ValidRows?) -> EncodedNode {
    let ragged = RaggedRows(array, isValid)
    let node = items.encode(ragged.items(array.children[0]))
    return ragged.node(.list, .lists, items: node, context.numbers)
  }

  /// Pages of a column of lists: windows wait until the lists that they share are all there.
  override func encodePages(_ array: ArrayData) -> [EncodedNode] {
    guard let windows else { return [encode(array)] }
    if let pages = windows.add(array) { return pages }
    self.windows = nil
    return windows.finish() + [encode(array)]
  }

  override var heldByteCount: Int { windows?.byteCount ?? 0 }

  override func remainingPages() -> [EncodedNode] { windows?.finish() ?? [] }
}

/// Lengths of ragged rows, and where what they hold lies in the array's child or bytes.
struct RaggedRows {
  let lengths: [UInt32]
  /// Ranges of the child that hold the items of all rows, in order: one, unless null rows have
  /// items.
  let ranges: [Range<Int>]

  init(lengths: [UInt32]) {
    self.lengths = lengths
    ranges = []
  }

  init(_ array: ArrayData, _ isValid: ValidRows?) {
    if array.length == 0 {
      lengths = []
      ranges = []
      return
    }
    let is32: Bool
    switch array.type.layout {
    case .list(let width), .variableBinary(let width): is32 = width == 4
    default: preconditionFailure("only lists and byte strings are ragged")
    }
    var made = [UInt32](repeating: 0, count: array.length)
    var parts: [Range<Int>] = []
    func fill<O: FixedWidthInteger & BitwiseCopyable>(_ offsets: UnsafeBufferPointer<O>) {
      guard let isValid else {
        for row in 0..<array.length {
          made[row] = UInt32(truncatingIfNeeded: offsets[row + 1] - offsets[row])
        }
        parts = [Int(offsets[0])..<Int(offsets[array.length])]
        return
      }
      for row in 0..<array.length where isValid.contains(row) {
        let (start, end) = (Int(offsets[row]), Int(offsets[row + 1]))
        made[row] = UInt32(truncatingIfNeeded: end - start)
        if let last = parts.last, last.upperBound == start {
          parts[parts.count - 1] = last.lowerBound..<end
        } else if end > start {
          parts.append(start..<end)
        }
      }
    }
    if is32 { fill(array.offsets(as: Int32.self)) } else { fill(array.offsets(as: Int64.self)) }
    lengths = made
    ranges = parts
  }

  /// The items of all rows as one array.
  func items(_ child: ArrayData) -> ArrayData {
    let parts = ranges.map { child.slice(offset: $0.lowerBound, length: $0.count) }
    if parts.count == 1 { return parts[0] }
    if parts.isEmpty { return child.slice(offset: 0, length: 0) }
    guard let joined = try? ArrayData.concatenate(parts) else {
      preconditionFailure("parts of one array fit together")
    }
    return joined
  }

  /// The node over its items' one.
  func node(
    _ encoding: PageEncoding, _ kind: PageKind, items: EncodedNode, _ numbers: NumberEncoder
  ) -> EncodedNode {
    let lengthNode = numbers.encode(lengths, lengths.count)
    var starts = Buffer()
    if lengthNode.encoding != .constant {
      let out = MutableBuffer(capacity: lengths.count / 64 + 8)
      var total = 0
      for (row, length) in lengths.enumerated() {
        if row & 255 == 0 { out.put(UInt32(truncatingIfNeeded: total)) }
        total += Int(length)
      }
      if total <= Int(UInt32.max) { starts = out.finish() }
    }
    return EncodedNode(
      encoding: encoding, kind: kind, count: lengths.count, buffers: [starts],
      children: [lengthNode, items])
  }
}
