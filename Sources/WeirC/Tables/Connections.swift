// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AlwaysUseLowerCamelCase

//
// Safe: see Handle.swift for handles and Arguments.swift for what comes in; outputs are pointers that
// the caller vouches for (weir.h) and that are checked for NULL. Arrow structs are moved or released
// exactly once.
public import CWeir
public import CWeirKernels
internal import WeirColumnar
internal import WeirConnect
internal import WeirTable

/// What a `weir_connection *` refers to.
final class ConnectionHandle {
  let connection: Connection
  init(_ connection: Connection) { self.connection = connection }
}

@c @implementation
public func weir_connection_open(
  _ address: UnsafePointer<CChar>?, _ properties: UnsafePointer<weir_option>?,
  _ propertyCount: Int64, _ connection: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    let output = try Arguments.output(connection, "connection")
    let address = try Arguments.text(address, "address")
    var values: [String: String] = [:]
    for option in try Arguments.options(properties, propertyCount) {
      try option.forAllColumns()
      values[option.key] = option.value
    }
    let connection = try Connection.open(address, properties: values)
    output.pointee = Handle.make(ConnectionHandle(connection))
  }
}

@c @implementation
public func weir_connection_request(
  _ connection: OpaquePointer?, _ operation: UnsafePointer<CChar>?,
  _ arguments: UnsafePointer<CChar>?, _ answer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    let handle = try Handle.need(connection, ConnectionHandle.self, "connection")
    let answer = try Arguments.output(answer, "answer")
    let request = try TableRequest(operation, arguments)
    answer.pointee = copyText(try CatalogOperations(handle.connection).answer(request).text)
  }
}

@c @implementation
public func weir_connection_create_table(
  _ connection: OpaquePointer?, _ identifier: UnsafePointer<CChar>?,
  _ schema: UnsafeMutablePointer<ArrowSchema>?, _ options: UnsafePointer<weir_option>?,
  _ optionCount: Int64, _ table: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  defer { if let schema { schema.pointee.release?(schema) } }
  return status(error) {
    let catalog = try Handle.need(connection, ConnectionHandle.self, "connection").connection
      .catalog
    let output = try Arguments.output(table, "table")
    let identifier = try Arguments.identifier(identifier)
    let columns = try CDataImport.schema(from: Arguments.output(schema, "schema"))
    let options = try CreateOptions(Arguments.options(options, optionCount))
    let creation = try options.creation(columns)
    let loaded: LoadedTable
    do throws(TableError) {
      loaded = try catalog.createTable(identifier, creation)
    } catch {
      guard options.existOK, error.code == .alreadyExists else { throw error }
      loaded = try catalog.loadTable(identifier)
    }
    output.pointee = Handle.make(TableHandle(Table(loaded, catalog: catalog)))
  }
}

@c @implementation
public func weir_connection_close(_ connection: UnsafeMutablePointer<OpaquePointer?>?) {
  _ = Handle.take(connection, ConnectionHandle.self)
}

/// The options of a table that is made.
private struct CreateOptions {
  var existOK = false
  private var partition: [TransformedColumn] = []
  private var sort: [SortColumn] = []
  private var location: String?
  private var properties: [String: String] = [:]

  init(_ options: [Option]) throws {
    for option in options {
      try option.forAllColumns()
      switch option.key {
      case "exist_ok": existOK = try option.boolean()
      case "format_version": properties["format-version"] = option.value
      case "location": location = option.value
      case "partition": partition = try Self.list(option).map(TransformedColumn.init(parsing:))
      case "sort": sort = try Self.list(option).map(SortColumn.init(parsing:))
      default:
        guard option.key.hasPrefix("property.") else {
          throw option.unknown([
            "exist_ok", "format_version", "location", "partition", "sort", "property.NAME",
          ])
        }
        properties[String(option.key.dropFirst("property.".count))] = option.value
      }
    }
  }

  private static func list(_ option: Option) throws -> [String] {
    do {
      return try JSONValue(parsing: option.value).asArray().map { try $0.asString() }
    } catch {
      throw CError.invalidArgument("option \"\(option.key)\" is no JSON list: \(error)")
    }
  }

  func creation(_ columns: Schema) throws -> TableCreation {
    let version = properties["format-version"].flatMap { Int($0) } ?? 3
    let schema = try TableSchema(arrow: columns, formatVersion: version)
    return TableCreation(
      schema: schema,
      partitionSpec: try PartitionSpec(partition, of: schema),
      sortOrder: try SortOrder(sort, of: schema),
      location: location, properties: StringMap(properties))
  }
}
