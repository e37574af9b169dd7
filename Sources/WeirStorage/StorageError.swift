// SPDX-License-Identifier: Apache-2.0

/// What can go wrong with stored objects and files.
public struct StorageError: Error, Sendable, CustomStringConvertible {
  /// The kind of failure; more may come in later versions.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String
    private init(_ description: String) { self.description = description }

    /// No object has this path.
    public static let notFound = Code("not found")
    /// `PutCondition.ifAbsent`, and the object is there. Retrying the same put is of no use.
    public static let alreadyExists = Code("already exists")
    /// `PutCondition.ifMatch`, and the object has another etag or is gone. Read it again, decide
    /// again, put again.
    public static let preconditionFailed = Code("precondition failed")
    /// The path breaks the rules of object paths.
    public static let invalidPath = Code("invalid path")
    /// The path, or a part of it, is a folder where an object should be, or the reverse.
    public static let pathConflict = Code("path conflict")
    /// The range of bytes does not lie within the object.
    public static let invalidRange = Code("invalid range")
    /// An argument or the use of a writer is wrong.
    public static let invalidArgument = Code("invalid argument")
    /// The object became shorter, or another one, while it was read.
    public static let changed = Code("changed while reading")
    /// The rights to do this are missing.
    public static let permissionDenied = Code("permission denied")
    /// No space is left, or the quota or the largest file size is reached.
    public static let outOfSpace = Code("out of space")
    /// The process or the machine has too many open files.
    public static let tooManyOpenFiles = Code("too many open files")
    /// The store, or the file system under it, cannot do this.
    public static let unsupported = Code("unsupported")
    /// The store failed for now: trying again may work. Whether a put took effect is unknown.
    public static let unavailable = Code("unavailable")
    /// The device or the file system failed.
    public static let io = Code("input/output error")
  }

  public var code: Code
  /// What was asked of the store: `get`, `put`, `list`, …
  public var operation: String
  /// The object's path, or the file's.
  public var path: String
  /// What happened, and what to do about it.
  public var message: String
  /// The operating system's error number, where it gave one.
  public var errno: Int32?

  public init(
    _ code: Code, operation: String, path: String, _ message: String, errno: Int32? = nil
  ) {
    self.code = code
    self.operation = operation
    self.path = path
    self.message = message
    self.errno = errno
  }

  public var description: String { "\(code): \(operation) \(path): \(message)" }
}
