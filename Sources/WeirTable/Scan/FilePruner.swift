// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Decides file by file whether a filter can be true for its rows, and what is left to test.
///
/// What depends on the spec alone is worked out once for each spec.
final class FilePruner {
  let filter: BoundPredicate
  private let schema: TableSchema
  private var plans: [Int: PartitionPlan] = [:]

  init(_ filter: BoundPredicate, _ schema: TableSchema) {
    self.filter = filter
    self.schema = schema
  }

  func plan(_ spec: PartitionSpec) -> PartitionPlan {
    if let known = plans[spec.specID] { return known }
    let plan = PartitionPlan(spec, schema, filter.columns)
    plans[spec.specID] = plan
    return plan
  }

  /// False only if no file of the manifest has a row for which the filter is true.
  func mayMatch(_ manifest: ManifestFile, _ spec: PartitionSpec) -> Bool {
    guard let summaries = manifest.partitions else { return true }
    // Global equality deletes have no partition, and so no summaries that could exclude them.
    return filter.mayMatch(ManifestBounds(plan: plan(spec), summaries: summaries))
  }

  /// What is left of the filter for the file at which the reader stands; `nil` when it excludes all
  /// rows.
  func residual(
    _ reader: ManifestReader, _ spec: PartitionSpec
  ) throws(TableError) -> BoundPredicate? {
    if filter.isAlwaysTrue { return filter }
    let plan = plan(spec)
    let rows = Int64(try reader.recordCount())
    let partition = plan.isEmpty ? [] : try reader.partition()
    if !plan.isEmpty {
      let bounds = DataFileBounds(
        plan: plan, partition: partition, rows: rows, schema: schema, fileMetrics: nil)
      guard filter.mayMatch(bounds) else { return nil }
    }
    let bounds = DataFileBounds(
      plan: plan, partition: partition, rows: rows, schema: schema,
      fileMetrics: try reader.metrics())
    return filter.mayMatch(bounds) ? filter.residual(bounds) : nil
  }
}

extension Predicate {
  /// - Throws: `invalidArgument` when it does not fit the schema.
  func bound(
    to schema: TableSchema, caseSensitive: Bool
  ) throws(TableError) -> BoundPredicate {
    do throws(ColumnarError) {
      return try bind(to: schema.arrowSchema(), caseSensitive: caseSensitive)
    } catch {
      throw TableError(
        .invalidArgument, "the filter does not fit the table: \(error.message)",
        column: error.column)
    }
  }
}
