// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

extension RESTError {
  /// - Parameter missingStatus: of `notFound`: 404 for streams, 410 for rows that the log lost.
  init(_ error: StreamError, missingStatus: Int = 404) {
    let text = "\(error)"
    switch error.code {
    case .invalidArgument: self.init(400, "BadRequestException", text)
    case .unsupported: self.init(400, "UnsupportedOperationException", text)
    case .notFound:
      self.init(
        missingStatus,
        missingStatus == 410 ? "PositionGoneException" : "NoSuchStreamException", text)
    case .overloaded:
      self.init(429, "TooManyRequestsException", text, retryAfterSeconds: 1)
    case .conflict, .closed:
      self.init(503, "ServiceUnavailableException", text, retryAfterSeconds: 5)
    case .storage: self.init(503, "StorageException", text, retryAfterSeconds: 5)
    default: self.init(500, "InternalServerError", text)
    }
  }

  static func tooLarge(_ message: String) -> RESTError {
    RESTError(413, "RequestTooLargeException", message)
  }

  static func overloaded(_ message: String) -> RESTError {
    RESTError(
      429, "TooManyRequestsException", "\(message); nothing was done", retryAfterSeconds: 1)
  }
}
