// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Decides file by file whether a filter can be true for its rows, and what is left to test.
///
/// What depends on the spec alone is worked out once for each spec.
final class FilePruner {
  let filter: BoundPredicate
  private let schema: TableSchema
  private let boundTests: BoundTests
  private var specs: [Int: SpecState] = [:]
  /// The one used last.
  private var current: SpecState?

  /// What is known of one spec.
  private final class SpecState {
    let specID: Int
    let plan: PartitionPlan
    /// Which partitions the filter excludes: thousands of files share one.
    var excluded = PartitionMemo()

    init(_ specID: Int, _ plan: PartitionPlan) {
      self.specID = specID
      self.plan = plan
    }
  }

  init(_ filter: BoundPredicate, _ schema: TableSchema) {
    self.filter = filter
    self.schema = schema
    boundTests = BoundTests(filter, schema)
  }

  private func state(_ spec: PartitionSpec) -> SpecState {
    if let current, current.specID == spec.specID { return current }
    let state =
      specs[spec.specID]
      ?? SpecState(spec.specID, PartitionPlan(spec, schema, filter.columns))
    specs[spec.specID] = state
    current = state
    return state
  }

  func plan(_ spec: PartitionSpec) -> PartitionPlan { state(spec).plan }

  /// The filter's columns whose values are in column files.
  private func unknownIDs(_ columnFiles: [ColumnFile]) -> Set<Int32> {
    if columnFiles.isEmpty { return [] }
    return Set(
      filter.columns.compactMap(\.field.id).filter { id in
        var top = id
        while let parent = schema.parentID(ofFieldID: top) { top = parent }
        return columnFiles.contains { $0.fieldID == top }
      })
  }

  /// False only if no file of the manifest has a row for which the filter is true.
  func mayMatch(_ manifest: ManifestFile, _ spec: PartitionSpec) -> Bool {
    guard let summaries = manifest.partitions else { return true }
    // Global equality deletes have no partition, and so no summaries that could exclude them.
    return filter.mayMatch(ManifestBounds(plan: plan(spec), summaries: summaries))
  }

  /// What is left of the filter for the file at which the reader stands; `nil` when it excludes all
  /// rows.
  ///
  /// - Parameter columnFiles: the file's own metrics say nothing about these columns.
  func residual(
    _ reader: ManifestReader, _ spec: PartitionSpec, _ columnFiles: [ColumnFile]
  ) throws(TableError) -> BoundPredicate? {
    if filter.isAlwaysTrue { return filter }
    let unknown = unknownIDs(columnFiles)
    let state = state(spec)
    let plan = state.plan
    let key = plan.isEmpty ? nil : try reader.partitionKey()
    let known = key.flatMap { state.excluded[$0] }
    if known == true { return nil }
    // Most files end here, without an allocation.
    if unknown.isEmpty, try reader.isRefuted(by: boundTests) { return nil }
    let rows = Int64(try reader.recordCount())
    let partition = plan.isEmpty ? [] : try reader.partition()
    if !plan.isEmpty, known == nil {
      let bounds = DataFileBounds(
        plan: plan, partition: partition, rows: rows, schema: schema, fileMetrics: nil)
      let isExcluded = !filter.mayMatch(bounds)
      // A file without rows matches nothing, which says nothing about its partition.
      if let key, rows > 0 { state.excluded[key] = isExcluded }
      if isExcluded { return nil }
    }
    var bounds = DataFileBounds(
      plan: plan, partition: partition, rows: rows, schema: schema,
      fileMetrics: try reader.metrics())
    bounds.unknown = unknown
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
