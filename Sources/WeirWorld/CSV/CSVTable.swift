// SPDX-License-Identifier: Apache-2.0

package import WeirColumnar

/// A source of batches that tells how far it has come.
package protocol TableReader: RecordBatchReader {
  /// Bytes of the files below that were read so far; 0 where there are no files.
  var consumedByteCount: Int { get }
  /// Size of the files below; 0 where there are none.
  var totalByteCount: Int { get }
  /// Bytes of text that were parsed so far (after decompression).
  var textByteCount: Int { get }
  /// As `next()`, with the error's type.
  func nextBatch() throws(WorldError) -> RecordBatch?
}

extension TableReader {
  package func next() throws -> RecordBatch? { try nextBatch() }
}

/// Record batches from a CSV text whose first record names its columns.
///
/// Memory is bounded by one batch: `batchRows` rows, or fewer when they are large. A record with
/// another number of fields than the header, or a value that does not have its column's form, is an
/// error that names file, line, column and value.
package final class CSVTable: TableReader {
  package let schema: Schema
  private let reader: CSVReader
  private let batchRows: Int
  private let batchBytes: Int
  private let passes: [Pass]
  private let bindings: [Binding]
  private let headerCount: Int

  private struct Pass {
    let name: [UInt8]
    var column: Int?
    var text: [UInt8]
  }

  private final class Binding {
    let column: CSVColumn
    let sink: any ColumnSink
    /// Positions in the record.
    let indices: [Int]
    let nullText: [UInt8]?
    let constant: [UInt8]
    let isNullable: Bool
    let keepsEmpty: Bool

    init(_ column: CSVColumn, _ sink: any ColumnSink, _ indices: [Int], constant: [UInt8]) {
      self.column = column
      self.sink = sink
      self.indices = indices
      self.constant = constant
      nullText = column.nullText.map { Array($0.utf8) }
      isNullable = column.field.nullable
      keepsEmpty = column.keepsEmpty
    }

    /// Appends the record's value; the text that does not fit, if it does not.
    func append(_ record: CSVRecord, _ passName: [UInt8]) -> ArraySlice<UInt8>? {
      switch column.origin {
      case .column: return append(record.field(indices[0]))
      case .columns:
        guard let vector = sink as? VectorSink else { preconditionFailure("a vector's sink") }
        for index in indices where !vector.appendElement(record.field(index)) {
          return record.field(index)
        }
        vector.endRow()
        return nil
      case .null: sink.appendNull()
      case .constant: _ = sink.append(constant[...])
      case .passName: _ = sink.append(passName[...])
      }
      return nil
    }

    private func append(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
      if isNullable {
        let isNull =
          bytes.isEmpty ? !keepsEmpty : nullText.map { bytes.elementsEqual($0) } ?? false
        if isNull {
          sink.appendNull()
          return nil
        }
      }
      return sink.append(bytes) ? nil : bytes
    }
  }

  /// What a field adds to a batch besides its text: a number, or an offset and a validity bit.
  private static let fieldBytes = 8

  /// Reads the header at once.
  ///
  /// - Parameters:
  ///   - batchRows: most rows of a batch.
  ///   - batchBytes: a batch ends early behind the record that brings its text, and 8 bytes a field, to
  ///     that many bytes. Far below 2^31: then no column outgrows its 32-bit offsets.
  package init(
    _ source: any ByteSource, columns: [CSVColumn], passes: [CSVPass] = [CSVPass("")],
    metadata: Metadata = Metadata(), batchRows: Int = 32_768, batchBytes: Int = 32 << 20,
    options: CSVOptions = CSVOptions()
  ) throws(WorldError) {
    precondition(batchRows > 0, "a batch has at least one row")
    reader = CSVReader(source, options: options)
    self.batchRows = batchRows
    self.batchBytes = batchBytes
    schema = Schema(columns.map(\.field), metadata: metadata)
    guard try reader.next() else {
      throw WorldError(
        .invalidData, "the file is empty; a first line with column names was expected",
        file: source.name)
    }
    let header = Header(reader)
    headerCount = header.names.count
    var boundPasses: [Pass] = []
    for pass in passes {
      var bound = Pass(name: Array(pass.name.utf8), column: nil, text: [])
      if let condition = pass.condition {
        bound.column = try header.index(condition.column)
        bound.text = Array(condition.text.utf8)
      }
      boundPasses.append(bound)
    }
    var bindings: [Binding] = []
    for column in columns { bindings.append(try CSVTable.bind(column, header)) }
    self.passes = boundPasses
    self.bindings = bindings
  }

  private static func bind(
    _ column: CSVColumn, _ header: Header
  ) throws(WorldError) -> Binding {
    var indices: [Int] = []
    var constant: [UInt8] = []
    switch column.origin {
    case .column(let name): indices.append(try header.index(name))
    case .columns(let names): for name in names { indices.append(try header.index(name)) }
    case .constant(let text): constant = Array(text.utf8)
    case .passName, .null: break
    }
    return Binding(column, try makeSink(column), indices, constant: constant)
  }

  package var consumedByteCount: Int { reader.consumedByteCount }
  package var totalByteCount: Int { reader.totalByteCount }
  package var textByteCount: Int { reader.textByteCount }

  package func nextBatch() throws(WorldError) -> RecordBatch? {
    var rows = 0
    var bytes = 0
    // Room for one more record with all its passes.
    while bytes < batchBytes && (rows <= batchRows - passes.count || rows == 0) {
      guard try reader.next() else { break }
      let made = try append(reader.record)
      rows += made
      bytes += made * (reader.record.byteCount + headerCount * CSVTable.fieldBytes)
    }
    if rows == 0 { return nil }
    return RecordBatch(trusted: schema, columns: bindings.map { $0.sink.finish() }, rowCount: rows)
  }

  /// The number of rows that the record became.
  private func append(_ record: CSVRecord) throws(WorldError) -> Int {
    guard record.fieldCount == headerCount else {
      throw reader.error(
        "this record has \(record.fieldCount) fields, the first line names \(headerCount)")
    }
    var rows = 0
    for pass in passes {
      if let column = pass.column, !record.field(column).elementsEqual(pass.text) { continue }
      for binding in bindings {
        if let bytes = binding.append(record, pass.name) { throw misfit(bytes, binding.column) }
      }
      rows += 1
    }
    return rows
  }

  @inline(never)
  private func misfit(_ bytes: ArraySlice<UInt8>, _ column: CSVColumn) -> WorldError {
    let text = String(decoding: bytes.prefix(40), as: UTF8.self)
    let name =
      switch column.origin {
      case .column(let name): name
      default: column.field.name
      }
    if bytes.isEmpty {
      return reader.error("column \"\(name)\" is empty; \(column.field.type) was expected")
    }
    return reader.error("\"\(text)\" in column \"\(name)\" is no \(column.field.type)")
  }

  private static func makeSink(_ column: CSVColumn) throws(WorldError) -> any ColumnSink {
    if case .fixedSizeList(let item, let size) = column.field.type {
      guard item.type == .float32, case .columns(let names) = column.origin, names.count == size
      else { throw unsupported(column.field) }
      return VectorSink(column.field.type, size: size)
    }
    return try makeSink(column.field, column)
  }

  private static func makeSink(
    _ field: Field, _ column: CSVColumn
  ) throws(WorldError) -> any ColumnSink {
    switch field.type {
    case .int8: IntegerSink(field.type, Int64(Int8.min)...Int64(Int8.max))
    case .int16: IntegerSink(field.type, Int64(Int16.min)...Int64(Int16.max))
    case .int32: IntegerSink(field.type, Int64(Int32.min)...Int64(Int32.max))
    case .int64: IntegerSink(field.type, .min ... .max, offset: column.idOffset)
    case .float32, .float64: FloatSink(field.type)
    case .bool: BoolSink()
    case .utf8: TextSink()
    case EventSchema.category: CategorySink()
    case .timestamp(.millisecond, _): TimestampSink(field.type, form: column.timeForm)
    case .list(let item): ListSink(field.type, items: try makeSink(item, column))
    default: throw unsupported(field)
    }
  }

  private static func unsupported(_ field: Field) -> WorldError {
    WorldError(.invalidArgument, "column \"\(field.name)\": CSV is not read as \(field.type)")
  }
}

