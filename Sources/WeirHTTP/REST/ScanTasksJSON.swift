// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirTable

/// Scan tasks as the specification's `ScanTasks`: each delete file once, tasks refer to them by number.
struct ScanTasksJSON {
  private let filter: JSONValue?
  private let filterByteCount: Int
  private var tasks: [JSONValue] = []
  private var deletes: [JSONValue] = []
  private var numbers: [DeleteKey: Int] = [:]
  /// Types of partition values by spec.
  private var partitionTypes: [Int: [TableType]] = [:]

  private struct DeleteKey: Hashable {
    var path: String
    var offset: Int64?
  }

  /// - Parameter filter: the scan's, as the client wrote it: what rows of a task still have to be
  ///   tested for, where partition and metrics have not decided everything.
  init(filter: JSONValue?) {
    self.filter = filter
    filterByteCount = filter?.bytes.count ?? 0
  }

  var count: Int { tasks.count }

  /// Bytes of the tasks' text; an estimate.
  private(set) var byteCount = 0

  mutating func add(_ task: FileScanTask, schema: TableSchema) {
    var object: JSONObject = ["data-file": .object(file(task.dataFile, task.spec, schema))]
    var references: [JSONValue] = []
    let files =
      [task.deletes.deletionVector].compactMap(\.self) + task.deletes.positionDeletes
      + task.deletes.equalityDeletes
    for delete in files {
      let key = DeleteKey(path: delete.path, offset: delete.contentOffset)
      let number = numbers[key] ?? deletes.count
      if number == deletes.count {
        // A delete file has the spec of its data file, or none.
        deletes.append(.object(file(delete, task.spec, schema)))
        numbers[key] = number
      }
      references.append(.int(Int64(number)))
    }
    if !references.isEmpty { object["delete-file-references"] = .array(references) }
    if let filter, !task.residual.isAlwaysTrue { object["residual-filter"] = filter }
    byteCount += 1_024 + filterByteCount
    tasks.append(.object(object))
  }

  func json() -> JSONObject {
    var object = JSONObject()
    if !deletes.isEmpty { object["delete-files"] = .array(deletes) }
    object["file-scan-tasks"] = .array(tasks)
    return object
  }

  private mutating func file(
    _ file: DataFile, _ spec: PartitionSpec, _ schema: TableSchema
  ) -> JSONObject {
    let content =
      switch file.content {
      case .data: "data"
      case .positionDeletes: "position-deletes"
      case .equalityDeletes: "equality-deletes"
      }
    if partitionTypes[spec.specID] == nil {
      partitionTypes[spec.specID] = spec.partitionType(schema).fields.map(\.type)
    }
    let types = partitionTypes[spec.specID] ?? []
    var object: JSONObject = [
      "content": .string(content), "file-path": .string(file.path),
      "file-format": .string(file.format.description.lowercased()),
      "spec-id": .int(Int64(file.specID)),
      "partition": .array(zip(file.partition, types).map { $0.json($1) }),
      "file-size-in-bytes": .int(Int64(file.fileSizeInBytes)),
      "record-count": .int(Int64(file.recordCount)),
    ]
    object.set("key-metadata", file.keyMetadata.map { .string(hexText($0).uppercased()) })
    object.set("split-offsets", file.splitOffsets.map { .array($0.map { .int($0) }) })
    object.set("sort-order-id", file.sortOrderID.map { .int(Int64($0)) })
    object.set("first-row-id", file.firstRowID.map { .int($0) })
    object.set("equality-ids", file.equalityIDs.map { .array($0.map { .int(Int64($0)) }) })
    object.set("referenced-data-file", file.referencedDataFile.map { .string($0) })
    object.set("content-offset", file.contentOffset.map { .int($0) })
    object.set("content-size-in-bytes", file.contentSizeInBytes.map { .int($0) })
    return object
  }
}
