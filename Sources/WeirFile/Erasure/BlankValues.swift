// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What stands in the place of erased values: null where nulls are allowed, else zeros, the empty
/// string, the empty list, and structs and fixed lists of these.
enum BlankValues {
  /// The array with the rows replaced; nothing of what they held stays in what is encoded of it.
  ///
  /// - Parameters:
  ///   - array: no dictionary array.
  ///   - rows: ascending, within the array.
  static func replacing(
    _ rows: [Int], of array: ArrayData, _ field: Field
  ) throws(WeirFileError) -> ArrayData {
    if array.type == .null || rows.isEmpty { return array }
    var parts: [ArrayData] = []
    var (next, first) = (0, 0)
    while first < rows.count {
      var last = first + 1
      while last < rows.count && rows[last] == rows[last - 1] + 1 { last += 1 }
      if rows[first] > next {
        parts.append(array.slice(offset: next, length: rows[first] - next))
      }
      parts.append(try blanks(last - first, array.type, nullable: field.nullable))
      next = rows[last - 1] + 1
      first = last
    }
    if next < array.length {
      parts.append(array.slice(offset: next, length: array.length - next))
    }
    do throws(ColumnarError) {
      return try ArrayData.concatenate(parts)
    } catch {
      throw WeirFileError(.limitExceeded, error.description, column: field.name)
    }
  }

  private static func blanks(
    _ count: Int, _ type: DataType, nullable: Bool
  ) throws(WeirFileError) -> ArrayData {
    let builder = makeBuilder(for: type)
    do throws(ColumnarError) {
      for _ in 0..<count {
        if nullable { builder.appendNull() } else { try builder.append(blank(type)) }
      }
    } catch {
      throw WeirFileError(.unsupported, "no value stands for an erased one: \(error.description)")
    }
    return builder.finish()
  }

  private static func blank(_ type: DataType) -> Scalar {
    switch type {
    case .null: .null
    case .bool: .bool(false)
    case .int8, .int16, .int32, .int64, .date32, .date64, .time32, .time64, .timestamp, .duration:
      .int(0)
    case .uint8, .uint16, .uint32, .uint64: .uint(0)
    case .float16: .float16(0)
    case .float32: .float32(0)
    case .float64: .float64(0)
    case .decimal128(_, let scale): .decimal(0, scale: scale)
    case .utf8, .largeUtf8: .string("")
    case .binary, .largeBinary: .binary([])
    case .fixedSizeBinary(let width): .binary([UInt8](repeating: 0, count: width))
    case .list, .largeList: .list([])
    case .fixedSizeList(let item, let size): .list(Array(repeating: blank(item), count: size))
    case .struct(let fields): .struct(fields.map { Scalar.Member($0.name, blank($0)) })
    case .map: .map([])
    case .dictionary(_, let value, _): blank(value)
    }
  }

  private static func blank(_ field: Field) -> Scalar {
    field.nullable ? .null : blank(field.type)
  }
}
