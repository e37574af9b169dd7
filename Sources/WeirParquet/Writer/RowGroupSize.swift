// SPDX-License-Identifier: Apache-2.0

package import WeirColumnar

/// How much data an array's rows hold; of a slice only its own rows count.
package enum RowGroupSize {
  package static func byteCount(_ array: ArrayData) -> Int {
    rows(array, 0..<array.length)
  }

  private static func rows(_ array: ArrayData, _ range: Range<Int>) -> Int {
    let bits = array.validity == nil ? 0 : (range.count + 7) / 8
    switch array.type.layout {
    case .null: return 0
    case .bits: return bits + (range.count + 7) / 8
    case .fixedWidth(let width): return bits + range.count * width
    case .variableBinary(let offsetWidth):
      return bits + range.count * offsetWidth + items(array, range, offsetWidth).count
    case .list(let offsetWidth):
      return bits + range.count * offsetWidth
        + rows(array.children[0], items(array, range, offsetWidth))
    case .fixedSizeList(let size):
      let first = (array.offset + range.lowerBound) * size
      return bits + rows(array.children[0], first..<first + range.count * size)
    case .struct:
      let moved = range.lowerBound + array.offset..<range.upperBound + array.offset
      return array.children.reduce(bits) { $0 + rows($1, moved) }
    case .dictionary(let indexWidth):
      // Each row gets a value of average size.
      let dictionary = array.dictionary.map { byteCount($0) / max($0.length, 1) } ?? 0
      return bits + range.count * (indexWidth + dictionary)
    }
  }

  private static func items(
    _ array: ArrayData, _ range: Range<Int>, _ offsetWidth: Int
  ) -> Range<Int> {
    if range.isEmpty { return 0..<0 }
    if offsetWidth == 4 {
      let offsets = array.offsets(as: Int32.self)
      return Int(offsets[range.lowerBound])..<Int(offsets[range.upperBound])
    }
    let offsets = array.offsets(as: Int64.self)
    return Int(offsets[range.lowerBound])..<Int(offsets[range.upperBound])
  }
}
