// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization
internal import WeirColumnar

/// The disk of this machine.
public final class SystemDisk: Disk {
  public init() {}

  public func makeFolder(_ path: String) throws(DiskError) {
    var status = stat()
    if fstatat(AT_FDCWD, path, &status, 0) == 0 {
      if status.st_mode & S_IFMT == S_IFDIR { return }
      throw DiskError(.exists, operation: "make", path: path, "it is a file, not a folder")
    }
    let above = Self.folder(of: path)
    if above != path { try makeFolder(above) }
    if mkdir(path, 0o777) != 0, errno != EEXIST {
      throw DiskError(errno: errno, operation: "make", path: path)
    }
    try syncFolder(above)
  }

  public func list(_ folder: String) throws(DiskError) -> [String] {
    guard let stream = opendir(folder) else {
      throw DiskError(errno: errno, operation: "list", path: folder)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 { throw DiskError(errno: errno, operation: "list", path: folder) }
        return names
      }
      // Safe: the name ends with a zero byte and is copied before the next entry is read.
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
  }

  public func create(_ path: String) throws(DiskError) -> any DiskFile {
    try openFile(path, O_RDWR | O_CREAT | O_EXCL, operation: "create")
  }

  public func open(_ path: String) throws(DiskError) -> any DiskFile {
    try openFile(path, O_RDWR, operation: "open")
  }

  public func rename(_ from: String, to: String) throws(DiskError) {
    try Self.check(Glibc.rename(from, to), "rename", from)
  }

  public func delete(_ path: String) throws(DiskError) {
    try Self.check(unlink(path), "delete", path)
  }

  public func syncFolder(_ path: String) throws(DiskError) {
    let folder = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    try Self.check(folder, "sync", path)
    defer { close(folder) }
    try Self.check(fsync(folder), "sync", path)
  }

  public func lock(_ path: String, owner: String) throws(DiskError) -> any DiskLock {
    let file = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0o666)
    try Self.check(file, "lock", path)
    // The lock belongs to this open file: another open of the same process is refused, too.
    guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
      let number = errno
      defer { close(file) }
      guard number == EWOULDBLOCK else {
        throw DiskError(errno: number, operation: "lock", path: path)
      }
      let holder = (try? Self.read(file, offset: 0, count: 4_096, path: path)) ?? Buffer()
      let text = holder.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
      throw DiskError(
        .locked, operation: "lock", path: path, text.isEmpty ? "held by another process" : text)
    }
    // Only for people: that it cannot be written is no reason to refuse.
    _ = ftruncate(file, 0)
    var text = owner
    text.withUTF8 { bytes in _ = pwrite(file, bytes.baseAddress, bytes.count, 0) }
    return SystemLock(file)
  }

  private func openFile(
    _ path: String, _ flags: Int32, operation: String
  ) throws(DiskError) -> any DiskFile {
    let file = Glibc.open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0o666)
    try Self.check(file, operation, path)
    return SystemFile(file, path)
  }

  static func check(_ result: Int32, _ operation: String, _ path: String) throws(DiskError) {
    if result < 0 { throw DiskError(errno: errno, operation: operation, path: path) }
  }

  /// The path without its last part.
  private static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Safe: reads into memory reserved for `count` bytes, and never asks for more than is left of it.
  fileprivate static func read(
    _ file: Int32, offset: Int, count: Int, path: String
  ) throws(DiskError) -> Buffer {
    let buffer = MutableBuffer(capacity: count)
    while buffer.count < count {
      let wanted = min(count - buffer.count, 1 << 30)
      let got = pread(file, buffer.reserveTail(wanted), wanted, off_t(offset + buffer.count))
      if got < 0 {
        if errno == EINTR { continue }
        throw DiskError(errno: errno, operation: "read", path: path)
      }
      if got == 0 { break }
      buffer.advance(by: got)
    }
    return buffer.finish()
  }
}

/// An open file of this machine.
private final class SystemFile: DiskFile {
  let path: String
  private let file: Int32

  init(_ file: Int32, _ path: String) {
    self.file = file
    self.path = path
  }

  deinit { close(file) }

  func size() throws(DiskError) -> Int {
    var status = stat()
    try SystemDisk.check(fstat(file, &status), "look at", path)
    return Int(status.st_size)
  }

  func read(at offset: Int, count: Int) throws(DiskError) -> Buffer {
    try SystemDisk.read(file, offset: offset, count: count, path: path)
  }

  func write(_ bytes: Buffer, at offset: Int) throws(DiskError) {
    // Safe: writes only from within `bytes`.
    try bytes.withUnsafeBytes { (bytes) throws(DiskError) in
      var done = 0
      while done < bytes.count {
        let wanted = min(bytes.count - done, 1 << 30)
        let written = pwrite(file, bytes.baseAddress! + done, wanted, off_t(offset + done))
        if written < 0 && errno == EINTR { continue }
        // A regular file takes at least a byte or fails; anything else would loop forever.
        if written <= 0 {
          throw DiskError(errno: written == 0 ? EIO : errno, operation: "write", path: path)
        }
        done += written
      }
    }
  }

  func sync() throws(DiskError) {
    // Not again after EINTR: the error may have been reported already.
    try SystemDisk.check(fdatasync(file), "sync", path)
  }

  func truncate(to size: Int) throws(DiskError) {
    while ftruncate(file, off_t(size)) != 0 {
      if errno != EINTR { throw DiskError(errno: errno, operation: "truncate", path: path) }
    }
  }

  func preallocate(to size: Int) throws(DiskError) -> Bool {
    let old = try self.size()
    if size <= old { return true }
    while true {
      switch posix_fallocate(file, off_t(old), off_t(size - old)) {
      case 0: return true
      case EINTR: continue
      case EOPNOTSUPP, ENOSYS, EINVAL: return false
      case let number: throw DiskError(errno: number, operation: "preallocate", path: path)
      }
    }
  }
}

private final class SystemLock: DiskLock {
  private let file: Mutex<Int32>

  init(_ file: Int32) { self.file = Mutex(file) }

  deinit { release() }

  func release() {
    file.withLock { file in
      if file >= 0 {
        // A child that is about to start another program has the open file, too, for a moment.
        flock(file, LOCK_UN)
        close(file)
      }
      file = -1
    }
  }
}

extension DiskError {
  /// What the system call that just failed said.
  fileprivate init(errno number: Int32, operation: String, path: String) {
    let code: Code =
      switch number {
      case ENOENT, ENOTDIR: .notFound
      case EEXIST: .exists
      case ENOSPC, EDQUOT, EFBIG: .full
      case EACCES, EPERM, EROFS: .denied
      case EMFILE, ENFILE: .tooManyFiles
      case EOPNOTSUPP, ENOSYS, ENOLCK: .unsupported
      default: .failed
      }
    self.init(code, operation: operation, path: path, String(cString: strerror(number)))
  }
}
