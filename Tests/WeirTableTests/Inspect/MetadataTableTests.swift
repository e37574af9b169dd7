// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar

@testable internal import WeirTable

@Suite struct MetadataTableTests {
  private func rows(_ table: GoldenTable, _ kind: MetadataTable) throws -> [[String: Scalar]] {
    let reader = try MetadataTableReader(
      kind, table.metadata, metadataLocation: "file:///m.json",
      files: ManifestFiles(stores: table.stores, cache: ManifestCache()), at: .current)
    var rows: [[String: Scalar]] = []
    while let batch = try reader.next() {
      #expect(batch.schema == reader.schema)
      try batch.validate(full: true)
      rows += GoldenTable.rows(batch)
    }
    return rows
  }

  @Test(arguments: ["types", "evolved", "partitioned", "mapped", "deletes"])
  func allKindsAgree(_ name: String) throws {
    let table = try GoldenTable(name)
    let metadata = table.metadata
    var all: [MetadataTable: [[String: Scalar]]] = [:]
    for kind in MetadataTable.allCases { all[kind] = try rows(table, kind) }
    #expect(all[.snapshots]?.count == metadata.snapshots.count)
    #expect(all[.history]?.count == metadata.snapshotLog.count)
    #expect(all[.refs]?.count == metadata.references.count)
    #expect(all[.files]?.count == all[.dataFiles]!.count + all[.deleteFiles]!.count)
    #expect(all[.entries]!.count >= all[.files]!.count)
    func total(_ kind: MetadataTable, _ column: String) -> Int64 {
      all[kind]!.reduce(0) { if case .int(let value)? = $1[column] { $0 + value } else { $0 } }
    }
    #expect(total(.dataFiles, "record_count") == total(.partitions, "record_count"))
    #expect(Int64(all[.dataFiles]!.count) == total(.partitions, "file_count"))
    let deletes = ["position", "equality"].reduce(0) {
      $0 + total(.partitions, "\($1)_delete_file_count")
    }
    #expect(Int64(all[.deleteFiles]!.count) == deletes)
  }

  @Test func boundsAndPartitionsAreReadable() throws {
    let table = try GoldenTable("partitioned")
    let files = try rows(table, .dataFiles)
    guard case .struct(let metrics)? = files.first?["readable_metrics"],
      case .struct(let ofID)? = metrics.first(where: { $0.name == "id" })?.value
    else {
      Issue.record("metrics are there")
      return
    }
    #expect(ofID.map(\.name).prefix(2) == ["column_size", "value_count"])
    #expect(ofID.first { $0.name == "lower_bound" }.map { !$0.value.isNull } == true)
    let manifests = try rows(table, .manifests)
    guard case .list(let summaries)? = manifests.first?["partition_summaries"],
      case .struct(let summary)? = summaries.first
    else {
      Issue.record("summaries are there")
      return
    }
    #expect(summary.map(\.name) == ["contains_null", "contains_nan", "lower_bound", "upper_bound"])
  }
}
