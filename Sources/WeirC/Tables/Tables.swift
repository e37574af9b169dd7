// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AlwaysUseLowerCamelCase

//
// Safe: see Handle.swift for handles and Arguments.swift for what comes in; outputs are pointers that
// the caller vouches for (weir.h) and that are checked for NULL. Arrow structs are moved or released
// exactly once.
public import CWeir
public import CWeirKernels
internal import WeirColumnar
internal import WeirConnect
internal import WeirTable

/// What a `weir_table *` refers to.
final class TableHandle {
  let table: Table
  init(_ table: Table) { self.table = table }
}

@c @implementation
public func weir_table_open(
  _ connection: OpaquePointer?, _ identifier: UnsafePointer<CChar>?,
  _ table: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    let handle = try Handle.need(connection, ConnectionHandle.self, "connection")
    let output = try Arguments.output(table, "table")
    let table = try handle.connection.table(try Arguments.identifier(identifier))
    output.pointee = Handle.make(TableHandle(table))
  }
}

@c @implementation
public func weir_table_request(
  _ table: OpaquePointer?, _ operation: UnsafePointer<CChar>?,
  _ arguments: UnsafePointer<CChar>?, _ answer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    let table = try Handle.need(table, TableHandle.self, "table").table
    let answer = try Arguments.output(answer, "answer")
    let request = try TableRequest(operation, arguments)
    answer.pointee = copyText(try TableOperations(table).answer(request).text)
  }
}

@c @implementation
public func weir_table_schema(
  _ table: OpaquePointer?, _ schema: UnsafeMutablePointer<ArrowSchema>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    let table = try Handle.need(table, TableHandle.self, "table").table
    try CDataExport.export(
      table.schema.arrowSchema(), to: try Arguments.output(schema, "schema"))
  }
}

@c @implementation
public func weir_table_scan(
  _ table: OpaquePointer?, _ columns: UnsafePointer<UnsafePointer<CChar>?>?,
  _ columnCount: Int64, _ options: UnsafePointer<weir_option>?, _ optionCount: Int64,
  _ batches: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    let table = try Handle.need(table, TableHandle.self, "table").table
    let output = try Arguments.output(batches, "batches")
    let request = try ScanRequest(
      columns: try Arguments.columns(columns, columnCount),
      Arguments.options(options, optionCount))
    output.pointee = Handle.make(
      BatchesHandle(try request.open(table), path: table.metadata.location))
  }
}

/// The options of calls that change rows.
private struct ChangeOptions {
  var branch = SnapshotReference.mainBranch
  var summary: StringMap = [:]

  init(_ options: [Option]) throws(CError) {
    var pairs: [(String, String)] = []
    for option in options {
      try option.forAllColumns()
      if option.key == "branch" {
        branch = option.value
      } else if option.key.hasPrefix("property.") {
        pairs.append((String(option.key.dropFirst("property.".count)), option.value))
      } else {
        throw option.unknown(["branch", "property.NAME"])
      }
    }
    summary = StringMap(pairs)
  }
}

extension BackfillResult {
  fileprivate var json: JSONValue {
    [
      "snapshot_id": .optional(snapshotID), "added_column": .bool(addedColumn),
      "rows": .int(Int64(rowCount)), "rows_without_value": .int(Int64(missingRowCount)),
      "source_rows": .int(Int64(sourceRowCount)), "column_files": .int(Int64(fileCount)),
      "bytes": .int(Int64(writtenByteCount)),
    ]
  }
}

extension RowChanges {
  fileprivate var json: JSONValue {
    [
      "snapshot_id": .optional(snapshotID), "added_rows": .int(Int64(addedRows)),
      "deleted_rows": .int(Int64(deletedRows)), "added_files": .int(Int64(addedFiles)),
      "removed_files": .int(Int64(removedFiles)),
    ]
  }
}

@c @implementation
public func weir_table_append(
  _ table: OpaquePointer?, _ stream: UnsafeMutablePointer<ArrowArrayStream>?,
  _ options: UnsafePointer<weir_option>?, _ optionCount: Int64,
  _ answer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  defer { if let stream { stream.pointee.release?(stream) } }
  return status(error) {
    let table = try Handle.need(table, TableHandle.self, "table").table
    let options = try ChangeOptions(Arguments.options(options, optionCount))
    let rows = try CStreamReader(Arguments.output(stream, "stream"))
    let changes = try table.append(rows, branch: options.branch, summary: options.summary)
    answer?.pointee = copyText(changes.json.text)
  }
}

