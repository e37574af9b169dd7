// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Collects a leaf's non-null values, one after the other.
///
/// Safe: runs lie within the array (they come from validated offsets), output goes to room that was
/// reserved for as many values as the runs hold.
enum EncodeGather {
  private static func count(_ runs: [Range<Int>]) -> Int { runs.reduce(0) { $0 + $1.count } }

  /// Values of `width` bytes, as they are.
  static func fixed(
    _ array: ArrayData, runs: [Range<Int>], width: Int, into out: MutableBuffer
  ) {
    let source = array.buffers[0].base + array.offset * width
    guard let validity = array.validity else {
      for run in runs {
        out.append(
          UnsafeRawBufferPointer(start: source + run.lowerBound * width, count: run.count * width))
      }
      return
    }
    let target = out.reserveTail((count(runs) + 1) * width)
    let written: Int
    switch width {
    case 1: written = compact(source, UInt8.self, runs, validity.base, array.offset, target)
    case 2: written = compact(source, UInt16.self, runs, validity.base, array.offset, target)
    case 4: written = compact(source, UInt32.self, runs, validity.base, array.offset, target)
    case 8: written = compact(source, UInt64.self, runs, validity.base, array.offset, target)
    case 16: written = compact(source, UInt128.self, runs, validity.base, array.offset, target)
    default:
      var values = 0
      for run in runs {
        for position in run where Bitmap.get(validity.base, array.offset + position) {
          memcpy(target + values * width, source + position * width, width)
          values += 1
        }
      }
      written = values
    }
    out.advance(by: written * width)
  }

  /// Writes every value and moves on only behind the valid ones: no branch that depends on data.
  @inline(__always)
  private static func compact<T: BitwiseCopyable>(
    _ source: UnsafeRawPointer, _ type: T.Type, _ runs: [Range<Int>], _ bits: UnsafeRawPointer,
    _ offset: Int, _ target: UnsafeMutableRawPointer
  ) -> Int {
    let width = MemoryLayout<T>.size
    var values = 0
    for run in runs {
      for position in run {
        let value = source.loadUnaligned(fromByteOffset: position * width, as: T.self)
        target.storeBytes(of: value, toByteOffset: values * width, as: T.self)
        let bit = offset + position
        let byte = bits.load(fromByteOffset: bit >> 3, as: UInt8.self)
        values += Int((byte &>> UInt8(bit & 7)) & 1)
      }
    }
    return values
  }

  /// Booleans as bytes of 0 and 1.
  static func bits(_ array: ArrayData, runs: [Range<Int>], into out: MutableBuffer) {
    let target = out.reserveTail(count(runs) + 1)
    let source = array.buffers[0].base
    var values = 0
    for run in runs {
      for position in run {
        let bit = array.offset + position
        target.storeBytes(of: Bitmap.get(source, bit) ? 1 : 0, toByteOffset: values, as: UInt8.self)
        values += array.validity.map { Bitmap.get($0.base, bit) } ?? true ? 1 : 0
      }
    }
    out.advance(by: values)
  }

  /// Byte arrays as views.
  static func views(
    _ array: ArrayData, runs: [Range<Int>], offsetWidth: Int, into out: MutableBuffer
  ) {
    if runs.isEmpty { return }
    if offsetWidth == 4 {
      let offsets = array.offsets(as: Int32.self)
      views(array, runs, out, array.buffers[1].base) { (Int(offsets[$0]), Int(offsets[$0 + 1])) }
    } else {
      let offsets = array.offsets(as: Int64.self)
      views(array, runs, out, array.buffers[1].base) { (Int(offsets[$0]), Int(offsets[$0 + 1])) }
    }
  }

  @inline(__always)
  private static func views(
    _ array: ArrayData, _ runs: [Range<Int>], _ out: MutableBuffer, _ base: UnsafeRawPointer,
    _ range: (Int) -> (Int, Int)
  ) {
    let target = out.reserveTail((count(runs) + 1) * MemoryLayout<ByteView>.stride)
      .assumingMemoryBound(to: ByteView.self)
    let validity = array.validity
    var values = 0
    for run in runs {
      for position in run {
        if let validity, !Bitmap.get(validity.base, array.offset + position) { continue }
        let (start, end) = range(position)
        target[values] = ByteView(base: base + start, count: end - start)
        values += 1
      }
    }
    out.advance(by: values * MemoryLayout<ByteView>.stride)
  }

  /// Fixed-size values as views, for their dictionary and bounds.
  static func views(
    _ base: UnsafeRawPointer, width: Int, count: Int, into out: MutableBuffer
  ) {
    let target = out.reserveTail(count * MemoryLayout<ByteView>.stride)
      .assumingMemoryBound(to: ByteView.self)
    for index in 0..<count { target[index] = ByteView(base: base + index * width, count: width) }
    out.advance(by: count * MemoryLayout<ByteView>.stride)
  }

