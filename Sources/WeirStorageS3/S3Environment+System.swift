// SPDX-License-Identifier: Apache-2.0

internal import Glibc

extension S3Environment {
  /// Bytes of a configuration file that are read at most.
  private static let fileBytesMax = 1 << 20

  /// This process's variables and this machine's files.
  public static let system = S3Environment(
    variable: { name in getenv(name).map { String(cString: $0) } }, file: { text(of: $0) })

  private static func text(of path: String) -> String? {
    let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: fileBytesMax)
    var count = 0
    while count < bytes.count {
      // Safe: the array outlives the call, which writes at most to its end.
      let some = bytes.withUnsafeMutableBytes { buffer in
        Glibc.read(file, buffer.baseAddress! + count, buffer.count - count)
      }
      if some <= 0 { break }
      count += some
    }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}
