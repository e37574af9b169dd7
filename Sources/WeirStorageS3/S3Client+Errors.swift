// SPDX-License-Identifier: Apache-2.0

internal import WeirCurl
internal import WeirStorage

extension S3Client {
  /// The error of a call that got no answer.
  func storageError(_ error: HTTPError, _ call: S3Call, attempt: Int) -> StorageError {
    let code: StorageError.Code =
      switch error.code {
      case .libraryMissing: .unsupported
      case .invalidRequest: .invalidArgument
      case .noConnection, .timeout, .connectionBroken, .tooManyRequests: .unavailable
      default: .io
      }
    let attempts = attempt > 1 ? " (\(attempt) attempts)" : ""
    let effect =
      call.method == "PUT" || call.method == "POST"
      ? (error.mayHaveArrived
        ? "; whether it took effect is unknown: look before you do it again"
        : "; the service has seen nothing of it") : ""
    return StorageError(
      code, operation: call.operation, path: call.path,
      "\(place(call)): \(error.message)\(attempts)\(effect)")
  }

  /// The error that the answer to `call` means.
  func storageError(_ answer: S3Answer, _ call: S3Call) -> StorageError {
    let fault = answer.fault ?? S3Fault(code: "", message: "")
    let (code, remedy) = Self.meaning(answer.status, fault)
    var message = "\(place(call)): the service answered \(answer.status)"
    if !fault.code.isEmpty { message += " \(fault.code)" }
    if !fault.message.isEmpty { message += " (\(fault.message))" }
    if let request = answer.response.headers["x-amz-request-id"] {
      message += ", request \(Self.printable(request, 100))"
    }
    if let remedy { message += "; \(remedy)" }
    return StorageError(code, operation: call.operation, path: call.path, message)
  }

  private func place(_ call: S3Call) -> String {
    "s3://\(settings.bucket)\(call.key.map { "/\($0)" } ?? "")"
  }

  private static func meaning(
    _ status: Int, _ fault: S3Fault
  ) -> (StorageError.Code, remedy: String?) {
    switch fault.code {
    case "NoSuchBucket":
      return (.invalidArgument, "there is no such bucket: check its name and the endpoint")
    case "NoSuchKey": return (.notFound, nil)
    case "SignatureDoesNotMatch":
      return (.permissionDenied, "the secret key is wrong")
    case "InvalidAccessKeyId": return (.permissionDenied, "the access key is unknown there")
    case "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "ExpiredTokenException":
      return (.permissionDenied, "the session token is too old: get new credentials")
    case "RequestTimeTooSkewed":
      return (.permissionDenied, "set this machine's clock")
    case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
      return (.invalidArgument, "the bucket is in another region: set AWS_REGION to it")
    case "QuotaExceeded", "EntityTooLarge", "StorageFull":
      return (.outOfSpace, nil)
    case "ConditionalRequestConflict", "OperationAborted":
      return (.unavailable, "others write it at the same time: try again later")
    case "InvalidRange": return (.invalidRange, nil)
    case "NotImplemented": return (.unsupported, "this service cannot do it")
    default: break
    }
    switch status {
    case 401, 403:
      return (
        .permissionDenied,
        "check the credentials' rights on the bucket (a missing object is also answered so when they "
          + "may not list it)"
      )
    case 404: return (.notFound, nil)
    case 405, 501: return (.unsupported, "this service cannot do it")
    case 416: return (.invalidRange, nil)
    case 301, 307, 308:
      return (.invalidArgument, "the bucket is elsewhere: check the region and the endpoint")
    case 408, 429, 500, 502, 503, 504:
      return (.unavailable, "try again later")
    case 507: return (.outOfSpace, nil)
    default: return (.io, nil)
    }
  }
}
