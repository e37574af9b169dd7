// SPDX-License-Identifier: Apache-2.0

extension ArrayData {
  /// The rows for which `mask`, a bool array as long as this one, is true; null counts as false.
  ///
  /// Cost: as `take`, or as `concatenate` where the kept rows come in long runs. A single run is a
  /// slice, which shares all memory.
  ///
  /// - Throws: `invalidArgument` when the mask does not fit.
  public func filter(_ mask: ArrayData) throws(ColumnarError) -> ArrayData {
    try Selection(mask, length).apply(self)
  }
}

extension RecordBatch {
  /// The rows for which `mask`, a bool array of `rowCount` rows, is true; null counts as false.
  public func filter(_ mask: ArrayData) throws(ColumnarError) -> RecordBatch {
    let selection = try Selection(mask, rowCount)
    var kept: [ArrayData] = []
    for (field, column) in zip(schema.fields, columns) {
      do throws(ColumnarError) {
        kept.append(try selection.apply(column))
      } catch { throw error.inColumn(field.name) }
    }
    return RecordBatch(trusted: schema, columns: kept, rowCount: selection.count)
  }
}

/// The rows that a mask keeps, found once for all columns.
private struct Selection {
  private enum Rows {
    case all
    /// For long runs.
    case ranges([Range<Int>])
    /// For scattered rows.
    case indices([Int])
  }

  /// Rows a run must have on average for copying runs to be cheaper than gathering rows.
  private static let runLengthMin = 8

  let count: Int
  private let rows: Rows

  init(_ mask: ArrayData, _ length: Int) throws(ColumnarError) {
    guard mask.type == .bool else {
      throw ColumnarError(.invalidArgument, "a mask is a bool array, not \(mask.type)")
    }
    guard mask.length == length else {
      throw ColumnarError(
        .invalidArgument, "the mask has \(mask.length) rows, the data \(length)")
    }
    let (bits, offset) = Self.keptBits(mask)
    let count = Bitmap.countOnes(bits.base, offset: offset, count: length)
    self.count = count
    if count == length {
      rows = .all
      return
    }
    let runs = Self.countRuns(bits.base, offset, length)
    if count >= runs * Self.runLengthMin {
      var ranges: [Range<Int>] = []
      ranges.reserveCapacity(runs)
      let _: Void? = Bitmap.firstInRuns(bits.base, offset: offset, count: length) { run in
        ranges.append(run)
        return nil
      }
      rows = .ranges(ranges)
    } else {
      rows = .indices(Self.indices(bits.base, offset, length, count))
    }
  }

  func apply(_ array: ArrayData) throws(ColumnarError) -> ArrayData {
    switch rows {
    case .all: return array
    case .indices(let indices): return try takeRows(array, indices, .none)
    case .ranges(let ranges):
      if ranges.count == 1 {
        return array.slice(offset: ranges[0].lowerBound, length: ranges[0].count)
      }
      let assembler = try Assembler.make(array.type, [array])
      try assembler.append(0, ranges: ranges)
      return assembler.finish()
    }
  }

  /// The bits of rows that are true and not null.
  private static func keptBits(_ mask: ArrayData) -> (Buffer, Int) {
    guard let validity = mask.validity else { return (mask.buffers[0], mask.offset) }
    let words = (mask.length + 63) / 64
    let both = MutableBuffer(capacity: words * 8)
    for word in 0..<words {
      let left = mask.length - word * 64
      both.append(
        Bitmap.word(mask.buffers[0].base, mask.offset + word * 64, left)
          & Bitmap.word(validity.base, mask.offset + word * 64, left))
    }
    return (both.finish(), 0)
  }

  // Safe: the base is that of the mask, whose bits were checked to be `length` from `offset` on.
  private static func countRuns(_ base: UnsafeRawPointer, _ offset: Int, _ length: Int) -> Int {
    var runs = 0
    var last: UInt64 = 0
    var done = 0
    while done < length {
      let word = Bitmap.word(base, offset + done, length - done)
      // A run starts where a 1 follows a 0.
      runs += (word & ~(word << 1 | last)).nonzeroBitCount
      last = word >> 63
      done += 64
    }
    return runs
  }

  private static func indices(
    _ base: UnsafeRawPointer, _ offset: Int, _ length: Int, _ count: Int
  ) -> [Int] {
    [Int](unsafeUninitializedCapacity: count) { target, initialized in
      var next = 0
      var done = 0
      while done < length {
        var word = Bitmap.word(base, offset + done, length - done)
        while word != 0 {
          target[next] = done + word.trailingZeroBitCount
          next += 1
          word &= word - 1
        }
        done += 64
      }
      initialized = count
    }
  }
}
