// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
public import WeirColumnar

/// Objects as files under one folder of a local file system.
///
/// The object `a/b` is the file `ROOT/a/b`, so that an object cannot at once be a folder of others.
/// Folders are made as needed and stay when they become empty. Symbolic links are followed by reads
/// and never listed. Several stores, also of several processes, may use one folder.
///
/// A put works in these steps, so that at any instant, also of a crash or a loss of power, each path
/// holds a whole object or none:
/// 1. Make the missing folders and sync the folders that they are in.
/// 2. Write the bytes to a temporary file in the object's folder (see `TemporaryName`), set its time
///    of modification to the clock's nanosecond, and sync it.
/// 3. Publish it: `ifAbsent` by link(2), which fails when the name is taken; `none` by rename(2);
///    `ifMatch` by comparing the etag and rename(2), under a lock.
/// 4. Sync the object's folder.
///
/// The lock is one of 64 files in `ROOT/.weir-locks`, chosen by a hash of the path and held with
/// flock(2), which the kernel gives back when a process dies. `ifMatch` holds it exclusively; `none`
/// and `delete` share it, so that neither comes between the comparison and the rename. `ifAbsent`
/// needs none: while another put holds the lock and compares, the name is taken.
///
/// The etag is size, time of modification and inode. A hash of the bytes would cost `head` and
/// `list` a read of every object. Inodes alone are used again at once, and the kernel's own time only
/// advances every few milliseconds; with the nanosecond of step 2 a version's etag does not come
/// back, and `ifMatch` keeps the time ahead of the version that it replaces even when the clock is
/// set back. The file system must store nanoseconds (ext4, XFS, Btrfs, ZFS, tmpfs and NFSv4 do).
public final class LocalObjectStore: ObjectStore {
  /// How many lock files paths are spread over.
  static let lockCount = 64
  static let lockFolderName = ObjectPath.lockFolderName
  /// The most folders remembered as durable.
  private static let durableFolderCountMax = 4_096
  /// How often a put makes its folder again when somebody removes it in that moment.
  private static let folderAttemptCountMax = 8

  /// The folder, as an absolute path without links.
  public let root: String
  private let syncs: Bool
  private let takesIfMatch: Bool
  /// Folders that are known to survive a loss of power.
  private let durableFolders = Mutex<Set<[UInt8]>>([])

  /// Opens the store in the folder `root`.
  ///
  /// - Parameters:
  ///   - createsRoot: whether to make the folder when it is missing.
  ///   - syncs: whether puts and deletes wait until they are safe from a loss of power. Without it
  ///     they are still atomic and safe from the death of the process.
  ///   - takesIfMatch: whether `PutCondition.ifMatch` works. Without it the store needs no locks and
  ///     makes no folder for them, so that its root may be one that the process cannot write to.
  public init(
    root: String, createsRoot: Bool = true, syncs: Bool = true, takesIfMatch: Bool = true
  ) throws(StorageError) {
    guard !root.isEmpty, !root.utf8.contains(0) else {
      throw StorageError(
        .invalidPath, operation: "open", path: root, "the path is empty or has a zero byte")
    }
    self.syncs = syncs
    self.takesIfMatch = takesIfMatch
    do throws(SystemError) {
      if createsRoot { try Self.makeFolders(root, syncs: syncs) }
      self.root = try SystemCalls.resolve(root)
      guard try SystemCalls.status(self.root).isFolder else { throw SystemError(ENOTDIR) }
    } catch {
      throw StorageError(error, operation: "open", path: root)
    }
  }

  public func head(_ path: String) throws(StorageError) -> ObjectMetadata {
    try ObjectPath.check(path, operation: "head")
    guard let status = try status(path, operation: "head") else {
      throw .notFound(path, operation: "head")
    }
    return ObjectMetadata(path: path, status)
  }

  public func get(_ path: String, range: Range<Int>?) throws(StorageError) -> Buffer {
    let reader = try openFile(path, operation: "get")
    return try reader.read(range ?? 0..<reader.size)
  }

  public func open(_ path: String) throws(StorageError) -> any ObjectReader {
    try openFile(path, operation: "open")
  }

  public func put(
    _ path: String, _ bytes: Buffer, condition: PutCondition
  ) throws(StorageError) -> ObjectMetadata {
    let writer = try createFile(path, condition: condition, operation: "put")
    try writer.append(bytes)
    return try writer.finish()
  }

  public func create(
    _ path: String, condition: PutCondition
  ) throws(StorageError) -> any ObjectWriter {
    try createFile(path, condition: condition, operation: "create")
  }

