// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirColumnar
internal import WeirParquet
internal import WeirStorage
internal import WeirWorld

/// What was done with one data set.
struct DemoResult {
  struct Table {
    var name: String
    var path: String
    var rows = 0
    /// Bytes of the source's text, or of the rows as JSON lines where there is no source.
    var textBytes = 0
    /// The text is CSV that was read; otherwise JSON lines, estimated from the first rows.
    var isCSV = false
    /// Bytes of the source's files as they lie there; 0 where there are none.
    var storedBytes = 0
    var parquetBytes = 0
    /// Making batches of text, or by drawing.
    var making = Duration.zero
    var writing = Duration.zero
    var reading = Duration.zero
  }

  var dataSet: DataSet
  var tables: [Table] = []
  var events = EventStatistics()
  /// Names for the items that the report shows.
  var labels: [Int64: String] = [:]
}

/// Writes the tables of one data set as Parquet, and reads them back from the files.
struct DemoRun {
  private let dataSet: DataSet
  private let folder: String
  private let clock = ContinuousClock()
  private let progress = Progress()

  static let topItemCount = 8
  private static let sampleRows = 1_000

  init(_ dataSet: DataSet, folder: String) {
    self.dataSet = dataSet
    self.folder = folder
  }

  func run() throws -> DemoResult {
    try DemoRun.makeFolder(folder)
    var result = DemoResult(dataSet: dataSet)
    defer { progress.clear() }
    for table in dataSet.tables { result.tables.append(try write(table)) }
    for index in result.tables.indices { try read(index, &result) }
    result.labels = try labels(for: DemoRun.topItems(result.events).map(\.id))
    return result
  }

  /// The items with most events that are no impressions.
  static func topItems(
    _ events: EventStatistics
  ) -> [(id: Int64, item: EventStatistics.Item)] {
    events.items.map { (id: $0.key, item: $0.value) }
      .sorted { ($1.item.count, $0.id) < ($0.item.count, $1.id) }
      .prefix(topItemCount).filter { $0.item.count > 0 }
  }

  static func makeFolder(_ path: String) throws {
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      made += made.isEmpty || made == "/" ? String(part) : "/\(part)"
      if mkdir(made, 0o777) != 0 && errno != EEXIST {
        let reason = String(cString: strerror(errno))
        throw CommandFailure(
          "\(made): the folder cannot be made: \(reason)", hint: "Give another one with --out.")
      }
    }
  }

  // MARK: writing

  private func write(_ table: DataSet.Table) throws -> DemoResult.Table {
    let path = "\(folder)/\(table.name).parquet"
    var result = DemoResult.Table(name: table.name, path: path)
    let reader = try table.open()
    let sink = try LocalFile.create(path, overwrite: true, syncs: false)
    var options = ParquetWriteOptions()
    options.fileName = path
    let writer = try ParquetWriter(sink, schema: reader.schema, options: options)
    do {
      while true {
        let start = clock.now
        guard let batch = try reader.nextBatch() else { break }
        let made = clock.now
        try writer.write(batch)
        result.making += made - start
        result.writing += clock.now - made
        result.rows += batch.rowCount
        progress.update("\(dataSet.name) \(table.name)", fraction: fraction(reader)) {
          "\(Numbers.grouped(result.rows)) rows written"
        }
      }
      let start = clock.now
      _ = try writer.close()
      result.writing += clock.now - start
    } catch {
      sink.abort()
      throw error
    }
    result.isCSV = !table.sources.isEmpty
    result.textBytes = reader.textByteCount
    result.storedBytes = reader.totalByteCount
    result.parquetBytes = try LocalFile.open(path).size
    return result
  }

  private func fraction(_ reader: any TableReader) -> Double? {
    reader.totalByteCount > 0
      ? Double(reader.consumedByteCount) / Double(reader.totalByteCount) : nil
  }

  // MARK: reading

  /// Reads all columns of a table back from its file; counts what is in it when it is the events.
  private func read(_ index: Int, _ result: inout DemoResult) throws {
    var table = result.tables[index]
    defer { result.tables[index] = table }
    let reader = try ParquetReader(try LocalFile.open(table.path))
    let batches = try reader.batches()
    var rows = 0
    while true {
      let start = clock.now
      guard let batch = try batches.next() else { break }
      table.reading += clock.now - start
      if rows == 0 && !table.isCSV { table.textBytes = estimatedJSON(batch, rows: table.rows) }
      rows += batch.rowCount
      if table.name == "events" { try result.events.add(batch) }
      progress.update(
        "\(dataSet.name) \(table.name)", fraction: Double(rows) / Double(max(1, table.rows))
      ) { "\(Numbers.grouped(rows)) rows read back" }
    }
    guard rows == table.rows else {
      throw CommandFailure(
        "\(table.path): \(rows) rows were read back, \(table.rows) were written",
        hint: "This is a bug in weir; weir file verify \(table.path) may tell more.")
    }
  }

  /// What the table would take as JSON lines, by its first rows.
  private func estimatedJSON(_ batch: RecordBatch, rows: Int) -> Int {
    let sample = min(DemoRun.sampleRows, batch.rowCount)
    guard sample > 0 else { return 0 }
    let bytes = (0..<sample).reduce(0) { $0 + RowJSON.line(batch, $1).utf8.count + 1 }
    return Int(Double(bytes) / Double(sample) * Double(rows))
  }

  /// Names of items, from the file of items.
  private func labels(for ids: [Int64]) throws -> [Int64: String] {
    guard dataSet[table: "items"] != nil, !dataSet.itemLabels.isEmpty, !ids.isEmpty else {
      return [:]
    }
    let wanted = Set(ids)
    let reader = try ParquetReader(try LocalFile.open("\(folder)/items.parquet"))
    let batches = try reader.batches(columns: ["item_id"] + dataSet.itemLabels)
    var labels: [Int64: String] = [:]
    while let batch = try batches.next() {
      for row in 0..<batch.rowCount {
        guard case .int(let id) = batch.columns[0].scalar(at: row), wanted.contains(id) else {
          continue
        }
        labels[id] = batch.columns.dropFirst().filter { $0.isValid(row) }
          .map { $0.scalar(at: row).text(as: $0.type) }.joined(separator: " · ")
      }
    }
    return labels
  }
}
