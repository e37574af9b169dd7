// SPDX-License-Identifier: Apache-2.0

/// What can go wrong with columnar memory that came from outside: a caller, a file, a peer.
public struct ColumnarError: Error, Sendable, CustomStringConvertible {
  /// The kind of failure; more may come in later versions.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String
    private init(_ description: String) { self.description = description }

    /// The arguments do not fit each other (types, lengths, names).
    public static let invalidArgument = Code("invalid argument")
    /// The bytes break the format's rules.
    public static let invalidData = Code("invalid data")
    /// Valid, but not supported by this version.
    public static let unsupported = Code("unsupported")
    /// The result would not fit its type (offsets past 2^31, for example).
    public static let overflow = Code("overflow")
    /// A stream of another library reported an error; the message holds it.
    public static let sourceFailed = Code("source failed")
  }

  public var code: Code
  /// What happened, and what to do about it.
  public var message: String
  /// The column's path, with dots between the levels.
  public var column: String?
  /// Byte position in the stream or buffer, where one is known.
  public var position: Int?

  public init(_ code: Code, _ message: String, column: String? = nil, position: Int? = nil) {
    self.code = code
    self.message = message
    self.column = column
    self.position = position
  }

  public var description: String {
    var text = "\(code): \(message)"
    if let column { text += " (column \(column))" }
    if let position { text += " (byte \(position))" }
    return text
  }

  /// The same error with `name` put before the column's path.
  package func inColumn(_ name: String) -> ColumnarError {
    var copy = self
    copy.column = column.map { "\(name).\($0)" } ?? name
    return copy
  }
}
