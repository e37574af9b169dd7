// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Fields and metadata as bytes (section 1.4 of the specification).
enum FieldRecord {
  static let depthMax = 64
  private static let noZone = UInt32.max

  static func encode(_ field: Field, into out: MutableBuffer) {
    out.put(UInt32(bitPattern: field.id ?? 0))
    out.put(code(field.type))
    out.put(UInt8(field.nullable ? 1 : 0))
    out.put(UInt16(clamping: field.metadata.entries.count))
    text(field.name, out)
    parameters(field.type, out)
    var children = field.type.children
    if case .dictionary(_, let value, _) = field.type { children = [Field("", value)] }
    out.put(UInt32(children.count))
    for child in children { encode(child, into: out) }
    for entry in field.metadata.entries.prefix(Int(UInt16.max)) { pair(entry, out) }
  }

  static func encode(_ metadata: Metadata, into out: MutableBuffer) {
    out.put(UInt32(metadata.entries.count))
    for entry in metadata.entries { pair(entry, out) }
  }

  private static func pair(_ entry: Metadata.Entry, _ out: MutableBuffer) {
    text(entry.key, out)
    text(entry.value, out)
  }

  private static func text(_ text: String, _ out: MutableBuffer) {
    let bytes = Array(text.utf8)
    out.put(UInt32(bytes.count))
    out.append(contentsOf: bytes)
  }

  private static func code(_ type: DataType) -> UInt8 {
    switch type {
    case .null: 0
    case .bool: 1
    case .int8: 2
    case .int16: 3
    case .int32: 4
    case .int64: 5
    case .uint8: 6
    case .uint16: 7
    case .uint32: 8
    case .uint64: 9
    case .float16: 10
    case .float32: 11
    case .float64: 12
    case .decimal128: 13
    case .date32: 14
    case .date64: 15
    case .time32, .time64: 16
    case .timestamp: 17
    case .duration: 18
    case .utf8: 19
    case .largeUtf8: 20
    case .binary: 21
    case .largeBinary: 22
    case .fixedSizeBinary: 23
    case .list: 24
    case .largeList: 25
    case .fixedSizeList: 26
    case .struct: 27
    case .map: 28
    case .dictionary: 29
    }
  }

  private static func parameters(_ type: DataType, _ out: MutableBuffer) {
    switch type {
    case .decimal128(let precision, let scale):
      out.put(UInt8(clamping: precision))
      out.put(UInt8(bitPattern: Int8(clamping: scale)))
    case .time32(let unit), .time64(let unit), .duration(let unit): out.put(code(unit))
    case .timestamp(let unit, let zone):
      out.put(code(unit))
      if let zone { text(zone, out) } else { out.put(noZone) }
    case .fixedSizeBinary(let width): out.put(UInt32(width))
    case .fixedSizeList(_, let size): out.put(UInt32(size))
    case .map(_, let sorted): out.put(UInt8(sorted ? 1 : 0))
    case .dictionary(let index, _, let ordered):
      out.put(code(index))
      out.put(UInt8(ordered ? 1 : 0))
    default: break
    }
  }

  private static func code(_ unit: TimeUnit) -> UInt8 {
    switch unit {
    case .second: 0
    case .millisecond: 1
    case .microsecond: 2
    case .nanosecond: 3
    }
  }

  static func decode(_ bytes: Buffer) throws(WeirFileError) -> Field {
    var reader = RecordReader(bytes)
    return try field(&reader, depth: 0)
  }

  static func metadata(_ bytes: Buffer) throws(WeirFileError) -> Metadata {
    if bytes.count == 0 { return Metadata() }
    var reader = RecordReader(bytes)
    var entries: [Metadata.Entry] = []
    for _ in 0..<(try reader.number(UInt32.self)) { entries.append(try reader.pair()) }
    return Metadata(entries)
  }

  private static func field(_ reader: inout RecordReader, depth: Int) throws(WeirFileError) -> Field
  {
    guard depth <= depthMax else { throw .damaged("types are nested too deeply") }
    let id = try reader.number(UInt32.self)
    let code = try reader.number(UInt8.self)
    let flags = try reader.number(UInt8.self)
    let metadataCount = try reader.number(UInt16.self)
    let name = try reader.text()
    let parameters = try Parameters(code, &reader)
    var children: [Field] = []
    for _ in 0..<(try reader.number(UInt32.self)) {
      children.append(try field(&reader, depth: depth + 1))
    }
    var entries: [Metadata.Entry] = []
    for _ in 0..<metadataCount { entries.append(try reader.pair()) }
    return Field(
      name, try parameters.type(code, children), nullable: flags & 1 == 1,
      id: id == 0 ? nil : Int32(bitPattern: id), metadata: Metadata(entries))
  }
}

