// SPDX-License-Identifier: Apache-2.0

/// Shares the dictionary when all sources have the same one; otherwise makes one of their distinct
/// values and translates the indices.
final class DictionaryAssembler: Assembler {
  private let indices = MutableBuffer()
  private let dictionary: ArrayData
  /// For each source, where its dictionary's values are in `dictionary`; empty when unchanged.
  private let translations: [[Int]]
  private let indexType: DataType
  private let width: Int

  override init(_ type: DataType, _ sources: [ArrayData]) throws(ColumnarError) {
    guard case .dictionary(let index, let value, _) = type, let width = index.byteWidth else {
      preconditionFailure("\(type) is no dictionary")
    }
    self.indexType = index
    self.width = width
    let dictionaries = sources.map { $0.dictionary! }
    if let first = dictionaries.first, dictionaries.allSatisfy({ $0 === first }) {
      dictionary = first
      translations = sources.map { _ in [] }
    } else {
      (dictionary, translations) = try Self.unify(dictionaries, value, index)
    }
    try super.init(type, sources)
  }

  private static func unify(_ dictionaries: [ArrayData], _ value: DataType, _ index: DataType)
    throws(ColumnarError) -> (ArrayData, [[Int]])
  {
    let bits = index.byteWidth! * 8 - (index.isSignedInteger ? 1 : 0)
    let limit = bits >= 63 ? Int.max : (1 << bits) - 1
    var positions: [Scalar: Int] = [:]
    var kept: [[Int]] = []
    var translations: [[Int]] = []
    for dictionary in dictionaries {
      var translation: [Int] = []
      var fresh: [Int] = []
      for row in 0..<dictionary.length {
        let key = DictionaryBuilder.key(dictionary.scalar(at: row))
        if let position = positions[key] {
          translation.append(position)
        } else {
          translation.append(positions.count)
          positions[key] = positions.count
          fresh.append(row)
        }
      }
      kept.append(fresh)
      translations.append(translation)
    }
    guard positions.isEmpty || positions.count - 1 <= limit else {
      throw ColumnarError(
        .overflow, "\(positions.count) distinct values do not fit a dictionary index of \(index)")
    }
    let assembler = try Assembler.make(value, dictionaries)
    for (source, rows) in kept.enumerated() {
      for row in rows { try assembler.append(source, row..<row + 1) }
    }
    return (assembler.finish(), translations)
  }

  override func appendValues(_ source: Int, _ array: ArrayData, _ range: Range<Int>)
    throws(ColumnarError)
  {
    let start = array.buffers[0].base + (array.offset + range.lowerBound) * width
    let translation = translations[source]
    guard !translation.isEmpty else {
      indices.append(UnsafeRawBufferPointer(start: start, count: range.count * width))
      return
    }
    let target = indices.reserveTail(range.count * width)
    switch width {
    case 1: translate(UInt8.self, start, translation, range.count, target)
    case 2: translate(UInt16.self, start, translation, range.count, target)
    case 4: translate(UInt32.self, start, translation, range.count, target)
    default: translate(UInt64.self, start, translation, range.count, target)
    }
    indices.advance(by: range.count * width)
  }

  override func finish() -> ArrayData { finish([indices.finish()], dictionary: dictionary) }
}

// Safe: the caller's range lies within the source, and the target was reserved for it.
/// Indices under nulls may be anything: those outside of the dictionary become 0.
@inline(__always)
private func translate<T: FixedWidthInteger & BitwiseCopyable>(
  _ type: T.Type, _ source: UnsafeRawPointer, _ translation: [Int], _ count: Int,
  _ target: UnsafeMutableRawPointer
) {
  let from = source.assumingMemoryBound(to: T.self)
  let to = target.assumingMemoryBound(to: T.self)
  translation.withUnsafeBufferPointer { translation in
    for row in 0..<count {
      let index = from[row]
      to[row] =
        UInt64(truncatingIfNeeded: index) < UInt64(translation.count)
        ? T(truncatingIfNeeded: translation[Int(truncatingIfNeeded: index)]) : 0
    }
  }
}
