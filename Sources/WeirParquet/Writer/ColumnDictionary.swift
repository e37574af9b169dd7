// SPDX-License-Identifier: Apache-2.0
// Safe: pointers lead into buffers that this struct or the values passed in own, within their counts.

internal import WeirColumnar

/// The dictionary of a column chunk, and the index of every value in it.
struct ColumnDictionary {
  /// The distinct values in order of appearance.
  let entries: LeafValues
  private let indexBuffer: MutableBuffer
  /// Bits of the largest index.
  let width: Int

  var indices: UnsafePointer<UInt32> {
    UnsafePointer(indexBuffer.base.assumingMemoryBound(to: UInt32.self))
  }

  /// Bytes of the dictionary page before compression.
  var byteCount: Int {
    if case .views = entries.form {
      return EncodeBytes.totalBytes(entries.at(0, as: ByteView.self), count: entries.count)
        + 4 * entries.count
    }
    return entries.count * entries.stride
  }

  /// `nil` when the limits say that it does not pay.
  init?(_ values: LeafValues, order: BoundsOrder, limits: DictionaryLimits) {
    let buffer = MutableBuffer(capacity: values.count * 4 + 64)
    let indices = buffer.base.assumingMemoryBound(to: UInt32.self)
    let entryBuffer = MutableBuffer()
    switch values.form {
    case .bits: return nil
    case .fixed(width: 4):
      var dictionary = IntegerDictionary<UInt32>()
      guard
        dictionary.fill(
          values.at(0, as: UInt32.self), count: values.count, indices: indices, limits: limits,
          direct: Self.direct32(values, order))
      else { return nil }
      entryBuffer.append(contentsOf: dictionary.entries)
      entries = LeafValues(values.form, entryBuffer)
    case .fixed:
      var dictionary = IntegerDictionary<UInt64>()
      guard
        dictionary.fill(
          values.at(0, as: UInt64.self), count: values.count, indices: indices, limits: limits,
          direct: Self.direct64(values, order))
      else { return nil }
      entryBuffer.append(contentsOf: dictionary.entries)
      entries = LeafValues(values.form, entryBuffer)
    case .fixedBytes(let width):
      let views = MutableBuffer()
      EncodeGather.views(values.base, width: width, count: values.count, into: views)
      var dictionary = BytesDictionary()
      guard
        dictionary.fill(
          UnsafePointer(views.base.assumingMemoryBound(to: ByteView.self)), count: values.count,
          indices: indices, prefixBytes: 0, limits: limits)
      else { return nil }
      dictionary.entries.withUnsafeBufferPointer {
        if let first = $0.baseAddress {
          EncodeBytes.joined(first, count: $0.count, into: entryBuffer)
        }
      }
      entries = LeafValues(values.form, entryBuffer)
    case .views:
      var dictionary = BytesDictionary()
      guard
        dictionary.fill(
          values.at(0, as: ByteView.self), count: values.count, indices: indices, prefixBytes: 4,
          limits: limits)
      else { return nil }
      dictionary.entries.withUnsafeBytes { entryBuffer.append($0) }
      entries = LeafValues(.views, entryBuffer)
    }
    buffer.advance(by: values.count * 4)
    indexBuffer = buffer
    width = entries.count <= 1 ? 0 : EncodePack.width(UInt64(entries.count - 1))
  }

  /// Smallest value and span of integers whose range is small enough for a table by value.
  private static func direct32(_ values: LeafValues, _ order: BoundsOrder) -> (UInt32, Int)? {
    guard order == .int32 || order == .uint32,
      let (least, most) = EncodeBounds.int32(values.at(0, as: Int32.self), values.count)
    else { return nil }
    let span = Int(most) - Int(least)
    return span <= spanMax(values.count) ? (UInt32(bitPattern: least), span) : nil
  }

  private static func direct64(_ values: LeafValues, _ order: BoundsOrder) -> (UInt64, Int)? {
    guard order == .int64 || order == .uint64,
      let (least, most) = EncodeBounds.int64(values.at(0, as: Int64.self), values.count)
    else { return nil }
    let (span, overflow) = most.subtractingReportingOverflow(least)
    return !overflow && span <= spanMax(values.count)
      ? (UInt64(bitPattern: least), Int(span)) : nil
  }

  /// Clearing the table must cost less than hashing the values would.
  private static func spanMax(_ count: Int) -> Int { min(max(count * 4, 4_096), 1 << 21) }
}
