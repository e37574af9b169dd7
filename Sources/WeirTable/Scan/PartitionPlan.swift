// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Which partition fields of one spec say something about the columns of a predicate.
struct PartitionPlan {
  struct Part {
    /// Position in the partition tuple.
    let index: Int
    let transform: Transform
    /// The column's type.
    let type: TableType
    /// The type of the partition's values.
    let resultType: TableType
  }

  private let parts: [Int32: [Part]]

  init(_ spec: PartitionSpec, _ schema: TableSchema, _ columns: [BoundColumn]) {
    var parts: [Int32: [Part]] = [:]
    for id in columns.compactMap(\.field.id) {
      guard let type = schema.field(id: id)?.type else { continue }
      for (index, field) in spec.fields.enumerated() where field.sourceIDs == [id] {
        guard field.transform != .void, let result = field.transform.resultType(of: type) else {
          continue
        }
        parts[id, default: []].append(
          Part(index: index, transform: field.transform, type: type, resultType: result))
      }
    }
    self.parts = parts
  }

  var isEmpty: Bool { parts.isEmpty }

  func parts(of column: BoundColumn) -> [Part] { column.field.id.flatMap { parts[$0] } ?? [] }
}

/// The bounds of columns in one data file: its partition and its metrics together.
struct DataFileBounds: ColumnBounds {
  let plan: PartitionPlan
  let partition: [Scalar]
  let rows: Int64
  let schema: TableSchema
  /// Without them only the partition speaks.
  let fileMetrics: FileMetrics?
  /// Columns of which the metrics say nothing.
  var unknown: Set<Int32> = []

  init(
    plan: PartitionPlan, partition: [Scalar], rows: Int64, schema: TableSchema,
    fileMetrics: FileMetrics?
  ) {
    self.plan = plan
    self.partition = partition
    self.rows = rows
    self.schema = schema
    self.fileMetrics = fileMetrics
  }

  /// The bounds of a file that was read with its metrics, for a predicate on `schema`.
  init(_ file: DataFile, _ spec: PartitionSpec, _ schema: TableSchema, _ predicate: BoundPredicate)
  {
    self.init(
      plan: PartitionPlan(spec, schema, predicate.columns), partition: file.partition,
      rows: Int64(file.recordCount), schema: schema, fileMetrics: file.metrics)
  }

  func metrics(of column: BoundColumn) -> ColumnMetrics {
    var result = ownMetrics(column)
    for part in plan.parts(of: column) where part.index < partition.count {
      let value = partition[part.index]
      if value.isNull {
        return ColumnMetrics(
          nullCount: rows, nanCount: 0, valueCount: rows)
      }
      if part.transform == .identity {
        return ColumnMetrics(constant: value, rows: rows)
      }
      result.tighten(SourceRange(part.transform, part.type, lower: value, upper: value))
      result.nullCount = 0
      result.valueCount = rows
    }
    return result
  }

  private func ownMetrics(_ column: BoundColumn) -> ColumnMetrics {
    guard let fileMetrics, let id = column.field.id, let field = schema.field(id: id),
      !unknown.contains(id)
    else {
      return ColumnMetrics()
    }
    return ColumnMetrics(
      lower: decoded(fileMetrics.lowerBound(of: id), field.type),
      upper: decoded(fileMetrics.upperBound(of: id), field.type),
      nullCount: fileMetrics.nullValueCount(of: id), nanCount: fileMetrics.nanValueCount(of: id),
      valueCount: fileMetrics.valueCount(of: id))
  }

  func mayContain(_ value: Scalar, in column: BoundColumn) -> Bool {
    for part in plan.parts(of: column) where part.index < partition.count {
      guard case .bucket = part.transform,
        let bucket = try? part.transform.apply(value, part.type)
      else { continue }
      if bucket != partition[part.index] { return false }
    }
    return true
  }
}

/// The bounds of columns in all files of a manifest, as the manifest list sums them up.
struct ManifestBounds: ColumnBounds {
  let plan: PartitionPlan
  let summaries: [FieldSummary]

  func metrics(of column: BoundColumn) -> ColumnMetrics {
    var result = ColumnMetrics()
    for part in plan.parts(of: column) where part.index < summaries.count {
      let summary = summaries[part.index]
      let lower = decoded(summary.lowerBound, part.resultType)
      let upper = decoded(summary.upperBound, part.resultType)
      if !summary.containsNull { result.nullCount = 0 }
      if part.transform == .identity, summary.containsNaN == false { result.nanCount = 0 }
      result.tighten(SourceRange(part.transform, part.type, lower: lower, upper: upper))
    }
    return result
  }

  func mayContain(_ value: Scalar, in column: BoundColumn) -> Bool {
    for part in plan.parts(of: column) where part.index < summaries.count {
      guard case .bucket = part.transform, let bucket = try? part.transform.apply(value, part.type)
      else { continue }
      let summary = summaries[part.index]
      if let lower = decoded(summary.lowerBound, part.resultType),
        let order = Scalar.order(bucket, lower), order < 0
      {
        return false
      }
      if let upper = decoded(summary.upperBound, part.resultType),
        let order = Scalar.order(bucket, upper), order > 0
      {
        return false
      }
    }
    return true
  }
}

/// A bound from a manifest; one that does not decode tells nothing.
private func decoded(_ bytes: [UInt8]?, _ type: TableType) -> Scalar? {
  bytes.flatMap { try? SingleValue.decode($0, as: type) }
}

extension ColumnMetrics {
  /// Takes the nearer of two bounds.
  fileprivate mutating func tighten(_ range: SourceRange) {
    if let bound = range.lower, lower.flatMap({ Scalar.order($0, bound) }).map({ $0 < 0 }) ?? true {
      lower = bound
    }
    if let bound = range.upper, upper.flatMap({ Scalar.order($0, bound) }).map({ $0 > 0 }) ?? true {
      upper = bound
    }
  }
}
