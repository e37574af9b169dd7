// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirTable

/// What went wrong with a stream: its log, its key index, its definition or its table.
public struct StreamError: Error, Sendable, CustomStringConvertible {
  /// The kind of an error; new kinds may come.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String
    private init(_ description: String) { self.description = description }

    /// A value that the caller passed does not fit.
    public static let invalidArgument = Code("invalid argument")
    /// A stream, shard, offset or producer that is not there (any more).
    public static let notFound = Code("not found")
    /// A file of the log or of the key index that breaks its format.
    public static let damaged = Code("damaged")
    /// Right by its format, but not supported by this version of Weir.
    public static let unsupported = Code("unsupported")
    /// Somebody else owns the shard, or wrote to its table in a way that is in the way.
    public static let conflict = Code("conflict")
    /// A bound was reached. The same may succeed later, when what waits has been worked off.
    public static let overloaded = Code("overloaded")
    /// The disk failed or is full.
    public static let storage = Code("storage")
    /// The table or its catalog failed.
    public static let table = Code("table")
    /// The stream was closed.
    public static let closed = Code("closed")
  }

  public var code: Code
  public var message: String
  /// The stream's table, as `namespace.name`.
  public var stream: String?
  public var shard: Int?
  /// The file concerned.
  public var file: String?
  /// The column concerned.
  public var column: String?
  /// The error below this one, in words.
  public var cause: String?

  public init(
    _ code: Code, _ message: String, stream: String? = nil, shard: Int? = nil, file: String? = nil,
    column: String? = nil, cause: String? = nil
  ) {
    self.code = code
    self.message = message
    self.stream = stream
    self.shard = shard
    self.file = file
    self.column = column
    self.cause = cause
  }

  /// An error of the table or its catalog.
  public init(_ error: TableError) {
    let code: Code =
      switch error.code {
      case .conflict: .conflict
      case .invalidArgument: .invalidArgument
      case .unsupported: .unsupported
      // Somebody asked for a column that is not there.
      case .notFound where error.column != nil: .invalidArgument
      default: .table
      }
    self.init(
      code, error.message, stream: error.table,
      file: error.file, column: error.column, cause: error.cause)
  }

  /// An error of columns.
  public init(_ error: ColumnarError) {
    self.init(.invalidArgument, error.message, column: error.column)
  }

  /// For where the stream is known.
  var withoutStream: StreamError {
    var result = self
    result.stream = nil
    return result
  }

  /// The same error with context added where it had none.
  public func adding(stream: String? = nil, shard: Int? = nil, file: String? = nil) -> StreamError {
    var result = self
    result.stream = self.stream ?? stream
    result.shard = self.shard ?? shard
    result.file = self.file ?? file
    return result
  }

  /// Things concerned, what happened, cause: one line.
  public var description: String {
    var parts: [String] = []
    if let stream { parts.append("stream \(stream)") }
    if let shard { parts.append("shard \(shard)") }
    if let file { parts.append("file \(file)") }
    if let column { parts.append("column \(column)") }
    let place = parts.isEmpty ? "" : parts.joined(separator: ", ") + ": "
    return place + message + (cause.map { " (\($0))" } ?? "")
  }
}
