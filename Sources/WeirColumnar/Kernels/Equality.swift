// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  internal import Glibc
#endif

/// What counts as equal. The default is what tests of a file format want.
public struct EqualityOptions: Sendable {
  /// NaN equals NaN, whatever its bits.
  public var nanEqual = true
  /// -0.0 equals 0.0.
  public var signedZerosEqual = true
  /// A dictionary array never equals a plain one; `false` looks at the values alone.
  public var dictionaryMatters = true

  public init() {}
}

/// Where two arrays or batches first differ.
public struct ArrayDifference: Sendable, CustomStringConvertible {
  /// Names down to the values that differ, with dots; empty for the array itself.
  public var path: String
  /// The first row that differs; `nil` when types, lengths or names do.
  public var row: Int?
  /// What differs, with the two values.
  public var message: String

  public var description: String {
    let place = path.isEmpty ? "" : " in \(path)"
    return row.map { "row \($0)\(place): \(message)" } ?? "\(message)\(place)"
  }
}

extension DataType {
  /// Whether values of the two types mean the same: as `==`, but field ids, metadata, nullability and
  /// the names of list items and map entries do not count.
  public func isEquivalent(to other: DataType, dictionaryMatters: Bool = true) -> Bool {
    func same(_ a: Field, _ b: Field) -> Bool {
      a.type.isEquivalent(to: b.type, dictionaryMatters: dictionaryMatters)
    }
    switch (self, other) {
    case (.list(let a), .list(let b)), (.largeList(let a), .largeList(let b)): return same(a, b)
    case (.fixedSizeList(let a, let aSize), .fixedSizeList(let b, let bSize)):
      return aSize == bSize && same(a, b)
    case (.struct(let a), .struct(let b)):
      return a.count == b.count && zip(a, b).allSatisfy { $0.name == $1.name && same($0, $1) }
    case (.map(let a, _), .map(let b, _)):
      let (a, b) = (a.type.children, b.type.children)
      return a.count == b.count && zip(a, b).allSatisfy(same)
    case (.dictionary(let aIndex, let a, _), .dictionary(let bIndex, let b, _)):
      return (aIndex == bIndex || !dictionaryMatters)
        && a.isEquivalent(to: b, dictionaryMatters: dictionaryMatters)
    case (.dictionary(_, let a, _), let b) where !dictionaryMatters:
      return a.isEquivalent(to: b, dictionaryMatters: false)
    case (let a, .dictionary(_, let b, _)) where !dictionaryMatters:
      return a.isEquivalent(to: b, dictionaryMatters: false)
    default: return self == other
    }
  }
}

extension ArrayData {
  /// Whether both hold the same values: equal types (`DataType.isEquivalent`), lengths, nulls and
  /// values. What lies under nulls, offsets, slices and unused bytes do not count.
  public func isEqual(to other: ArrayData, options: EqualityOptions = EqualityOptions()) -> Bool {
    guard length == other.length,
      type.isEquivalent(to: other.type, dictionaryMatters: options.dictionaryMatters)
    else { return false }
    var comparison = ArrayComparison(options)
    return comparison.firstDifference(self, 0, other, 0, length) == nil
  }
}

extension RecordBatch {
  /// Whether both have the same column names and equal columns.
  public func isEqual(to other: RecordBatch, options: EqualityOptions = EqualityOptions()) -> Bool {
    firstDifference(self, other, options: options) == nil
  }
}

/// The first row at which `a` and `b` differ; `nil` when they are equal. For tests and messages.
public func firstDifference(
  _ a: ArrayData, _ b: ArrayData, options: EqualityOptions = EqualityOptions()
) -> ArrayDifference? {
  guard a.type.isEquivalent(to: b.type, dictionaryMatters: options.dictionaryMatters) else {
    return ArrayDifference(path: "", row: nil, message: "type \(a.type) is not \(b.type)")
  }
  guard a.length == b.length else {
    return ArrayDifference(path: "", row: nil, message: "length \(a.length) is not \(b.length)")
  }
  var comparison = ArrayComparison(options)
  guard let row = comparison.firstDifference(a, 0, b, 0, a.length) else { return nil }
  func shown(_ array: ArrayData) -> String {
    let text = array.scalar(at: row).text(as: array.type)
    return text.utf8.count > 200 ? String(text.prefix(200)) + "…" : text
  }
  return ArrayDifference(
    path: comparison.path.reversed().joined(separator: "."), row: row,
    message: "\(shown(a)) is not \(shown(b))")
}

/// The first column, and row in it, at which `a` and `b` differ; `nil` when they are equal.
public func firstDifference(
  _ a: RecordBatch, _ b: RecordBatch, options: EqualityOptions = EqualityOptions()
) -> ArrayDifference? {
  let (aNames, bNames) = (a.schema.fields.map(\.name), b.schema.fields.map(\.name))
  guard aNames == bNames else {
    return ArrayDifference(path: "", row: nil, message: "columns \(aNames) are not \(bNames)")
  }
  guard a.rowCount == b.rowCount else {
    return ArrayDifference(
      path: "", row: nil, message: "row count \(a.rowCount) is not \(b.rowCount)")
  }
  for (index, name) in aNames.enumerated() {
    if var found = firstDifference(a.columns[index], b.columns[index], options: options) {
      found.path = found.path.isEmpty ? name : "\(name).\(found.path)"
      return found
    }
  }
  return nil
}

