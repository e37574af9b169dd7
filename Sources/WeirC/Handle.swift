// SPDX-License-Identifier: Apache-2.0
//
// Safe: a handle is a retained reference that C carries around. `make` retains it, `take` and
// `release` give it back once (the C functions set the caller's variable to NULL), `get` borrows.
internal import CWeir

/// Objects as opaque pointers. A handle of another kind than expected is found out, not followed.
enum Handle {
  static func make(_ object: AnyObject) -> OpaquePointer {
    OpaquePointer(Unmanaged.passRetained(object).toOpaque())
  }

  /// The object, or `nil` for NULL and for a handle of another kind.
  static func get<T: AnyObject>(_ handle: OpaquePointer?, _ type: T.Type) -> T? {
    guard let handle else { return nil }
    return Unmanaged<AnyObject>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue() as? T
  }

  /// The object, or an error that names the argument.
  static func need<T: AnyObject>(
    _ handle: OpaquePointer?, _ type: T.Type, _ name: StaticString
  ) throws(CError) -> T {
    guard handle != nil else { throw .invalidArgument("\(name) is NULL") }
    guard let object = get(handle, type) else {
      throw .invalidArgument("\(name) is a handle of another kind")
    }
    return object
  }

  /// Ends the caller's handle: takes the object out of it and sets it to NULL. `nil` where it is NULL
  /// already or of another kind (which stays untouched).
  static func take<T: AnyObject>(
    _ handle: UnsafeMutablePointer<OpaquePointer?>?, _ type: T.Type
  ) -> T? {
    guard let handle, let value = handle.pointee, let object = get(value, type) else { return nil }
    handle.pointee = nil
    release(value)
    return object
  }

  static func release(_ handle: OpaquePointer?) {
    guard let handle else { return }
    Unmanaged<AnyObject>.fromOpaque(UnsafeRawPointer(handle)).release()
  }
}