@c @implementation
public func weir_table_overwrite(
  _ table: OpaquePointer?, _ stream: UnsafeMutablePointer<ArrowArrayStream>?,
  _ filter: UnsafePointer<CChar>?, _ options: UnsafePointer<weir_option>?, _ optionCount: Int64,
  _ answer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  defer { if let stream { stream.pointee.release?(stream) } }
  return status(error) {
    let table = try Handle.need(table, TableHandle.self, "table").table
    let options = try ChangeOptions(Arguments.options(options, optionCount))
    let filter =
      filter == nil
      ? Predicate.always(true) : try Predicate(parsing: try Arguments.text(filter, "where"))
    let rows = try CStreamReader(Arguments.output(stream, "stream"))
    let changes = try table.overwrite(rows, where: filter, branch: options.branch)
    answer?.pointee = copyText(changes.json.text)
  }
}

@c @implementation
public func weir_table_upsert(
  _ table: OpaquePointer?, _ stream: UnsafeMutablePointer<ArrowArrayStream>?,
  _ keys: UnsafePointer<UnsafePointer<CChar>?>?, _ keyCount: Int64,
  _ options: UnsafePointer<weir_option>?, _ optionCount: Int64,
  _ answer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  defer { if let stream { stream.pointee.release?(stream) } }
  return status(error) {
    let table = try Handle.need(table, TableHandle.self, "table").table
    let options = try ChangeOptions(Arguments.options(options, optionCount))
    let keys = try Arguments.columns(keys, keyCount)
    let rows = try CStreamReader(Arguments.output(stream, "stream"))
    let changes = try table.upsert(rows, keys: keys, branch: options.branch)
    answer?.pointee = copyText(changes.json.text)
  }
}

@c @implementation
public func weir_table_backfill(
  _ table: OpaquePointer?, _ column: UnsafePointer<CChar>?,
  _ stream: UnsafeMutablePointer<ArrowArrayStream>?,
  _ keys: UnsafePointer<UnsafePointer<CChar>?>?, _ keyCount: Int64,
  _ options: UnsafePointer<weir_option>?, _ optionCount: Int64,
  _ answer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  defer { if let stream { stream.pointee.release?(stream) } }
  return status(error) {
    let table = try Handle.need(table, TableHandle.self, "table").table
    var backfill = BackfillOptions(
      column: try Arguments.text(column, "column"),
      keys: try Arguments.columns(keys, keyCount))
    var filter: Predicate?
    for option in try Arguments.options(options, optionCount) {
      try option.forAllColumns()
      switch option.key {
      case "value": backfill.value = option.value
      case "where": filter = try Predicate(parsing: option.value)
      case "memory_bytes": backfill.sourceBytesMax = try option.integer(1...(1 << 50))
      case "part": backfill.part = try BackfillPart(json: JSONValue(parsing: option.value))
      default: throw option.unknown(["value", "where", "memory_bytes", "part"])
      }
    }
    let result: BackfillResult
    if let stream {
      guard filter == nil else {
        throw CError.invalidArgument(
          "'where' is for backfills from the table itself, without a stream")
      }
      result = try table.backfill(from: try CStreamReader(stream), backfill)
    } else {
      guard keyCount == 0 else {
        throw CError.invalidArgument(
          "keys are for backfills from a stream; a table's own rows need none")
      }
      result = try table.backfill(backfill, where: filter ?? .always(true))
    }
    answer?.pointee = copyText(result.json.text)
  }
}

@c @implementation
public func weir_table_delete(
  _ table: OpaquePointer?, _ filter: UnsafePointer<CChar>?,
  _ options: UnsafePointer<weir_option>?, _ optionCount: Int64,
  _ answer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    let table = try Handle.need(table, TableHandle.self, "table").table
    let options = try ChangeOptions(Arguments.options(options, optionCount))
    let filter = try Predicate(parsing: try Arguments.text(filter, "where"))
    let changes = try table.delete(where: filter, branch: options.branch)
    answer?.pointee = copyText(changes.json.text)
  }
}

@c @implementation
public func weir_table_close(_ table: UnsafeMutablePointer<OpaquePointer?>?) {
  _ = Handle.take(table, TableHandle.self)
}
