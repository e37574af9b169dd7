// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable

/// A version of a model, as its row in the registry says it.
struct RegistryRow: Sendable {
  var version: Int64
  var createdAt: Int64?
  /// The version whose row holds the graphs: this one, or an older one.
  var graphVersion: Int64
  var retriever: [UInt8]?
  var ranker: [UInt8]?
  var metadata: ModelMetadata
  var lineage: String?
  var metrics: String?
}

/// The stream of a model's versions, by key.
struct ModelRegistry {
  let stream: any ServedStream

  /// A version's row.
  ///
  /// - Throws: `notFound`; `invalidMetadata`; `stream`.
  func row(_ version: Int64) throws(RankerError) -> RegistryRow {
    guard let batch = try lookup(version, nil) else {
      throw RankerError(
        .notFound, "the model '\(stream.definition.table)' has no version \(version)")
    }
    guard let metadata = batch.text("metadata") else {
      throw RankerError(.invalidMetadata, "version \(version) of the model has no metadata")
    }
    let (retriever, ranker) = (batch.bytes("retriever_graph"), batch.bytes("ranker_graph"))
    let hasGraphs = retriever != nil || ranker != nil
    return RegistryRow(
      version: version, createdAt: batch.integer("created_at"),
      graphVersion: hasGraphs ? version : batch.integer("graph_version") ?? version,
      retriever: retriever, ranker: ranker, metadata: try ModelMetadata(parsing: metadata),
      lineage: batch.text("lineage"), metrics: batch.text("metrics"))
  }

  /// The graphs of a version's row, which may be those of an older one.
  ///
  /// - Throws: `notFound` when that row is not there.
  func graphs(
    of row: RegistryRow
  ) throws(RankerError) -> (retriever: [UInt8]?, ranker: [UInt8]?) {
    if row.graphVersion == row.version { return (row.retriever, row.ranker) }
    guard let batch = try lookup(row.graphVersion, ["retriever_graph", "ranker_graph"]) else {
      throw RankerError(
        .notFound,
        "version \(row.version) has the graphs of version \(row.graphVersion), which is not there")
    }
    return (batch.bytes("retriever_graph"), batch.bytes("ranker_graph"))
  }

  private func lookup(_ version: Int64, _ columns: [String]?) throws(RankerError) -> RecordBatch? {
    guard let field = stream.definition.columns.fields.first(where: { $0.name == "version" }) else {
      throw RankerError(
        .stream, "the registry '\(stream.definition.table)' has no column 'version'")
    }
    do {
      let builder = RecordBatchBuilder(Schema([field]))
      try builder.append(row: [.int(version)])
      let answer = try stream.lookup(keys: try builder.finish(), columns: columns)
      return answer.found == [true] ? answer.rows : nil
    } catch { throw RankerError(.stream, "\(error)") }
  }

  /// All versions that there are.
  func versions() throws(RankerError) -> Set<Int64> {
    var result: Set<Int64> = []
    do {
      let reader = try stream.scan(StreamScan(columns: ["version"]))
      while let batch = try reader.next() { result.formUnion(Self.versions(batch)) }
    } catch { throw RankerError(.stream, "\(error)") }
    return result
  }

  /// The versions of a batch, without deletes.
  static func versions(_ batch: RecordBatch) -> [Int64] {
    guard let column = batch["version"] else { return [] }
    let operations = batch[StreamColumns.operation]
    return (0..<batch.rowCount).compactMap { row in
      if case .int(1)? = operations?.scalar(at: row) { return nil }
      guard case .int(let version) = column.scalar(at: row) else { return nil }
      return version
    }
  }
}

extension RecordBatch {
  fileprivate func text(_ name: String) -> String? {
    guard case .string(let text)? = self[name]?.scalar(at: 0) else { return nil }
    return text
  }

  fileprivate func bytes(_ name: String) -> [UInt8]? {
    guard case .binary(let bytes)? = self[name]?.scalar(at: 0) else { return nil }
    return bytes
  }

  fileprivate func integer(_ name: String) -> Int64? {
    guard case .int(let value)? = self[name]?.scalar(at: 0) else { return nil }
    return value
  }
}
