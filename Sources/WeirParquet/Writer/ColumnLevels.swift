// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// One leaf of a row group: its levels and, when asked, its values one after the other.
///
/// `add` walks each batch's array from the top-level column down and keeps the levels; the values
/// stay where they are until `gatherValues`.
final class ColumnLevels {
  private struct Segment {
    var array: ArrayData
    var dictionary: ArrayData?
    var runs: [Range<Int>]
  }

  let plan: LeafPlan
  private(set) var rowCount = 0
  private(set) var entryCount = 0
  /// `nil` while every entry has the highest definition level.
  private(set) var definition: MutableBuffer?
  private(set) var repetition: MutableBuffer?
  /// First entry of each row, for repeated columns.
  private(set) var rowStarts: [Int] = []
  private var segments: [Segment] = []

  init(_ plan: LeafPlan) { self.plan = plan }

  /// - Parameter firstRow: row number in the file of the array's first row, for errors.
  func add(_ column: ArrayData, firstRow: Int) throws(ParquetError) {
    var levels = EncodeLevels(rowCount: column.length)
    var array = column
    var dictionary: ArrayData?
    for step in plan.steps {
      if case .dictionary(_, let value, _) = array.type {
        guard let flat = EncodeGather.flattened(array) else {
          throw failure(.invalidArgument, "a dictionary index lies outside its dictionary")
        }
        if value.isVariableBinary { dictionary = array.dictionary }
        array = flat
      }
      if step.nullable {
        if case .leaf = step.kind {
          levels.passNullable(array, isLeaf: true)
        } else {
          levels.passNullable(array, isLeaf: false)
        }
      } else if let row = levels.firstNullRow(array) {
        throw failure(
          .invalidArgument,
          "row \(firstRow + row) is null in \(step.name), which the schema declares not nullable")
      }
      switch step.kind {
      case .list:
        levels.enterList(array)
        array = array.children[0]
      case .child(let index):
        levels.enterStruct(array)
        array = array.children[index]
      case .leaf: break
      }
    }
    append(levels)
    segments.append(Segment(array: array, dictionary: dictionary, runs: levels.runs))
    rowCount += column.length
  }

  private func append(_ levels: EncodeLevels) {
    if let new = levels.definition {
      let target = definition ?? constant(plan.maxDefinition, entryCount)
      new.withUnsafeBytes { target.append($0) }
      definition = target
    } else if let definition {
      constant(plan.maxDefinition, levels.entryCount).withUnsafeBytes { definition.append($0) }
    }
    if let new = levels.repetition {
      if let repetition {
        new.withUnsafeBytes { repetition.append($0) }
      } else {
        repetition = new
      }
      if rowStarts.isEmpty {
        rowStarts = levels.rowStarts
      } else {
        let base = entryCount
        rowStarts.append(contentsOf: levels.rowStarts.lazy.map { $0 + base })
      }
    }
    entryCount += levels.entryCount
  }

  private func constant(_ level: Int, _ count: Int) -> MutableBuffer {
    let buffer = MutableBuffer(capacity: count)
    EncodePack.fill(buffer, UInt8(level), count)
    return buffer
  }

  func failure(_ code: ParquetError.Code, _ message: String) -> ParquetError {
    ParquetError(code, message, column: plan.path.joined(separator: "."))
  }

  /// The non-null values in physical form. The values may lie in the batches' memory: this column
  /// must outlive them.
  func gatherValues() throws(ParquetError) -> LeafValues {
    let out = MutableBuffer()
    var values: LeafValues
    switch plan.conversion {
    case .nulls: values = LeafValues(.fixed(width: 4), out)
    case .bits:
      for segment in segments { EncodeGather.bits(segment.array, runs: segment.runs, into: out) }
      values = LeafValues(.bits, out)
    case .variableBytes(let offsetWidth):
      for segment in segments {
        if let dictionary = segment.dictionary {
          EncodeGather.views(segment.array, runs: segment.runs, in: dictionary, into: out)
        } else {
          EncodeGather.views(
            segment.array, runs: segment.runs, offsetWidth: offsetWidth, into: out)
        }
      }
      values = LeafValues(.views, out)
    case .same(let width):
      values = borrowedValues(width) ?? gatherFixed(width)
    case .widen(let width, let signed):
      let raw = gatherFixed(width)
      EncodeConvert.widen(raw.base, count: raw.count, from: width, signed: signed, into: out)
      values = LeafValues(.fixed(width: 4), out)
    default: values = try gatherConverted()
    }
    if case .fixed(let width) = values.form, plan.physicalType == .fixedLenByteArray {
      values.form = .fixedBytes(width: width)
    }
    return values
  }

