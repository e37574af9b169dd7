// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCurl
internal import WeirTable

extension RESTClient {
  /// What it means that `call` got no answer.
  func failure(_ error: HTTPError, _ call: RESTCall, _ doubt: String?) -> TableError {
    let isUnknown = call.kind != .read && doubt != nil
    let code: TableError.Code =
      isUnknown ? .unknownOutcome : error.code == .invalidRequest ? .invalidArgument : .catalog
    return TableError(
      code,
      isUnknown
        ? "\(call.subject): the catalog did not answer; whether it was done is unknown: look before you "
          + "do it again"
        : "\(call.subject): the catalog at \(shownAddress) could not be reached",
      cause: error.description)
  }

  /// What an answer of status 400 and above means.
  func failure(_ response: HTTPResponse, _ call: RESTCall, _ doubt: String?) -> TableError {
    let model = (try? JSONParser().parse(response.body).asObject().object("error")) ?? JSONObject()
    let type = Self.printable((try? model.optionalString("type")) ?? "", 100)
    let said = Self.printable((try? model.optionalString("message")) ?? "", 1_000)
    let status = response.status
    if call.kind != .read, doubt != nil {
      // Also a refusal may be one of our own first attempt's effects, when no key told them apart.
      let isServers = status >= 500 && status != 501 || status == 408
      if isServers {
        return TableError(
          .unknownOutcome,
          "\(call.subject): the catalog failed with status \(status); whether it was done is unknown: "
            + "look before you do it again", cause: said.isEmpty ? nil : said)
      }
    }
    let (code, remedy) = Self.meaning(status, type, call)
    var message = "\(call.subject): the catalog answered \(status)"
    if !type.isEmpty { message += " \(type)" }
    if let remedy { message += "; \(remedy)" }
    return TableError(code, message, cause: said.isEmpty ? nil : said)
  }

  /// Without a user and password that somebody may have put there.
  private var shownAddress: String {
    guard let at = settings.address.lastIndex(of: "@") else { return settings.address }
    return "…" + settings.address[at...]
  }

  private static func meaning(
    _ status: Int, _ type: String, _ call: RESTCall
  ) -> (TableError.Code, remedy: String?) {
    switch type {
    case "NamespaceNotEmptyException": return (.notEmpty, "drop what it holds first")
    case "AlreadyExistsException": return (.alreadyExists, nil)
    case "CommitFailedException":
      return (.retryableConflict, "somebody else committed first: load the table again")
    case "CommitStateUnknownException":
      return (.unknownOutcome, "look before you do it again")
    default: break
    }
    switch status {
    case 400, 422: return (.invalidArgument, nil)
    case 401, 419:
      return (.forbidden, "give a valid 'token', or a 'credential' to get one with")
    case 403: return (.forbidden, "these credentials may not do it")
    case 404: return (.notFound, nil)
    case 405, 406, 501: return (.unsupported, "this catalog cannot do it")
    case 409: return (call.onConflict, nil)
    case 413: return (.limit, "the catalog takes no such long request")
    default: return (.catalog, status >= 500 || status == 429 ? "try again later" : nil)
    }
  }
}
