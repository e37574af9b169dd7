// SPDX-License-Identifier: Apache-2.0

/// Writes schemas as FlatBuffers, and gives every dictionary-encoded field its dictionary's number.
struct ArrowSchemaEncoder {
  /// How each column goes out.
  private(set) var wires: [WireType] = []
  private var nextDictionary: Int64 = 0
  private var metadata = FlatBufferWriter()
  private let schema: Schema

  init(_ schema: Schema) throws(ColumnarError) {
    self.schema = schema
    for field in schema.fields {
      do throws(ColumnarError) {
        wires.append(try wire(field.type))
      } catch {
        throw error.inColumn(field.name)
      }
    }
  }

  /// The schema's message.
  func message() -> [UInt8] {
    var encoder = self
    let header = ArrowMessageEncoder.begin(&encoder.metadata, kind: 1, bodyLength: 0)
    encoder.writeSchema(for: header)
    return encoder.metadata.bytes
  }

  /// The footer of a file, which holds the schema again and says where the messages are.
  func footer(dictionaries: [ArrowBlock], batches: [ArrowBlock]) -> [UInt8] {
    var encoder = self
    let places = encoder.metadata.table(
      [.int16(4), .reference, .reference, .reference], for: 0)
    encoder.writeSchema(for: places[1])
    encoder.metadata.structs(dictionaries.flatMap(\.numbers), fieldsPerStruct: 3, for: places[2])
    encoder.metadata.structs(batches.flatMap(\.numbers), fieldsPerStruct: 3, for: places[3])
    return encoder.metadata.bytes
  }

  private mutating func writeSchema(for place: Int) {
    let places = metadata.table(
      [.int16(0), .reference, schema.metadata.isEmpty ? .absent : .reference], for: place)
    let fields = metadata.references(schema.fields.count, for: places[1])
    for (index, field) in schema.fields.enumerated() {
      write(field, wires[index], for: fields[index])
    }
    write(schema.metadata, for: places[2])
  }

  private mutating func wire(_ type: DataType) throws(ColumnarError) -> WireType {
    if case .dictionary(_, let values, _) = type {
      if case .dictionary = values {
        throw ColumnarError(
          .unsupported, "a dictionary of dictionaries cannot be sent as an Arrow stream")
      }
      let id = nextDictionary
      nextDictionary += 1
      return WireType(type, dictionary: try wire(values), dictionaryID: id)
    }
    var children: [WireType] = []
    for child in type.children {
      do throws(ColumnarError) {
        children.append(try wire(child.type))
      } catch {
        throw error.inColumn(child.name)
      }
    }
    return WireType(type, children: children)
  }

  private mutating func write(_ field: Field, _ wire: WireType, for place: Int) {
    let type = wire.dictionary?.type ?? field.type
    let childWires = wire.dictionary?.children ?? wire.children
    let pairs = FieldMetadata.outgoing(field)
    let places = metadata.table(
      [
        .reference, .bool(field.nullable), .uint8(Self.kind(type)), .reference,
        wire.dictionary == nil ? .absent : .reference, .reference,
        pairs.isEmpty ? .absent : .reference,
      ], for: place)
    metadata.string(field.name, for: places[0])
    write(type, for: places[3])
    if case .dictionary(let index, _, let ordered) = field.type {
      let encoding = metadata.table(
        [.int64(wire.dictionaryID), .reference, .bool(ordered)], for: places[4])
      write(index, for: encoding[1])
    }
    let children = metadata.references(childWires.count, for: places[5])
    for (index, child) in type.children.enumerated() {
      write(child, childWires[index], for: children[index])
    }
    write(pairs, for: places[6])
  }

  private mutating func write(_ pairs: Metadata, for place: Int) {
    guard !pairs.isEmpty else { return }
    let entries = metadata.references(pairs.entries.count, for: place)
    for (entry, target) in zip(pairs.entries, entries) {
      let places = metadata.table([.reference, .reference], for: target)
      metadata.string(entry.key, for: places[0])
      metadata.string(entry.value, for: places[1])
    }
  }

  /// The type's number in the format's union of types.
  private static func kind(_ type: DataType) -> UInt8 {
    switch type {
    case .null: 1
    case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64: 2
    case .float16, .float32, .float64: 3
    case .binary: 4
    case .utf8: 5
    case .bool: 6
    case .decimal128: 7
    case .date32, .date64: 8
    case .time32, .time64: 9
    case .timestamp: 10
    case .list: 12
    case .struct: 13
    case .fixedSizeBinary: 15
    case .fixedSizeList: 16
    case .map: 17
    case .duration: 18
    case .largeBinary: 19
    case .largeUtf8: 20
    case .largeList: 21
    case .dictionary: preconditionFailure("a dictionary's field has its values' type")
    }
  }

  private mutating func write(_ type: DataType, for place: Int) {
    switch type {
    case .decimal128(let precision, let scale):
      _ = metadata.table(
        [.int32(Int32(precision)), .int32(Int32(scale)), .int32(128)], for: place)
    case .float16, .float32, .float64:
      let precision: Int16 = type == .float16 ? 0 : type == .float32 ? 1 : 2
      _ = metadata.table([.int16(precision)], for: place)
    case .date32, .date64: _ = metadata.table([.int16(type == .date32 ? 0 : 1)], for: place)
    case .time32(let unit), .time64(let unit):
      let bits = Int32(type.byteWidth! * 8)
      _ = metadata.table([.int16(Self.number(unit)), .int32(bits)], for: place)
    case .timestamp(let unit, let zone):
      let places = metadata.table(
        [.int16(Self.number(unit)), zone == nil ? .absent : .reference], for: place)
      if let zone { metadata.string(zone, for: places[1]) }
    case .duration(let unit): _ = metadata.table([.int16(Self.number(unit))], for: place)
    case .fixedSizeBinary(let size), .fixedSizeList(_, let size):
      _ = metadata.table([.int32(Int32(size))], for: place)
    case .map(_, let keysSorted): _ = metadata.table([.bool(keysSorted)], for: place)
    case _ where type.isInteger:
      _ = metadata.table(
        [.int32(Int32(type.byteWidth! * 8)), .bool(type.isSignedInteger)], for: place)
    default: _ = metadata.table([], for: place)
    }
  }

  private static func number(_ unit: TimeUnit) -> Int16 {
    Int16(TimeUnit.allCases.firstIndex(of: unit)!)
  }
}

/// Where a file's message lies.
struct ArrowBlock {
  var offset: Int
  /// With the marker and the length before it, and the padding behind it.
  var metadataLength: Int
  var bodyLength: Int

  /// As the footer holds it; the metadata's length is an int32 with 4 bytes of padding there.
  var numbers: [Int64] { [Int64(offset), Int64(metadataLength), Int64(bodyLength)] }
}

/// Starts the FlatBuffer of any message.
enum ArrowMessageEncoder {
  /// Writes the message's table (metadata version V5) and returns the place that must refer to the
  /// header.
  static func begin(_ metadata: inout FlatBufferWriter, kind: UInt8, bodyLength: Int) -> Int {
    metadata.table(
      [.int16(4), .uint8(kind), .reference, .int64(Int64(bodyLength))], for: 0)[2]
  }
}