/// The parameters of a type, as they come before its children.
private struct Parameters {
  var first = 0
  var second = 0
  var zone: String?

  init(_ code: UInt8, _ reader: inout RecordReader) throws(WeirFileError) {
    switch code {
    case 13:
      first = Int(try reader.number(UInt8.self))
      second = Int(Int8(bitPattern: try reader.number(UInt8.self)))
    case 16, 18, 28: first = Int(try reader.number(UInt8.self))
    case 17:
      first = Int(try reader.number(UInt8.self))
      zone = try reader.optionalText()
    case 23, 26: first = Int(try reader.number(UInt32.self))
    case 29:
      first = Int(try reader.number(UInt8.self))
      second = Int(try reader.number(UInt8.self))
    default: break
    }
  }

  private static let plainTypes: [UInt8: DataType] = [
    0: .null, 1: .bool, 2: .int8, 3: .int16, 4: .int32, 5: .int64, 6: .uint8, 7: .uint16,
    8: .uint32, 9: .uint64, 10: .float16, 11: .float32, 12: .float64, 14: .date32, 15: .date64,
    19: .utf8, 20: .largeUtf8, 21: .binary, 22: .largeBinary,
  ]

  func type(_ code: UInt8, _ children: [Field]) throws(WeirFileError) -> DataType {
    if let plain = Self.plainTypes[code] { return plain }
    switch code {
    case 13:
      guard (1...38).contains(first) else { throw .damaged("a decimal of \(first) digits") }
      return .decimal128(precision: first, scale: second)
    case 16:
      let unit = try unit()
      return unit == .second || unit == .millisecond ? .time32(unit) : .time64(unit)
    case 17: return .timestamp(try unit(), timeZone: zone)
    case 18: return .duration(try unit())
    case 23: return .fixedSizeBinary(try sized(first))
    case 24: return .list(try only(children))
    case 25: return .largeList(try only(children))
    case 26: return .fixedSizeList(try only(children), size: try sized(first))
    case 27: return .struct(children)
    case 28:
      let entries = try only(children)
      guard case .struct(let pair) = entries.type, pair.count == 2 else {
        throw .damaged("a map whose entries are no pairs")
      }
      return .map(entries: entries, keysSorted: first == 1)
    case 29:
      guard let index = Self.plainTypes[UInt8(clamping: first)], index.isInteger else {
        throw .damaged("a dictionary whose indices are no integers")
      }
      return .dictionary(index: index, value: try only(children).type, ordered: second == 1)
    default:
      throw WeirFileError(.unsupported, "type \(code) is not known to this version")
    }
  }

  private func unit() throws(WeirFileError) -> TimeUnit {
    let units: [TimeUnit] = [.second, .millisecond, .microsecond, .nanosecond]
    guard first < units.count else { throw .damaged("there is no unit of time \(first)") }
    return units[first]
  }

  private func only(_ children: [Field]) throws(WeirFileError) -> Field {
    guard children.count == 1 else { throw .damaged("a type with \(children.count) children") }
    return children[0]
  }

  private func sized(_ size: Int) throws(WeirFileError) -> Int {
    guard size < 1 << 31 else { throw .damaged("values of \(size) bytes or items") }
    return size
  }
}

/// Reads numbers and texts one behind the other.
struct RecordReader {
  private let bytes: Buffer
  private var next = 0

  init(_ bytes: Buffer) { self.bytes = bytes }

  mutating func number<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type
  ) throws(WeirFileError) -> T {
    guard MemoryLayout<T>.size <= bytes.count - next else { throw .damaged("a record is cut") }
    defer { next += MemoryLayout<T>.size }
    return bytes.number(type, at: next)
  }

  mutating func text() throws(WeirFileError) -> String {
    let size = try number(UInt32.self)
    return try text(of: Int(size))
  }

  /// `nil` for a size of 2^32 - 1.
  mutating func optionalText() throws(WeirFileError) -> String? {
    let size = try number(UInt32.self)
    return size == UInt32.max ? nil : try text(of: Int(size))
  }

  private mutating func text(of size: Int) throws(WeirFileError) -> String {
    guard size <= bytes.count - next else { throw .damaged("a text is cut") }
    defer { next += size }
    let slice = bytes.slice(offset: next, count: size)
    guard let text = String(validating: slice.array(of: UInt8.self), as: UTF8.self) else {
      throw .damaged("a name or a text that is not UTF-8")
    }
    return text
  }

  mutating func pair() throws(WeirFileError) -> Metadata.Entry {
    Metadata.Entry(key: try text(), value: try text())
  }
}
