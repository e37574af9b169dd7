// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore
internal import WeirColumnar
internal import WeirServing
internal import WeirStreaming
internal import WeirTable

/// What a caller of the serving API is and wants.
struct ServingCaller {
  let principal: Principal
  let serving: Serving

  /// A surface that the caller may read.
  func surface(_ name: String?) throws(RESTError) -> Surface {
    let surface: Surface
    do throws(StreamError) { surface = try serving.surface(name) } catch { throw RESTError(error) }
    try principal.require(.read, in: surface.definition.features.namespace)
    return surface
  }
}

extension StreamResponder {
  /// Answers one request to the serving API.
  func serve(
    _ message: RESTRequest, _ route: ServingRoute, _ principal: Principal, _ request: Request,
    _ context: Context, _ record: inout AccessRecord
  ) async throws -> Response {
    guard let serving else {
      throw RESTError(
        404, "NoSuchRouteException",
        "this service has no surfaces; declare them under 'surfaces' in weir.yaml")
    }
    let caller = ServingCaller(principal: principal, serving: serving)
    let isHead = message.method == "HEAD"
    switch route {
    case .recommend:
      return try await recommend(message, caller, request, context, &record)
    case .events:
      let name = try StreamCall(message, known: ["surface"] + Self.ingestNames)["surface"]
      let surface = try caller.surface(name)
      guard let events = surface.events else {
        throw RESTError.badRequest("the surface names no stream for events: declare 'events'")
      }
      try principal.require(.write, in: events.definition.table.namespace)
      // Lines of JSON, one array of objects, or Arrow.
      return try await ingest(
        message, events, request, context, &record, takesArrays: true
      ) { surface.note($0, $1) }
    case .replay:
      return try await replay(message, caller, request, context, &record)
    case .similar(let text):
      let call = try StreamCall(message, known: ["surface", "source", "count"])
      let surface = try caller.surface(call["surface"])
      let count = try call.int("count", in: 1...SurfaceSource.countMax) ?? 20
      let item = try RecommendCall.id(text, surface.itemKeyType)
      let source = call["source"]
      let answer = try await run(context) { () throws(RESTError) in
        do throws(StreamError) {
          return RESTResponse(
            json: RecommendAnswer.json(try surface.similar(to: item, source: source, count: count)))
        } catch { throw RESTError(error) }
      }
      return CatalogResponder.response(answer, isHead: isHead)
    case .features(let entity, let key):
      let call = try StreamCall(message, known: ["surface"])
      let surface = try caller.surface(call["surface"])
      guard entity == "user" || entity == "item" else {
        throw RESTError(
          404, "NoSuchRouteException",
          "there are features of 'user' and 'item', none of '\(entity)'")
      }
      let type = entity == "user" ? surface.userKeyType : surface.itemKeyType
      let id = try RecommendCall.id(key, type)
      let answer = try await run(context) { () throws(RESTError) in
        do throws(StreamError) {
          return RESTResponse(
            json: RecommendAnswer.json(try surface.entityFeatures(entity == "user", id)))
        } catch { throw RESTError(error) }
      }
      return CatalogResponder.response(answer, isHead: isHead)
    }
  }

  private static let recommendByteCountMax = 1 << 20

  private func recommend(
    _ message: RESTRequest, _ caller: ServingCaller, _ request: Request, _ context: Context,
    _ record: inout AccessRecord
  ) async throws -> Response {
    _ = try StreamCall(message, known: [])
    let share = ByteShare(budget)
    let body = try await wholeBody(request, share, &record)
    guard body.count <= Self.recommendByteCountMax else {
      throw RESTError.tooLarge("a request for a list has at most 1 MiB")
    }
    let call = try RecommendCall(body, caller.serving)
    try caller.principal.require(.read, in: call.surface.definition.features.namespace)
    let promise = context.eventLoop.makePromise(of: StreamError?.self)
    let isAnswered = AnswerFlag()
    let start = ContinuousClock.now
    var answer = try await run(context) { () throws(RESTError) in
      let answer: Recommendation
      do throws(StreamError) {
        answer = try call.surface.recommend(call.request)
      } catch {
        // Nobody waits for a promise that is dropped, but it must be kept.
        if isAnswered.claim() { promise.succeed(nil) }
        throw RESTError(error)
      }
      call.surface.writeLog(of: answer) { error in
        if isAnswered.claim() { promise.succeed(error) }
      }
      return answer
    } orRefused: {
      if isAnswered.claim() { promise.succeed(nil) }
    }
    if let code = await logFallback(promise, isAnswered, call.surface, context) {
      answer.fallbacks.append(code)
    }
    metrics.count(fallbacks: answer.fallbacks, surface: answer.surface)
    if answer.log != nil {
      let elapsed = (ContinuousClock.now - start).components
      let all = elapsed.seconds * 1_000_000 + elapsed.attoseconds / 1_000_000_000_000
      let known = answer.timing.reduce(0) { $0 + $1.microseconds }
      answer.timing.append(("wait", max(0, all - known)))
    }
    withExtendedLifetime(share) {}
    let bytes = RecommendAnswer.json(answer, explain: call.request.explain)
    return CatalogResponder.response(RESTResponse(json: bytes), isHead: false)
  }

  private func replay(
    _ message: RESTRequest, _ caller: ServingCaller, _ request: Request, _ context: Context,
    _ record: inout AccessRecord
  ) async throws -> Response {
    _ = try StreamCall(message, known: [])
    // A replay tells of features and of events.
    for name in caller.serving.names { _ = try caller.surface(name) }
    let share = ByteShare(budget)
    let call = try ReplayCall(try await wholeBody(request, share, &record))
    let place = try readers.enter()
    let serving = caller.serving
    let answer = try await run(context) { () throws(RESTError) in try call.answer(serving) }
    withExtendedLifetime((share, place)) {}
    return CatalogResponder.response(answer, isHead: false)
  }

  /// Waits until the log is durable, as long as the surface says.
  private func logFallback(
    _ promise: EventLoopPromise<StreamError?>, _ isAnswered: AnswerFlag, _ surface: Surface,
    _ context: Context
  ) async -> String? {
    struct Late: Error {}
    let time = TimeAmount.milliseconds(surface.definition.budget.log)
    let timer = context.eventLoop.scheduleTask(in: time) {
      if isAnswered.claim() { promise.fail(Late()) }
    }
    defer { timer.cancel() }
    do {
      guard let error = try await promise.futureResult.get() else { return nil }
      surface.tell("log_failed", error)
      return "log_failed"
    } catch { return "log_late" }
  }
}

extension RecommendAnswer {
  /// A list of one table.
  static func json(_ answer: SimilarItems) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.key("item")
      write(answer.item, &writer)
      writer.pair("source", answer.source)
      writer.pair("known", answer.isKnown)
      writer.key("items")
      writer.array(answer.items) { writer, found in
        writer.object { writer in
          writer.key("item")
          write(found.item, &writer)
          writer.key("score")
          writer.write(found.score)
          writer.pair("reason", found.reason)
        }
      }
    }
    return writer.finish()
  }

  /// Features of one entity.
  static func json(_ answer: EntityFeatures) -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.key("key")
      write(answer.id, &writer)
      writer.pair("known", answer.isKnown)
      writer.key("at")
      writer.write(.int(answer.time), as: .timestamp(.microsecond, timeZone: "UTC"))
      writer.key("features")
      writer.writeRaw(row(answer.features, 0))
    }
    return writer.finish()
  }
}
