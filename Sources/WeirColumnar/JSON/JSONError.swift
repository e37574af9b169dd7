// SPDX-License-Identifier: Apache-2.0

/// JSON text that is not JSON, goes over a bound, or does not say what it should.
public struct JSONError: Error, Sendable, CustomStringConvertible {
  /// The kind of an error; new kinds may come.
  public enum Code: Hashable, Sendable {
    /// Not JSON.
    case syntax
    /// Too deep or too large.
    case limit
    /// A member that must be there is not.
    case missing
    /// Of another type than it must be.
    case wrongType
    /// Of the right type, with a value that cannot be.
    case invalidValue
    /// A version or kind that this version of Weir does not know.
    case unsupported
  }

  public var code: Code
  public var message: String
  /// Where in the document, from the outermost inwards: `snapshots[3].summary`. Empty: the document.
  public var path: String
  /// Line and column (in bytes), both from 1, when the text itself is at fault.
  public var line: Int?
  public var column: Int?

  public init(
    _ code: Code, _ message: String, path: String = "", line: Int? = nil, column: Int? = nil
  ) {
    self.code = code
    self.message = message
    self.path = path
    self.line = line
    self.column = column
  }

  /// The same error seen from the object that holds member `name`.
  public func inside(_ name: String) -> JSONError {
    var result = self
    if path.isEmpty {
      result.path = name
    } else {
      result.path = path.utf8.first == UInt8(ascii: "[") ? name + path : name + "." + path
    }
    return result
  }

  /// The same error seen from the array that holds the element at `index`.
  public func inside(_ index: Int) -> JSONError {
    var result = self
    let place = "[\(index)]"
    if path.isEmpty {
      result.path = place
    } else {
      result.path = path.utf8.first == UInt8(ascii: "[") ? place + path : place + "." + path
    }
    return result
  }

  public var description: String {
    var text = message
    if !path.isEmpty { text += " (at \(path))" }
    if let line, let column { text += " (line \(line), column \(column))" }
    return text
  }
}
