// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

extension RESTService {
  func otherResponse(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    switch call.route {
    case .credentials(let table):
      try call.principal.require(.read, in: table.namespace)
      try requireTable(table)
      // Clients bring their own credentials; the server hands out none.
      return RESTResponse(json: JSONValue.object(["storage-credentials": .array([])]).bytes)
    case .sign(let table):
      try call.principal.require(.read, in: table.namespace)
      throw RESTError(
        400, "UnsupportedOperationException",
        "this server signs no storage requests; clients use credentials of their own")
    case .metrics(let table): return try takeReport(on: table, call)
    case .functions(let namespace):
      try call.principal.require(.read, in: namespace)
      _ = try asking(missing: .noNamespace(namespace)) { () throws(TableError) in
        try catalog.namespaceProperties(namespace)
      }
      return try list(
        try call.queryFields(), named: "identifiers", missing: .noNamespace(namespace)
      ) { (_) throws(TableError) in
        Page<Namespace>(items: [], next: nil)
      } item: { _ in
        nil
      }
    case .function(let function):
      try call.principal.require(.read, in: function.namespace)
      throw RESTError(404, "NoSuchFunctionException", "there is no function \(function)")
    default: throw .noRoute(call.request.path)
    }
  }

  func requireTable(_ table: TableIdentifier) throws(RESTError) {
    let exists = try asking(missing: .noTable(table)) { () throws(TableError) in
      try catalog.tableExists(table)
    }
    guard exists else { throw .noTable(table) }
  }

  /// Keeps a report for whoever runs the server.
  private func takeReport(
    on table: TableIdentifier, _ call: RESTCall
  ) throws(RESTError) -> RESTResponse {
    try call.principal.require(.read, in: table.namespace)
    let body = try call.body()
    try reading { () throws(JSONError) in
      _ = try body.string("report-type")
      _ = try body.string("table-name")
      _ = try body.int64("snapshot-id")
      for (name, metric) in try body.object("metrics") {
        do throws(JSONError) { _ = try metric.asObject() } catch {
          throw error.inside(name).inside("metrics")
        }
      }
      if body["operation"] != nil || body["sequence-number"] != nil {
        _ = try body.string("operation")
        _ = try body.int64("sequence-number")
      } else {
        _ = try body.required("filter") { value throws(JSONError) in value }
        _ = try body.int("schema-id")
        _ = try body.array("projected-field-ids") { id throws(JSONError) in try id.asInt() }
        _ = try body.strings("projected-field-names")
      }
      _ = try body.optionalTexts("metadata")
    }
    try requireTable(table)
    reports.add(
      ReportLog.Report(
        table: table, client: call.principal.id, receivedSeconds: now, text: call.request.body))
    return RESTResponse(status: 204)
  }
}
