// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import WeirColumnar
internal import WeirStorage

@testable internal import WeirTable

/// A table of `testdata/iceberg/tables`, in memory at the location that its files name.
struct GoldenTable {
  let name: String
  let metadata: TableMetadata
  let stores: ObjectStores
  /// The rows as PyIceberg reads them, by id.
  let expected: [[String: Scalar]]

  static let location = "tmp/weir-golden/db/"

  init(_ name: String) throws {
    self.name = name
    let store = MemoryObjectStore()
    let folder = GoldenFiles.folder.appendingPathComponent("tables/\(name)")
    for case let url as URL in FileManager.default.enumerator(
      at: folder, includingPropertiesForKeys: nil)!
    where try url.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile! {
      let path = url.standardizedFileURL.path.dropFirst(folder.standardizedFileURL.path.count)
      try store.put(Self.location + name + path, Buffer([UInt8](try Data(contentsOf: url))))
    }
    stores = try ObjectStores(factories: ["file": { _ in store }])
    metadata = try TableMetadata(
      json: try GoldenFiles.json("tables/\(name)/metadata.json"))
    let reader = try ArrowFileReader(try GoldenFiles.buffer("tables/\(name)/expected.arrow"))
    var rows: [[String: Scalar]] = []
    while let batch = try reader.next() { rows += Self.rows(batch) }
    expected = rows
  }

  static func rows(_ batch: RecordBatch) -> [[String: Scalar]] {
    (0..<batch.rowCount).map { row in
      var values: [String: Scalar] = [:]
      for (field, column) in zip(batch.schema.fields, batch.columns) {
        values[field.name] = column.scalar(at: row)
      }
      return values
    }
  }

  /// Rows as Weir reads them, by id.
  func read(
    _ columns: [String]? = nil, where filter: WeirColumnar.Predicate = .always(true),
    at selector: SnapshotSelector = .current
  ) throws -> [[String: Scalar]] {
    let planner = try ScanPlanner(metadata, stores: stores, filter: filter, at: selector)
    var options = TableReadOptions()
    options.columns = columns
    options.batchRowsMax = 3
    let reader = try TableReader(
      metadata, schema: planner.schema, stores: stores, options: options
    ) { () throws(TableError) in try planner.next() }
    var rows: [[String: Scalar]] = []
    while let batch = try reader.next() {
      try batch.validate(full: true)
      rows += Self.rows(batch)
    }
    return rows.sorted {
      guard let a = $0["id"], let b = $1["id"] else { return false }
      return (Scalar.order(a, b) ?? 0) < 0
    }
  }
}
