// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import WeirColumnar
internal import WeirStorage

@testable internal import WeirTable

/// A catalog whose files are on disk, where other programs can read them, when the environment names a
/// folder (`WEIR_WRITE_TABLES`), and in memory otherwise.
struct WrittenTables {
  /// The formats that tables can have.
  static let formats: [FileFormat] = [.parquet, .weir]
  /// Of tables of which a test does not say it: `WEIR_TEST_FORMAT=weir` runs all tests with that one.
  static let standardFormat =
    ProcessInfo.processInfo.environment["WEIR_TEST_FORMAT"].map { FileFormat(name: $0) } ?? .parquet

  let catalog: PointerCatalog
  let namespace = Namespace(["n"])

  /// The folder for other programs.
  static let folder = ProcessInfo.processInfo.environment["WEIR_WRITE_TABLES"]

  private let format: FileFormat

  init(_ format: FileFormat = standardFormat) throws {
    self.format = format
    let stores = try ObjectStores(syncsFiles: false)
    catalog = try PointerCatalog(
      name: "test", backend: MemoryCatalogBackend(), stores: stores,
      warehouse: Self.folder.map { "file://\($0)" } ?? "memory://w/house")
    try catalog.createNamespace(namespace)
  }

  /// A new table, empty.
  func table(
    _ name: String, _ schema: TableSchema, _ spec: PartitionSpec = .unpartitioned,
    sortOrder: WeirTable.SortOrder = .unsorted, version: Int = 3, properties: StringMap = [:]
  ) throws -> Table {
    var properties = properties
    properties["format-version"] = String(version)
    if format != .parquet, properties[DataFormat.property] == nil {
      properties[DataFormat.property] = format.description.lowercased()
    }
    let identifier = TableIdentifier(namespace, name)
    _ = try catalog.createTable(
      identifier,
      TableCreation(
        schema: schema, partitionSpec: spec, sortOrder: sortOrder, properties: properties))
    return try catalog.table(identifier)
  }

  /// Puts the table's newest metadata and its rows where `check_written.py` finds them.
  static func finish(_ table: Table) throws {
    // Others read Parquet.
    guard let folder, table.metadata.properties[DataFormat.property] == nil else { return }
    let name = table.identifier.name
    let rows = try rows(table)
    let place = URL(fileURLWithPath: folder).appendingPathComponent(name)
    let metadata = Data(table.metadata.json().text.utf8)
    try metadata.write(to: place.appendingPathExtension("metadata.json"))
    let schema = table.schema.arrowSchema()
    var bytes: [UInt8] = []
    let writer = try ArrowFileWriter(schema: schema) { bytes += $0.array(of: UInt8.self) }
    for batch in rows { try writer.write(batch) }
    try writer.finish()
    try Data(bytes).write(to: place.appendingPathExtension("arrow"))
  }

  static func rows(_ table: Table, _ options: ScanOptions = ScanOptions()) throws -> [RecordBatch] {
    let reader = try table.scan(options)
    var batches: [RecordBatch] = []
    while let batch = try reader.next() {
      try batch.validate(full: true)
      batches.append(batch)
    }
    return batches
  }

  /// The files of the table as a scan of all of it reads them.
  static func tasks(_ table: Table) throws -> [FileScanTask] {
    let planner = try table.plan()
    var tasks: [FileScanTask] = []
    while let task = try planner.next() { tasks.append(task) }
    return tasks
  }

  /// Rows as dictionaries, by `id`.
  static func sortedRows(
    _ table: Table, _ options: ScanOptions = ScanOptions()
  ) throws -> [[String: Scalar]] {
    try rows(table, options).flatMap(GoldenTable.rows).sorted {
      guard let a = $0["id"], let b = $1["id"] else { return false }
      return (Scalar.order(a, b) ?? 0) < 0
    }
  }
}
