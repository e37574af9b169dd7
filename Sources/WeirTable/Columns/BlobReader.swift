// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Reads numbers (little-endian) and texts of a blob, never behind its end.
struct BlobReader {
  private let bytes: [UInt8]
  private let what: String
  private var position = 0

  /// - Parameter what: for errors.
  init(_ bytes: Buffer, what: String) {
    self.bytes = bytes.array(of: UInt8.self)
    self.what = what
  }

  var left: Int { bytes.count - position }

  mutating func number(_ width: Int) throws(TableError) -> Int {
    try need(width)
    var value: UInt64 = 0
    for index in (0..<width).reversed() {
      value = value << 8 | UInt64(bytes[position + index])
    }
    position += width
    return Int(truncatingIfNeeded: value)
  }

  mutating func text(_ count: Int) throws(TableError) -> String {
    try need(count)
    defer { position += count }
    return String(decoding: bytes[position..<position + count], as: UTF8.self)
  }

  /// A number of 4 bytes of things that are to come.
  mutating func count(itemBytesMin: Int) throws(TableError) -> Int {
    let count = try number(4)
    guard count <= left / itemBytesMin else {
      throw TableError(.damaged, "\(what) announces \(count) parts in \(left) bytes")
    }
    return count
  }

  private func need(_ count: Int) throws(TableError) {
    guard count >= 0, count <= left else {
      throw TableError(.damaged, "\(what) of \(bytes.count) bytes is cut off")
    }
  }
}