  public func list(
    prefix: String, after: String?, limit: Int
  ) throws(StorageError) -> ListPage {
    try ObjectPath.checkPrefix(prefix)
    guard limit > 0 else { throw .invalidLimit(limit, path: prefix) }
    var listing = LocalListing(
      root: root, prefix: prefix, after: after, limit: min(limit, listLimitMax))
    return try listing.page()
  }

  public func delete(_ path: String) throws(StorageError) {
    try ObjectPath.check(path, operation: "delete")
    do throws(SystemError) {
      let removed = try withLock(path, exclusively: false) { () throws(SystemError) in
        do throws(SystemError) {
          try SystemCalls.unlink(filePath(path))
          return true
        } catch {
          // Nothing there, or a folder: no object has this path.
          if [ENOENT, ENOTDIR, EISDIR].contains(error.number) { return false }
          throw error
        }
      }
      if removed && syncs { try SystemCalls.syncFolder(filePath(ObjectPath.folder(of: path))) }
    } catch {
      throw StorageError(error, operation: "delete", path: path)
    }
  }

  /// Removes what killed writers left: temporary files whose lock nobody holds, and those that nobody wrote to
  /// for `ageNanoseconds`, where file systems have no locks.
  ///
  /// The age must be longer than any writer pauses between two writes; a day is plenty.
  /// - Parameter folder: only in this folder of the store and below; everywhere when empty.
  /// - Returns: how many files it removed.
  @discardableResult
  public func sweepTemporaryFiles(
    under folder: String = "", olderThan ageNanoseconds: Int = 86_400_000_000_000
  ) throws(StorageError) -> Int {
    if !folder.isEmpty { try ObjectPath.check(folder, operation: "sweep") }
    do {
      return try LocalListing.sweep(filePath(folder), before: SystemTime.now() - ageNanoseconds)
    } catch {
      throw StorageError(error, operation: "sweep", path: root)
    }
  }
}

extension LocalObjectStore {
  /// Where the object's file is; the root for an empty path.
  private func filePath(_ path: String) -> String {
    if path.isEmpty { return root }
    return root == "/" ? "/\(path)" : "\(root)/\(path)"
  }

  /// The status of the object's file, `nil` when there is none.
  private func status(_ path: String, operation: String) throws(StorageError) -> FileStatus? {
    do {
      let status = try SystemCalls.status(filePath(path))
      return status.isRegular ? status : nil
    } catch {
      if error.number == ENOENT || error.number == ENOTDIR { return nil }
      throw StorageError(error, operation: operation, path: path)
    }
  }

  private func openFile(_ path: String, operation: String) throws(StorageError) -> LocalFileReader {
    try ObjectPath.check(path, operation: operation)
    do {
      return try LocalFileReader(path: filePath(path), name: path, operation: operation)
    } catch {
      // A folder, or a path through a file: no object has this path.
      if error.code == .pathConflict { throw .notFound(path, operation: operation) }
      throw error
    }
  }

  private func createFile(
    _ path: String, condition: PutCondition, operation: String
  ) throws(StorageError) -> LocalFileWriter {
    try ObjectPath.check(path, operation: operation)
    if case .ifMatch = condition, !takesIfMatch {
      throw StorageError(
        .unsupported, operation: operation, path: path,
        "this store was opened without puts on the condition of an etag")
    }
    if condition != .none {
      // Only to fail before the work; what counts is decided in `publish`.
      try Self.check(condition, try status(path, operation: operation), path)
    }
    let folder = ObjectPath.folder(of: path)
    var attempt = 0
    while true {
      attempt += 1
      do throws(SystemError) {
        try makeDurable(folder)
        let (file, temporary) = try TemporaryName.create(in: filePath(folder))
        return LocalFileWriter(file: file, temporaryPath: temporary, name: path, syncs: syncs) {
          (file, temporary, status) throws(StorageError) in
          try self.publish(file, temporary, status, as: path, condition)
        }
      } catch {
        durableFolders.withLock { _ = $0.remove(Array(folder.utf8)) }
        if error.number == ENOENT && attempt < Self.folderAttemptCountMax { continue }
        throw StorageError(error, operation: operation, path: path)
      }
    }
  }

