// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage
internal import WeirTable

// Server-side scan planning: an answer holds the first tasks, and a plan task for those that follow.
extension RESTService {
  /// The most tasks in one answer.
  private static let taskCountMax = 2_000
  /// Bytes of tasks behind which an answer ends, about; each task repeats the filter.
  private static let taskByteCountMax = 8 << 20

  func planResponse(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    guard let namespace = call.route.namespace else { throw .noRoute(call.request.path) }
    try call.principal.require(.read, in: namespace)
    switch (call.route, call.request.method) {
    case (.plans(let table), _): return try plan(table, call)
    case (.plan(let table, let id), "GET"):
      let loaded = try planned(table)
      guard let request = plans.request(id, of: table) else { throw Self.noPlan(id) }
      return try page(request, of: loaded, call, status: "completed", id: id)
    case (.plan(let table, let id), _):
      try requireTable(table)
      guard plans.remove(id, of: table) else { throw Self.noPlan(id) }
      return RESTResponse(status: 204)
    case (.scanTasks(let table), _):
      let body = try call.body()
      let text = try reading { () throws(JSONError) in try body.string("plan-task") }
      let loaded = try planned(table)
      guard let request = PlanRequest(planTask: text),
        request.snapshotID.map({ loaded.metadata.snapshot(id: $0) != nil }) ?? true
      else {
        throw RESTError(
          404, "NoSuchPlanTaskException",
          "there is no such plan task, or its snapshot has expired; plan anew")
      }
      return try page(request, of: loaded, call, status: nil, id: nil)
    default: throw .noRoute(call.request.path)
    }
  }

  private static func noPlan(_ id: String) -> RESTError {
    RESTError(404, "NoSuchPlanIdException", "there is no plan '\(id.prefix(64))' (any more)")
  }

  private func planned(_ table: TableIdentifier) throws(RESTError) -> LoadedTable {
    try asking(missing: .noTable(table)) { () throws(TableError) in try catalog.loadTable(table) }
  }

  private func plan(_ table: TableIdentifier, _ call: RESTCall) throws(RESTError) -> RESTResponse {
    let body = try call.body()
    let loaded = try planned(table)
    var request = PlanRequest(snapshotID: loaded.metadata.currentSnapshotID)
    let (snapshotID, isIncremental, selected, measured) = try reading { () throws(JSONError) in
      request.usesSnapshotSchema = try body.optionalBool("use-snapshot-schema") ?? false
      request.isCaseSensitive = try body.optionalBool("case-sensitive") ?? true
      if let filter = body["filter"], !filter.isNull { request.filter = filter }
      _ = try body.optionalInt64("min-rows-requested")
      let start = try body.optionalInt64("start-snapshot-id")
      let end = try body.optionalInt64("end-snapshot-id")
      return (
        try body.optionalInt64("snapshot-id"), start != nil || end != nil,
        try body.optionalStrings("select") ?? [], try body.optionalStrings("stats-fields") ?? []
      )
    }
    if isIncremental {
      guard snapshotID == nil else {
        throw .badRequest("a scan is of one snapshot or of what came between two, not both")
      }
      throw RESTError(
        406, "UnsupportedOperationException",
        "this server plans scans of one snapshot; clients plan incremental ones")
    }
    if let snapshotID {
      guard loaded.metadata.snapshot(id: snapshotID) != nil else {
        throw .badRequest("the table \(table) has no snapshot \(snapshotID) (any more)")
      }
      request.snapshotID = snapshotID
    }
    let schema = try planner(request, of: loaded, call).schema
    for name in selected + measured {
      let field = schema.field(path: name, caseSensitive: request.isCaseSensitive)
      guard let field else { throw .badRequest("the table \(table) has no column '\(name)'") }
      if measured.contains(name) { request.metricsFieldIDs.append(field.id) }
    }
    let id = plans.add(request, of: table, nowSeconds: now)
    return try page(request, of: loaded, call, status: "completed", id: id)
  }

  /// A planner that stands at the request's start.
  private func planner(
    _ request: PlanRequest, of loaded: LoadedTable, _ call: RESTCall
  ) throws(RESTError) -> ScanPlanner {
    var metadata = loaded.metadata
    // The snapshot with the table's present schema, unless its own is wanted.
    if !request.usesSnapshotSchema { metadata.currentSnapshotID = request.snapshotID }
    let selector: SnapshotSelector =
      request.usesSnapshotSchema ? request.snapshotID.map { .id($0) } ?? .current : .current
    do throws(TableError) {
      let schema = try metadata.resolve(selector).schema
      return try ScanPlanner(
        metadata, stores: try stores(for: loaded, call),
        filter: try filter(of: request, schema)?.predicate ?? .always(true), at: selector,
        caseSensitive: request.isCaseSensitive, cache: manifests,
        keepsMetrics: !request.metricsFieldIDs.isEmpty)
    } catch {
      switch error.code {
      case .notFound: throw .badRequest("\(error)")
      case .unsupported:
        // The specification has this status where a plan begins.
        if case .plans = call.route {
          throw RESTError(406, "UnsupportedOperationException", "\(error)")
        }
        throw Self.restError(error, missing: .noTable(loaded.identifier))
      default: throw Self.restError(error, missing: .noTable(loaded.identifier))
      }
    }
  }

