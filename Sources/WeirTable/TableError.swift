// SPDX-License-Identifier: Apache-2.0

/// What went wrong with a table, its metadata or its catalog.
public struct TableError: Error, Sendable, CustomStringConvertible {
  /// The kind of an error; new kinds may come.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String
    private init(_ description: String) { self.description = description }

    /// A value that the caller passed does not fit.
    public static let invalidArgument = Code("invalid argument")
    /// A namespace, table, view, snapshot, reference or column that is not there.
    public static let notFound = Code("not found")
    /// Something of that name is already there.
    public static let alreadyExists = Code("already exists")
    /// Metadata, a manifest, a Puffin file or a data file that breaks its format.
    public static let damaged = Code("damaged")
    /// Right by its format, but not supported by this version of Weir.
    public static let unsupported = Code("unsupported")
    /// Somebody else committed first and the change cannot be moved behind theirs. Final: decide anew.
    public static let conflict = Code("conflict")
    /// Somebody else committed first. The same commit may succeed when it is tried again.
    public static let retryableConflict = Code("retryable conflict")
    /// A namespace that still holds something.
    public static let notEmpty = Code("not empty")
    /// The caller may not do this.
    public static let forbidden = Code("forbidden")
    /// Whether the commit took place is not known; look before trying again.
    public static let unknownOutcome = Code("unknown outcome")
    /// The object store failed.
    public static let storage = Code("storage")
    /// The catalog's database or server failed.
    public static let catalog = Code("catalog")
    /// A bound was reached: memory, size, depth or time.
    public static let limit = Code("limit")
  }

  public var code: Code
  public var message: String
  /// The table or view concerned, as `namespace.name` or by its location.
  public var table: String?
  /// The file concerned.
  public var file: String?
  /// The column or field concerned.
  public var column: String?
  /// The error below this one, in words.
  public var cause: String?

  public init(
    _ code: Code, _ message: String, table: String? = nil, file: String? = nil,
    column: String? = nil, cause: String? = nil
  ) {
    self.code = code
    self.message = message
    self.table = table
    self.file = file
    self.column = column
    self.cause = cause
  }

  /// The same error with context added where it had none.
  public func adding(
    table: String? = nil, file: String? = nil, column: String? = nil
  ) -> TableError {
    var result = self
    result.table = self.table ?? table
    result.file = self.file ?? file
    result.column = self.column ?? column
    return result
  }

  /// Things concerned, what happened, cause: one line.
  public var description: String {
    var parts: [String] = []
    // A message of another system may name it already.
    if let table, !message.hasPrefix("table \(table)") { parts.append("table \(table)") }
    if let file { parts.append("file \(file)") }
    if let column { parts.append("column \(column)") }
    let place = parts.isEmpty ? "" : parts.joined(separator: ", ") + ": "
    return place + message + (cause.map { " (\($0))" } ?? "")
  }
}
