// SPDX-License-Identifier: Apache-2.0

/// Reads the schema of an Arrow IPC stream or file.
struct ArrowSchemaDecoder {
  let schema: Schema
  /// How each column comes.
  let wires: [WireType]
  /// How the values of each dictionary come, by its number.
  private(set) var dictionaries: [Int64: WireType] = [:]

  init(_ table: FlatTable) throws(ColumnarError) {
    guard try table.scalar(0, Int16(0)) == 0 else {
      throw ColumnarError(
        .unsupported, "big-endian Arrow data is not read", position: table.bytes.position)
    }
    let vector = try table.vector(1, stride: 4)
    var fields: [Field] = []
    var wires: [WireType] = []
    var dictionaries: [Int64: WireType] = [:]
    for index in 0..<vector.count {
      let (field, wire) = try Self.field(try vector.table(index), depth: 1, &dictionaries)
      fields.append(field)
      wires.append(wire)
    }
    schema = Schema(fields, metadata: try Self.metadata(table, slot: 2))
    self.wires = wires
    self.dictionaries = dictionaries
  }

  private static func field(
    _ table: FlatTable, depth: Int, _ dictionaries: inout [Int64: WireType]
  ) throws(ColumnarError) -> (Field, WireType) {
    guard depth <= WireType.depthMax else { throw WireType.tooDeep() }
    let name = try table.string(0) ?? ""
    do throws(ColumnarError) {
      let vector = try table.vector(5, stride: 4)
      var children: [(field: Field, wire: WireType)] = []
      for index in 0..<vector.count {
        children.append(try field(try vector.table(index), depth: depth + 1, &dictionaries))
      }
      var wire = try type(table, children)
      if let encoding = try table.table(4) {
        wire = try dictionary(encoding, values: wire, &dictionaries)
      }
      let (id, rest) = FieldMetadata.incoming(try metadata(table, slot: 6))
      return (Field(name, wire.type, nullable: try table.bool(1), id: id, metadata: rest), wire)
    } catch {
      throw error.inColumn(name)
    }
  }

  private static func metadata(
    _ table: FlatTable, slot: Int
  ) throws(ColumnarError) -> Metadata {
    let vector = try table.vector(slot, stride: 4)
    var metadata = Metadata()
    for index in 0..<vector.count {
      let pair = try vector.table(index)
      metadata.entries.append(
        Metadata.Entry(key: try pair.string(0) ?? "", value: try pair.string(1) ?? ""))
    }
    return metadata
  }

  private static func dictionary(
    _ encoding: FlatTable, values: WireType, _ dictionaries: inout [Int64: WireType]
  ) throws(ColumnarError) -> WireType {
    guard try encoding.scalar(3, Int16(0)) == 0 else {
      throw ColumnarError(.unsupported, "the dictionary is of an unknown kind")
    }
    let index = try encoding.table(1).map { (table) throws(ColumnarError) in try integer(table) }
    let id = try encoding.scalar(0, Int64(0))
    if let other = dictionaries[id], other.type != values.type {
      throw ColumnarError(
        .invalidData, "dictionary \(id) is of \(values.type) here and of \(other.type) elsewhere")
    }
    dictionaries[id] = values
    return WireType(
      try WireType.dictionary(
        index: index ?? .int32, values: values.type, ordered: try encoding.bool(2)),
      dictionary: values, dictionaryID: id)
  }

  private static func type(
    _ table: FlatTable, _ children: [(field: Field, wire: WireType)]
  ) throws(ColumnarError) -> WireType {
    let kind = try table.scalar(2, UInt8(0))
    let details = try table.requiredTable(3, "a field's type")
    let wires = children.map(\.wire)
    func only() throws(ColumnarError) -> Field {
      guard children.count == 1 else {
        throw table.bytes.error(
          "a nested type with \(children.count) children", at: table.position)
      }
      return children[0].field
    }
    switch kind {
    case 12: return WireType(.list(try only()), children: wires)
    case 21: return WireType(.largeList(try only()), children: wires)
    case 13: return WireType(.struct(children.map(\.field)), children: wires)
    case 16:
      let size = try details.scalar(0, Int32(0))
      guard size >= 0 else { throw ColumnarError(.invalidData, "a list size of \(size)") }
      return WireType(.fixedSizeList(try only(), size: Int(size)), children: wires)
    case 17:
      let type = try WireType.map(entries: try only(), keysSorted: try details.bool(0))
      return WireType(type, children: wires)
    default: break
    }
    guard children.isEmpty else {
      throw table.bytes.error("a type without children has some", at: table.position)
    }
    switch kind {
    case 23: return WireType(.largeBinary, isView: true)
    case 24: return WireType(.largeUtf8, isView: true)
    default: return WireType(try leaf(kind, details))
    }
  }