/// Names and positions of a CSV text's columns.
private struct Header {
  let names: [String]
  private let file: String
  private let line: Int

  init(_ reader: CSVReader) {
    names = (0..<reader.fieldCount).map { reader.text($0) }
    file = reader.name
    line = reader.line
  }

  func index(_ name: String) throws(WorldError) -> Int {
    if let index = names.firstIndex(of: name) { return index }
    throw WorldError(
      .invalidData,
      "there is no column \"\(name)\"; the first line names "
        + names.prefix(20).map { "\"\($0)\"" }.joined(separator: ", "),
      file: file, line: line)
  }
}

/// Vectors of float32 from several CSV columns.
private final class VectorSink: ColumnSink {
  private let type: DataType
  private let size: Int
  private var items = FixedColumn<Float>(.float32)
  private var rows = 0

  init(_ type: DataType, size: Int) {
    self.type = type
    self.size = size
  }

  func appendElement(_ bytes: ArraySlice<UInt8>) -> Bool {
    if bytes.isEmpty {
      items.appendNull()
      return true
    }
    guard let value = FieldParsing.double(bytes) else { return false }
    items.append(Float(value))
    return true
  }

  func endRow() { rows += 1 }

  func append(_ bytes: ArraySlice<UInt8>) -> Bool { false }
  func appendNull() { preconditionFailure("a vector comes from its columns") }

  func finish() -> ArrayData {
    defer { rows = 0 }
    return ArrayData(type: type, length: rows, children: [items.finish()])
  }
}

/// Opens a table's reader; each call starts from the beginning.
package struct TableOpener: Sendable {
  package let open: @Sendable () throws(WorldError) -> any TableReader

  package init(_ open: @escaping @Sendable () throws(WorldError) -> any TableReader) {
    self.open = open
  }
}

/// Several readers of one schema, one behind the other; each is opened when its turn comes.
package final class ChainedTable: TableReader {
  package let schema: Schema
  private var pending: [TableOpener]
  private var current: (any TableReader)?
  private var done = (consumed: 0, text: 0)
  package let totalByteCount: Int

  package init(
    schema: Schema, totalByteCount: Int, parts: [TableOpener]
  ) {
    self.schema = schema
    self.totalByteCount = totalByteCount
    pending = parts.reversed()
  }

  package var consumedByteCount: Int { done.consumed + (current?.consumedByteCount ?? 0) }
  package var textByteCount: Int { done.text + (current?.textByteCount ?? 0) }

  package func nextBatch() throws(WorldError) -> RecordBatch? {
    while true {
      if let current {
        if let batch = try current.nextBatch() { return batch }
        done.consumed += current.consumedByteCount
        done.text += current.textByteCount
        self.current = nil
      }
      guard let part = pending.popLast() else { return nil }
      current = try part.open()
    }
  }
}
