// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore
internal import Synchronization
internal import WeirColumnar
internal import WeirServing
internal import WeirStreaming
internal import WeirTable

/// Carries requests to streams, and those to the catalog on to it.
struct StreamResponder: HTTPResponder {
  typealias Context = CatalogResponder.Context

  let service: any StreamService
  let access: AccessPolicy
  let configuration: StreamServerConfiguration
  let workers: WorkerPool
  let catalog: CatalogResponder?
  let serving: Serving?
  let metrics = StreamMetrics()
  let budget: ByteBudget
  let readers: ReaderCount
  let stop = StopFlag()
  private let onAccess: (@Sendable (AccessRecord) -> Void)?

  init(
    service: any StreamService, access: AccessPolicy, configuration: StreamServerConfiguration,
    catalog: CatalogResponder?, serving: Serving? = nil,
    onAccess: (@Sendable (AccessRecord) -> Void)?
  ) {
    self.service = service
    self.serving = serving
    self.access = access
    self.configuration = configuration
    self.catalog = catalog
    self.onAccess = onAccess
    budget = ByteBudget(byteCountMax: configuration.waitingByteCountMax)
    readers = ReaderCount(countMax: configuration.readerCountMax)
    workers =
      catalog?.workers
      ?? WorkerPool(
        threadCount: configuration.limits.workerCount,
        waitingCountMax: configuration.limits.waitingCountMax)
  }

  func respond(to request: Request, context: Context) async throws -> Response {
    let start = ContinuousClock.now
    let target = request.head.path ?? "/"
    let path = target.prefix { $0 != "?" && $0 != "#" }
    let isServing = ServingRoute.owns(path)
    guard isServing || StreamRoute.owns(path) else {
      if let catalog { return try await catalog.respond(to: request, context: context) }
      return CatalogResponder.response(
        RESTError.noRoute(String(path)).response(), isHead: request.method == .head)
    }
    var message = RESTRequest(
      request.method.rawValue, String(path),
      query: String(target.dropFirst(path.count + 1).prefix { $0 != "#" }))
    for field in request.headers { message.headers[field.name.canonicalName] = field.value }
    var record = AccessRecord(
      client: "-", method: message.method, target: target, status: 500, requestByteCount: 0,
      responseByteCount: 0, microseconds: 0)
    var routeName = "none"
    var response: Response
    do {
      if isServing {
        let route = try ServingRoute(path: message.path)
        routeName = route.name
        response = try await answer(message, route, request, context, &record)
      } else {
        let route = try StreamRoute(path: message.path)
        routeName = route.name
        response = try await answer(message, route, request, context, &record)
      }
    } catch {
      let error =
        error as? RESTError ?? RESTError(500, "InternalServerError", "the request failed: \(error)")
      var answer = error.response()
      // What is left of the body is not read.
      if message.method == "POST" { answer.setHeader("Connection", "close") }
      response = CatalogResponder.response(answer, isHead: message.method == "HEAD")
    }
    let elapsed = (ContinuousClock.now - start).components
    record.status = response.status.code
    record.responseByteCount += response.body.contentLength ?? 0
    record.microseconds =
      Int(elapsed.seconds) * 1_000_000 + Int(elapsed.attoseconds / 1_000_000_000_000)
    metrics.count(route: routeName, record)
    onAccess?(record)
    return response
  }

  private func answer(
    _ message: RESTRequest, _ route: ServingRoute, _ request: Request, _ context: Context,
    _ record: inout AccessRecord
  ) async throws -> Response {
    guard route.methods.contains(message.method) else {
      throw RESTError.methodNotAllowed(message.method, allowed: route.methods)
    }
    let principal = try access.principal(
      authorization: message.headers["authorization"],
      nowSeconds: Int(Date().timeIntervalSince1970))
    record.client = principal.id
    return try await serve(message, route, principal, request, context, &record)
  }

