// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import NIOCore
internal import Synchronization

/// Carries requests from connections to the service and its answers back.
struct CatalogResponder: HTTPResponder {
  struct Context: InitializableFromSource {
    let eventLoop: any EventLoop

    init(source: ApplicationRequestContextSource) { eventLoop = source.channel.eventLoop }
  }

  let workers: WorkerPool
  private let service: RESTService
  private let configuration: CatalogServerConfiguration
  private let onAccess: (@Sendable (AccessRecord) -> Void)?
  private let bodies: ByteBudget

  init(
    service: RESTService, configuration: CatalogServerConfiguration,
    onAccess: (@Sendable (AccessRecord) -> Void)?
  ) {
    self.service = service
    self.configuration = configuration
    self.onAccess = onAccess
    bodies = ByteBudget(byteCountMax: configuration.requestByteCountTotalMax)
    workers = WorkerPool(
      threadCount: configuration.workerCount, waitingCountMax: configuration.waitingCountMax)
  }

  func respond(to request: Request, context: Context) async throws -> Response {
    let start = ContinuousClock.now
    let target = request.head.path ?? "/"
    let path = target.prefix { $0 != "?" && $0 != "#" }
    var message = RESTRequest(
      request.method.rawValue, String(path),
      query: String(target.dropFirst(path.count + 1).prefix { $0 != "#" }),
      headers: [:])
    for field in request.headers { message.headers[field.name.canonicalName] = field.value }

    var answer: RESTAnswer
    var closes = false
    var taken = 0
    defer { bodies.give(taken) }
    switch await body(of: request, &taken) {
    case .success(let bytes):
      message.body = bytes
      answer = await work(on: message, eventLoop: context.eventLoop)
    case .failure(let error):
      closes = true
      answer = RESTAnswer(client: "-", response: service.response(to: error, bare: false))
    }
    if closes { answer.response.setHeader("Connection", "close") }
    if let onAccess {
      let elapsed = (ContinuousClock.now - start).components
      onAccess(
        AccessRecord(
          client: answer.client, method: message.method, target: target,
          status: answer.response.status, requestByteCount: message.body.count,
          responseByteCount: answer.response.body.count,
          microseconds: Int(elapsed.seconds) * 1_000_000
            + Int(elapsed.attoseconds / 1_000_000_000_000)))
    }
    return Self.response(answer.response, isHead: message.method == "HEAD")
  }

  /// The bytes of a request's body, when there are not too many; `taken` of the budget of all.
  private func body(
    of request: Request, _ taken: inout Int
  ) async -> Result<[UInt8], RESTError> {
    let limit = configuration.requestByteCountMax
    let tooLarge = RESTError(
      413, "RequestTooLargeException", "the body of the request has more than \(limit) bytes")
    if let announced = request.headers[.contentLength].flatMap({ Int($0) }), announced > limit {
      return .failure(tooLarge)
    }
    var bytes: [UInt8] = []
    do {
      for try await part in request.body {
        guard bytes.count + part.readableBytes <= limit else { return .failure(tooLarge) }
        guard bodies.take(part.readableBytes) else {
          return .failure(.busy("the requests that wait are too large together; nothing was done"))
        }
        taken += part.readableBytes
        bytes.append(contentsOf: part.readableBytesView)
      }
    } catch {
      return .failure(.badRequest("the body of the request ends early"))
    }
    return .success(bytes)
  }

  /// The service's answer, or that there is none in time.
  private func work(on request: RESTRequest, eventLoop: any EventLoop) async -> RESTAnswer {
    let promise = eventLoop.makePromise(of: RESTAnswer.self)
    let isAnswered = AnswerFlag()
    let service = service
    let deadline = NIODeadline.now() + .seconds(Int64(configuration.responseSecondsMax))
    let timer = eventLoop.scheduleTask(deadline: deadline) {
      guard isAnswered.claim() else { return }
      promise.succeed(service.overdueAnswer(to: request))
    }
    workers.submit(deadline: deadline) {
      service.answer(request)
    } completion: { result in
      guard isAnswered.claim() else { return }
      switch result {
      case .success(let answer): promise.succeed(answer)
      case .failure(.full): promise.succeed(service.refusal("too many requests wait already"))
      case .failure(.overdue): promise.succeed(service.refusal("the request waited too long"))
      case .failure(.stopped): promise.succeed(service.refusal("the server is stopping"))
      }
    }
    defer { timer.cancel() }
    // The promise only ever succeeds.
    do { return try await promise.futureResult.get() } catch {
      return service.refusal("the request was cancelled")
    }
  }

  static func response(_ response: RESTResponse, isHead: Bool) -> Response {
    var headers = HTTPFields()
    for header in response.headers {
      guard let name = HTTPField.Name(header.name) else { continue }
      headers[name] = header.value
    }
    let status = HTTPResponse.Status(code: response.status)
    if isHead || response.body.isEmpty {
      // Neither 204 nor 304 may say a length; other answers without a body have none.
      var result = Response(status: status, headers: headers)
      if response.status == 204 || response.status == 304 { result.headers[.contentLength] = nil }
      return result
    }
    return Response(
      status: status, headers: headers,
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: response.body)))
  }
}

/// Lets one of several have the word.
final class AnswerFlag: Sendable {
  private let isTaken = Atomic<Bool>(false)

  /// True for the first caller.
  func claim() -> Bool { !isTaken.exchange(true, ordering: .acquiringAndReleasing) }
}

/// An answer, and whose request it answers.
struct RESTAnswer: Sendable {
  var client: String
  var response: RESTResponse
}
