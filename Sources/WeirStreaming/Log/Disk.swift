// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// What can go wrong on a disk.
public struct DiskError: Error, Sendable, CustomStringConvertible {
  /// The kind of an error; new kinds may come.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    public let description: String
    private init(_ description: String) { self.description = description }

    public static let notFound = Code("not found")
    public static let exists = Code("already exists")
    /// No space, or a quota is used up.
    public static let full = Code("full")
    /// The rights are missing, or the file system is mounted read-only.
    public static let denied = Code("denied")
    /// Another process holds the lock.
    public static let locked = Code("locked")
    /// The process has too many open files.
    public static let tooManyFiles = Code("too many open files")
    /// The file system cannot do it.
    public static let unsupported = Code("unsupported")
    /// The device or the file system failed.
    public static let failed = Code("failed")
    /// Of a simulation: the process is dead.
    public static let crashed = Code("crashed")
  }

  public var code: Code
  /// What was asked for: `write`, `sync`, …
  public var operation: String
  public var path: String
  /// What the operating system says; of `locked`, what the holder wrote into the file.
  public var message: String

  public init(_ code: Code, operation: String, path: String, _ message: String) {
    self.code = code
    self.operation = operation
    self.path = path
    self.message = message
  }

  public var description: String { "\(operation) \(path): \(message)" }
}

/// Files and folders of one machine, as a log needs them: each call does one thing, and says what
/// survives a loss of power.
///
/// Paths are absolute. All of it may be called by several threads.
public protocol Disk: AnyObject, Sendable {
  /// Makes the folder, and those above it, where they are missing. Durable when it returns.
  func makeFolder(_ path: String) throws(DiskError)

  /// The names of the files in a folder, in no order.
  func list(_ folder: String) throws(DiskError) -> [String]

  /// A new, empty file. Its name is durable after `syncFolder`.
  ///
  /// - Throws: `exists` when the name is taken.
  func create(_ path: String) throws(DiskError) -> any DiskFile

  /// A file that is there, to read and write.
  func open(_ path: String) throws(DiskError) -> any DiskFile

  /// Gives a file a new name at once, in the same folder. Durable after `syncFolder`.
  func rename(_ from: String, to: String) throws(DiskError)

  /// Takes the name away; a file that is open can still be read. Durable after `syncFolder`.
  func delete(_ path: String) throws(DiskError)

  /// Makes the names in a folder durable.
  func syncFolder(_ path: String) throws(DiskError)

  /// Takes the exclusive lock of the file at `path`, which is made when it is missing, and writes
  /// `owner` into it for whoever is refused. The lock is held as long as the returned object lives,
  /// and the process.
  ///
  /// - Throws: `locked` at once when somebody else holds it, with what they wrote.
  func lock(_ path: String, owner: String) throws(DiskError) -> any DiskLock
}

/// An open file. Reading is safe while another thread writes.
public protocol DiskFile: AnyObject, Sendable {
  var path: String { get }

  func size() throws(DiskError) -> Int

  /// The bytes from `offset` on: `count` of them, fewer only where the file ends.
  func read(at offset: Int, count: Int) throws(DiskError) -> Buffer

  /// Writes all of `bytes` at `offset`, the file grows as needed. Durable after `sync`; until then a
  /// crash may leave any part of it.
  func write(_ bytes: Buffer, at offset: Int) throws(DiskError)

  /// Waits until all that was written, and the size, is durable. After an error nothing may be
  /// assumed of what was written since the last `sync`, not even that it is what `read` returns.
  func sync() throws(DiskError)

  /// Cuts the file, or lets it grow by zeros. Durable after `sync`.
  func truncate(to size: Int) throws(DiskError)

  /// Lets the file grow to `size` by zeros whose space is taken from the disk now, so that writing
  /// there cannot fail for want of it. Durable after `sync`.
  ///
  /// - Returns: whether the file system can do that; the file is as before when it cannot.
  func preallocate(to size: Int) throws(DiskError) -> Bool
}

/// A lock that is held while this object lives.
public protocol DiskLock: AnyObject, Sendable {
  /// Gives the lock back; calling it again does nothing.
  func release()
}

extension StreamError {
  /// A disk's error in a log, with what to do about it.
  init(_ error: DiskError) {
    let remedy: String
    var code = Code.storage
    switch error.code {
    case .full: remedy = "free space on the disk of the log, or give the log another one"
    case .denied: remedy = "the process needs the right to write to the log's folder"
    case .locked:
      code = .conflict
      remedy = "one process owns a shard's log; stop the other one first"
    case .tooManyFiles: remedy = "raise the limit of open files (ulimit -n)"
    case .notFound, .exists:
      code = .damaged
      remedy = "somebody else changed the log's folder"
    case .unsupported: remedy = "put the log on a local file system"
    default: remedy = "look at the machine's disk; what was acknowledged is kept by the log"
    }
    self.init(
      code, "the log cannot \(error.operation) a file; \(remedy)", file: error.path,
      cause: error.message)
  }
}
