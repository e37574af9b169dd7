// SPDX-License-Identifier: Apache-2.0

/// What a reader of an Arrow IPC stream or file carries from message to message: the schema, which
/// columns are wanted, and the dictionaries so far.
final class ArrowBatchContext {
  /// Of the batches: the wanted columns alone.
  let schema: Schema
  private let wires: [WireType]
  /// For each column of the stream, where in the batch it goes.
  private let targets: [Int?]
  private let dictionaryWires: [Int64: WireType]
  /// Dictionaries of unwanted columns are passed over.
  private let wantedDictionaries: Set<Int64>
  private let options: ArrowReadOptions
  private let decompressors = ArrowDecompressors()
  private var dictionaries: [Int64: Dictionary] = [:]
  private var dictionaryBytes = 0

  /// A dictionary, as the parts that have come so far.
  private struct Dictionary {
    var parts: [ArrayData]
    var byteCount: Int
  }

  init(_ table: FlatTable, _ options: ArrowReadOptions) throws(ColumnarError) {
    let decoder = try ArrowSchemaDecoder(table)
    self.options = options
    wires = decoder.wires
    dictionaryWires = decoder.dictionaries
    var targets = [Int?](repeating: nil, count: wires.count)
    if let columns = options.columns {
      var fields: [Field] = []
      for name in columns {
        guard let index = decoder.schema.index(of: name) else {
          throw ColumnarError(
            .invalidArgument, "the stream has no column of this name", column: name)
        }
        guard targets[index] == nil else {
          throw ColumnarError(.invalidArgument, "the column is named twice", column: name)
        }
        targets[index] = fields.count
        fields.append(decoder.schema.fields[index])
      }
      schema = Schema(fields, metadata: decoder.schema.metadata)
    } else {
      for index in targets.indices { targets[index] = index }
      schema = decoder.schema
    }
    self.targets = targets
    var wanted: Set<Int64> = []
    for (wire, target) in zip(wires, targets) where target != nil { wire.collectIDs(&wanted) }
    wantedDictionaries = wanted
  }

  func forgetDictionaries() {
    dictionaries.removeAll(keepingCapacity: true)
    dictionaryBytes = 0
  }

  /// The arrays of a record batch message.
  func batch(_ table: FlatTable, body: Buffer) throws(ColumnarError) -> RecordBatch {
    var decoder = try decoder(table, body)
    var columns = [ArrayData?](repeating: nil, count: schema.fields.count)
    for (wire, target) in zip(wires, targets) {
      guard let target else {
        try decoder.skip(wire)
        continue
      }
      do throws(ColumnarError) {
        let array = try decoder.array(wire)
        guard array.length == decoder.rowCount else {
          throw ColumnarError(
            .invalidData, "the column has \(array.length) rows, its batch \(decoder.rowCount)")
        }
        try array.validateButDictionaries(full: options.validates)
        columns[target] = array
      } catch {
        throw error.inColumn(schema.fields[target].name)
      }
    }
    try decoder.finish()
    return RecordBatch(
      trusted: schema, columns: columns.map { $0! }, rowCount: decoder.rowCount)
  }

  /// Takes the values of a dictionary batch message.
  func addDictionary(_ table: FlatTable, body: Buffer) throws(ColumnarError) {
    let id = try table.scalar(0, Int64(0))
    guard let wire = dictionaryWires[id] else {
      throw ColumnarError(
        .invalidData, "a dictionary has number \(id), which no column has",
        position: table.bytes.position)
    }
    guard wantedDictionaries.contains(id) else { return }
    var decoder = try decoder(try table.requiredTable(1, "a dictionary's values"), body)
    let values = try decoder.array(wire)
    guard values.length == decoder.rowCount else {
      throw ColumnarError(
        .invalidData,
        "dictionary \(id) has \(values.length) values, its message \(decoder.rowCount)"
      )
    }
    try values.validateButDictionaries(full: options.validates)
    try decoder.finish()

    let byteCount = values.byteCount
    if try table.bool(2), dictionaries[id] != nil {
      dictionaries[id]!.parts.append(values)
      dictionaries[id]!.byteCount += byteCount
    } else {
      dictionaryBytes -= dictionaries[id]?.byteCount ?? 0
      dictionaries[id] = Dictionary(parts: [values], byteCount: byteCount)
    }
    dictionaryBytes += byteCount
    guard dictionaryBytes <= options.dictionaryBytesMax else {
      throw ColumnarError(
        .invalidData,
        "the dictionaries take more than \(options.dictionaryBytesMax) bytes "
          + "(ArrowReadOptions.dictionaryBytesMax)", position: table.bytes.position)
    }
  }

  private func decoder(_ table: FlatTable, _ body: Buffer) throws(ColumnarError)
    -> ArrowBatchDecoder
  {
    try ArrowBatchDecoder(
      table, body: body, options: options, decompressors: decompressors,
      dictionary: { [unowned self] (id) throws(ColumnarError) in try dictionary(id) })
  }

  /// The dictionary as one array; the parts of a grown one are joined when it is first used.
  private func dictionary(_ id: Int64) throws(ColumnarError) -> ArrayData? {
    guard let parts = dictionaries[id]?.parts else { return nil }
    if parts.count == 1 { return parts[0] }
    let joined = try ArrayData.concatenate(parts)
    dictionaries[id]!.parts = [joined]
    return joined
  }
}

extension WireType {
  /// The numbers of all dictionaries that this type needs, also those within dictionaries.
  func collectIDs(_ ids: inout Set<Int64>) {
    if let dictionary {
      ids.insert(dictionaryID)
      dictionary.collectIDs(&ids)
    }
    for child in children { child.collectIDs(&ids) }
  }
}

extension ArrayData {
  /// An array of no rows.
  static func empty(_ type: DataType) -> ArrayData {
    let bufferCount =
      switch type.layout {
      case .null, .struct, .fixedSizeList: 0
      case .bits, .fixedWidth, .list, .dictionary: 1
      case .variableBinary: 2
      }
    var values: ArrayData?
    if case .dictionary(_, let value, _) = type { values = empty(value) }
    return ArrayData(
      type: type, length: 0, buffers: [Buffer](repeating: Buffer(), count: bufferCount),
      children: type.children.map { empty($0.type) }, dictionary: values)
  }
}
