// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirFile
internal import WeirStorage

/// Rows of a Weir file: a few of them one by one, many as ranges.
///
/// Rows that the request's filter excludes do not come: pages are passed over by their statistics, rows
/// with a key are found by the key's index, and of what is left the filter's columns are decoded
/// first.
///
/// Only the columns wanted are opened. Whole columns are read, of structs also the fields that
/// nobody asked for.
final class WeirRows: StoredRows {
  let fields: [Field]
  private let file: WeirFileReader
  private let columns: FileColumns
  private let batchRowsMax: Int
  private var source: Source

  private enum Source {
    case range(WeirFileBatches, nextRow: Int)
    /// What is left of these rows.
    case rows([Int], next: Int)
    case matches(WeirFileMatches)
  }

  /// Rows are looked up one by one when they are at most this share of those between them.
  private static let sparseShare = 8

  init(_ path: String, _ request: StoredRequest, _ stores: ObjectStores) throws(TableError) {
    let object: any ObjectReader
    do throws(StorageError) {
      object = try stores.open(path)
    } catch { throw TableError(error, file: path) }
    batchRowsMax = request.batchRowsMax
    do throws(WeirFileError) {
      file = try WeirFileReader(object)
    } catch { throw TableError(error) }
    (columns, fields) = try Self.columns(file, request)
    let rows = Self.rows(request.range, rowCount: file.rowCount, byteCount: object.size)
    if let wanted = request.wanted {
      let chosen = wanted.positions(in: rows)
      let span = (chosen.first ?? 0)..<(chosen.last.map { $0 + 1 } ?? 0)
      source =
        chosen.count <= span.count / Self.sparseShare
        ? .rows(chosen, next: 0) : try Self.batches(file, columns, span, batchRowsMax)
    } else if let filter = request.filter {
      source = try Self.matches(file, columns, fields, filter, rows, batchRowsMax)
    } else {
      source = try Self.batches(file, columns, rows, batchRowsMax)
    }
  }

  /// - Parameter fields: the columns' fields, with ids.
  private static func matches(
    _ file: WeirFileReader, _ columns: FileColumns, _ fields: [Field], _ filter: BoundPredicate,
    _ rows: Range<Int>, _ batchRows: Int
  ) throws(TableError) -> Source {
    let places = filter.columns.map { column -> Int? in
      guard column.path.count == 1, let id = column.field.id else { return nil }
      return fields.firstIndex {
        $0.id == id && PredicatePushdown.fits($0.type, column.type)
      }
    }
    if places.allSatisfy({ $0 == nil }) && !filter.isNeverTrue {
      return try batches(file, columns, rows, batchRows)
    }
    do throws(WeirFileError) {
      return .matches(
        try file.matches(filter, places: places, of: columns, rows: rows, batchRows: batchRows))
    } catch { throw TableError(error) }
  }

  private static func batches(
    _ file: WeirFileReader, _ columns: FileColumns, _ rows: Range<Int>, _ batchRows: Int
  ) throws(TableError) -> Source {
    do throws(WeirFileError) {
      return .range(
        try file.batches(of: columns, rows: rows, batchRows: batchRows), nextRow: rows.lowerBound)
    } catch { throw TableError(error) }
  }

  /// The columns that the request names, and their fields with ids.
  private static func columns(
    _ file: WeirFileReader, _ request: StoredRequest
  ) throws(TableError) -> (FileColumns, [Field]) {
    do throws(WeirFileError) {
      if let mapping = request.nameMapping {
        let all = mapping.assigningIDs(try file.schema.fields)
        let fields = request.fields.compactMap { target in all.first { $0.id == target.id } }
        return (try file.columns(named: fields.map(\.name)), fields)
      }
      // Metadata columns among them are found where they are stored.
      let ids = request.fields.map(\.id)
      let columns = try file.columns(ids: ids)
      if columns.fields.contains(where: { $0.id == nil }) { throw Self.withoutIDs }
      guard columns.fields.allSatisfy({ $0.id.map(ids.contains) ?? false }) else {
        throw WeirFileError(.damaged, "a column has another field id than its directory entry")
      }
      return (columns, columns.fields)
    } catch { throw TableError(error) }
  }

  private static let withoutIDs = WeirFileError(
    .unsupported,
    "the file's columns have no field ids; set the table property \(NameMapping.property), which "
      + "maps their names to the table's fields")

  /// The rows whose share of the file begins in `range`: ranges that make up the file have each row
  /// once.
  private static func rows(_ range: Range<Int64>?, rowCount: Int, byteCount: Int) -> Range<Int> {
    guard let range, rowCount > 0 else { return 0..<rowCount }
    func row(_ byte: Int64) -> Int {
      let byte = min(max(byte, 0), Int64(byteCount))
      let product = Int64(rowCount).multipliedFullWidth(by: byte)
      let (quotient, rest) = Int64(byteCount).dividingFullWidth(product)
      return Int(quotient) + (rest > 0 ? 1 : 0)
    }
    return row(range.lowerBound)..<row(range.upperBound)
  }

  func next() throws(TableError) -> (batch: RecordBatch, places: RowPlaces)? {
    do throws(WeirFileError) {
      switch source {
      case .range(let batches, let first):
        guard let batch = try batches.next() else { return nil }
        source = .range(batches, nextRow: first + batch.rowCount)
        return (batch, RowPlaces(first: first, count: batch.rowCount))
      case .rows(let rows, let first):
        guard first < rows.count else { return nil }
        let end = min(rows.count, first + batchRowsMax)
        source = .rows(rows, next: end)
        let chosen = Array(rows[first..<end])
        return (try file.take(ascending: chosen, of: columns), RowPlaces(ascending: chosen))
      case .matches(let matches):
        guard let batch = try matches.next() else { return nil }
        return (batch, RowPlaces(ascending: matches.rows))
      }
    } catch { throw TableError(error) }
  }
}
