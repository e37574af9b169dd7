// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Iceberg's metrics of a data file, made of its rows while they are written: for formats whose
/// files do not have them. They are what a Parquet file of the same rows has.
struct RowMetrics {
  /// What is known of the values of one field.
  private struct Leaf {
    var values = 0
    var nulls = 0
    var nans: Int?
    var least: Scalar?
    var most: Scalar?
  }

  private let fields: [TableField]
  private let modes: MetricsModes
  private var leaves: [Int32: Leaf] = [:]
  private let types: [WrittenLeaf]

  init(_ fields: [TableField], modes: MetricsModes) {
    self.modes = modes
    types = WrittenLeaf.leaves(fields)
    let modes = self.modes
    // Of very wide tables most columns have none.
    self.fields = fields.filter { field in
      WrittenLeaf.leaves([field]).contains { modes.mode(of: $0.id) != .none }
    }
    positions = self.fields.map { field in fields.firstIndex { $0.id == field.id } ?? 0 }
    for leaf in types {
      let isFloat = leaf.type == .float || leaf.type == .double
      leaves[leaf.id] = Leaf(nans: isFloat && !leaf.isRepeated ? 0 : nil)
    }
  }

  /// Where `fields` are in batches.
  private let positions: [Int]

  /// Adds a batch that has the form of the fields.
  mutating func add(_ batch: RecordBatch) throws(TableError) {
    do throws(ColumnarError) {
      for (field, position) in zip(fields, positions) {
        try add(batch.columns[position], field, outside: 0, isRepeated: false)
      }
    } catch { throw TableError(error) }
  }

  /// - Parameter outside: places where a list around the array is empty or null: as Parquet counts,
  ///   each of them is a value that is not there.
  private mutating func add(
    _ array: ArrayData, _ field: TableField, outside: Int, isRepeated: Bool
  ) throws(ColumnarError) {
    switch (field.type, array.type) {
    case (.struct(let type), .struct):
      for (child, inner) in zip(type.fields, array.children) {
        let rows = inner.slice(offset: array.offset, length: array.length)
        try add(
          StructValidity.pushed(array, into: rows), child, outside: outside,
          isRepeated: isRepeated)
      }
    case (.list, .list), (.map, .map):
      let (items, empty) = try ListItems.of(array)
      if case .list(let type) = field.type {
        try add(items, type.elementField, outside: outside + empty, isRepeated: true)
      } else if case .map(let type) = field.type {
        for (child, inner) in zip([type.keyField, type.valueField], items.children) {
          try add(
            inner.slice(offset: items.offset, length: items.length), child,
            outside: outside + empty, isRepeated: true)
        }
      }
    default: addLeaf(array, field, outside, isRepeated)
    }
  }

  private mutating func addLeaf(
    _ array: ArrayData, _ field: TableField, _ outside: Int, _ isRepeated: Bool
  ) {
    let mode = modes.mode(of: field.id)
    if mode == .none { return }
    guard var leaf = leaves[field.id] else { return }
    leaf.values += array.length + outside
    leaf.nulls += array.nullCount + outside
    if !isRepeated {
      var counts: [Int32: Int] = [:]
      if leaf.nans != nil { NaNCounts.add(array, field, to: &counts) }
      leaf.nans = leaf.nans.map { $0 + (counts[field.id] ?? 0) }
      if mode != .counts, let (least, most) = ColumnExtremes.rows(array) {
        let (low, high) = (array.scalar(at: least), array.scalar(at: most))
        if leaf.least.map({ BoundOrder.precedes(low, $0) }) ?? true { leaf.least = low }
        if leaf.most.map({ BoundOrder.precedes($0, high) }) ?? true { leaf.most = high }
      }
    }
    leaves[field.id] = leaf
  }

  func finish(columnSizes: [Int32: Int64]) throws(TableError) -> FileMetrics {
    var values: [Int32: Int64] = [:]
    var nulls: [Int32: Int64] = [:]
    var nans: [Int32: Int64] = [:]
    var lower: [Int32: [UInt8]] = [:]
    var upper: [Int32: [UInt8]] = [:]
    for type in types {
      let mode = modes.mode(of: type.id)
      guard mode != .none, let leaf = leaves[type.id] else { continue }
      values[type.id] = Int64(leaf.values)
      nulls[type.id] = Int64(leaf.nulls)
      nans[type.id] = leaf.nans.map { Int64($0) }
      guard mode != .counts, let least = leaf.least, let most = leaf.most else { continue }
      let bounds = try WrittenBounds.encode(
        least: WrittenBounds.zero(least, .minus), most: WrittenBounds.zero(most, .plus), type.type,
        mode)
      lower[type.id] = bounds.lower
      upper[type.id] = bounds.upper
    }
    return FileMetrics(
      columnSizes: columnSizes, valueCounts: values, nullValueCounts: nulls,
      nanValueCounts: nans, lowerBounds: lower, upperBounds: upper)
  }
}

/// Bounds as manifests have them.
enum WrittenBounds {
  /// Cut as the mode says.
  static func encode(
    least: Scalar, most: Scalar, _ type: TableType, _ mode: MetricsModes.Mode
  ) throws(TableError) -> (lower: [UInt8]?, upper: [UInt8]?) {
    guard case .truncate(let length) = mode else {
      return (try SingleValue.encode(least, as: type), try SingleValue.encode(most, as: type))
    }
    let upper = SingleValue.truncatedUpper(most, length: length)
    return (
      try SingleValue.encode(SingleValue.truncatedLower(least, length: length), as: type),
      try upper.map { value throws(TableError) in try SingleValue.encode(value, as: type) }
    )
  }

  /// A zero with the sign, which the order of floats does not tell; other values as they are.
  static func zero(_ value: Scalar, _ sign: FloatingPointSign) -> Scalar {
    switch value {
    case .float32(let value) where value == 0: .float32(sign == .minus ? -0.0 : 0)
    case .float64(let value) where value == 0: .float64(sign == .minus ? -0.0 : 0)
    default: value
    }
  }
}