/// Compares ranges of rows of arrays of equivalent types.
///
/// 1. Where validity differs is found first, 64 rows at a time; only the rows before matter then.
/// 2. Each run of valid rows is compared at once: fixed-width values and bytes by memcmp, children
///    by the range of items or rows that the run covers. What lies under nulls is thus never seen.
/// 3. Only when a run differs the first row is searched.
struct ArrayComparison {
  let options: EqualityOptions
  /// Names from the innermost out; filled while a difference comes back up.
  private(set) var path: [String] = []

  init(_ options: EqualityOptions) { self.options = options }

  /// The first of `count` rows, from `aStart` and `bStart` on, that differs.
  mutating func firstDifference(
    _ a: ArrayData, _ aStart: Int, _ b: ArrayData, _ bStart: Int, _ count: Int
  ) -> Int? {
    if a.type == .null && b.type == .null { return nil }
    if a.dictionary != nil || b.dictionary != nil {
      return firstDictionaryDifference(a, aStart, b, bStart, count)
    }
    let (aBits, bBits) = (a.offset + aStart, b.offset + bStart)
    var limit = count
    switch (a.validity, b.validity) {
    case (nil, nil): break
    case (let bits?, nil):
      limit = Bitmap.endOfRun(bits.base, offset: aBits, from: 0, count: count, true)
    case (nil, let bits?):
      limit = Bitmap.endOfRun(bits.base, offset: bBits, from: 0, count: count, true)
    case (let aValid?, let bValid?):
      limit =
        Bitmap.firstDifference(aValid.base, aBits, bValid.base, bBits, count: count) ?? count
    }
    let bits = a.validity == nil || b.validity == nil ? nil : a.validity!.base
    let found = Bitmap.firstInRuns(bits, offset: aBits, count: limit) { run in
      firstValueDifference(
        a, aStart + run.lowerBound, b, bStart + run.lowerBound, run.count
      ).map { $0 + run.lowerBound }
    }
    return found ?? (limit < count ? limit : nil)
  }

  /// The same for rows that are all valid.
  private mutating func firstValueDifference(
    _ a: ArrayData, _ aStart: Int, _ b: ArrayData, _ bStart: Int, _ count: Int
  ) -> Int? {
    let (aRow, bRow) = (a.offset + aStart, b.offset + bStart)
    switch a.type.layout {
    case .null, .dictionary: return nil
    case .bits:
      return Bitmap.firstDifference(a.buffers[0].base, aRow, b.buffers[0].base, bRow, count: count)
    case .fixedWidth(let width):
      let (aBytes, bBytes) = (a.buffers[0].base, b.buffers[0].base)
      switch a.type {
      case .float16:
        return firstFloatDifference(Float16.self, aBytes, aRow, bBytes, bRow, count, options)
      case .float32:
        return firstFloatDifference(Float.self, aBytes, aRow, bBytes, bRow, count, options)
      case .float64:
        return firstFloatDifference(Double.self, aBytes, aRow, bBytes, bRow, count, options)
      default:
        return firstBytesDifference(aBytes + aRow * width, bBytes + bRow * width, width, count)
      }
    case .variableBinary(let width):
      return width == 4
        ? firstStringDifference(Int32.self, a, aStart, b, bStart, count)
        : firstStringDifference(Int64.self, a, aStart, b, bStart, count)
    case .list(let width):
      return width == 4
        ? firstListDifference(Int32.self, a, aStart, b, bStart, count)
        : firstListDifference(Int64.self, a, aStart, b, bStart, count)
    case .fixedSizeList(let size):
      guard size > 0 else { return nil }
      let found = firstDifference(
        a.children[0], aRow * size, b.children[0], bRow * size, count * size)
      if found != nil { path.append(a.type.children[0].name) }
      return found.map { $0 / size }
    case .struct:
      var first: Int?
      var firstPath: [String] = []
      for (index, field) in a.type.children.enumerated() {
        path = []
        let found = firstDifference(
          a.children[index], aRow, b.children[index], bRow, first ?? count)
        if let found {
          first = found
          firstPath = path + [field.name]
        }
      }
      path = firstPath
      return first
    }
  }

