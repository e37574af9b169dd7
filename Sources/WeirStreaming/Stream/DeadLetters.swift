// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// The stream of records that could not become rows of other streams.
public enum DeadLetters {
  /// What every record tells.
  static let columns = Schema([
    Field("stream", .utf8, nullable: false),
    Field("time", .timestamp(.microsecond, timeZone: "UTC"), nullable: false),
    Field("record", .int64, nullable: false), Field("column", .utf8),
    Field("reason", .utf8, nullable: false), Field("bytes", .binary, nullable: false),
    Field("is_cut", .bool, nullable: false),
  ])

  /// The stream of a table's dead letters: `NAME_dead_letters` beside it.
  public static func definition(of stream: StreamDefinition) -> StreamDefinition {
    let table = TableIdentifier(
      stream.table.namespace, stream.table.name + "_dead_letters")
    var definition = StreamDefinition(table: table, columns: columns)
    definition.eventTime = "time"
    definition.flush = stream.flush
    definition.logBytesMax = min(stream.logBytesMax, 1 << 30)
    definition.maintenance = stream.maintenance
    // Of columns that these rows have not.
    definition.maintenance.rows = nil
    definition.maintenance.tier = nil
    definition.maintenance.compaction?.sortColumns = nil
    return definition
  }

  /// Takes records that a shard's log brought. Their places in the log make it once for each, however
  /// often the log is read.
  static func sink(
    into letters: StreamTable, of table: TableIdentifier
  ) -> @Sendable (_ shard: Int) -> DeadLetterSink {
    { shard in
      { rejected, completion in
        do throws(StreamError) {
          let batch = try batch(
            rejected.records, of: table, now: letters.environment.nowMicroseconds)
          var request = StreamAppend(
            batches: [batch],
            producer: ProducerStamp(id: "log/\(shard)", sequence: rejected.offset))
          request.isInOrder = true
          letters.append(request) { result in
            switch result {
            case .success: completion(nil)
            case .failure(let error): completion(error)
            }
          }
        } catch { completion(error) }
      }
    }
  }

  static func batch(
    _ letters: [DeadLetter], of stream: TableIdentifier, now: Int64
  ) throws(StreamError) -> RecordBatch {
    let builders = columns.fields.map { makeBuilder(for: $0.type) }
    let known = makeBuilder(for: StreamColumns.knownAtField.type)
    do throws(ColumnarError) {
      for letter in letters {
        try builders[0].append(.string("\(stream)"))
        try builders[1].append(.int(now))
        try builders[2].append(.int(Int64(letter.record)))
        try builders[3].append(letter.column.map { .string($0) } ?? .null)
        try builders[4].append(.string(letter.reason))
        try builders[5].append(.binary(letter.bytes))
        try builders[6].append(.bool(letter.isCut))
        known.appendNull()
      }
      return try RecordBatch(
        schema: Schema(columns.fields + [StreamColumns.knownAtField]),
        columns: builders.map { $0.finish() } + [known.finish()], rowCount: letters.count)
    } catch { throw StreamError(error) }
  }
}
