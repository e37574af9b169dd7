// SPDX-License-Identifier: Apache-2.0
//
// Safe: texts come in as `Arguments` describes.
internal import CWeir
internal import WeirColumnar
internal import WeirTable

/// What a `weir_..._request` asks: an operation and its arguments.
struct TableRequest {
  let operation: String
  let arguments: JSONObject

  init(_ operation: UnsafePointer<CChar>?, _ arguments: UnsafePointer<CChar>?) throws(CError) {
    self.operation = try Arguments.text(operation, "operation")
    guard let arguments else {
      self.arguments = JSONObject()
      return
    }
    let text = try Arguments.text(arguments, "arguments")
    do throws(JSONError) {
      self.arguments = try JSONValue(parsing: text).asObject()
    } catch {
      throw .invalidArgument("the arguments of \(self.operation) are no JSON object: \(error)")
    }
  }

  func unknown(_ operations: [String]) -> CError {
    .invalidArgument(
      "there is no operation \"\(operation)\"; there are " + operations.joined(separator: ", "))
  }

  func table(_ name: String = "table") throws -> TableIdentifier {
    try TableIdentifier(parsing: try arguments.string(name))
  }

  func namespace(_ name: String = "namespace") throws -> Namespace {
    try Namespace(parsing: try arguments.string(name))
  }
}

extension Arguments {
  static func identifier(_ pointer: UnsafePointer<CChar>?) throws -> TableIdentifier {
    try TableIdentifier(parsing: try text(pointer, "identifier"))
  }
}

extension JSONObject {
  /// An object of texts; empty when the member is missing.
  func texts(_ name: String) throws(JSONError) -> [String: String] {
    var result: [String: String] = [:]
    for (key, value) in try optionalObject(name) ?? JSONObject() {
      result[key] = try value.asString()
    }
    return result
  }

  /// A list of texts; empty when the member is missing.
  func textList(_ name: String) throws(JSONError) -> [String] {
    try optionalArray(name, of: { value throws(JSONError) in try value.asString() }) ?? []
  }
}

extension JSONError: CErrorConvertible {
  var cError: CError { .invalidArgument("the arguments do not fit: \(description)") }
}

extension TableError: CErrorConvertible {
  var cError: CError {
    let status: Int32 =
      switch code {
      case .invalidArgument: WEIR_INVALID_ARGUMENT
      case .notFound: WEIR_NOT_FOUND
      case .alreadyExists: WEIR_ALREADY_EXISTS
      case .notEmpty, .conflict, .retryableConflict: WEIR_CONFLICT
      case .damaged: WEIR_INVALID_DATA
      case .unsupported: WEIR_UNSUPPORTED
      case .forbidden: WEIR_PERMISSION_DENIED
      case .unknownOutcome: WEIR_UNKNOWN_OUTCOME
      case .limit: WEIR_OVERFLOW
      case .storage, .catalog: WEIR_IO
      default: WEIR_INTERNAL
      }
    var error = CError(status, description)
    error.path = file
    error.column = column
    return error
  }
}
