// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AlwaysUseLowerCamelCase

//
// Safe: every pointer in this file is an argument that the caller of the C interface vouches for
// (weir.h), or a handle made by `Handle`.
internal import CWeir
internal import Glibc

/// An error on its way to C: a status of weir.h, the text, and where it happened.
struct CError: Error {
  var status: Int32
  var message: String
  var path: String?
  var column: String?
  var page: Int?
  var position: Int?

  init(_ status: Int32, _ message: String) {
    self.status = status
    self.message = message
  }

  static func invalidArgument(_ message: String) -> CError {
    CError(WEIR_INVALID_ARGUMENT, message)
  }

  /// Any error of our libraries as one for C. What carries no path gets `path`.
  init(_ error: any Error, path: String? = nil) {
    self = (error as? any CErrorConvertible)?.cError ?? CError(WEIR_INTERNAL, "\(error)")
    if self.path == nil { self.path = path }
  }
}

/// An error type that knows its status.
protocol CErrorConvertible: Error {
  var cError: CError { get }
}

extension CError: CErrorConvertible {
  var cError: CError { self }
}

/// What a `weir_error *` refers to: texts that C can read for as long as it keeps the error.
final class ErrorBox {
  let error: CError
  let message: UnsafeMutablePointer<CChar>
  let path: UnsafeMutablePointer<CChar>?
  let column: UnsafeMutablePointer<CChar>?

  init(_ error: CError) {
    self.error = error
    message = copyText(error.message)
    path = error.path.map(copyText)
    column = error.column.map(copyText)
  }

  deinit {
    free(message)
    free(path)
    free(column)
  }
}

/// Text for C, to be freed with `free`.
func copyText(_ text: String) -> UnsafeMutablePointer<CChar> {
  guard let copy = strdup(text) else { fatalError("out of memory: could not copy a text") }
  return copy
}

/// Runs the body of a function of the C interface: its error becomes a status and a `weir_error`.
func status(
  _ error: UnsafeMutablePointer<OpaquePointer?>?, path: @autoclosure () -> String? = nil,
  _ body: () throws -> Void
) -> Int32 {
  error?.pointee = nil
  do {
    try body()
    return WEIR_OK
  } catch let failure {
    let failure = CError(failure, path: path())
    error?.pointee = Handle.make(ErrorBox(failure))
    return failure.status
  }
}

@c @implementation
public func weir_error_code(_ error: OpaquePointer?) -> Int32 {
  Handle.get(error, ErrorBox.self)?.error.status ?? WEIR_OK
}

@c @implementation
public func weir_error_message(_ error: OpaquePointer?) -> UnsafePointer<CChar>? {
  if let box = Handle.get(error, ErrorBox.self) { return UnsafePointer(box.message) }
  let empty: StaticString = ""
  return UnsafeRawPointer(empty.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c @implementation
public func weir_error_path(_ error: OpaquePointer?) -> UnsafePointer<CChar>? {
  Handle.get(error, ErrorBox.self).flatMap { UnsafePointer($0.path) }
}

@c @implementation
public func weir_error_column(_ error: OpaquePointer?) -> UnsafePointer<CChar>? {
  Handle.get(error, ErrorBox.self).flatMap { UnsafePointer($0.column) }
}

@c @implementation
public func weir_error_page(_ error: OpaquePointer?) -> Int64 {
  Int64(Handle.get(error, ErrorBox.self)?.error.page ?? -1)
}

@c @implementation
public func weir_error_position(_ error: OpaquePointer?) -> Int64 {
  Int64(Handle.get(error, ErrorBox.self)?.error.position ?? -1)
}

@c @implementation
public func weir_error_free(_ error: OpaquePointer?) {
  Handle.release(error)
}

@c @implementation
public func weir_string_free(_ text: UnsafeMutablePointer<CChar>?) {
  free(text)
}
