// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirColumnar

/// The system's clock.
public enum SystemTime {
  /// Nanoseconds since 1970-01-01 UTC.
  @Sendable
  public static func now() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  /// Waits for so many nanoseconds.
  @Sendable
  public static func sleep(_ nanoseconds: Int) {
    var wanted = timespec(
      tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
    var left = timespec()
    while nanosleep(&wanted, &left) != 0 && errno == EINTR { wanted = left }
  }
}

/// The operating system's error number.
struct SystemError: Error {
  let number: Int32

  /// The one of the call that just failed.
  init() { number = errno }
  init(_ number: Int32) { self.number = number }
}

/// What `stat` says about a file.
struct FileStatus {
  var isRegular: Bool
  var isFolder: Bool
  var size: Int
  /// Nanoseconds since 1970-01-01 UTC.
  var modified: Int
  var inode: UInt64

  /// See `LocalObjectStore` for why this names a version.
  var etag: String {
    "\(String(size, radix: 16))-\(String(modified, radix: 16))-\(String(inode, radix: 16))"
  }

  fileprivate init(_ status: stat) {
    isRegular = status.st_mode & S_IFMT == S_IFREG
    isFolder = status.st_mode & S_IFMT == S_IFDIR
    size = Int(status.st_size)
    modified = Int(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int(status.st_mtim.tv_nsec)
    inode = UInt64(status.st_ino)
  }
}

/// Linux's file calls, with retries after signals and short transfers, as throwing functions.
enum SystemCalls {
  /// The most bytes that one `read` or `write` of Linux moves.
  private static let transferBytesMax = 0x7fff_f000

  /// Repeats `call` while a signal interrupts it.
  private static func retrying<T: SignedInteger>(_ call: () -> T) throws(SystemError) -> T {
    while true {
      let result = call()
      if result >= 0 { return result }
      let error = SystemError()
      if error.number != EINTR { throw error }
    }
  }

  static func openToRead(_ path: String) throws(SystemError) -> Int32 {
    // Not blocking: the open of a pipe would wait for its writer.
    try retrying { Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
  }

  static func createExclusively(_ path: String) throws(SystemError) -> Int32 {
    try retrying { Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0o666) }
  }

  static func openLockFile(_ path: String) throws(SystemError) -> Int32 {
    try retrying { Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0o666) }
  }

  /// Of a file that is there, such that its lock may be asked for.
  static func openToLock(_ path: String) throws(SystemError) -> Int32 {
    try retrying { Glibc.open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
  }

  static func close(_ file: Int32) { _ = Glibc.close(file) }

  /// Waits for the lock; other open files of this process are excluded, too.
  static func lock(_ file: Int32, exclusively: Bool) throws(SystemError) {
    _ = try retrying { flock(file, exclusively ? LOCK_EX : LOCK_SH) }
  }

  /// Takes the lock if nobody has it.
  static func tryLock(_ file: Int32) throws(SystemError) {
    _ = try retrying { flock(file, LOCK_EX | LOCK_NB) }
  }

  static func unlock(_ file: Int32) { _ = flock(file, LOCK_UN) }

  static func status(of file: Int32) throws(SystemError) -> FileStatus {
    var status = stat()
    if fstat(file, &status) != 0 { throw SystemError() }
    return FileStatus(status)
  }

  /// Of the file that `path` leads to, links followed.
  static func status(_ path: String) throws(SystemError) -> FileStatus {
    var status = stat()
    if fstatat(AT_FDCWD, path, &status, 0) != 0 { throw SystemError() }
    return FileStatus(status)
  }

  /// The same, or `nil` when nothing has the path.
  static func statusIfPresent(_ path: String) throws(SystemError) -> FileStatus? {
    do {
      return try status(path)
    } catch {
      if error.number == ENOENT || error.number == ENOTDIR { return nil }
      throw error
    }
  }

  /// The path without links and relative parts.
  ///
  /// Safe: the C library allocates the text, which is copied and given back here.
  static func resolve(_ path: String) throws(SystemError) -> String {
    guard let text = realpath(path, nil) else { throw SystemError() }
    defer { free(text) }
    return String(cString: text)
  }

  /// The bytes from `offset` on, `count` of them or fewer where the file ends.
  ///
  /// Safe: reads into memory reserved for `count` bytes, and never asks for more than is left of it.
  static func read(_ file: Int32, offset: Int, count: Int) throws(SystemError) -> Buffer {
    let buffer = MutableBuffer(capacity: count)
    while buffer.count < count {
      let done = buffer.count
      let wanted = min(count - done, transferBytesMax)
      let target = buffer.reserveTail(wanted)
      let got = try retrying { pread(file, target, wanted, off_t(offset + done)) }
      if got == 0 { break }
      buffer.advance(by: got)
    }
    return buffer.finish()
  }

  /// Maps the first `count` bytes, at least one, of a file for reading.
  ///
  /// Safe: the mapping lives as long as the buffer's owner, who ends it.
  static func map(_ file: Int32, count: Int) throws(SystemError) -> Buffer {
    guard let base = mmap(nil, count, PROT_READ, MAP_PRIVATE, file, 0), base != MAP_FAILED else {
      throw SystemError(errno)
    }
    let address = UInt(bitPattern: base)
    return Buffer(foreign: base, count: count) {
      munmap(UnsafeMutableRawPointer(bitPattern: address), count)
    }
  }

  /// Writes all bytes at the file's position.
  ///
  /// Safe: reads only within `bytes`.
  static func write(_ file: Int32, _ bytes: UnsafeRawBufferPointer) throws(SystemError) {
    guard let base = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      let wanted = min(bytes.count - done, transferBytesMax)
      let written = try retrying { Glibc.write(file, base + done, wanted) }
      // A regular file takes at least a byte or fails; anything else would loop forever.
      if written == 0 { throw SystemError(EIO) }
      done += written
    }
  }

