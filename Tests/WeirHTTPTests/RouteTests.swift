// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirTable

@testable internal import WeirHTTP

@Suite struct RouteTests {
  static let sales = Namespace(["sales"])
  static let table = TableIdentifier(Namespace(["sales", "e u"]), "t/1")

  @Test func paths() throws {
    let wanted: [(String, RESTRoute)] = [
      ("/v1/config", .config),
      ("/v1/config/", .config),
      ("/v1/oauth/tokens", .tokens),
      ("/v1/namespaces", .namespaces),
      ("/v1/weir/namespaces", .namespaces),
      ("/v1/weir/namespaces/sales", .namespace(Self.sales)),
      ("/v1/namespaces/namespaces", .namespace(Namespace(["namespaces"]))),
      ("/v1/weir/namespaces/sales/properties", .namespaceProperties(Self.sales)),
      ("/v1/weir/namespaces/sales/tables", .tables(Self.sales)),
      ("/v1/weir/namespaces/sales%1Fe%20u/tables/t%2F1", .table(Self.table)),
      ("/v1/weir/namespaces/sales%1fe+u/tables/t%2F1", .table(Self.table)),
      ("/v1/namespaces/sales%1Fe%20u/tables/t%2F1/metrics", .metrics(Self.table)),
      ("/v1/namespaces/sales%1Fe%20u/tables/t%2F1/plan", .plans(Self.table)),
      ("/v1/namespaces/sales%1Fe%20u/tables/t%2F1/plan/p", .plan(Self.table, id: "p")),
      ("/v1/namespaces/sales%1Fe%20u/tables/t%2F1/tasks", .scanTasks(Self.table)),
      ("/v1/namespaces/sales%1Fe%20u/views/t%2F1", .view(Self.table)),
      ("/v1/namespaces/sales/register", .registerTable(Self.sales)),
      ("/v1/namespaces/sales/register-view", .registerView(Self.sales)),
      ("/v1/weir/tables/rename", .renameTable),
      ("/v1/weir/views/rename", .renameView),
      ("/v1/weir/transactions/commit", .transaction),
    ]
    for (path, route) in wanted {
      #expect(try RESTRoute(path: path, prefix: "weir") == route, "\(path)")
    }
  }

  @Test(arguments: [
    "", "/", "x", "v1/config", "/v2/config", "/v1", "/v1/", "/v1/weir", "/v1/other/namespaces",
    "/v1/weir/nothing", "/v1/weir/namespaces//tables", "/v1/weir/namespaces/a/tables/",
    "/v1/weir/namespaces/%", "/v1/weir/namespaces/%f", "/v1/weir/namespaces/%ff",
    "/v1/weir/namespaces/%00", "/v1/weir/namespaces/a%1F", "/v1/weir/namespaces/a%1F%1Fb",
    "/v1/weir/namespaces/a/tables/b%0A", "/v1/weir/namespaces/a/tables/b/c/d",
    "/v1/weir/namespaces/a/tables/b/plan/c/d", "/v1/weir/namespaces/a/views/b/c",
    "/v1/weir/namespaces/" + String(repeating: "a", count: 256),
    "/v1/weir/namespaces/" + Array(repeating: "a", count: 33).joined(separator: "%1F"),
  ])
  func others(path: String) throws {
    // A trailing slash is forgiven: the path of the collection.
    if path == "/v1/weir/namespaces/a/tables/" {
      #expect(try RESTRoute(path: path, prefix: "weir") == .tables(Namespace(["a"])))
      return
    }
    let error = #expect(throws: RESTError.self) { try RESTRoute(path: path, prefix: "weir") }
    #expect(error?.status == 400 || error?.status == 404)
  }

  @Test func namespacesInQueries() throws {
    #expect(try RESTRoute.namespace(decoded: "a") == Namespace(["a"]))
    #expect(try RESTRoute.namespace(decoded: "a\u{1F}b") == Namespace(["a", "b"]))
    // Encoded twice.
    #expect(try RESTRoute.namespace(decoded: "a+c%1Fb%2F") == Namespace(["a c", "b/"]))
    #expect(try RESTRoute.namespace(decoded: "50%") == Namespace(["50%"]))
  }

  @Test func forms() throws {
    let fields = try #require(formFields("a=1&b=%20x+y&c&=d&e="))
    #expect(fields.map(\.name) == ["a", "b", "c", "", "e"])
    #expect(fields.map(\.value) == ["1", " x y", "", "d", ""])
    #expect(formFields("a=%zz") == nil)
    #expect(formFields("")?.isEmpty == true)
  }

  @Test func idempotencyKeys() {
    #expect(RESTCall.isVersion7UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"))
    #expect(RESTCall.isVersion7UUID("017f22e2-79b0-7cc3-b8c4-dc0c0c07398f"))
    for text in [
      "", "017F22E2-79B0-4CC3-98C4-DC0C0C07398F", "017F22E2-79B0-7CC3-18C4-DC0C0C07398F",
      "017F22E279B07CC398C4DC0C0C07398F", "017F22E2-79B0-7CC3-98C4-DC0C0C07398G",
      "017F22E2-79B0-7CC3-98C4-DC0C0C07398F0",
    ] {
      #expect(!RESTCall.isVersion7UUID(text))
    }
  }
}
