// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirStorage

/// Which rows are to be erased.
public struct ErasureTarget: Sendable {
  /// Rows for which it is true; without a chooser all of them.
  public var filter: Predicate
  /// Chooses among those.
  public var chooser: (any ErasureChooser)?

  public init(where filter: Predicate, choosing chooser: (any ErasureChooser)? = nil) {
    self.filter = filter
    self.chooser = chooser
  }

  /// The condition as it may be written down: with `?` in the place of every value.
  public var text: String { filter.textWithoutValues + (chooser.map { " and \($0.text)" } ?? "") }
}

/// Chooses rows by more than a predicate can say.
public protocol ErasureChooser: Sendable {
  /// The columns that it looks at.
  var columns: [String] { get }
  /// What it looks for, without a value.
  var text: String { get }

  /// The rows that are to be erased, ascending.
  ///
  /// - Parameter batch: with the columns in their order.
  func rows(of batch: RecordBatch) throws(TableError) -> [Int]
}

/// Finds the rows that a file holds, whether they are deleted or not.
struct ErasureFinder {
  let schema: TableSchema
  let filter: BoundPredicate
  private let context: ReadContext
  private let chooser: (any ErasureChooser)?

  init(
    _ metadata: TableMetadata, _ stores: ObjectStores, _ target: ErasureTarget
  ) throws(TableError) {
    schema = metadata.currentSchema
    filter = try target.filter.bound(to: schema, caseSensitive: true)
    chooser = target.chooser
    var options = TableReadOptions()
    options.columns = (chooser?.columns ?? []) + [MetadataColumn.position.rawValue]
    context = try ReadContext(metadata, schema: schema, stores: stores, options: options)
  }

  /// The positions of the rows in the file.
  ///
  /// Cost: reads the columns of the condition, where the file's pages may hold such rows.
  func rows(_ file: DataFile, _ spec: PartitionSpec) throws(TableError) -> RoaringBitmap64 {
    let task = FileScanTask(
      dataFile: file, spec: spec, sequenceNumber: 0, fileSequenceNumber: 0, residual: filter)
    let reader = try DataFileReader(task, context)
    var rows = RoaringBitmap64()
    while let batch = try reader.next() {
      let positions = Lineage.values(batch.columns[batch.columns.count - 1])
      if let chooser {
        let chosen = try chooser.rows(
          of: RecordBatch(
            trusted: Schema(Array(batch.schema.fields.dropLast())),
            columns: Array(batch.columns.dropLast()), rowCount: batch.rowCount))
        rows.insert(contentsOf: chosen.map { positions[$0] })
      } else {
        rows.insert(contentsOf: positions)
      }
    }
    return rows
  }

  /// Whether the condition can be tested on rows that have these fields alone.
  func isDecided(by fieldIDs: [Int32]) -> Bool {
    chooser == nil && filter.columns.allSatisfy { $0.field.id.map(fieldIDs.contains) ?? false }
  }

  /// Whether values of the condition's columns are in the partition values of a spec: those of files,
  /// and so in manifests and in the names of folders.
  func isTold(by spec: PartitionSpec) -> Bool {
    spec.fields.contains { field in
      let isTelling: Bool
      switch field.transform {
      case .identity, .truncate: isTelling = true
      default: isTelling = false
      }
      return isTelling && filter.columns.contains { field.sourceIDs.contains($0.field.id ?? 0) }
    }
  }
}

extension Predicate {
  /// The SQL form with `?` in the place of every value.
  public var textWithoutValues: String {
    switch self {
    case .always(let value): value ? "TRUE" : "FALSE"
    case .compare(let operation, let term, _): "\(term.name) \(operation.rawValue) ?"
    case .isIn(let term, let values): "\(term.name) IN (\(values.count) values)"
    case .notIn(let term, let values): "\(term.name) NOT IN (\(values.count) values)"
    case .isNull(let term): "\(term.name) IS NULL"
    case .notNull(let term): "\(term.name) IS NOT NULL"
    case .isNaN(let term): "\(term.name) IS NAN"
    case .notNaN(let term): "\(term.name) IS NOT NAN"
    case .startsWith(let term, _), .like(let term, _): "\(term.name) LIKE ?"
    case .notStartsWith(let term, _), .notLike(let term, _): "\(term.name) NOT LIKE ?"
    case .and(let parts): Predicate.joined(parts, " AND ")
    case .or(let parts): Predicate.joined(parts, " OR ")
    case .not(let inner): "NOT (\(inner.textWithoutValues))"
    }
  }

  private static func joined(_ parts: [Predicate], _ word: String) -> String {
    parts.map { "(\($0.textWithoutValues))" }.joined(separator: word)
  }
}
