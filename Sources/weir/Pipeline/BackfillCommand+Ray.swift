// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import WeirColumnar
internal import WeirCurl
internal import WeirPipelines
internal import WeirProject
internal import WeirStreaming
internal import WeirTable

extension BackfillCommand {
  /// Has Ray's tasks make the history: each is this program with `--part`.
  func runOnRay() throws {
    let file = ProjectFile(project)
    _ = try history(part: nil)
    if let token = service.token { setenv("WEIR_TOKEN", token, 1) }
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &path, path.count - 1)
    let program = count > 0 ? String(decoding: path[..<count].map(UInt8.init), as: UTF8.self) : nil
    try engine.become(
      ["history", table],
      [("--url", service.client().url), ("--project", file.path), ("--weir", program)],
      flags: [("--json", json)])
  }

  /// Makes a part of the history in this process, and says how much that was.
  func make(_ part: HistoryPart) throws {
    let history = try history(part: part)
    while !history.progress.isFinished { _ = try history.step() }
    let progress = history.progress
    let answer: JSONObject = [
      "events": .int(Int64(progress.eventCount)),
      "impressions": .int(Int64(progress.impressionCount)), "rows": .int(Int64(progress.rowCount)),
    ]
    Terminal.writeLine(JSONValue.object(answer).text)
  }

  /// The history by the project file, of the events that the service has.
  func history(part: HistoryPart?) throws -> HistoryBackfill {
    let project = try ProjectFile(project).read()
    guard let definition = project.pipelines.examples.first(where: { "\($0.table)" == table })
    else {
      let names = project.pipelines.examples.map { "\($0.table)" }
      throw CommandFailure(
        "the project declares no examples '\(table)'",
        hint: NameSuggestion.closest(to: table, names).map { "Did you mean '\($0)'?" }
          ?? "It declares: \(names.isEmpty ? "none" : names.joined(separator: ", ")).")
    }
    let declared =
      try project.streams + project.pipelines.streams(sources: project.streams)
      + project.pipelines.requestLogs(sources: project.streams)
    let view = try project.pipelines.view(definition.features, streams: declared)
    return try HistoryBackfill(
      definition, view: view, streams: RemoteStreams(service.client(isPatient: true), declared),
      part: part)
  }
}

/// Streams of a service that runs elsewhere, as far as a history needs them.
private final class RemoteStreams: StreamService {
  private let client: StreamClient
  private let definitions: [StreamDefinition]

  init(_ client: StreamClient, _ definitions: [StreamDefinition]) {
    (self.client, self.definitions) = (client, definitions)
  }

  var tables: [TableIdentifier] { definitions.map(\.table) }
  var unreadyReason: String? { nil }

  func stream(_ table: TableIdentifier) throws(StreamError) -> any ServedStream {
    guard let definition = definitions.first(where: { $0.table == table }) else {
      throw StreamError(
        .notFound, "the project declares no stream of this name", stream: "\(table)")
    }
    return try RemoteStream(client, definition)
  }
}

/// One of them: it is scanned and appended to; its status is that of the moment when it was opened.
private final class RemoteStream: ServedStream {
  let definition: StreamDefinition
  private let client: StreamClient
  private let shards: [StreamStatus.Shard]

  init(_ client: StreamClient, _ definition: StreamDefinition) throws(StreamError) {
    (self.client, self.definition) = (client, definition)
    let table = "\(definition.table)"
    do {
      let answer = try client.json("GET", StreamClient.path(table))
      shards = try answer.array("shards") { value throws(JSONError) in
        let shard = try value.asObject()
        return StreamStatus.Shard(
          shard: try shard.int("shard"),
          logOffsets: try shard.int64("start")..<shard.int64("end"),
          coveredOffset: try shard.int64("covered"), logByteCount: 0, memoryByteCount: 0,
          oldestWaiting: nil)
      }
    } catch { throw Self.failure(error, table) }
  }

  private static func failure(_ error: any Error, _ table: String) -> StreamError {
    (error as? StreamError)
      ?? StreamError(.closed, CommandFailure.message(of: error) ?? "\(error)", stream: table)
  }

  var inputSchema: Schema { Schema(definition.columns.fields + [StreamColumns.knownAtField]) }

  func append(
    _ request: StreamAppend,
    completion: @escaping @Sendable (Result<StreamReceipt, StreamError>) -> Void
  ) {
    let table = "\(definition.table)"
    do {
      var sender = BatchSender(table: table, client: client, query: [])
      for batch in request.batches { try sender.send(batch) }
      guard sender.rejectedCount == 0 else {
        throw StreamError(.invalidArgument, "the service refused rows", stream: table)
      }
      completion(.success(StreamReceipt(offsets: [:])))
    } catch { completion(.failure(Self.failure(error, table))) }
  }

  func scan(_ request: StreamScan) throws(StreamError) -> any RecordBatchReader {
    let table = "\(definition.table)"
    var query: [(String, String)] = []
    if let columns = request.columns { query.append(("columns", columns.joined(separator: ","))) }
    if let filter = request.filter { query.append(("filter", "\(filter)")) }
    do {
      let answer = try client.answer(
        "GET", StreamClient.path(table, "/scan", query: query),
        headers: [("Accept", "application/vnd.apache.arrow.stream")])
      return try ArrowStreamReader(answer.body)
    } catch { throw Self.failure(error, table) }
  }

  func tail(from position: StreamStart) throws(StreamError) -> any StreamTail {
    throw StreamError(
      .unsupported, "it is followed in the service only", stream: "\(definition.table)")
  }

  func lookup(keys: RecordBatch, columns: [String]?) throws(StreamError) -> StreamLookup {
    throw StreamError(
      .unsupported, "it is looked up in the service only", stream: "\(definition.table)")
  }

  func status() -> StreamStatus { StreamStatus(shards: shards, snapshotID: nil, time: 0) }
}
