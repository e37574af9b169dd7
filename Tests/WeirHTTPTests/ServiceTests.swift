// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import WeirTable

@testable internal import WeirHTTP

@Suite struct ServiceTests {
  static func service(_ change: (inout CatalogServerConfiguration) -> Void = { _ in }) throws
    -> RESTService
  {
    let stores = try ObjectStores(confinedTo: ["memory://m/tables"])
    let catalog = try PointerCatalog(
      name: "test", backend: MemoryCatalogBackend(), stores: stores, warehouse: "memory://m/tables")
    var configuration = CatalogServerConfiguration(warehouseLocation: "memory://m/tables")
    change(&configuration)
    return RESTService(
      catalog: catalog, stores: stores, access: .open, configuration: configuration,
      nowSeconds: { 1_000 })
  }

  static func send(
    _ service: RESTService, _ method: String, _ path: String, query: String = "",
    _ body: String = "", headers: [String: String] = [:]
  ) -> (Int, JSONValue) {
    let answer = service.answer(
      RESTRequest(method, path, query: query, headers: headers, body: Array(body.utf8)))
    let json = (try? JSONParser().parse(answer.response.body)) ?? .null
    return (answer.response.status, json)
  }

  static let schema =
    #"{"type":"struct","fields":[{"id":1,"name":"id","type":"long","required":false}]}"#

  @Test func pagesOfNamespaces() throws {
    let service = try Self.service { $0.pageSizeMax = 3 }
    for index in 0..<8 {
      #expect(
        Self.send(service, "POST", "/v1/namespaces", #"{"namespace":["n\#(index)"]}"#).0 == 200)
    }
    // All at once, without being asked for pages.
    let (_, all) = Self.send(service, "GET", "/v1/namespaces")
    #expect(try all.asObject().array("namespaces").count == 8)
    #expect(try all.asObject()["next-page-token"] == nil)
    var token = ""
    var found: [JSONValue] = []
    var pageCount = 0
    repeat {
      let (_, page) = Self.send(
        service, "GET", "/v1/namespaces", query: "pageToken=\(token)&pageSize=100")
      let object = try page.asObject()
      let names = try object.array("namespaces")
      #expect(names.count <= 3)
      found += names
      token = try object.optionalString("next-page-token") ?? ""
      pageCount += 1
    } while !token.isEmpty
    #expect(pageCount == 3)
    #expect(try all.asObject().array("namespaces") == found)
  }

  @Test func snapshotsOfReferencesOnly() throws {
    let service = try Self.service()
    _ = Self.send(service, "POST", "/v1/namespaces", #"{"namespace":["n"]}"#)
    _ = Self.send(
      service, "POST", "/v1/namespaces/n/tables", #"{"name":"t","schema":\#(Self.schema)}"#)
    for id in 1...3 {
      let commit = """
        {"requirements": [], "updates": [
          {"action": "add-snapshot", "snapshot": {"snapshot-id": \(id), "sequence-number": \(id),
            "timestamp-ms": \(9_000_000_000_000 + id), "manifest-list": "memory://m/tables/x/l",
            "summary": {"operation": "append"}, "schema-id": 0}},
          {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch",
            "snapshot-id": \(id)}]}
        """
      let (status, answer) = Self.send(service, "POST", "/v1/namespaces/n/tables/t", commit)
      #expect(status == 200, "\(answer)")
    }
    for (query, count) in [("", 3), ("snapshots=all", 3), ("snapshots=refs", 1)] {
      let (_, answer) = Self.send(service, "GET", "/v1/namespaces/n/tables/t", query: query)
      #expect(try answer.asObject().object("metadata").array("snapshots").count == count)
    }
    #expect(Self.send(service, "GET", "/v1/namespaces/n/tables/t", query: "snapshots=x").0 == 400)
  }

  @Test func anAnswerTooLargeToKeepIsMadeAgain() throws {
    let service = try Self.service()
    _ = Self.send(service, "POST", "/v1/namespaces", #"{"namespace":["n"]}"#)
    let large = String(repeating: "x", count: IdempotencyRecord.bodyByteCountMax)
    let body = #"{"name":"t","schema":\#(Self.schema),"properties":{"a":"\#(large)"}}"#
    let key = ["idempotency-key": "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"]
    let first = Self.send(service, "POST", "/v1/namespaces/n/tables", body, headers: key)
    let second = Self.send(service, "POST", "/v1/namespaces/n/tables", body, headers: key)
    #expect(first.0 == 200)
    #expect(first.0 == second.0)
    #expect(first.1 == second.1)
  }

  @Test func tooLate() throws {
    let service = try Self.service()
    let reading = service.overdueAnswer(to: RESTRequest("GET", "/v1/config")).response
    #expect(reading.status == 503)
    #expect(reading.header("Retry-After") != nil)
    let changing = service.overdueAnswer(to: RESTRequest("POST", "/v1/namespaces")).response
    #expect(changing.status == 504)
    #expect(String(decoding: changing.body, as: UTF8.self).contains("CommitStateUnknownException"))
    #expect(service.refusal("busy").response.header("Retry-After") == "1")
  }

  @Test func entityTags() {
    let tag = ETag.text(location: "s3://b/ä.json", mode: .all)
    #expect(ETag.location(in: tag, mode: .all) == "s3://b/ä.json")
    #expect(ETag.location(in: "W/\(tag)", mode: .all) == "s3://b/ä.json")
    #expect(ETag.location(in: "\"x\", \(tag)", mode: .all) == "s3://b/ä.json")
    #expect(ETag.location(in: tag, mode: .references) == nil)
    for bad in ["", "*", "\"", "\"\"", "\"all-\"x", "\"all-zz\"", "\"all-ff\"", "all-61"] {
      #expect(ETag.location(in: bad, mode: .all) == nil)
    }
  }

  @Test func reportsAreKeptWithinABound() {
    let log = ReportLog(byteCountMax: 10_000)
    for index in 0..<100 {
      log.add(
        ReportLog.Report(
          table: TableIdentifier(Namespace(["n"]), "t"), client: "c", receivedSeconds: index,
          text: Array(repeating: 32, count: 744)))
    }
    #expect(log.reports.map(\.receivedSeconds) == Array(90..<100))
    log.add(
      ReportLog.Report(
        table: TableIdentifier(Namespace(["n"]), "t"), client: "c", receivedSeconds: 0,
        text: Array(repeating: 32, count: 20_000)))
    #expect(log.reports.count == 10)
  }
}
