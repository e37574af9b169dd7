// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirColumnar
internal import WeirTable

// Requests with an idempotency key:
//
// 1. The key is reserved in the catalog's store, which all servers of one catalog share, together with
//    a fingerprint of the request: who, what, and the hash of its body.
// 2. If the key has an answer already, that is the answer. If another request with the key is at work,
//    this one waits a little for its answer. A key that comes back with another request is refused.
// 3. The work is done. Changes of tables and views store in the same transaction that they succeeded,
//    so that no crash can separate the two. Other final answers, errors too, are stored behind the
//    work; after a failure that may be tried again, the key is given back.
extension RESTService {
  /// Milliseconds to wait for another request with the same key.
  private static let waitMilliseconds = 2_000
  private static let pollMilliseconds = 50

  func onlyOnce(
    _ call: RESTCall, key: String, _ work: (RESTCall) throws(RESTError) -> RESTResponse
  ) throws(RESTError) -> RESTResponse {
    guard let store = catalog.idempotency else { return try work(call) }
    let fingerprint = call.fingerprint()
    var waited = 0
    while true {
      let now = Int64(self.now) * 1_000
      // Longer than a request may take, and no longer: a server that died leaves its reservations.
      let leaseSeconds = Int64(configuration.responseSecondsMax + 30)
      let reservation = try asking(missing: .busy("the idempotency key is gone")) {
        () throws(TableError) in
        try store.reserveIdempotencyKey(
          key, fingerprint: fingerprint, leaseMilliseconds: now + leaseSeconds * 1_000, now: now)
      }
      switch reservation {
      case .reserved: return try workOnce(call, key: key, fingerprint: fingerprint, store, work)
      case .done(let record):
        try check(fingerprint, record.fingerprint, key: key)
        return try answerAgain(call, record)
      case .inProgress(let other):
        try check(fingerprint, other, key: key)
        guard waited < Self.waitMilliseconds else {
          throw .busy("another request with the idempotency key \(key) is still at work")
        }
        usleep(UInt32(Self.pollMilliseconds) * 1_000)
        waited += Self.pollMilliseconds
      }
    }
  }

  private func check(
    _ fingerprint: String, _ other: String, key: String
  ) throws(RESTError) {
    guard fingerprint == other else {
      throw .badRequest(
        "the idempotency key \(key) was used for another request; a new operation needs a new key")
    }
  }

  private func workOnce(
    _ call: RESTCall, key: String, fingerprint: String, _ store: any IdempotencyStore,
    _ work: (RESTCall) throws(RESTError) -> RESTResponse
  ) throws(RESTError) -> RESTResponse {
    let expires = Int64(now + configuration.idempotencySeconds) * 1_000
    func record(_ status: Int, _ body: [UInt8]) -> IdempotencyRecord {
      IdempotencyRecord(
        key: key, fingerprint: fingerprint, status: status, body: body,
        expiresMilliseconds: expires)
    }
    let answer: RESTResponse
    var failure: RESTError?
    do {
      var call = call
      if let status = call.recordedStatus { call.catalog = catalog.recording(record(status, [])) }
      answer = try work(call)
    } catch {
      failure = error
      answer = response(to: error, bare: call.route.hasBareErrors)
    }
    let isFinal: Bool =
      switch answer.status {
      case 401, 403: false
      default: answer.status < 500
      }
    // The work is done, or failed: neither changes when its answer cannot be kept. A reservation that
    // is left behind ends by itself.
    if isFinal {
      let fits = answer.body.count <= IdempotencyRecord.bodyByteCountMax
      try? store.recordIdempotency(record(answer.status, fits ? answer.body : []))
    } else {
      try? store.releaseIdempotencyKey(key)
    }
    if let failure { throw failure }
    return answer
  }

  /// The answer that was given before. One too large to be kept is made again from what is there now,
  /// which the specification allows.
  private func answerAgain(
    _ call: RESTCall, _ record: IdempotencyRecord
  ) throws(RESTError) -> RESTResponse {
    if record.body.isEmpty && record.status == 200 { return try currentState(call) }
    return record.body.isEmpty
      ? RESTResponse(status: record.status)
      : RESTResponse(status: record.status, json: record.body)
  }

  /// The table or view that a request created or changed, as it is now.
  private func currentState(_ call: RESTCall) throws(RESTError) -> RESTResponse {
    switch call.route {
    case .table(let table): return try loadTable(table, call)
    case .view(let view): return try loadView(view)
    case .tables(let namespace), .registerTable(let namespace):
      return try loadTable(try nameInBody(call, in: namespace), call)
    case .views(let namespace), .registerView(let namespace):
      return try loadView(try nameInBody(call, in: namespace))
    default:
      throw RESTError(
        409, "CommitFailedException", "the request was done before; its answer is not kept")
    }
  }

  private func nameInBody(
    _ call: RESTCall, in namespace: Namespace
  ) throws(RESTError) -> TableIdentifier {
    let body = try call.body()
    return try RESTRoute.identifier(
      namespace, try reading { () throws(JSONError) in try body.string("name") })
  }
}

extension RESTCall {
  /// The key of a request that changes the catalog; `nil` without one.
  func idempotencyKey() throws(RESTError) -> String? {
    guard request.method == "POST" || request.method == "DELETE",
      let key = request.headers["idempotency-key"]
    else { return nil }
    switch route {
    case .metrics, .sign, .plans, .plan, .scanTasks: return nil
    default: break
    }
    guard Self.isVersion7UUID(key) else {
      throw .badRequest("the idempotency key '\(key.prefix(64))' is not a UUID of version 7")
    }
    return key.lowercased()
  }

  /// The status of success that is stored with the change itself; `nil` where that is not possible.
  fileprivate var recordedStatus: Int? {
    switch (route, request.method) {
    case (.tables, _), (.registerTable, _), (.views, _), (.registerView, _), (.table, "POST"),
      (.view, "POST"):
      200
    case (.table, _), (.view, _), (.renameTable, _), (.renameView, _), (.transaction, _): 204
    default: nil
    }
  }

  /// Whether `text` is the usual text form of a UUID of version 7 (RFC 9562).
  static func isVersion7UUID(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.count == 36 else { return false }
    for (index, byte) in bytes.enumerated() {
      switch index {
      case 8, 13, 18, 23: guard byte == UInt8(ascii: "-") else { return false }
      default: guard Hexadecimal.digitValue(byte) != nil else { return false }
      }
    }
    return bytes[14] == UInt8(ascii: "7") && (Hexadecimal.digitValue(bytes[19]) ?? 0) >> 2 == 0b10
  }

  /// Says who asked for what.
  func fingerprint() -> String {
    var hash = SHA256()
    for part in [principal.id, request.method, request.path, request.query] {
      hash.update(Array(part.utf8) + [0])
    }
    hash.update(request.body)
    return Hexadecimal.encode(hash.finish())
  }
}
