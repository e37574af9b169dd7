// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirFile
internal import WeirParquet
internal import WeirStorage

@testable internal import WeirTable

/// What an erasure must have left nothing of, looked for without the table: in every file of its folder.
struct ErasedWorld {
  let store: any ObjectStore
  let prefix: String

  init(_ table: Table) throws {
    let place = try table.stores.resolve(table.metadata.location)
    store = place.store
    prefix = place.path + "/"
  }

  func paths() throws -> [String] {
    var paths: [String] = []
    var after: String?
    repeat {
      let page = try store.list(prefix: prefix, after: after, limit: 1_000)
      paths += page.objects.map(\.path)
      after = page.next
    } while after != nil
    return paths
  }

  /// Files with values of the column that lie in the range, and manifests with such bounds of field 1.
  func holders(_ column: String, _ range: ClosedRange<Int64>) throws -> [String] {
    var found: Set<String> = []
    for path in try paths() {
      let reader = try store.open(path)
      if path.hasSuffix(".parquet") {
        let batches = try ParquetReader(reader).batches()
        while let batch = try batches.next() {
          if Self.holds(batch, column, range) { found.insert(path) }
        }
      } else if path.hasSuffix(".weir") {
        let batches = try WeirFileReader(reader).batches()
        while let batch = try batches.next() {
          if Self.holds(batch, column, range) { found.insert(path) }
        }
      } else if path.hasSuffix(".avro"), !path.contains("/snap-") {
        if try bounds(path).contains(where: range.contains) { found.insert(path) }
      }
    }
    return found.sorted()
  }

  private static func holds(
    _ batch: RecordBatch, _ column: String, _ range: ClosedRange<Int64>
  ) -> Bool {
    guard let values = batch[column] else { return false }
    return (0..<values.length).contains { row in
      if case .int(let value) = values.scalar(at: row) { range.contains(value) } else { false }
    }
  }

  /// The bounds of field 1 in all entries, whatever became of the files.
  private func bounds(_ path: String) throws -> [Int64] {
    let bytes = try store.get(path)
    var result: [Int64] = []
    for content in [ManifestFile.Content.data, .deletes] {
      let reader = try ManifestReader(
        bytes,
        of: ManifestFile(
          path: path, length: bytes.count, partitionSpecID: 0, content: content, addedSnapshotID: 1)
      )
      do {
        while let entry = try reader.next() {
          let metrics = entry.dataFile.metrics
          for bound in [metrics.lowerBounds?[1], metrics.upperBounds?[1]] {
            guard let bound, case .int(let value) = try SingleValue.decode(bound, as: .long) else {
              continue
            }
            result.append(value)
          }
        }
        return result
      } catch { result = [] }
    }
    return result
  }
}

extension Table {
  /// Erases, and proves it.
  @discardableResult
  func erase(
    _ condition: String, _ options: ErasureOptions = ErasureOptions()
  ) throws -> TableErasureResult {
    let erasure = try TableErasure(
      self, ErasureTarget(where: try Predicate(parsing: condition)), options)
    try erasure.run()
    try erasure.prove()
    return erasure.result
  }
}
