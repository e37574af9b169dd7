// SPDX-License-Identifier: Apache-2.0
// Safe: pointers cover the range of a `LeafValues` that the caller holds, during the call only.

internal import CWeirKernels
internal import WeirColumnar

/// Writes ranges of a leaf's values in an encoding.
enum ValueEncoder {
  /// Whether values of `type` may have `encoding`.
  static func supports(_ encoding: Encoding, _ type: PhysicalType) -> Bool {
    switch encoding {
    case .plain: true
    case .rleDictionary, .plainDictionary: type != .boolean
    case .rle: type == .boolean
    case .deltaBinaryPacked: type == .int32 || type == .int64
    case .deltaLengthByteArray: type == .byteArray
    case .deltaByteArray: type == .byteArray || type == .fixedLenByteArray
    case .byteStreamSplit: type != .boolean && type != .byteArray
    default: false
    }
  }

  /// Appends `range` of `values` in an encoding without a dictionary.
  static func encode(
    _ values: LeafValues, _ range: Range<Int>, _ encoding: Encoding, into out: MutableBuffer
  ) {
    switch encoding {
    case .plain: plain(values, range, into: out)
    case .rle: booleans(values, range, into: out)
    case .deltaBinaryPacked:
      if values.stride == 4 {
        EncodeDelta.encode(
          values.at(range.lowerBound, as: Int32.self), count: range.count, into: out)
      } else {
        EncodeDelta.encode(
          values.at(range.lowerBound, as: Int64.self), count: range.count, into: out)
      }
    case .deltaLengthByteArray:
      EncodeBytes.deltaLength(
        values.at(range.lowerBound, as: ByteView.self), count: range.count, into: out)
    case .deltaByteArray: deltaBytes(values, range, into: out)
    case .byteStreamSplit:
      let width = values.stride
      let target = out.reserveTail(range.count * width)
      weir_byte_stream_split(
        (values.base + range.lowerBound * width).assumingMemoryBound(to: UInt8.self), CInt(width),
        target.assumingMemoryBound(to: UInt8.self), range.count)
      out.advance(by: range.count * width)
    default: preconditionFailure("\(encoding) is chosen for no column")
    }
  }

  static func plain(_ values: LeafValues, _ range: Range<Int>, into out: MutableBuffer) {
    switch values.form {
    case .bits:
      let byteCount = (range.count + 7) >> 3
      let target = out.reserveTail(byteCount)
      weir_pack_bools(
        values.at(range.lowerBound, as: UInt8.self), target.assumingMemoryBound(to: UInt8.self),
        range.count)
      out.advance(by: byteCount)
    case .fixed(let width), .fixedBytes(let width):
      out.append(
        UnsafeRawBufferPointer(
          start: values.base + range.lowerBound * width, count: range.count * width))
    case .views:
      EncodeBytes.plain(
        values.at(range.lowerBound, as: ByteView.self), count: range.count, into: out)
    }
  }

  /// The hybrid encoding behind its length.
  private static func booleans(
    _ values: LeafValues, _ range: Range<Int>, into out: MutableBuffer
  ) {
    let start = out.count
    out.append(UInt32(0))
    EncodeHybrid.levels(
      values.at(range.lowerBound, as: UInt8.self), count: range.count, width: 1, into: out)
    let length = UInt32(out.count - start - 4)
    out.base.storeBytes(of: length.littleEndian, toByteOffset: start, as: UInt32.self)
  }

  private static func deltaBytes(
    _ values: LeafValues, _ range: Range<Int>, into out: MutableBuffer
  ) {
    if case .views = values.form {
      EncodeBytes.deltaBytes(
        values.at(range.lowerBound, as: ByteView.self), count: range.count, into: out)
    } else {
      let views = MutableBuffer()
      EncodeGather.views(
        values.base + range.lowerBound * values.stride, width: values.stride, count: range.count,
        into: views)
      EncodeBytes.deltaBytes(
        views.base.assumingMemoryBound(to: ByteView.self), count: range.count, into: out)
    }
  }
}
