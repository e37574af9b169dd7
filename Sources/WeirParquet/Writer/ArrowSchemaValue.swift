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
    return base64(
      bytes.suffix(8) == [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0] ? bytes.dropLast(8) : bytes[...])
  }

  private static func base64(_ bytes: ArraySlice<UInt8>) -> String {
    let digits = Array(
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    var index = bytes.startIndex
    while index < bytes.endIndex {
      let left = bytes.endIndex - index
      let group =
        UInt32(bytes[index]) << 16 | (left > 1 ? UInt32(bytes[index + 1]) << 8 : 0)
        | (left > 2 ? UInt32(bytes[index + 2]) : 0)
      text.append(digits[Int(group >> 18)])
      text.append(digits[Int(group >> 12 & 63)])
      text.append(left > 1 ? digits[Int(group >> 6 & 63)] : UInt8(ascii: "="))
      text.append(left > 2 ? digits[Int(group & 63)] : UInt8(ascii: "="))
      index += 3
    }
    return String(decoding: text, as: UTF8.self)
  }
}
