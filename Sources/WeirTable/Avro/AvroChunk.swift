// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Uncompressed blocks of an Avro file, one behind the other.
struct AvroChunk: Sendable {
  struct Block: Sendable {
    /// Where its records end in the chunk.
    var end: Int
    var recordCount: Int
    /// Where it starts in the file.
    var position: Int
  }

  /// About how many bytes small blocks are put together to.
  static let byteCount = 256 << 10

  var bytes = Buffer()
  var blocks: [Block] = []
}

/// What stands at the beginning of an Avro file.
struct AvroHeader: Sendable {
  /// The file's name for messages.
  let name: String
  let type: AvroType
  /// Values are mostly text.
  let metadata: [String: [UInt8]]
  let codec: AvroCodec

  func text(_ key: String) -> String? { metadata[key].map { String(decoding: $0, as: UTF8.self) } }

  /// `error` with the file's name and its block.
  func inside(block: Int, _ error: TableError) -> TableError {
    var error = error
    error.message += codec == .null ? ", in the block" : ", in the uncompressed block"
    error.message += " that starts at byte \(block)"
    return error.adding(file: name)
  }
}
