// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Collects tasks of one scan in the form of the Iceberg REST API (`ScanTasks`): delete files once,
/// tasks with the places of theirs.
public struct ScanTasksJSON {
  private let schema: TableSchema
  private let metricsFieldIDs: Set<Int32>
  private var tasks: [JSONValue] = []
  private var deletes: [JSONValue] = []
  private var deleteIndices: [DeleteKey: Int] = [:]

  /// A Puffin file holds many deletion vectors.
  private struct DeleteKey: Hashable {
    var path: String
    var offset: Int64?
  }

  /// - Parameters:
  ///   - schema: the scan's, of `ScanPlanner.schema`.
  ///   - metricsFieldIDs: the columns whose metrics are given (`stats-fields`), of tasks that have
  ///     them.
  public init(_ schema: TableSchema, metricsFieldIDs: Set<Int32> = []) {
    self.schema = schema
    self.metricsFieldIDs = metricsFieldIDs
  }

  public var taskCount: Int { tasks.count }

  public mutating func append(_ task: FileScanTask) {
    var references: [JSONValue] = []
    let files =
      [task.deletes.deletionVector].compactMap(\.self) + task.deletes.positionDeletes
      + task.deletes.equalityDeletes
    for file in files {
      let key = DeleteKey(path: file.path, offset: file.contentOffset)
      let index = deleteIndices[key] ?? deletes.count
      if index == deletes.count {
        deleteIndices[key] = index
        deletes.append(.object(file.restJSON(task.spec, schema)))
      }
      references.append(.int(index))
    }
    var json: JSONObject = [
      "data-file": .object(
        task.dataFile.restJSON(task.spec, schema, metricsFieldIDs: metricsFieldIDs))
    ]
    if !references.isEmpty { json["delete-file-references"] = .array(references) }
    // Without a residual clients apply the scan's filter.
    json.set("residual-filter", task.residual.predicate.restJSON)
    tasks.append(.object(json))
  }

  /// The members `file-scan-tasks` and, where there are any, `delete-files`.
  public var json: JSONObject {
    var object = JSONObject()
    if !deletes.isEmpty { object["delete-files"] = .array(deletes) }
    object["file-scan-tasks"] = .array(tasks)
    return object
  }
}

extension DataFile {
  /// The file as `ContentFile` of the Iceberg REST API.
  ///
  /// - Parameters:
  ///   - spec: the file's.
  ///   - schema: gives the types of partition values and bounds.
  ///   - metricsFieldIDs: the columns whose metrics are given, for data files.
  public func restJSON(
    _ spec: PartitionSpec, _ schema: TableSchema, metricsFieldIDs: Set<Int32> = []
  ) -> JSONObject {
    let types = spec.partitionType(schema).fields.map(\.type)
    var json: JSONObject = [
      "content": .string(content.restName), "file-path": .string(path),
      "file-format": .string(format.description.lowercased()), "spec-id": .int(specID),
      "partition": .array(
        partition.enumerated().map { index, value in
          value.json(types[index, default: nil] ?? .unknown)
        }),
      "file-size-in-bytes": .int(fileSizeInBytes), "record-count": .int(recordCount),
    ]
    json.set("key-metadata", keyMetadata.map { Scalar.binary($0).json(.binary) })
    json.set("split-offsets", splitOffsets.map { .array($0.map { .int($0) }) })
    json.set("sort-order-id", sortOrderID.map { .int($0) })
    switch content {
    case .data:
      json.set("first-row-id", firstRowID.map { .int($0) })
      if !metricsFieldIDs.isEmpty { addMetrics(&json, schema, metricsFieldIDs) }
    case .positionDeletes:
      json.set("referenced-data-file", referencedDataFile.map { .string($0) })
      json.set("content-offset", contentOffset.map { .int($0) })
      json.set("content-size-in-bytes", contentSizeInBytes.map { .int($0) })
    case .equalityDeletes:
      json.set("equality-ids", equalityIDs.map { .array($0.map { .int(Int64($0)) }) })
    }
    return json
  }

  private func addMetrics(
    _ json: inout JSONObject, _ schema: TableSchema, _ fieldIDs: Set<Int32>
  ) {
    let ids = fieldIDs.sorted()
    func add(_ name: String, _ value: (Int32) -> JSONValue?) {
      var keys: [JSONValue] = []
      var values: [JSONValue] = []
      for id in ids {
        guard let value = value(id) else { continue }
        keys.append(.int(Int64(id)))
        values.append(value)
      }
      if !keys.isEmpty { json[name] = ["keys": .array(keys), "values": .array(values)] }
    }
    add("column-sizes") { metrics.columnSize(of: $0).map { .int($0) } }
    add("value-counts") { metrics.valueCount(of: $0).map { .int($0) } }
    add("null-value-counts") { metrics.nullValueCount(of: $0).map { .int($0) } }
    add("nan-value-counts") { metrics.nanValueCount(of: $0).map { .int($0) } }
    func bound(_ id: Int32, _ bytes: [UInt8]?) -> JSONValue? {
      guard let bytes, let type = schema.field(id: id)?.type,
        let value = try? SingleValue.decode(bytes, as: type)
      else { return nil }
      return value.json(type)
    }
    add("lower-bounds") { bound($0, metrics.lowerBound(of: $0)) }
    add("upper-bounds") { bound($0, metrics.upperBound(of: $0)) }
  }
}

extension DataFile.Content {
  fileprivate var restName: String {
    switch self {
    case .data: "data"
    case .positionDeletes: "position-deletes"
    case .equalityDeletes: "equality-deletes"
    }
  }
}
