// SPDX-License-Identifier: Apache-2.0
// Safe: as in JSONLinesWriter.swift.

final class JSONBooleanCell: JSONCell {
  override func writeValue(_ row: Int, to output: MutableBuffer) {
    let isTrue = Bitmap.get(array.buffers[0].base, array.offset + row)
    output.append(utf8: isTrue ? "true" : "false")
  }
}

final class JSONIntegerCell: JSONCell {
  override func writeValue(_ row: Int, to output: MutableBuffer) {
    let value: Int64 =
      switch array.type {
      case .int8: Int64(array.values(as: Int8.self)[row])
      case .int16: Int64(array.values(as: Int16.self)[row])
      case .int32: Int64(array.values(as: Int32.self)[row])
      case .uint8: Int64(array.values(as: UInt8.self)[row])
      case .uint16: Int64(array.values(as: UInt16.self)[row])
      case .uint32: Int64(array.values(as: UInt32.self)[row])
      default: array.values(as: Int64.self)[row]
      }
    output.append(decimal: value)
  }
}

final class JSONStringCell: JSONCell {
  override func writeValue(_ row: Int, to output: MutableBuffer) {
    array.withBytes(row) { output.append(jsonString: $0) }
  }
}

/// Bytes in base64 or hex.
final class JSONBytesCell: JSONCell {
  private let form: JSONLinesOptions.BinaryText

  init(_ array: ArrayData, _ form: JSONLinesOptions.BinaryText) {
    self.form = form
    super.init(array)
  }

  override func writeValue(_ row: Int, to output: MutableBuffer) {
    array.withBytes(row) { bytes in
      output.append(UInt8(ascii: "\""))
      switch form {
      case .hex: for byte in bytes { output.append(hex: byte) }
      case .base64: output.append(base64: bytes)
      }
      output.append(UInt8(ascii: "\""))
    }
  }
}

/// UUIDs with their hyphens.
final class JSONUUIDCell: JSONCell {
  override func writeValue(_ row: Int, to output: MutableBuffer) {
    array.withBytes(row) { bytes in
      output.append(UInt8(ascii: "\""))
      for (index, byte) in bytes.enumerated() {
        if index == 4 || index == 6 || index == 8 || index == 10 {
          output.append(UInt8(ascii: "-"))
        }
        output.append(hex: byte)
      }
      output.append(UInt8(ascii: "\""))
    }
  }
}

final class JSONListCell: JSONCell {
  private let items: JSONCell

  init(_ array: ArrayData, _ items: JSONCell) {
    self.items = items
    super.init(array)
  }

  override func writeValue(_ row: Int, to output: MutableBuffer) {
    output.append(UInt8(ascii: "["))
    let range = array.itemRange(row)
    for item in range {
      if item > range.lowerBound { output.append(UInt8(ascii: ",")) }
      items.write(item, to: output)
    }
    output.append(UInt8(ascii: "]"))
  }
}

final class JSONStructCell: JSONCell {
  private let fields: [(name: [UInt8], cell: JSONCell)]

  init(_ array: ArrayData, _ fields: [(name: [UInt8], cell: JSONCell)]) {
    self.fields = fields
    super.init(array)
  }

  override func writeValue(_ row: Int, to output: MutableBuffer) {
    output.append(UInt8(ascii: "{"))
    for (index, field) in fields.enumerated() {
      if index > 0 { output.append(UInt8(ascii: ",")) }
      output.append(contentsOf: field.name)
      // A struct's children count from its own offset.
      field.cell.write(array.offset + row, to: output)
    }
    output.append(UInt8(ascii: "}"))
  }
}

final class JSONMapCell: JSONCell {
  private let keys: JSONCell
  private let values: JSONCell
  private let entriesOffset: Int
  private let hasTextKeys: Bool

  init(_ array: ArrayData, _ keys: JSONCell, _ values: JSONCell, entries: ArrayData) {
    self.keys = keys
    self.values = values
    entriesOffset = entries.offset
    hasTextKeys = keys.array.type == .utf8 || keys.array.type == .largeUtf8
    super.init(array)
  }

  override func writeValue(_ row: Int, to output: MutableBuffer) {
    output.append(UInt8(ascii: hasTextKeys ? "{" : "["))
    let range = array.itemRange(row)
    for item in range {
      if item > range.lowerBound { output.append(UInt8(ascii: ",")) }
      if !hasTextKeys { output.append(utf8: "{\"key\":") }
      keys.write(entriesOffset + item, to: output)
      output.append(utf8: hasTextKeys ? ":" : ",\"value\":")
      values.write(entriesOffset + item, to: output)
      if !hasTextKeys { output.append(UInt8(ascii: "}")) }
    }
    output.append(UInt8(ascii: hasTextKeys ? "}" : "]"))
  }
}

final class JSONDictionaryCell: JSONCell {
  private let values: JSONCell

  init(_ array: ArrayData, _ values: JSONCell) {
    self.values = values
    super.init(array)
  }

  override func writeValue(_ row: Int, to output: MutableBuffer) {
    values.write(array.dictionaryIndex(row), to: output)
  }
}

extension MutableBuffer {
  fileprivate func append(hex byte: UInt8) {
    func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
    append(digit(byte >> 4))
    append(digit(byte & 15))
  }

  /// Appends bytes in base64 with padding.
  fileprivate func append(base64 bytes: UnsafeRawBufferPointer) {
    var index = 0
    while index < bytes.count {
      let count = min(3, bytes.count - index)
      var word = UInt32(bytes[index]) << 16
      if count > 1 { word |= UInt32(bytes[index + 1]) << 8 }
      if count > 2 { word |= UInt32(bytes[index + 2]) }
      for part in 0..<4 {
        append(part <= count ? Self.base64Digit(word >> UInt32(18 - 6 * part) & 63) : 0x3d)
      }
      index += 3
    }
  }

  private static func base64Digit(_ value: UInt32) -> UInt8 {
    let value = UInt8(truncatingIfNeeded: value)
    return switch value {
    case 0..<26: 0x41 + value
    case 26..<52: 0x61 + value - 26
    case 52..<62: 0x30 + value - 52
    case 62: UInt8(ascii: "+")
    default: UInt8(ascii: "/")
    }
  }
}
