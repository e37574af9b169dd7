// SPDX-License-Identifier: Apache-2.0

/// What can go wrong with a Weir file, and where in it.
public struct WeirFileError: Error, Sendable, CustomStringConvertible {
  /// The kind of failure; more may come in later versions.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String
    private init(_ description: String) { self.description = description }

    /// The bytes break the format's rules, or a checksum does not match.
    public static let damaged = Code("damaged file")
    /// The bytes are no Weir file at all.
    public static let notWeirFile = Code("not a Weir file")
    /// Valid, but not supported by this version.
    public static let unsupported = Code("unsupported")
    /// The caller asked for something that does not fit the file or the schema.
    public static let invalidArgument = Code("invalid argument")
    /// More memory would be needed than the limits allow.
    public static let limitExceeded = Code("limit exceeded")
    /// The storage below failed; the message holds its error.
    public static let storage = Code("storage")
  }

  public var code: Code
  /// What happened, and what to do about it.
  public var message: String
  /// Name of the file.
  public var file: String?
  /// Name of the column.
  public var column: String?
  /// First row of the page.
  public var row: Int?
  /// Byte position in the file.
  public var position: Int?

  public init(
    _ code: Code, _ message: String, file: String? = nil, column: String? = nil, row: Int? = nil,
    position: Int? = nil
  ) {
    self.code = code
    self.message = message
    self.file = file
    self.column = column
    self.row = row
    self.position = position
  }

  public var description: String {
    var parts: [String] = []
    if let file { parts.append("file \(file)") }
    if let column { parts.append("column \(column)") }
    if let row { parts.append("page of row \(row)") }
    if let position { parts.append("byte \(position)") }
    return "\(code): \(message)" + (parts.isEmpty ? "" : " [\(parts.joined(separator: ", "))]")
  }

  /// The same error with the context that it did not have yet.
  package func adding(
    file: String? = nil, column: String? = nil, row: Int? = nil, position: Int? = nil
  ) -> WeirFileError {
    var copy = self
    copy.file = copy.file ?? file
    copy.column = copy.column ?? column
    copy.row = copy.row ?? row
    copy.position = copy.position ?? position
    return copy
  }

  /// Bytes that break a rule of the format.
  @inline(never)
  static func damaged(_ message: String) -> WeirFileError { WeirFileError(.damaged, message) }
}
