// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar

/// The values of a dictionary page, in Arrow's layout.
struct DictionaryValues {
  let layout: SinkLayout
  let count: Int
  /// Fixed width: the values. Byte arrays: the bytes, with 16 bytes of slack behind them.
  let data: Buffer
  /// Byte arrays: `count + 1` offsets of 4 bytes.
  let offsets: Buffer
}

/// Indices into a dictionary: a byte with their bit width, then RLE / bit-packed runs.
///
/// Safe: every index is checked against the dictionary's size before it is used.
final class DictionaryDecoder: ValueDecoder {
  private let dictionary: DictionaryValues
  private var hybrid: HybridDecoder
  private let scratch: MutableBuffer

  /// Indices decoded at a time; they stay in the first-level cache.
  private static let step = 2048

  init(_ bytes: Buffer, dictionary: DictionaryValues) throws(ParquetError) {
    var cursor = ByteCursor(bytes)
    // A page without values may have no width.
    let width = cursor.left == 0 ? 0 : Int(try cursor.take(1, "the indices' bit width").pointee)
    guard width <= 32 else {
      throw ParquetError(.damaged, "dictionary indices of \(width) bits are impossible")
    }
    hybrid = HybridDecoder(cursor.rest(), bitWidth: width)
    self.dictionary = dictionary
    scratch = MutableBuffer(capacity: Self.step * 4)
  }

  @inline(never)
  private func outOfRange(_ index: UInt32) -> ParquetError {
    ParquetError(
      .damaged, "dictionary index \(index), but the dictionary has \(dictionary.count) values")
  }

  func decode(_ count: Int, into sink: LeafSink) throws(ParquetError) {
    switch dictionary.layout {
    case .bool: try decodeFixed(count, width: 1, into: sink)
    case .fixed(let width): try decodeFixed(count, width: width, into: sink)
    case .binary: try decodeBinary(count, into: sink)
    }
  }

  /// The next indices, checked, at most `step` of them.
  private func indices(_ count: Int) throws(ParquetError) -> UnsafePointer<UInt32> {
    let out = scratch.base.assumingMemoryBound(to: UInt32.self)
    try hybrid.decode(out, count: count)
    let largest = weir_max_u32(out, count)
    guard largest < UInt32(truncatingIfNeeded: dictionary.count) else { throw outOfRange(largest) }
    return UnsafePointer(out)
  }

  private func decodeFixed(_ count: Int, width: Int, into sink: LeafSink) throws(ParquetError) {
    let target = try sink.reserveFixed(count, width: width)
    let values = dictionary.data.base
    var done = 0
    while done < count {
      if let run = try hybrid.uniformRun(countMax: count - done) {
        guard run.value < UInt32(truncatingIfNeeded: dictionary.count) else {
          throw outOfRange(run.value)
        }
        fill(target + done * width, with: values + Int(run.value) * width, width, run.count)
        done += run.count
        continue
      }
      let step = min(Self.step, count - done)
      let indices = try indices(step)
      gather(values, indices, target + done * width, width, step)
      done += step
    }
    sink.commitFixed(count * width)
  }

  private func gather(
    _ values: UnsafeRawPointer, _ indices: UnsafePointer<UInt32>, _ out: UnsafeMutableRawPointer,
    _ width: Int, _ count: Int
  ) {
    switch width {
    case 4:
      weir_gather_32(
        values.assumingMemoryBound(to: UInt32.self), indices,
        out.assumingMemoryBound(to: UInt32.self), count)
    case 8:
      weir_gather_64(
        values.assumingMemoryBound(to: UInt64.self), indices,
        out.assumingMemoryBound(to: UInt64.self), count)
    default:
      for index in 0..<count {
        (out + index * width).copyMemory(
          from: values + Int(indices[index]) * width, byteCount: width)
      }
    }
  }

  private func fill(
    _ out: UnsafeMutableRawPointer, with value: UnsafeRawPointer, _ width: Int, _ count: Int
  ) {
    switch width {
    case 4:
      out.assumingMemoryBound(to: UInt32.self)
        .update(repeating: value.loadUnaligned(as: UInt32.self), count: count)
    case 8:
      out.assumingMemoryBound(to: UInt64.self)
        .update(repeating: value.loadUnaligned(as: UInt64.self), count: count)
    default:
      for index in 0..<count {
        (out + index * width).copyMemory(from: value, byteCount: width)
      }
    }
  }

  private func decodeBinary(_ count: Int, into sink: LeafSink) throws(ParquetError) {
    let offsets = dictionary.offsets.base.assumingMemoryBound(to: Int32.self)
    var done = 0
    while done < count {
      let step = min(Self.step, count - done)
      let indices = try indices(step)
      var total = 0
      for index in 0..<step {
        let entry = Int(indices[index])
        total += Int(offsets[entry + 1] - offsets[entry])
      }
      let bytes = try sink.reserveBytes(total)
      let ends = try sink.reserveEnds(step)
      let start = sink.data.count
      if sink.endWidth == 4 {
        copy(indices, step, bytes, ends.assumingMemoryBound(to: Int32.self), Int32(start))
      } else {
        copy(indices, step, bytes, ends.assumingMemoryBound(to: Int64.self), Int64(start))
      }
      sink.commitBytes(total)
      sink.commitEnds(step)
      done += step
    }
  }

  private func copy<T: FixedWidthInteger>(
    _ indices: UnsafePointer<UInt32>, _ count: Int, _ target: UnsafeMutableRawPointer,
    _ ends: UnsafeMutablePointer<T>, _ start: T
  ) {
    let offsets = dictionary.offsets.base.assumingMemoryBound(to: Int32.self)
    let data = dictionary.data.base
    var written = 0
    for index in 0..<count {
      let entry = Int(indices[index])
      let from = Int(offsets[entry])
      let length = Int(offsets[entry + 1]) - from
      if length <= 16 {
        // Both sides keep 16 bytes of slack.
        (target + written).copyMemory(from: data + from, byteCount: 16)
      } else {
        (target + written).copyMemory(from: data + from, byteCount: length)
      }
      written += length
      ends[index] = start + T(truncatingIfNeeded: written)
    }
  }
}
