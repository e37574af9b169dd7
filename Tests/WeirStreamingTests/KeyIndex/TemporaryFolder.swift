// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A folder of its own, deleted in the end.
final class IndexFolder {
  let path: String
  init() {
    var template = Array("/tmp/weir-index-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
  }
  deinit {
    for name in names { unlink("\(path)/\(name)") }
    rmdir(path)
  }

  /// Names of the files.
  var names: [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var result: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { result.append(name) }
    }
    return result.sorted()
  }

  /// Reads, changes and writes a file's bytes.
  func change(_ name: String, _ body: (inout [UInt8]) -> Void) {
    guard let file = fopen("\(path)/\(name)", "r+b") else { return }
    defer { fclose(file) }
    fseek(file, 0, SEEK_END)
    var bytes = [UInt8](repeating: 0, count: ftell(file))
    fseek(file, 0, SEEK_SET)
    fread(&bytes, 1, bytes.count, file)
    body(&bytes)
    fseek(file, 0, SEEK_SET)
    ftruncate(fileno(file), 0)
    fwrite(bytes, 1, bytes.count, file)
  }
}
