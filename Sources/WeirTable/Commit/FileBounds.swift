// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What the manifest says of the values in one data file: its metrics, and the values of identity
/// partition fields, which all rows share.
struct FileBounds: ColumnBounds {
  let file: DataFile
  let spec: PartitionSpec
  let schema: TableSchema

  func metrics(of column: BoundColumn) -> ColumnMetricsOfExpression {
    guard let id = column.field.id, let field = schema.field(id: id) else {
      return ColumnMetricsOfExpression()
    }
    let rows = Int64(file.recordCount)
    for (index, part) in spec.fields.enumerated()
    where part.transform == .identity && part.sourceIDs == [id] && index < file.partition.count {
      return ColumnMetricsOfExpression(constant: file.partition[index], rows: rows)
    }
    let metrics = file.metrics
    func bound(_ bytes: [UInt8]?) -> Scalar? {
      bytes.flatMap { try? SingleValue.decode($0, as: field.type) }
    }
    return ColumnMetricsOfExpression(
      lower: bound(metrics.lowerBound(of: id)), upper: bound(metrics.upperBound(of: id)),
      nullCount: metrics.nullValueCount(of: id), nanCount: metrics.nanValueCount(of: id),
      valueCount: metrics.valueCount(of: id) ?? rows)
  }
}

/// The name that `ColumnBounds` uses; manifests have metrics of that name, too.
typealias ColumnMetricsOfExpression = WeirColumnar.ColumnMetrics
