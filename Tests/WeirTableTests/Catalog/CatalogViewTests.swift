// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirTable

@Suite struct CatalogViewTests {
  private func version(_ id: Int, _ sql: String) -> ViewVersion {
    ViewVersion(
      versionID: id, schemaID: 0, timestampMilliseconds: 1_700_000_000_000,
      representations: [ViewRepresentation(sql: sql, dialect: "spark")], defaultNamespace: ["n"])
  }

  @Test func viewsAreMadeChangedRenamedAndDropped() throws {
    let test = try TestCatalog()
    let v = test.identifier("v")
    let made = try test.catalog.createView(
      v, ViewCreation(schema: TestCatalog.schema, version: version(1, "select 1")))
    #expect(try test.catalog.loadView(v).metadata == made.metadata)
    #expect(
      tableErrorCode {
        try test.catalog.createTable(v, TableCreation(schema: TestCatalog.schema))
      } == .alreadyExists)
    #expect(tableErrorCode { try test.catalog.loadTable(v) } == .notFound)
    var next = version(2, "select 2")
    next.schemaID = made.metadata.currentVersion.schemaID
    let commit = ViewCommit(
      v, requirements: [.assertViewUUID(made.metadata.uuid)],
      updates: [.addVersion(next), .setCurrentVersion(-1)])
    let changed = try test.catalog.commit(commit)
    #expect(changed.metadata.versions.count == 2)
    #expect(
      try test.catalog.loadView(v).metadata.currentVersion.representations[0].sql == "select 2")
    let w = test.identifier("w")
    try test.catalog.renameView(v, to: w)
    #expect(try test.catalog.listViews(in: test.namespace, page: .first).items == [w])
    #expect(try test.catalog.listTables(in: test.namespace, page: .first).items == [])
    #expect(tableErrorCode { try test.catalog.dropTable(w) } == .notFound)
    try test.catalog.dropView(w)
    #expect(try !test.catalog.viewExists(w))
  }
}