  private func answer(
    _ message: RESTRequest, _ route: StreamRoute, _ request: Request, _ context: Context,
    _ record: inout AccessRecord
  ) async throws -> Response {
    guard route.methods.contains(message.method) else {
      throw RESTError.methodNotAllowed(message.method, allowed: route.methods)
    }
    let isHead = message.method == "HEAD"
    switch route {
    case .health:
      return CatalogResponder.response(.text(200, "ok\n"), isHead: isHead)
    case .readiness:
      let reason = stop.isSet ? "the server is stopping" : service.unreadyReason
      let answer = RESTResponse.text(reason == nil ? 200 : 503, (reason ?? "ready") + "\n")
      return CatalogResponder.response(answer, isHead: isHead)
    default: break
    }
    let principal = try access.principal(
      authorization: message.headers["authorization"],
      nowSeconds: Int(Date().timeIntervalSince1970))
    record.client = principal.id
    switch route {
    case .health, .readiness, .metrics:
      let text = try await run(context) { () throws(RESTError) in
        metrics.text(service, waitingByteCount: budget.byteCount)
      }
      var answer = RESTResponse.text(200, text)
      answer.setHeader("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
      return CatalogResponder.response(answer, isHead: isHead)
    case .streams:
      let tables = service.tables.filter { principal.may(.read, in: $0.namespace) }
      let json: JSONValue = ["streams": .array(tables.map { .string("\($0)") })]
      return CatalogResponder.response(RESTResponse(json: json.bytes), isHead: isHead)
    case .pipelines:
      let pipelines = service.pipelines.filter { principal.may(.read, in: $0.table.namespace) }
      let json: JSONValue = ["pipelines": .array(pipelines.map(PipelineMetrics.json))]
      return CatalogResponder.response(RESTResponse(json: json.bytes), isHead: isHead)
    case .maintenance:
      let care = service.care.filter { principal.may(.read, in: $0.table.namespace) }
      let json: JSONValue = ["tables": .array(care.map(MaintenanceMetrics.json))]
      return CatalogResponder.response(RESTResponse(json: json.bytes), isHead: isHead)
    case .stream(let table):
      if message.method == "POST" {
        try principal.require(.write, in: table.namespace)
        return try await ingest(message, stream(table), request, context, &record)
      }
      try principal.require(.read, in: table.namespace)
      let stream = try stream(table)
      guard message.query.isEmpty else {
        return try await tail(message, stream, context)
      }
      return CatalogResponder.response(
        try await run(context) { () throws(RESTError) in StreamQueries.describe(stream) },
        isHead: isHead)
    case .lookup(let table):
      try principal.require(.read, in: table.namespace)
      return try await lookup(message, stream(table), request, context, &record)
    case .scan(let table):
      try principal.require(.read, in: table.namespace)
      return try await scan(message, stream(table), context)
    case .changes(let table):
      try principal.require(.read, in: table.namespace)
      return try await changes(message, stream(table), context)
    case .erase(let table):
      try principal.require(.write, in: table.namespace)
      return try await erase(message, table, principal, request, context, &record)
    }
  }

  private func stream(_ table: TableIdentifier) throws(RESTError) -> any ServedStream {
    do { return try service.stream(table) } catch { throw RESTError(error) }
  }

  /// Runs work that blocks on one of the threads.
  func run<T: Sendable>(
    _ context: Context, _ work: @escaping @Sendable () throws(RESTError) -> T,
    orRefused: @escaping @Sendable () -> Void = {}
  ) async throws -> T {
    let deadline = NIODeadline.now() + .seconds(Int64(configuration.limits.responseSecondsMax))
    let result: Result<Result<T, RESTError>, WorkerPool.Refusal> =
      await withCheckedContinuation { continuation in
        workers.submit(deadline: deadline) {
          () -> Result<T, RESTError> in
          do throws(RESTError) { return .success(try work()) } catch { return .failure(error) }
        } completion: { (result: Result<Result<T, RESTError>, WorkerPool.Refusal>) in
          if case .failure = result { orRefused() }
          continuation.resume(returning: result)
        }
      }
    switch result {
    case .success(let result): return try result.get()
    case .failure(.full): throw RESTError.busy("too many requests wait already; nothing was done")
    case .failure(.overdue): throw RESTError.busy("the request waited too long; nothing was done")
    case .failure(.stopped): throw RESTError.busy("the server is stopping; nothing was done")
    }
  }

  /// All bytes of a body that is not rows.
  func wholeBody(
    _ request: Request, _ share: ByteShare, _ record: inout AccessRecord
  ) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    try await eachPiece(of: request, share, &record) { bytes += $0 }
    return bytes
  }

  /// Hands on a body in pieces, some of them larger than they came. All of them count in `share`.
  func eachPiece(
    of request: Request, _ share: ByteShare, _ record: inout AccessRecord,
    _ take: ([UInt8]) async throws -> Void
  ) async throws {
    let limit = configuration.limits.requestByteCountMax
    let tooLarge = RESTError.tooLarge("the body of the request has more than \(limit) bytes")
    let announced = request.headers[.contentLength].flatMap { Int($0) } ?? 0
    if announced > limit { throw tooLarge }
    var piece: [UInt8] = []
    piece.reserveCapacity(min(max(0, announced), Self.pieceByteCount))
    do {
      for try await part in request.body {
        record.requestByteCount += part.readableBytes
        guard record.requestByteCount <= limit else { throw tooLarge }
        try share.take(part.readableBytes)
        piece.append(contentsOf: part.readableBytesView)
        if piece.count >= Self.pieceByteCount {
          try await take(piece)
          piece = []
        }
      }
    } catch let error as RESTError {
      throw error
    } catch {
      throw RESTError.badRequest("the body of the request ends early; nothing was done")
    }
    if !piece.isEmpty { try await take(piece) }
  }

  private static let pieceByteCount = 1 << 20
}

/// A bound on answers that take long.
final class ReaderCount: Sendable {
  private let count = Atomic<Int>(0)
  private let countMax: Int

  init(countMax: Int) { self.countMax = countMax }

  /// Holds one place until it is let go.
  final class Place: Sendable {
    private let owner: ReaderCount
    fileprivate init(_ owner: ReaderCount) { self.owner = owner }
    deinit { owner.count.subtract(1, ordering: .relaxed) }
  }

  func enter() throws(RESTError) -> Place {
    guard count.add(1, ordering: .relaxed).newValue <= countMax else {
      count.subtract(1, ordering: .relaxed)
      throw .overloaded("\(countMax) tails and scans run already")
    }
    return Place(self)
  }
}

/// Says that the server stops.
final class StopFlag: Sendable {
  private let flag = Atomic<Bool>(false)
  var isSet: Bool { flag.load(ordering: .relaxed) }
  func set() { flag.store(true, ordering: .relaxed) }
}

extension RESTResponse {
  static func text(_ status: Int, _ text: String) -> RESTResponse {
    var response = RESTResponse(status: status, json: Array(text.utf8))
    response.setHeader("Content-Type", "text/plain; charset=utf-8")
    return response
  }
}
