// SPDX-License-Identifier: Apache-2.0
// Safe: the one pointer is a view of an array's own bytes, used inside its closure.

internal import WeirColumnar
internal import WeirParquet

/// The leaves of a table's columns in the order of a Parquet file's column chunks.
struct WrittenLeaf: Sendable {
  var id: Int32
  var type: TableType
  /// Inside a list or a map: such columns have no bounds.
  var isRepeated: Bool

  static func leaves(_ fields: [TableField], isRepeated: Bool = false) -> [WrittenLeaf] {
    fields.flatMap { field -> [WrittenLeaf] in
      switch field.type {
      case .struct(let type): leaves(type.fields, isRepeated: isRepeated)
      case .list, .map: leaves(field.type.childFields, isRepeated: true)
      default: [WrittenLeaf(id: field.id, type: field.type, isRepeated: isRepeated)]
      }
    }
  }
}

/// Iceberg's metrics of a Parquet file that was written just now.
enum ParquetMetrics {
  /// - Parameter nanCounts: by field id, of floating point columns outside of lists and maps.
  static func make(
    _ file: FileMetaData, leaves: [WrittenLeaf], modes: MetricsModes, nanCounts: [Int32: Int]
  ) throws(TableError) -> FileMetrics {
    var sizes: [Int32: Int64] = [:]
    var values: [Int32: Int64] = [:]
    var nulls: [Int32: Int64] = [:]
    var nans: [Int32: Int64] = [:]
    var lower: [Int32: [UInt8]] = [:]
    var upper: [Int32: [UInt8]] = [:]
    for (index, leaf) in leaves.enumerated() {
      let chunks = file.rowGroups.map { $0.columns[index].metaData }
      sizes[leaf.id] = Int64(chunks.reduce(0) { $0 + $1.totalCompressedSize })
      let mode = modes.mode(of: leaf.id)
      if mode == .none { continue }
      values[leaf.id] = Int64(chunks.reduce(0) { $0 + $1.valueCount })
      let counts = chunks.map { $0.statistics?.nullCount }
      if !counts.contains(nil) {
        nulls[leaf.id] = Int64(counts.reduce(0) { $0 + ($1 ?? 0) })
      }
      if let count = nanCounts[leaf.id] { nans[leaf.id] = Int64(count) }
      if mode == .counts || leaf.isRepeated { continue }
      let bounds = try bounds(chunks, leaf, mode)
      lower[leaf.id] = bounds?.lower
      upper[leaf.id] = bounds?.upper
    }
    return FileMetrics(
      columnSizes: sizes, valueCounts: values, nullValueCounts: nulls, nanValueCounts: nans,
      lowerBounds: lower, upperBounds: upper)
  }

  /// The bounds of all row groups; `nil` without values.
  private static func bounds(
    _ chunks: [ColumnMetaData], _ leaf: WrittenLeaf, _ mode: MetricsModes.Mode
  ) throws(TableError) -> (lower: [UInt8]?, upper: [UInt8]?)? {
    var least: Scalar?
    var most: Scalar?
    for chunk in chunks {
      guard let statistics = chunk.statistics, let min = statistics.min, let max = statistics.max
      else {
        // Only nulls and NaNs are without bounds.
        continue
      }
      let low = try value(min, chunk.type, leaf.type)
      let high = try value(max, chunk.type, leaf.type)
      if least.map({ BoundOrder.precedes(low, $0) }) ?? true { least = low }
      if most.map({ BoundOrder.precedes($0, high) }) ?? true { most = high }
    }
    guard let least, let most else { return nil }
    return try WrittenBounds.encode(least: least, most: most, leaf.type, mode)
  }

  /// A Parquet statistic as a value of the table's type.
  private static func value(
    _ bytes: [UInt8], _ physical: PhysicalType, _ type: TableType
  ) throws(TableError) -> Scalar {
    guard case .decimal(_, let scale) = type else { return try SingleValue.decode(bytes, as: type) }
    let bigEndian = physical == .int32 || physical == .int64 ? bytes.reversed() : bytes
    guard !bytes.isEmpty, let unscaled = bigEndian.withUnsafeBytes({ Int128(bigEndianBytes: $0) })
    else {
      throw TableError(.damaged, "a decimal's bound has \(bytes.count) bytes")
    }
    return .decimal(unscaled, scale: scale)
  }
}
