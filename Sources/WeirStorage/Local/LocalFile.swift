// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Single files that a person names, by any path that the operating system takes.
public enum LocalFile {
  /// A reader of the file at `path`.
  public static func open(_ path: String) throws(StorageError) -> any ObjectReader {
    try check(path, "open")
    return try LocalFileReader(path: path, name: path, operation: "open")
  }

  /// A writer of the file at `path`, which appears there when the writer finishes.
  ///
  /// - Parameters:
  ///   - overwrite: whether to replace a file that is there; without it, that is `alreadyExists`.
  ///   - syncs: whether `finish()` waits until the file is safe from a loss of power.
  public static func create(
    _ path: String, overwrite: Bool, syncs: Bool = true
  ) throws(StorageError) -> any ObjectWriter {
    try check(path, "create")
    if let status = try? SystemCalls.status(path) {
      if status.isFolder {
        throw StorageError(
          .pathConflict, operation: "create", path: path, "it is a folder, not a file")
      }
      if !overwrite { throw exists(path) }
      if !status.isRegular {
        throw StorageError(
          .unsupported, operation: "create", path: path, "it is no regular file; it was kept")
      }
    }
    let folder = folder(of: path)
    let file: Int32
    let temporary: String
    do {
      (file, temporary) = try TemporaryName.create(in: folder)
    } catch {
      throw StorageError(error, operation: "create", path: path)
    }
    return LocalFileWriter(file: file, temporaryPath: temporary, name: path, syncs: syncs) {
      (_, temporary, status) throws(StorageError) in
      do throws(SystemError) {
        if overwrite {
          try SystemCalls.rename(temporary, path)
        } else {
          try SystemCalls.link(temporary, path)
          try? SystemCalls.unlink(temporary)
        }
        if syncs { try SystemCalls.syncFolder(folder) }
      } catch {
        if error.number == EEXIST { throw exists(path) }
        throw StorageError(error, operation: "finish", path: path)
      }
      return status
    }
  }

  private static func exists(_ path: String) -> StorageError {
    StorageError(
      .alreadyExists, operation: "create", path: path,
      "the file is already there and was kept; choose another name, or overwrite it on purpose")
  }

  private static func check(_ path: String, _ operation: String) throws(StorageError) {
    if path.isEmpty || path.utf8.contains(0) {
      throw StorageError(
        .invalidPath, operation: operation, path: path, "the path is empty or has a zero byte")
    }
  }

  /// The path without its last segment.
  static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
