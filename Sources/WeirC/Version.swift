// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import CWeir

// Safe: a literal's bytes are constant and live as long as the library.
@c @implementation
public func weir_version() -> UnsafePointer<CChar>? {
  let text: StaticString = "0.1.0"
  return UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}
