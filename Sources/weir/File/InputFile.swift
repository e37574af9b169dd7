// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirFile
internal import WeirParquet
internal import WeirStorage
internal import WeirWorld

/// A file of rows in one of the formats that the command line reads.
enum InputFile {
  enum Format: String {
    case parquet = "Parquet"
    case weir = "a Weir file"
    case arrowStream = "an Arrow IPC stream"
    case arrowFile = "an Arrow IPC file"
    case csv = "CSV"
  }

  /// The rows of a file, batch by batch.
  struct Rows {
    let reader: any RecordBatchReader
    /// How many rows there are, where the file says so.
    let rowCount: Int?
    /// How far the reading has come, 0 ... 1, where that is known.
    let fraction: (_ rowsRead: Int) -> Double?
  }

  /// By the file's first bytes; CSV, which has none of its own, by its name.
  static func format(_ path: String) throws -> Format {
    let reader = try open(path)
    let head = try reader.read(0..<min(8, reader.size)).array(of: UInt8.self)
    if head.starts(with: Array("PAR1".utf8)) { return .parquet }
    if head == Array("WEIRCOL1".utf8) { return .weir }
    if head.starts(with: Array("ARROW1".utf8)) { return .arrowFile }
    if head.starts(with: [0xff, 0xff, 0xff, 0xff]) { return .arrowStream }
    let name = path.lowercased()
    if [".csv", ".csv.gz", ".csv.zst"].contains(where: { name.hasSuffix($0) }) { return .csv }
    // Named as Parquet, but damaged at its start: the Parquet reader says what is wrong.
    if name.hasSuffix(".parquet") { return .parquet }
    if name.hasSuffix(".weir") { return .weir }
    throw CommandFailure(
      "\(path): this is not a file that weir reads",
      hint:
        "It reads Parquet, Weir, Arrow IPC (streams and files) and CSV (.csv, .csv.gz, .csv.zst).")
  }

  static func open(_ path: String) throws -> any ObjectReader {
    do throws(StorageError) {
      return try LocalFile.open(path)
    } catch {
      throw CommandFailure("\(path): \(error.message)")
    }
  }

  /// - Parameter columns: their names, in the order wanted; all when `nil`.
  static func rows(_ path: String, columns: [String]?, batchRows: Int) throws -> Rows {
    switch try format(path) {
    case .parquet:
      let reader = try ParquetReader(try open(path))
      try check(columns, in: reader.schema, path)
      let batches = try reader.batches(columns: columns, batchRows: batchRows)
      let count = reader.rowCount
      return Rows(reader: batches, rowCount: count) { rows in
        count > 0 ? Double(rows) / Double(count) : nil
      }
    case .weir:
      let reader = try WeirFileReader(try open(path))
      try check(columns, in: try reader.schema, path)
      let batches = try reader.batches(columns: columns, batchRows: batchRows)
      let count = reader.rowCount
      return Rows(reader: batches, rowCount: count) { rows in
        count > 0 ? Double(rows) / Double(count) : nil
      }
    case .arrowStream:
      let file = ArrowFileBytes(try open(path))
      let reader = try located(path) {
        try ArrowStreamReader(file, options: ArrowReadOptions(columns: columns))
      }
      return Rows(reader: LocatedReader(reader, path), rowCount: nil) { _ in file.fraction }
    case .arrowFile:
      let file = try open(path)
      let reader = try located(path) {
        try ArrowFileReader(size: file.size, options: ArrowReadOptions(columns: columns)) {
          try file.read($0)
        }
      }
      return Rows(reader: LocatedReader(reader, path), rowCount: nil) { _ in nil }
    case .csv:
      let inferred = try CSVInference.columns(path)
      try check(columns, in: Schema(inferred.map(\.field)), path)
      let chosen = columns.map { names in
        names.compactMap { name in inferred.first { $0.field.name == name } }
      }
      let table = try CSVTable(
        FileSource.text(path), columns: chosen ?? inferred, batchRows: batchRows)
      return Rows(reader: table, rowCount: nil) { _ in
        table.totalByteCount > 0
          ? Double(table.consumedByteCount) / Double(table.totalByteCount) : nil
      }
    }
  }

  /// Names what is there, where the readers would only say what is not.
  private static func check(_ names: [String]?, in schema: Schema, _ path: String) throws {
    for name in names ?? [] where schema[name] == nil && !name.contains(".") {
      throw missingColumn(name, known: schema.fields.map(\.name), path)
    }
  }

  static func missingColumn(_ name: String, known: [String], _ path: String) -> CommandFailure {
    let shown = known.prefix(12).joined(separator: ", ")
    let rest = known.count > 12 ? ", … (\(known.count) in all)" : ""
    return CommandFailure(
      "\(path): there is no column '\(name)'", hint: "Its columns are \(shown)\(rest).")
  }

  /// Errors of formats that do not know the file's name, with it.
  fileprivate static func located<R>(_ path: String, _ body: () throws -> R) throws -> R {
    do {
      return try body()
    } catch let error as ColumnarError {
      throw CommandFailure("\(path): \(error)")
    }
  }
}

/// A reader whose errors name the file.
private final class LocatedReader: RecordBatchReader {
  private let reader: any RecordBatchReader
  private let path: String

  init(_ reader: any RecordBatchReader, _ path: String) {
    self.reader = reader
    self.path = path
  }

  var schema: Schema { reader.schema }
  func next() throws -> RecordBatch? { try InputFile.located(path) { try reader.next() } }
}

/// A file as the source of an Arrow stream.
private final class ArrowFileBytes: ArrowByteSource {
  private let file: any ObjectReader
  private var position = 0

  init(_ file: any ObjectReader) { self.file = file }

  var remainingBytes: Int? { file.size - position }
  var fraction: Double? { file.size > 0 ? Double(position) / Double(file.size) : nil }

  func read(_ count: Int) throws -> Buffer {
    let end = position + min(count, file.size - position)
    defer { position = end }
    return try file.read(position..<end)
  }
}
