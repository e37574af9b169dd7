// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

extension RESTService {
  /// The most names in one answer, for clients that ask for everything at once.
  private static let listedCountMax = 100_000
  /// The most reads of the catalog for one page. A client that may see few of many names gets pages
  /// with few or no names, and a token for more.
  private static let readCountMax = 20

  /// A list as the specification wants it: a page when a page token or a size is given, else all.
  ///
  /// - Parameters:
  ///   - source: a page of the catalog's list.
  ///   - item: how a name is written; `nil` for one that the client may not see.
  func list<Item: Sendable>(
    _ fields: [String: String], named name: String, missing: RESTError,
    source: (PageRequest) throws(TableError) -> Page<Item>, item: (Item) -> JSONValue?
  ) throws(RESTError) -> RESTResponse {
    var limit = configuration.pageSizeMax
    if let text = fields["pageSize"] {
      guard let size = Int(text), size > 0 else {
        throw .badRequest("pageSize is '\(text)'; it must be a number from 1 on")
      }
      limit = min(size, limit)
    }
    let isPaged = fields["pageToken"] != nil || fields["pageSize"] != nil
    var request = PageRequest(token: fields["pageToken"].flatMap { $0.isEmpty ? nil : $0 })
    var items: [JSONValue] = []
    var next: String?
    var readCount = 0
    repeat {
      readCount += 1
      request.limit = isPaged ? limit - items.count : PageRequest.limitMax
      let page = try asking(missing: missing) { () throws(TableError) in try source(request) }
      items.append(contentsOf: page.items.compactMap(item))
      next = page.next
      request.token = next
      if !isPaged && items.count > Self.listedCountMax {
        throw .badRequest(
          "there are more than \(Self.listedCountMax) names; ask for pages, with pageToken")
      }
    } while next != nil && (!isPaged || (items.count < limit && readCount < Self.readCountMax))
    var body: JSONObject = [name: .array(items)]
    // The specification's schema has no null here, its text does; clients take a missing one as null.
    if isPaged, let next { body["next-page-token"] = .string(next) }
    return RESTResponse(json: JSONValue.object(body).bytes)
  }
}

extension JSONObject {
  /// An array of strings.
  func strings(_ name: String) throws(JSONError) -> [String] {
    try array(name) { value throws(JSONError) in try value.asString() }
  }

  func optionalStrings(_ name: String) throws(JSONError) -> [String]? {
    try optionalArray(name) { value throws(JSONError) in try value.asString() }
  }

  /// An object whose members are strings.
  func optionalTexts(_ name: String) throws(JSONError) -> [String: String]? {
    try optional(name) { value throws(JSONError) in
      var texts: [String: String] = [:]
      for (key, member) in try value.asObject() {
        do throws(JSONError) { texts[key] = try member.asString() } catch {
          throw error.inside(key)
        }
      }
      return texts
    }
  }
}

extension JSONValue {
  /// An object of strings, in the order of its keys.
  static func texts(_ texts: [String: String]) -> JSONValue {
    .object(JSONObject(texts.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
  }

  static func identifier(_ identifier: TableIdentifier) -> JSONValue {
    .object([
      "namespace": .array(identifier.namespace.levels.map { .string($0) }),
      "name": .string(identifier.name),
    ])
  }
}
