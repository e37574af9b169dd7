// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// An error as the specification models it: a status, the name of the reference implementation's
/// exception, and words.
struct RESTError: Error, Sendable {
  /// The HTTP status, 400 to 599.
  var status: Int
  /// `NoSuchTableException`, …: clients decide by it.
  var type: String
  var message: String
  /// Seconds after which the same request may be tried again.
  var retryAfterSeconds: Int?
  /// The methods of the resource, with status 405.
  var allowedMethods: [String]?

  init(_ status: Int, _ type: String, _ message: String, retryAfterSeconds: Int? = nil) {
    self.status = status
    self.type = type
    self.message = message
    self.retryAfterSeconds = retryAfterSeconds
  }

  static func badRequest(_ message: String) -> RESTError {
    RESTError(400, "BadRequestException", message)
  }

  static func badText(in text: String) -> RESTError {
    badRequest("'\(text)' is not percent-encoded UTF-8")
  }

  static func noRoute(_ path: String) -> RESTError {
    RESTError(
      404, "NoSuchRouteException",
      "there is nothing at '\(path)'; GET /v1/config lists what this server offers")
  }

  static func methodNotAllowed(_ method: String, allowed: [String]) -> RESTError {
    var error = RESTError(
      405, "MethodNotAllowedException",
      "\(method) is not possible here, only \(allowed.joined(separator: ", "))")
    error.allowedMethods = allowed
    return error
  }

  static func forbidden(_ message: String) -> RESTError {
    RESTError(403, "ForbiddenException", message)
  }

  static func unauthorized(_ message: String) -> RESTError {
    RESTError(401, "NotAuthorizedException", message)
  }

  static func noNamespace(_ namespace: Namespace) -> RESTError {
    RESTError(404, "NoSuchNamespaceException", "there is no namespace \(namespace)")
  }

  static func noTable(_ table: TableIdentifier) -> RESTError {
    RESTError(404, "NoSuchTableException", "there is no table \(table)")
  }

  static func noView(_ view: TableIdentifier) -> RESTError {
    RESTError(404, "NoSuchViewException", "there is no view \(view)")
  }

  static func busy(_ message: String) -> RESTError {
    RESTError(503, "SlowDownException", message, retryAfterSeconds: 1)
  }
}
