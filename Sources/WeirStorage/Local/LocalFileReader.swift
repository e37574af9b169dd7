// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Reads one open file with `pread`: threads share it, and a file that shrinks is an error and no
/// crash (as with mapped memory).
final class LocalFileReader: ObjectReader {
  let name: String
  let size: Int
  let status: FileStatus
  private let file: Int32

  /// - Parameters:
  ///   - path: as the operating system takes it.
  ///   - name: for messages.
  init(path: String, name: String, operation: String) throws(StorageError) {
    do {
      file = try SystemCalls.openToRead(path)
    } catch {
      throw StorageError(error, operation: operation, path: name)
    }
    do {
      status = try SystemCalls.status(of: file)
    } catch {
      SystemCalls.close(file)
      throw StorageError(error, operation: operation, path: name)
    }
    guard status.isRegular else {
      SystemCalls.close(file)
      throw StorageError(
        status.isFolder ? .pathConflict : .unsupported, operation: operation, path: name,
        status.isFolder ? "it is a folder, not a file" : "it is no regular file")
    }
    self.name = name
    self.size = status.size
  }

  deinit { SystemCalls.close(file) }

  func read(_ range: Range<Int>) throws(StorageError) -> Buffer {
    try checkRange(range)
    let buffer: Buffer
    do {
      buffer = try SystemCalls.read(file, offset: range.lowerBound, count: range.count)
    } catch {
      throw StorageError(error, operation: "read", path: name)
    }
    guard buffer.count == range.count else {
      throw StorageError(
        .changed, operation: "read", path: name,
        "the file had \(size) bytes when it was opened and ends at byte "
          + "\(range.lowerBound + buffer.count) now; somebody cut it while it was read")
    }
    return buffer
  }

  func mapped() throws(StorageError) -> Buffer? {
    if size == 0 { return Buffer() }
    do {
      return try SystemCalls.map(file, count: size)
    } catch {
      throw StorageError(error, operation: "map", path: name)
    }
  }
}
