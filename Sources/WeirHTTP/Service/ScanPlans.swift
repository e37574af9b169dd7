// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
internal import WeirColumnar
internal import WeirTable

/// What a client asked to have planned.
struct PlanRequest: Sendable, Hashable {
  /// The snapshot; what was current when the plan began. `nil` for a table without one.
  var snapshotID: Int64?
  var usesSnapshotSchema = false
  var isCaseSensitive = true
  /// As the client wrote it.
  var filter: JSONValue?
  /// Columns whose metrics are wanted.
  var metricsFieldIDs: [Int32] = []
  /// Tasks that were handed out already.
  var offset = 0

  /// The text of a plan task: everything that is needed to go on, so that any server of the catalog
  /// can, also after a restart.
  var planTask: String {
    var object: JSONObject = ["v": 1, "offset": .int(Int64(offset))]
    object.set("snapshot-id", snapshotID.map { .int($0) })
    object["use-snapshot-schema"] = .bool(usesSnapshotSchema)
    object["case-sensitive"] = .bool(isCaseSensitive)
    object.set("filter", filter)
    if !metricsFieldIDs.isEmpty {
      object["stats"] = .array(metricsFieldIDs.map { .int(Int64($0)) })
    }
    return JSONValue.object(object).text
  }

  /// Reads the text of a plan task; `nil` when it is none.
  init?(planTask text: String) {
    do throws(JSONError) {
      let object = try JSONValue(parsing: text).asObject()
      guard try object.int("v") == 1 else { return nil }
      offset = try object.int("offset")
      snapshotID = try object.optionalInt64("snapshot-id")
      usesSnapshotSchema = try object.bool("use-snapshot-schema")
      isCaseSensitive = try object.bool("case-sensitive")
      filter = object["filter"]
      metricsFieldIDs =
        try object.optionalArray("stats") { id throws(JSONError) in try id.asInt32() } ?? []
      guard offset >= 0 else { return nil }
    } catch {
      return nil
    }
  }

  /// Bytes of the filter's text.
  var filterByteCount: Int { filter?.bytes.count ?? 0 }

  init(snapshotID: Int64?) { self.snapshotID = snapshotID }
}

/// Plans of clients, within bounds: the requests by plan id, and planners that stand still between two
/// pages. Both are a convenience: a planner that is gone is made again and passes over what was handed
/// out, and clients go on with plan tasks, which need no plan id.
final class ScanPlans: Sendable {
  /// Planners hold a manifest and an index of deletes each.
  private static let plannerCountMax = 32
  private static let requestCountMax = 1_000
  /// Bytes of filters.
  private static let requestByteCountMax = 16 << 20
  /// Seconds for which either is kept.
  private static let secondsMax = 3_600

  private struct Kept<Value> {
    var value: Value
    var atSeconds: Int
    var byteCount = 0
  }

  // Safe: a planner is used by one thread at a time: who takes it out of the table has it alone.
  private struct Planner: @unchecked Sendable {
    let planner: ScanPlanner
  }

  private struct State {
    var planners: [String: Kept<Planner>] = [:]
    var requests: [String: Kept<PlanRequest>] = [:]
    var requestByteCount = 0
  }

  private let state = Mutex(State())

  /// Keeps a planner until somebody comes for what follows.
  func park(_ planner: ScanPlanner, for key: String, nowSeconds: Int) {
    let parked = Planner(planner: planner)
    state.withLock { state in
      state.planners = state.planners.filter { nowSeconds - $0.value.atSeconds < Self.secondsMax }
      if state.planners.count >= Self.plannerCountMax,
        let oldest = state.planners.min(by: { $0.value.atSeconds < $1.value.atSeconds })
      {
        state.planners[oldest.key] = nil
      }
      state.planners[key] = Kept(value: parked, atSeconds: nowSeconds)
    }
  }

  /// The planner that stands where `key` says; it is the caller's alone.
  func take(_ key: String) -> ScanPlanner? {
    state.withLock { state in state.planners.removeValue(forKey: key)?.value }?.planner
  }

  /// Keeps a request under a new plan id of a table.
  func add(_ request: PlanRequest, of table: TableIdentifier, nowSeconds: Int) -> String {
    let id = Hexadecimal.encode(unpredictableBytes(count: 16))
    let byteCount = 256 + (request.filter?.bytes.count ?? 0)
    state.withLock { state in
      func drop(_ key: String) {
        guard let gone = state.requests.removeValue(forKey: key) else { return }
        state.requestByteCount -= gone.byteCount
      }
      while let oldest = state.requests.min(by: { $0.value.atSeconds < $1.value.atSeconds }),
        nowSeconds - oldest.value.atSeconds >= Self.secondsMax
          || state.requests.count >= Self.requestCountMax
          || state.requestByteCount + byteCount > Self.requestByteCountMax
      {
        drop(oldest.key)
      }
      guard byteCount <= Self.requestByteCountMax else { return }
      state.requests[Self.key(id, table)] = Kept(
        value: request, atSeconds: nowSeconds, byteCount: byteCount)
      state.requestByteCount += byteCount
    }
    return id
  }

  func request(_ id: String, of table: TableIdentifier) -> PlanRequest? {
    state.withLock { $0.requests[Self.key(id, table)]?.value }
  }

  /// Forgets a plan; whether there was one.
  func remove(_ id: String, of table: TableIdentifier) -> Bool {
    state.withLock { state in
      guard let gone = state.requests.removeValue(forKey: Self.key(id, table)) else { return false }
      state.requestByteCount -= gone.byteCount
      return true
    }
  }

  private static func key(_ id: String, _ table: TableIdentifier) -> String {
    id + "\u{1F}" + table.namespace.levels.joined(separator: "\u{1F}") + "\u{1F}" + table.name
  }
}
