// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirCompression
internal import WeirStorage

/// Bytes that arrive in pieces.
package protocol ByteSource: AnyObject {
  /// What errors call it: a path.
  var name: String { get }
  /// Bytes of the underlying file that were consumed so far, for progress and raw sizes.
  var consumedByteCount: Int { get }
  /// Size of the underlying file.
  var totalByteCount: Int { get }
  /// The next piece, never empty; `nil` at the end.
  func next() throws(WorldError) -> [UInt8]?
}

/// Bytes in memory, cut into given pieces.
package final class MemoryByteSource: ByteSource {
  package let name: String
  package let totalByteCount: Int
  package private(set) var consumedByteCount = 0
  private let pieces: [[UInt8]]
  private var index = 0

  package init(_ pieces: [[UInt8]], name: String = "memory") {
    self.name = name
    self.pieces = pieces.filter { !$0.isEmpty }
    totalByteCount = pieces.reduce(0) { $0 + $1.count }
  }

  package convenience init(_ text: String, name: String = "memory") {
    self.init([Array(text.utf8)], name: name)
  }

  package func next() -> [UInt8]? {
    guard index < pieces.count else { return nil }
    defer { index += 1 }
    consumedByteCount += pieces[index].count
    return pieces[index]
  }
}
