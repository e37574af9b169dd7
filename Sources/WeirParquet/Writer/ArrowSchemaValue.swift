// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The Arrow schema as Arrow writers keep it in a Parquet footer: an IPC schema message in base 64,
/// under this key.
enum ArrowSchemaValue {
  static let key = "ARROW:schema"

  static func encode(_ schema: Schema) throws(ParquetError) -> String {
    let message = MutableBuffer()
    do {
      try ArrowStreamWriter(schema: schema, into: message).finish()
    } catch {
      throw ParquetError(.unsupported, "the Arrow schema cannot be kept in the footer: \(error)")
    }
    let bytes = message.finish().array(of: UInt8.self)
    // Without the stream's end mark: a continuation mark and a length of 0.
    let endMark: [UInt8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]
    return Base64.encode(bytes.suffix(8) == endMark[...] ? bytes.dropLast(8) : bytes)
  }
}
