// SPDX-License-Identifier: Apache-2.0

/// One request to the catalog, as it came over HTTP, without anything of the connection.
struct RESTRequest: Sendable {
  /// `GET`, `POST`, …
  var method: String
  /// The path as sent: percent-encoded, without the query.
  var path: String
  /// What stands behind the question mark, as sent.
  var query: String
  /// Field names in lower case, values as sent.
  var headers: [String: String]
  var body: [UInt8]

  init(
    _ method: String, _ path: String, query: String = "", headers: [String: String] = [:],
    body: [UInt8] = []
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.body = body
  }
}

/// An answer of the catalog.
struct RESTResponse: Sendable, Equatable {
  var status: Int
  /// Without `Content-Length`, which the connection adds.
  var headers: [Header]
  var body: [UInt8]

  struct Header: Sendable, Equatable {
    var name: String
    var value: String
  }

  /// An answer without a body.
  init(status: Int) {
    self.status = status
    headers = []
    body = []
  }

  /// An answer with a JSON body.
  init(status: Int = 200, json: [UInt8]) {
    self.status = status
    headers = [Header(name: "Content-Type", value: "application/json")]
    body = json
  }

  func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

  mutating func setHeader(_ name: String, _ value: String) {
    headers.removeAll { $0.name == name }
    headers.append(Header(name: name, value: value))
  }
}