  /// Makes a flat array of a dictionary array: its indices looked up in its values, nulls of both
  /// kinds being nulls. Of byte arrays only the positions in the dictionary, as int64.
  ///
  /// - Returns: `nil` when an index lies outside the dictionary.
  static func flattened(_ array: ArrayData) -> ArrayData? {
    guard case .dictionary(let index, let value, _) = array.type, let dictionary = array.dictionary
    else { return array }
    let indices = MutableBuffer(capacity: array.length * 8)
    switch index {
    case .int8: widen(array.values(as: Int8.self), indices)
    case .uint8: widen(array.values(as: UInt8.self), indices)
    case .int16: widen(array.values(as: Int16.self), indices)
    case .uint16: widen(array.values(as: UInt16.self), indices)
    case .int32: widen(array.values(as: Int32.self), indices)
    case .uint32: widen(array.values(as: UInt32.self), indices)
    case .int64: widen(array.values(as: Int64.self), indices)
    default: widen(array.values(as: UInt64.self), indices)
    }
    let positions = indices.base.assumingMemoryBound(to: Int.self)
    let validity = MutableBuffer(capacity: Bitmap.byteCount(array.length))
    validity.appendZeros(Bitmap.byteCount(array.length))
    for row in 0..<array.length {
      if let bits = array.validity, !Bitmap.get(bits.base, array.offset + row) {
        positions[row] = -1
        continue
      }
      let position = positions[row]
      guard position >= 0 && position < dictionary.length else { return nil }
      if dictionary.isNull(position) {
        positions[row] = -1
      } else {
        Bitmap.set(validity.base, row)
      }
    }
    let buffers = looked(
      up: dictionary, UnsafeBufferPointer(start: positions, count: array.length))
    return ArrayData(
      type: value.isVariableBinary ? .int64 : value, length: array.length,
      validity: validity.finish(), buffers: buffers)
  }

  @inline(__always)
  private static func widen<T: FixedWidthInteger>(
    _ values: UnsafeBufferPointer<T>, _ out: MutableBuffer
  ) {
    let target = out.reserveTail(values.count * 8).assumingMemoryBound(to: Int.self)
    for index in 0..<values.count { target[index] = Int(truncatingIfNeeded: values[index]) }
    out.advance(by: values.count * 8)
  }

  /// Buffers with the dictionary's value at each position, zeros for -1.
  private static func looked(
    up dictionary: ArrayData, _ positions: UnsafeBufferPointer<Int>
  ) -> [Buffer] {
    switch dictionary.type.layout {
    case .bits:
      let out = MutableBuffer(capacity: Bitmap.byteCount(positions.count))
      out.appendZeros(Bitmap.byteCount(positions.count))
      for (row, position) in positions.enumerated() where position >= 0 {
        if Bitmap.get(dictionary.buffers[0].base, dictionary.offset + position) {
          Bitmap.set(out.base, row)
        }
      }
      return [out.finish()]
    case .fixedWidth(let width):
      let out = MutableBuffer(capacity: positions.count * width)
      out.appendZeros(positions.count * width)
      let source = dictionary.buffers[0].base + dictionary.offset * width
      for (row, position) in positions.enumerated() where position >= 0 {
        memcpy(out.base + row * width, source + position * width, width)
      }
      return [out.finish()]
    case .variableBinary:
      // Their bytes are not copied: the positions serve `views(_:in:)`.
      return [Buffer(copying: UnsafeRawBufferPointer(positions))]
    default: return dictionary.buffers
    }
  }

  /// Views of the values of `dictionary` that `array` (made by `flattened`) points at.
  static func views(
    _ array: ArrayData, runs: [Range<Int>], in dictionary: ArrayData, into out: MutableBuffer
  ) {
    if runs.isEmpty { return }
    let positions = array.buffers[0].elements(of: Int.self)
    if case .variableBinary(offsetWidth: 4) = dictionary.type.layout {
      let offsets = dictionary.offsets(as: Int32.self)
      views(array, runs, out, dictionary.buffers[1].base) {
        let position = positions[array.offset + $0]
        return (Int(offsets[position]), Int(offsets[position + 1]))
      }
    } else {
      let offsets = dictionary.offsets(as: Int64.self)
      views(array, runs, out, dictionary.buffers[1].base) {
        let position = positions[array.offset + $0]
        return (Int(offsets[position]), Int(offsets[position + 1]))
      }
    }
  }
}