  /// The filter to pass over files by, and whether it says all that the client's does: transforms of
  /// columns are left to the client, which then needs the filter with each file.
  private func filter(
    of request: PlanRequest, _ schema: TableSchema
  ) throws(TableError) -> (predicate: Predicate, isWhole: Bool)? {
    guard let json = request.filter else { return nil }
    do throws(JSONError) {
      let predicate = try Predicate(
        restJSON: json, schema, caseSensitive: request.isCaseSensitive)
      let isWhole = predicate.terms.allSatisfy { $0.transform == nil }
      return (isWhole ? predicate : .always(true), isWhole)
    } catch {
      throw TableError(
        error.code == .unsupported ? .unsupported : .invalidArgument,
        "the filter cannot be used: \(error)")
    }
  }

  /// The stores whose files may be read for a client: for one that may not write everywhere, those of
  /// the table's own places. Its metadata may have been written by somebody who had it lead elsewhere.
  private func stores(
    for loaded: LoadedTable, _ call: RESTCall
  ) throws(TableError) -> ObjectStores {
    guard !call.principal.mayWriteEverywhere else { return loaded.stores }
    do throws(StorageError) {
      return try loaded.stores.confined(to: ownPlaces(of: loaded))
    } catch {
      throw TableError(error, "the table's places cannot be opened")
    }
  }

  /// The tasks from the request's offset on.
  private func page(
    _ request: PlanRequest, of loaded: LoadedTable, _ call: RESTCall, status: String?, id: String?
  ) throws(RESTError) -> RESTResponse {
    let key = Self.parkingKey(request.planTask, loaded, call)
    let planner: ScanPlanner
    var next = request
    if let parked = request.offset > 0 ? plans.take(key) : nil {
      planner = parked
    } else {
      planner = try self.planner(request, of: loaded, call)
      try asking(missing: .noTable(loaded.identifier)) { () throws(TableError) in
        var passedCount = 0
        while passedCount < request.offset, try planner.next() != nil { passedCount += 1 }
      }
    }
    var tasks = ScanTasksJSON(planner.schema, metricsFieldIDs: Set(request.metricsFieldIDs))
    let taskCountMax = max(
      1, min(Self.taskCountMax, Self.taskByteCountMax / (1_024 + request.filterByteCount)))
    let (isOver, isWhole) = try asking(missing: .noTable(loaded.identifier)) {
      () throws(TableError) in
      let isWhole = try filter(of: request, planner.schema)?.isWhole ?? true
      while tasks.taskCount < taskCountMax {
        guard let task = try planner.next() else { return (true, isWhole) }
        tasks.append(task)
      }
      return (false, isWhole)
    }
    var body = JSONObject()
    body.set("status", status.map { .string($0) })
    body.set("plan-id", id.map { .string($0) })
    body.merge(tasks.json)
    if !isWhole, let filter = request.filter { Self.setResidual(filter, in: &body) }
    if !isOver {
      next.offset += tasks.taskCount
      let text = next.planTask
      plans.park(planner, for: Self.parkingKey(text, loaded, call), nowSeconds: now)
      body["plan-tasks"] = [.string(text)]
    }
    return RESTResponse(json: JSONValue.object(body).bytes)
  }

  private static func setResidual(_ filter: JSONValue, in body: inout JSONObject) {
    guard case .array(let tasks)? = body["file-scan-tasks"] else { return }
    body["file-scan-tasks"] = .array(
      tasks.map { task in
        guard case .object(var object) = task else { return task }
        object["residual-filter"] = filter
        return .object(object)
      })
  }

  /// A planner is for one table and one client: what it may read depends on both.
  private static func parkingKey(
    _ planTask: String, _ loaded: LoadedTable, _ call: RESTCall
  ) -> String {
    var hash = SHA256()
    for part in [call.principal.id, loaded.metadata.uuid ?? "", "\(loaded.identifier)", planTask] {
      hash.update(Array(part.utf8) + [0])
    }
    return Hexadecimal.encode(hash.finish())
  }
}