  static func setModified(_ file: Int32, _ nanoseconds: Int) throws(SystemError) {
    let time = timespec(
      tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
    let times = [time, time]
    if futimens(file, times) != 0 { throw SystemError() }
  }

  static func sync(_ file: Int32) throws(SystemError) {
    _ = try retrying { fsync(file) }
  }

  static func syncFolder(_ path: String) throws(SystemError) {
    let folder = try retrying { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    defer { close(folder) }
    try sync(folder)
  }

  /// Gives the file `from` the name `to`, too; fails with EEXIST when something has it.
  static func link(_ from: String, _ to: String) throws(SystemError) {
    _ = try retrying { Glibc.link(from, to) }
  }

  static func rename(_ from: String, _ to: String) throws(SystemError) {
    _ = try retrying { Glibc.rename(from, to) }
  }

  static func unlink(_ path: String) throws(SystemError) {
    _ = try retrying { Glibc.unlink(path) }
  }

  static func makeFolder(_ path: String) throws(SystemError) {
    _ = try retrying { mkdir(path, 0o777) }
  }

  static func makeFolderIfMissing(_ path: String) throws(SystemError) {
    do {
      try makeFolder(path)
    } catch {
      if error.number != EEXIST { throw error }
    }
  }

  static var processID: Int32 { getpid() }

  static func text(_ number: Int32) -> String { String(cString: strerror(number)) }
}

/// What a name in a folder stands for.
enum FolderEntryKind {
  case object
  case folder
  case other
}

extension SystemCalls {
  /// Calls `body` with the bytes of each name in the folder, except `.` and `..`, in no order.
  ///
  /// Safe: an entry's name ends with a zero byte, and is copied before the next entry is read.
  static func forEachEntry(
    of folder: String, _ body: ([UInt8], FolderEntryKind) -> Void
  ) throws(SystemError) {
    guard let stream = opendir(folder) else { throw SystemError() }
    defer { closedir(stream) }
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 { throw SystemError() }
        return
      }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        Array(bytes.prefix { $0 != 0 })
      }
      if name == [46] || name == [46, 46] { continue }
      var kind: FolderEntryKind
      switch Int32(entry.pointee.d_type) {
      case Int32(DT_REG): kind = .object
      case Int32(DT_DIR): kind = .folder
      case Int32(DT_UNKNOWN): kind = self.kind(dirfd(stream), entry)
      default: kind = .other
      }
      body(name, kind)
    }
  }

  /// For file systems that do not say it in the entry.
  private static func kind(
    _ folder: Int32, _ entry: UnsafeMutablePointer<dirent>
  ) -> FolderEntryKind {
    var status = stat()
    let failed = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
      tuple.withMemoryRebound(to: CChar.self, capacity: 256) {
        fstatat(folder, $0, &status, AT_SYMLINK_NOFOLLOW)
      }
    }
    if failed != 0 { return .other }
    let facts = FileStatus(status)
    return facts.isRegular ? .object : facts.isFolder ? .folder : .other
  }
}
