// SPDX-License-Identifier: Apache-2.0

internal import Glibc

extension StorageError {
  /// The operating system's error in our words, with what the person can do.
  @inline(never)
  init(_ error: SystemError, operation: String, path: String) {
    let number = error.number
    let (code, remedy) = Self.meaning(of: number)
    var message = "\(SystemCalls.text(number)) (errno \(number))"
    if !remedy.isEmpty { message += "; \(remedy)" }
    self.init(code, operation: operation, path: path, message, errno: number)
  }

  private static func meaning(of number: Int32) -> (Code, String) {
    switch number {
    case ENOENT: (.notFound, "")
    case EEXIST: (.alreadyExists, "the one that is there was kept")
    case EISDIR, ENOTEMPTY:
      (.pathConflict, "a folder is in the way of the object; choose another path")
    case ENOTDIR:
      (.pathConflict, "a file is where a folder should be; choose another path")
    case EACCES, EPERM: (.permissionDenied, "check the owner and the rights of file and folder")
    case EROFS: (.permissionDenied, "the file system is read-only; choose another folder")
    case ENOSPC: (.outOfSpace, "free some space and try again; what was there before was kept")
    case EDQUOT: (.outOfSpace, "the quota is used up; what was there before was kept")
    case EFBIG:
      (.outOfSpace, "the file system or `ulimit -f` allows no larger file; write smaller ones")
    case EMFILE: (.tooManyOpenFiles, "raise the limit of this process (`ulimit -n`)")
    case ENFILE: (.tooManyOpenFiles, "the whole machine has too many open files")
    case ENAMETOOLONG: (.invalidPath, "the whole path is too long for the file system")
    case ELOOP: (.invalidPath, "symbolic links lead in a circle")
    case ENOTSUP, ENOSYS, EXDEV:
      (.unsupported, "the file system lacks what a store needs; use a local one")
    case EAGAIN, EINTR, ENOMEM, ENOLCK, ESTALE, ETIMEDOUT: (.unavailable, "try again")
    default: (.io, "check the device and the file system")
    }
  }
}
