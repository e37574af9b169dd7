// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirColumnar
public import WeirTable

/// What is to be erased from the streams of a service.
public struct StreamErasureRequest: Sendable {
  public var table: TableIdentifier
  public var condition: Predicate
  public var options: ErasureOptions
  /// Whether other streams with the same columns are erased, too: profiles, examples, logs of requests.
  public var cascades: Bool

  public init(
    _ table: TableIdentifier, where condition: Predicate,
    options: ErasureOptions = ErasureOptions(), cascades: Bool = false
  ) {
    self.table = table
    self.condition = condition
    self.options = options
    self.cascades = cascades
  }
}

/// What an erasure did to the streams of a service.
public struct StreamErasureReport: Sendable {
  public var tables: [TableErasureResult] = []
  /// Streams with the same columns that were left as they are.
  public var others: [TableIdentifier] = []

  public var isComplete: Bool { tables.allSatisfy(\.isComplete) }

  public var json: JSONValue {
    [
      "complete": .bool(isComplete), "tables": .array(tables.map(\.json)),
      "same_columns": .array(others.map { .string("\($0)") }),
    ]
  }
}

extension Streams {
  /// - Throws: `invalidArgument` for a condition that does not fit the table, and for an age of orphans that
  ///   flushes and compactions of this process may have: they go on meanwhile.
  public func erase(_ request: StreamErasureRequest) throws(StreamError) -> StreamErasureReport {
    guard
      request.options.orphanAgeMilliseconds >= MaintenancePolicy.orphanAgeMillisecondsMin
        || request.options.isDryRun
    else {
      throw StreamError(
        .invalidArgument,
        "files that no snapshot leads to and that are younger than a day may be the service's own, of a "
          + "commit that is under way; leave --orphans (orphan_age_ms) at 1d or more, or stop the service, "
          + "and whatever else writes the table, and erase the table by itself with --table-only")
    }
    let first = try streamTable(request.table)
    let letters = Set(tables.compactMap { try? streamTable($0).deadLetters?.definition.table })
    var related: [StreamTable] = []
    for table in tables where table != request.table && !letters.contains(table) {
      let stream = try streamTable(table)
      if stream.takes(request.condition) { related.append(stream) }
    }
    var report = StreamErasureReport()
    // What is made of the rows comes behind them: it is not made of them again.
    for stream in [first] + (request.cascades ? related : []) {
      report.tables.append(try erase(stream, request))
    }
    if !request.cascades { report.others = related.map(\.definition.table) }
    return report
  }

  private func erase(
    _ stream: StreamTable, _ request: StreamErasureRequest
  ) throws(StreamError) -> TableErasureResult {
    let target = ErasureTarget(where: request.condition)
    guard stream.definition.isKeyed, !request.options.isDryRun else {
      return try stream.erase(target, request.options)
    }
    try stream.deleteRows(where: request.condition)
    let result = try stream.erase(target, request.options)
    guard result.erasedRowCount > 0 else { return result }
    // A pipeline may have been about to write a row that it had made of those: it has forgotten them now.
    try stream.deleteRows(where: request.condition)
    var second = try stream.erase(target, request.options)
    second.merge(before: result)
    return second
  }
}

extension StreamTable {
  /// Whether the condition fits the table.
  fileprivate func takes(_ condition: Predicate) -> Bool {
    let schema = published.withLock { $0.metadata.currentSchema.arrowSchema() }
    return (try? condition.bind(to: schema)) != nil
  }

  private static let deleteSecondsMax = 60

  /// Deletes the rows of keys as a producer would, so that whoever follows the stream hears of it.
  func deleteRows(where condition: Predicate) throws(StreamError) {
    let sequence: [String] =
      switch definition.merge {
      case .lastWrite(let columns), .firstRow(let columns): columns
      case .partialUpdate(let groups): groups.flatMap(\.sequence)
      case .aggregation: []
      }
    let names = definition.primaryKey + sequence.filter { !definition.primaryKey.contains($0) }
    let reader = try scan(StreamScan(columns: names, filter: condition))
    while true {
      let batch: RecordBatch?
      do { batch = try reader.next() } catch {
        throw (error as? StreamError) ?? StreamError(.table, "\(error)")
      }
      guard let batch else { return }
      guard batch.rowCount > 0 else { continue }
      try deleteRows(batch)
    }
  }

  private func deleteRows(_ rows: RecordBatch) throws(StreamError) {
    let schema = inputSchema
    var columns: [ArrayData] = []
    do throws(ColumnarError) {
      for field in schema.fields {
        if let known = rows[field.name] {
          columns.append(known)
        } else {
          let value: Scalar = field.name == StreamColumns.operation ? .int(1) : .null
          let builder = makeBuilder(for: field.type)
          for _ in 0..<rows.rowCount { try builder.append(value) }
          columns.append(builder.finish())
        }
      }
    } catch { throw StreamError(error) }
    let holder = AnswerHolder()
    append(
      StreamAppend(batches: [
        RecordBatch(trusted: schema, columns: columns, rowCount: rows.rowCount)
      ])
    ) { holder.set($0) }
    let deadline = environment.nowMicroseconds + Int64(Self.deleteSecondsMax) * 1_000_000
    while true {
      if let result = holder.value {
        _ = try result.get()
        return
      }
      if !environment.hasThreads { _ = step() }
      guard environment.nowMicroseconds < deadline else {
        throw StreamError(.overloaded, "the log did not take the deletes; try again later")
      }
      environment.tables.sleep(1_000_000)
    }
  }
}

private final class AnswerHolder: Sendable {
  private let state = Mutex<Result<StreamReceipt, StreamError>?>(nil)
  var value: Result<StreamReceipt, StreamError>? { state.withLock { $0 } }
  func set(_ result: Result<StreamReceipt, StreamError>) { state.withLock { $0 = result } }
}
