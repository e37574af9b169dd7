// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

extension RESTService {
  /// An error as an answer. `bare` also puts the error model itself at the top, where the
  /// specification has it: for views, and for what is not supported.
  func response(to error: RESTError, bare: Bool) -> RESTResponse { error.response(bare: bare) }

  /// The answer to a request that was not started.
  func refusal(_ reason: String) -> RESTAnswer {
    RESTAnswer(
      client: "-", response: response(to: .busy("\(reason); nothing was done"), bare: false))
  }

  /// The answer to a request that was started, and has not come to its end in time.
  func overdueAnswer(to request: RESTRequest) -> RESTAnswer {
    let seconds = configuration.responseSecondsMax
    let error =
      request.method == "GET" || request.method == "HEAD"
      ? RESTError(
        503, "ServiceUnavailableException", "no answer within \(seconds) seconds",
        retryAfterSeconds: 5)
      : RESTError(
        504, "CommitStateUnknownException",
        "no answer within \(seconds) seconds; whether the request takes effect is not known")
    return RESTAnswer(client: "-", response: response(to: error, bare: false))
  }

  /// Runs calls of the catalog; their errors become those of the specification.
  ///
  /// - Parameter missing: the error for something that is not there.
  func asking<T>(
    missing: RESTError, _ work: () throws(TableError) -> T
  ) throws(RESTError) -> T {
    do { return try work() } catch { throw Self.restError(error, missing: missing) }
  }

  static func restError(_ error: TableError, missing: RESTError) -> RESTError {
    let text = "\(error)"
    switch error.code {
    case .invalidArgument: return RESTError(400, "BadRequestException", text)
    case .unsupported: return RESTError(400, "UnsupportedOperationException", text)
    case .limit: return RESTError(400, "BadRequestException", text)
    case .notFound: return missing
    case .alreadyExists: return RESTError(409, "AlreadyExistsException", text)
    case .conflict, .retryableConflict: return RESTError(409, "CommitFailedException", text)
    case .notEmpty: return RESTError(409, "NamespaceNotEmptyException", text)
    case .forbidden: return RESTError(403, "ForbiddenException", text)
    case .unknownOutcome: return RESTError(500, "CommitStateUnknownException", text)
    default: return RESTError(500, "InternalServerError", text)
    }
  }
}

extension RESTError {
  /// The error as an answer, see `RESTService.response(to:bare:)`.
  func response(bare: Bool = false) -> RESTResponse {
    let model: JSONObject = [
      "message": .string(message), "type": .string(type),
      "code": .int(Int64(status)),
    ]
    var body: JSONObject = ["error": .object(model)]
    if status == 406 || (bare && (status == 404 || status == 409)) {
      body.merge(model)
    }
    var response = RESTResponse(status: status, json: JSONValue.object(body).bytes)
    if let seconds = retryAfterSeconds { response.setHeader("Retry-After", "\(seconds)") }
    if let methods = allowedMethods {
      response.setHeader("Allow", methods.joined(separator: ", "))
    }
    if status == 401 { response.setHeader("WWW-Authenticate", "Bearer realm=\"weir\"") }
    return response
  }
}
