// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
public import WeirStreaming
internal import WeirTable

/// Batch jobs as rows: who wants one writes its request, the service that runs it writes how far it is. A
/// request is durable when it was acknowledged, and a job that a crash ended begins again.
public enum PipelineJobs {
  /// Keyed by the pipeline's table: `job`, a name that is new for each request.
  public static let requestsName = "weir.pipeline_jobs"
  /// Keyed by the pipeline's table: the job, its state, and numbers of it.
  public static let statesName = "weir.pipeline_job_states"

  /// How a job is.
  public enum State: String, Sendable {
    case running
    case finished
    case failed
  }

  static let pipeline = "pipeline"
  static let job = "job"

  /// The streams of requests and of states.
  public static func streams() throws(StreamError) -> [StreamDefinition] {
    let key = Field(pipeline, .utf8, nullable: false)
    let name = Field(job, .utf8, nullable: false)
    let numbers = ["events", "impressions", "done", "rows"]
    return [
      try stream(requestsName, [key, name]),
      try stream(
        statesName,
        [key, name, Field("state", .utf8, nullable: false)]
          + numbers.map { Field($0, .int64, nullable: false) } + [Field("message", .utf8)]),
    ]
  }

  static func table(_ name: String) throws(StreamError) -> TableIdentifier {
    do throws(TableError) { return try TableIdentifier(parsing: name) } catch {
      throw StreamError(error)
    }
  }

  private static func stream(
    _ name: String, _ fields: [Field]
  ) throws(StreamError) -> StreamDefinition {
    let columns: Schema
    do throws(TableError) {
      columns = try TableSchema(arrow: Schema(fields)).arrowSchema()
    } catch { throw StreamError(error) }
    var result = StreamDefinition(table: try table(name), columns: columns)
    result.primaryKey = [pipeline]
    return result
  }

  /// The values of a pipeline's row, by column; `nil` without one.
  static func row(
    of table: TableIdentifier, in stream: any ServedStream
  ) throws(StreamError) -> [String: Scalar]? {
    let keys: RecordBatch
    do throws(ColumnarError) {
      let builder = RecordBatchBuilder(Schema(Array(stream.inputSchema.fields.prefix(1))))
      try builder.append(row: [.string("\(table)")])
      keys = try builder.finish()
    } catch { throw StreamError(error) }
    let rows = try stream.lookup(keys: keys, columns: nil).rows
    guard rows.rowCount == 1 else { return nil }
    var result: [String: Scalar] = [:]
    for (field, column) in zip(rows.schema.fields, rows.columns) {
      result[field.name] = column.scalar(at: 0)
    }
    return result
  }

  static func batch(
    _ values: [String: Scalar], _ schema: Schema
  ) throws(StreamError) -> RecordBatch {
    do throws(ColumnarError) {
      let builder = RecordBatchBuilder(schema)
      try builder.append(row: schema.fields.map { values[$0.name] ?? .null })
      return try builder.finish()
    } catch { throw StreamError(error) }
  }
}
