// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

/// A folder that is removed with everything in it when the object goes.
final class TemporaryFolder: Sendable {
  let path: String

  init() {
    var template = Array("/tmp/weir-storage-test-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
  }

  deinit { Self.remove(path) }

  private static func remove(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      unlink(path)
      return
    }
    for name in names(in: path) { remove("\(path)/\(name)") }
    rmdir(path)
  }

  /// The names in a folder, sorted.
  static func names(in path: String) -> [String] {
    guard let stream = opendir(path) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      let name = String(decoding: bytes, as: UTF8.self)
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}

extension Buffer {
  init(_ text: String) { self.init(Array(text.utf8)) }
  var text: String { String(decoding: array(of: UInt8.self), as: UTF8.self) }
}

/// The code of the `StorageError` that `body` throws, `nil` when it throws none.
func errorCode<T>(_ body: () throws -> T) -> StorageError.Code? {
  do {
    _ = try body()
    return nil
  } catch let error as StorageError {
    return error.code
  } catch {
    return nil
  }
}
