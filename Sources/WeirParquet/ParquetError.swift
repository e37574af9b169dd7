// SPDX-License-Identifier: Apache-2.0

/// What can go wrong with a Parquet file, and where in it.
public struct ParquetError: Error, Sendable, CustomStringConvertible {
  /// The kind of failure; more may come in later versions.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String
    private init(_ description: String) { self.description = description }

    /// The bytes break the format's rules, or a checksum does not match.
    public static let damaged = Code("damaged file")
    /// The bytes are no Parquet file at all.
    public static let notParquet = Code("not a Parquet file")
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
  /// Path of the column, with dots between the levels.
  public var column: String?
  /// Number of the row group, from 0.
  public var rowGroup: Int?
  /// Number of the page within its column chunk, from 0; the dictionary page does not count.
  public var page: Int?
  /// Byte position in the file.
  public var position: Int?

  public init(
    _ code: Code, _ message: String, file: String? = nil, column: String? = nil,
    rowGroup: Int? = nil, page: Int? = nil, position: Int? = nil
  ) {
    self.code = code
    self.message = message
    self.file = file
    self.column = column
    self.rowGroup = rowGroup
    self.page = page
    self.position = position
  }

  public var description: String {
    var parts: [String] = []
    if let file { parts.append("file \(file)") }
    if let rowGroup { parts.append("row group \(rowGroup)") }
    if let column { parts.append("column \(column)") }
    if let page { parts.append("page \(page)") }
    if let position { parts.append("byte \(position)") }
    return "\(code): \(message)" + (parts.isEmpty ? "" : " [\(parts.joined(separator: ", "))]")
  }

  /// The same error with the context that it did not have yet.
  package func adding(
    file: String? = nil, column: String? = nil, rowGroup: Int? = nil, page: Int? = nil,
    position: Int? = nil
  ) -> ParquetError {
    var copy = self
    copy.file = copy.file ?? file
    copy.column = copy.column ?? column
    copy.rowGroup = copy.rowGroup ?? rowGroup
    copy.page = copy.page ?? page
    copy.position = copy.position ?? position
    return copy
  }
}