  private mutating func firstListDifference<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, _ a: ArrayData, _ aStart: Int, _ b: ArrayData, _ bStart: Int, _ count: Int
  ) -> Int? {
    guard count > 0 else { return nil }
    // Safe: both arrays live to the end of this function, see the callers' parameters.
    let aOffsets = a.offsets(as: type).baseAddress! + aStart
    let bOffsets = b.offsets(as: type).baseAddress! + bStart
    let sameLengths = firstLengthDifference(aOffsets, bOffsets, count) ?? count
    let itemCount = Int(aOffsets[sameLengths] - aOffsets[0])
    let found = firstDifference(
      a.children[0], Int(aOffsets[0]), b.children[0], Int(bOffsets[0]), itemCount)
    if let item = found {
      path.append(a.type.children[0].name)
      return rowOfItem(aOffsets, count, item)
    }
    return sameLengths < count ? sameLengths : nil
  }

  /// Row by row; pairs of indices that were found equal are remembered.
  private mutating func firstDictionaryDifference(
    _ a: ArrayData, _ aStart: Int, _ b: ArrayData, _ bStart: Int, _ count: Int
  ) -> Int? {
    var equalTo = [Int: Int]()
    for row in 0..<count {
      let (aValues, aIndex) = a.resolved(aStart + row)
      let (bValues, bIndex) = b.resolved(bStart + row)
      guard let aIndex, let bIndex else {
        if aIndex == nil && bIndex == nil { continue }
        return row
      }
      if a.dictionary != nil && b.dictionary != nil && equalTo[aIndex] == bIndex { continue }
      if firstDifference(aValues, aIndex, bValues, bIndex, 1) != nil { return row }
      if a.dictionary != nil && b.dictionary != nil { equalTo[aIndex] = bIndex }
    }
    return nil
  }
}

extension ArrayData {
  /// The plain array and its row that hold the value of row `index`; the row is `nil` for nulls.
  fileprivate func resolved(_ index: Int) -> (ArrayData, Int?) {
    guard isValid(index) else { return (self, nil) }
    guard let dictionary else { return (self, index) }
    return dictionary.resolved(dictionaryIndex(index))
  }
}

// MARK: - Loops

private func firstBytesDifference(
  _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ width: Int, _ count: Int
) -> Int? {
  if a == b || memcmp(a, b, width * count) == 0 { return nil }
  var low = 0
  var high = count
  // The first differing row lies in low ..< high: halve it by memcmp.
  while high - low > 1 {
    let middle = (low + high) / 2
    if memcmp(a + low * width, b + low * width, (middle - low) * width) != 0 {
      high = middle
    } else {
      low = middle
    }
  }
  return low
}

@inline(__always)
private func firstFloatDifference<T: BinaryFloatingPoint & BitwiseCopyable>(
  _ type: T.Type, _ a: UnsafeRawPointer, _ aRow: Int, _ b: UnsafeRawPointer, _ bRow: Int,
  _ count: Int, _ options: EqualityOptions
) -> Int? {
  let a = a.assumingMemoryBound(to: T.self) + aRow
  let b = b.assumingMemoryBound(to: T.self) + bRow
  let (nanEqual, zerosEqual) = (options.nanEqual, options.signedZerosEqual)
  if nanEqual && memcmp(a, b, count * MemoryLayout<T>.stride) == 0 { return nil }
  for row in 0..<count {
    let (x, y) = (a[row], b[row])
    if x == y {
      if !zerosEqual && x == 0 && x.sign != y.sign { return row }
    } else if !(nanEqual && x.isNaN && y.isNaN) {
      return row
    }
  }
  return nil
}

@inline(__always)
private func firstLengthDifference<T: FixedWidthInteger & BitwiseCopyable>(
  _ a: UnsafePointer<T>, _ b: UnsafePointer<T>, _ count: Int
) -> Int? {
  let shift = b[0] &- a[0]
  for row in 1..<count + 1 where b[row] &- a[row] != shift { return row - 1 }
  return nil
}

/// The row (below `count`) whose items hold the `item`th counted from the first row's first.
@inline(__always)
private func rowOfItem<T: FixedWidthInteger & BitwiseCopyable>(
  _ offsets: UnsafePointer<T>, _ count: Int, _ item: Int
) -> Int {
  let target = Int(offsets[0]) + item
  var low = 0
  var high = count
  // Invariant: offsets[low] <= target < offsets[high].
  while high - low > 1 {
    let middle = (low + high) / 2
    if Int(offsets[middle]) <= target { low = middle } else { high = middle }
  }
  return low
}

@inline(__always)
private func firstStringDifference<T: FixedWidthInteger & BitwiseCopyable>(
  _ type: T.Type, _ a: ArrayData, _ aStart: Int, _ b: ArrayData, _ bStart: Int, _ count: Int
) -> Int? {
  guard count > 0 else { return nil }
  // Safe: the parameters keep both arrays alive.
  let aOffsets = a.offsets(as: type).baseAddress! + aStart
  let bOffsets = b.offsets(as: type).baseAddress! + bStart
  let aBytes = a.buffers[1].base + Int(aOffsets[0])
  let bBytes = b.buffers[1].base + Int(bOffsets[0])
  let sameLengths = firstLengthDifference(aOffsets, bOffsets, count) ?? count
  let byteCount = Int(aOffsets[sameLengths] - aOffsets[0])
  if let byte = firstBytesDifference(aBytes, bBytes, 1, byteCount) {
    return rowOfItem(aOffsets, count, byte)
  }
  return sameLengths < count ? sameLengths : nil
}