  private static func leaf(_ kind: UInt8, _ details: FlatTable) throws(ColumnarError) -> DataType {
    switch kind {
    case 1: return .null
    case 2: return try integer(details)
    case 3: return try float(details)
    case 4: return .binary
    case 5: return .utf8
    case 6: return .bool
    case 7:
      return try WireType.decimal(
        precision: Int(try details.scalar(0, Int32(0))),
        scale: Int(try details.scalar(1, Int32(0))),
        bits: Int(try details.scalar(2, Int32(128))))
    case 8: return try details.scalar(0, Int16(1)) == 0 ? .date32 : .date64
    case 9: return try time(details)
    case 10:
      let zone = try details.string(1) ?? ""
      return .timestamp(try unit(details, absent: 0), timeZone: zone.isEmpty ? nil : zone)
    case 15:
      let width = try details.scalar(0, Int32(0))
      guard width >= 0 else { throw ColumnarError(.invalidData, "a byte width of \(width)") }
      return .fixedSizeBinary(Int(width))
    case 18: return .duration(try unit(details, absent: 1))
    case 19: return .largeBinary
    case 20: return .largeUtf8
    case 11: throw WireType.unsupported("interval", remedy: WireType.intervalRemedy)
    case 14: throw WireType.unsupported("union", remedy: WireType.unionRemedy)
    case 22: throw WireType.unsupported("run_end_encoded", remedy: WireType.runEndRemedy)
    case 25: throw WireType.unsupported("list_view", remedy: WireType.listViewRemedy)
    case 26: throw WireType.unsupported("large_list_view", remedy: WireType.listViewRemedy)
    default:
      throw WireType.unsupported("number \(kind)", remedy: "cast the column to another type")
    }
  }

  private static func integer(_ details: FlatTable) throws(ColumnarError) -> DataType {
    let bits = try details.scalar(0, Int32(0))
    switch (bits, try details.bool(1)) {
    case (8, true): return .int8
    case (16, true): return .int16
    case (32, true): return .int32
    case (64, true): return .int64
    case (8, false): return .uint8
    case (16, false): return .uint16
    case (32, false): return .uint32
    case (64, false): return .uint64
    default: throw ColumnarError(.invalidData, "an integer type of \(bits) bits")
    }
  }

  private static func float(_ details: FlatTable) throws(ColumnarError) -> DataType {
    switch try details.scalar(0, Int16(0)) {
    case 0: return .float16
    case 1: return .float32
    case 2: return .float64
    case let precision:
      throw ColumnarError(.invalidData, "a floating point type of precision \(precision)")
    }
  }

  private static func time(_ details: FlatTable) throws(ColumnarError) -> DataType {
    let bits = try details.scalar(1, Int32(32))
    let unit = try unit(details, absent: 1)
    switch (bits, unit) {
    case (32, .second), (32, .millisecond): return .time32(unit)
    case (64, .microsecond), (64, .nanosecond): return .time64(unit)
    default: throw ColumnarError(.invalidData, "a time of \(bits) bits in \(unit.rawValue)")
    }
  }

  private static func unit(_ details: FlatTable, absent: Int16) throws(ColumnarError) -> TimeUnit {
    let number = Int(try details.scalar(0, absent))
    guard TimeUnit.allCases.indices.contains(number) else {
      throw ColumnarError(.invalidData, "the time unit \(number)")
    }
    return TimeUnit.allCases[number]
  }
}