  private func gatherFixed(_ width: Int) -> LeafValues {
    let out = MutableBuffer()
    for segment in segments {
      EncodeGather.fixed(segment.array, runs: segment.runs, width: width, into: out)
    }
    return LeafValues(.fixed(width: width), out)
  }

  private func gatherConverted() throws(ParquetError) -> LeafValues {
    let out = MutableBuffer()
    do {
      switch plan.conversion {
      case .thousandfold(let width):
        let raw = gatherFixed(width)
        try EncodeConvert.thousandfold(raw.base, count: raw.count, width: width, into: out)
        return LeafValues(.fixed(width: width), out)
      case .daysOfMilliseconds:
        let raw = gatherFixed(8)
        try EncodeConvert.days(ofMilliseconds: raw.base, count: raw.count, into: out)
        return LeafValues(.fixed(width: 4), out)
      case .narrowDecimal(let width):
        let raw = gatherFixed(16)
        try EncodeConvert.decimal(
          raw.base, count: raw.count, to: width, bigEndian: false, into: out)
        return LeafValues(.fixed(width: width), out)
      case .bigEndianDecimal(let width):
        let raw = gatherFixed(16)
        try EncodeConvert.decimal(raw.base, count: raw.count, to: width, bigEndian: true, into: out)
        return LeafValues(.fixed(width: width), out)
      default: preconditionFailure("every other conversion was handled before")
      }
    } catch {
      switch error {
      case .overflow(let value):
        throw failure(
          .invalidArgument, "value \(value) of the row group does not fit \(plan.type) in Parquet")
      }
    }
  }

  /// The values without a copy, where they are one stretch of one batch without nulls.
  private func borrowedValues(_ width: Int) -> LeafValues? {
    guard segments.count == 1, segments[0].array.validity == nil, segments[0].runs.count == 1
    else { return nil }
    let run = segments[0].runs[0]
    let array = segments[0].array
    let base = array.buffers[0].base + (array.offset + run.lowerBound) * width
    // The kernels load whole values: only where the address allows it.
    guard Int(bitPattern: base) % (plan.physicalType == .fixedLenByteArray ? 1 : width) == 0 else {
      return nil
    }
    return LeafValues(.fixed(width: width), borrowed: base, count: run.count)
  }
}

/// A leaf's physical values, one after the other.
struct LeafValues {
  enum Form: Hashable {
    /// One byte each, 0 or 1.
    case bits
    /// 4 or 8 bytes.
    case fixed(width: Int)
    case fixedBytes(width: Int)
    /// `ByteView`s.
    case views
  }

  var form: Form
  /// Safe: valid while `owner`, or the column that it was borrowed from, is alive.
  let base: UnsafeRawPointer
  let count: Int
  private let owner: MutableBuffer?

  init(_ form: Form, _ owner: MutableBuffer) {
    self.form = form
    self.owner = owner
    base = UnsafeRawPointer(owner.base)
    count = owner.count / Self.stride(form)
  }

  /// Safe: the column that lends `base` outlives this and holds `count` values of the form.
  init(_ form: Form, borrowed base: UnsafeRawPointer, count: Int) {
    self.form = form
    self.base = base
    self.count = count
    owner = nil
  }

  static func stride(_ form: Form) -> Int {
    switch form {
    case .bits: 1
    case .fixed(let width), .fixedBytes(let width): width
    case .views: MemoryLayout<ByteView>.stride
    }
  }

  var stride: Int { Self.stride(form) }

  /// Safe: `T` is the form's type and `index` at most `count`; valid as long as `base`.
  func at<T>(_ index: Int, as type: T.Type) -> UnsafePointer<T> {
    (base + index * stride).assumingMemoryBound(to: T.self)
  }
}
