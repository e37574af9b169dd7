// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Rewrites some of a table's rows in memory, in each format that is written, to see what they take.
///
/// Files are drawn evenly by their place among all, small ones where there are any, until there are enough
/// bytes; the rows of all of them go into one file.
struct CostSample {
  private let table: Table
  private let metadata: TableMetadata
  private let byteCountMax: Int

  private static let fileCountMax = 64
  private static let formats = ["parquet", "weir"]

  init(_ table: Table, _ metadata: TableMetadata, _ byteCountMax: Int) {
    self.table = table
    self.metadata = metadata
    self.byteCountMax = byteCountMax
  }

  func run() throws(TableError) -> TableCost.Estimate? {
    guard byteCountMax > 0 else { return nil }
    let tasks = try drawn()
    guard !tasks.isEmpty else { return nil }
    var estimate = TableCost.Estimate()
    for task in tasks {
      let rows = max(1, task.dataFile.recordCount)
      let deleted = min(rows, task.deletes.deletionVector?.recordCount ?? 0)
      estimate.sampledByteCount += Int(
        Double(task.dataFile.fileSizeInBytes) * Double(rows - deleted) / Double(rows))
    }
    for format in Self.formats {
      guard let (rows, bytes) = try rewritten(tasks, format) else { continue }
      estimate.sampledRowCount = rows
      estimate.byteCounts[format] = bytes
    }
    return estimate.sampledRowCount > 0 ? estimate : nil
  }

  /// A reservoir of files: each of the same chance, whatever their number.
  private func drawn() throws(TableError) -> [FileScanTask] {
    let planner = try ScanPlanner(
      metadata, stores: table.stores, cache: table.environment.manifestCache)
    var reservoir: [FileScanTask] = []
    var count: UInt64 = 0
    while let task = try planner.next() {
      guard task.dataFile.fileSizeInBytes <= byteCountMax, task.dataFile.recordCount > 0 else {
        continue
      }
      count += 1
      if reservoir.count < Self.fileCountMax {
        reservoir.append(task)
      } else {
        let place = Int(table.environment.random() % count)
        if place < reservoir.count { reservoir[place] = task }
      }
    }
    var bytes = 0
    var result: [FileScanTask] = []
    for task in reservoir.sorted(by: { $0.dataFile.fileSizeInBytes < $1.dataFile.fileSizeInBytes })
    {
      bytes += task.dataFile.fileSizeInBytes
      if bytes > byteCountMax { break }
      result.append(task)
    }
    return result
  }

  /// The rows and the bytes of one file of them; `nil` when the format cannot have them.
  private func rewritten(
    _ tasks: [FileScanTask], _ format: String
  ) throws(TableError) -> (rows: Int, bytes: Int)? {
    let store = MemoryObjectStore()
    let stores: ObjectStores
    do {
      stores = try ObjectStores(factories: ["memory": { (_) throws(StorageError) in store }])
    } catch {
      throw TableError(error, "memory cannot be written to")
    }
    var target = metadata
    target.location = "memory://cost/t"
    target.properties["write.data.path"] = nil
    target.properties["write.object-storage.enabled"] = nil
    target.properties[DataFormat.property] = format
    var options = TableWriteOptions()
    options.bufferedBytesMax = 4 * byteCountMax
    let writer: TableWriter
    do throws(TableError) {
      writer = try TableWriter(
        target, spec: .unpartitioned, stores: stores, options: options)
    } catch {
      if error.code == .unsupported { return nil }
      throw error
    }
    let reader = try TableReader(metadata, stores: table.stores, tasks: tasks)
    do throws(TableError) {
      while let batch = try reader.next() { try writer.write(batch) }
      let files = try writer.close()
      return (
        files.reduce(0) { $0 + $1.recordCount }, files.reduce(0) { $0 + $1.fileSizeInBytes }
      )
    } catch {
      guard error.code == .unsupported else { throw error }
      return nil
    }
  }
}