  /// Gives the temporary file the object's name, if the condition holds.
  private func publish(
    _ file: Int32, _ temporary: String, _ written: FileStatus, as path: String,
    _ condition: PutCondition
  ) throws(StorageError) -> FileStatus {
    let target = filePath(path)
    var status = written
    var conflict: StorageError?
    do throws(SystemError) {
      switch condition {
      case .none:
        try withLock(path, exclusively: false) { () throws(SystemError) in
          try SystemCalls.rename(temporary, target)
        }
      case .ifAbsent:
        do throws(SystemError) {
          try SystemCalls.link(temporary, target)
        } catch {
          if error.number != EEXIST { throw error }
          if try SystemCalls.status(target).isFolder { throw SystemError(EISDIR) }
          throw error
        }
        try? SystemCalls.unlink(temporary)
      case .ifMatch:
        try withLock(path, exclusively: true) { () throws(SystemError) in
          let current = try SystemCalls.statusIfPresent(target)
          do throws(StorageError) {
            try Self.check(condition, current, path)
          } catch {
            conflict = error
            return
          }
          if let current, current.modified >= status.modified {
            try SystemCalls.setModified(file, current.modified + 1)
            if syncs { try SystemCalls.sync(file) }
            status = try SystemCalls.status(of: file)
          }
          try SystemCalls.rename(temporary, target)
        }
      }
    } catch {
      if error.number == EEXIST { throw .alreadyExists(path, operation: "put") }
      throw StorageError(error, operation: "put", path: path)
    }
    if let conflict { throw conflict }
    if syncs {
      do {
        try SystemCalls.syncFolder(filePath(ObjectPath.folder(of: path)))
      } catch {
        var failure = StorageError(error, operation: "put", path: path)
        failure.message += "; the object is there, but a loss of power may undo it"
        throw failure
      }
    }
    return status
  }

  private static func check(
    _ condition: PutCondition, _ found: FileStatus?, _ path: String
  ) throws(StorageError) {
    switch condition {
    case .none: return
    case .ifAbsent: if found != nil { throw .alreadyExists(path, operation: "put") }
    case .ifMatch(let etag):
      let found = found.flatMap { $0.isRegular ? $0.etag : nil }
      if found != etag {
        throw .preconditionFailed(path, expected: etag, found: found, operation: "put")
      }
    }
  }

  /// Calls `body` under the lock of `path`.
  private func withLock<R>(
    _ path: String, exclusively: Bool, _ body: () throws(SystemError) -> R
  ) throws(SystemError) -> R {
    // The lock only keeps others from coming between the comparison and the rename of `ifMatch`.
    if !takesIfMatch { return try body() }
    // FNV-1a. All processes must agree on it, so it is not Swift's seeded hash.
    var hash: UInt32 = 0x811c_9dc5
    for byte in path.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
    let folder = "\(root)/\(Self.lockFolderName)"
    let name = "\(folder)/\(hash % UInt32(Self.lockCount))"
    let file: Int32
    do throws(SystemError) {
      file = try SystemCalls.openLockFile(name)
    } catch {
      if error.number != ENOENT { throw error }
      try SystemCalls.makeFolderIfMissing(folder)
      file = try SystemCalls.openLockFile(name)
    }
    defer { SystemCalls.close(file) }
    try SystemCalls.lock(file, exclusively: exclusively)
    // Given back by name: a forked child may hold a copy of the open file.
    defer { SystemCalls.unlock(file) }
    return try body()
  }

  /// Makes the folder and those above it, and sees to it that they survive a loss of power.
  private func makeDurable(_ folder: String) throws(SystemError) {
    let key = Array(folder.utf8)
    if key.isEmpty || durableFolders.withLock({ $0.contains(key) }) { return }
    var parent = root
    for segment in folder.utf8.split(separator: UInt8(ascii: "/")) {
      let child = "\(parent)/\(Substring(segment))"
      try SystemCalls.makeFolderIfMissing(child)
      // Also when it was there: whoever made it may not have synced it yet.
      if syncs { try SystemCalls.syncFolder(parent) }
      parent = child
    }
    durableFolders.withLock { folders in
      if folders.count >= Self.durableFolderCountMax { folders.removeAll() }
      folders.insert(key)
    }
  }

  /// Makes the folder at any path, and those above it, each synced with the folder it is in.
  private static func makeFolders(_ path: String, syncs: Bool) throws(SystemError) {
    if let status = try SystemCalls.statusIfPresent(path), status.isFolder { return }
    let parent = LocalFile.folder(of: path)
    if parent != path && parent != "." && parent != "/" { try makeFolders(parent, syncs: syncs) }
    try SystemCalls.makeFolderIfMissing(path)
    if syncs { try SystemCalls.syncFolder(parent) }
  }
}

extension ObjectMetadata {
  init(path: String, _ status: FileStatus) {
    self.init(
      path: path, size: status.size, etag: status.etag, lastModified: status.modified)
  }
}
