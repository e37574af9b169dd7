// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirConnect
internal import WeirTable

/// The operations of `weir_connection_request`; docs/c.md lists them.
struct CatalogOperations {
  private let connection: Connection
  private var catalog: any Catalog { connection.catalog }

  init(_ connection: Connection) { self.connection = connection }

  func answer(_ request: TableRequest) throws -> JSONValue {
    let arguments = request.arguments
    switch request.operation {
    case "describe":
      return ["address": .string(connection.address), "warehouse": .optional(connection.warehouse)]
    case "list_namespaces":
      let parent = try arguments.optionalString("parent").map { text throws(TableError) in
        try Namespace(parsing: text)
      }
      return .array(
        try all { page throws(TableError) in try catalog.listNamespaces(in: parent, page: page) }
          .map { .string($0.description) })
    case "create_namespace":
      try catalog.createNamespace(
        try request.namespace(), properties: try arguments.texts("properties"))
    case "namespace_properties":
      let properties = try catalog.namespaceProperties(try request.namespace())
      return StringMap(properties).json()
    case "update_namespace":
      let changes = try catalog.updateNamespaceProperties(
        try request.namespace(), removals: try arguments.textList("removals"),
        updates: try arguments.texts("updates"))
      return [
        "updated": .array(changes.updated.map { .string($0) }),
        "removed": .array(changes.removed.map { .string($0) }),
        "missing": .array(changes.missing.map { .string($0) }),
      ]
    case "drop_namespace": try catalog.dropNamespace(try request.namespace())
    case "list_tables":
      let namespace = try request.namespace()
      return .array(
        try all { page throws(TableError) in try catalog.listTables(in: namespace, page: page) }
          .map { .string($0.description) })
    case "table_exists": return .bool(try catalog.tableExists(try request.table()))
    case "drop_table":
      try catalog.dropTable(
        try request.table(), purge: try arguments.optionalBool("purge") ?? false)
    case "rename_table":
      try catalog.renameTable(try request.table(), to: try request.table("to"))
    case "register_table":
      _ = try catalog.registerTable(
        try request.table(), metadataLocation: try arguments.string("metadata_location"),
        overwrite: try arguments.optionalBool("overwrite") ?? false)
    default: throw request.unknown(Self.names)
    }
    return .null
  }

  private static let names = [
    "describe", "list_namespaces", "create_namespace", "namespace_properties", "update_namespace",
    "drop_namespace", "list_tables", "table_exists", "drop_table", "rename_table",
    "register_table",
  ]

  /// All pages of a listing.
  private func all<Item>(
    _ list: (PageRequest) throws(TableError) -> Page<Item>
  ) throws(TableError) -> [Item] {
    var page = try list(.first)
    var items = page.items
    while let token = page.next {
      page = try list(PageRequest(token: token))
      items += page.items
    }
    return items
  }
}
