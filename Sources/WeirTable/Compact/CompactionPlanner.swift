// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// Chooses the files that come together.
///
/// Files are runs of a group: those of one partition, and one shard of a stream. Within a group,
/// universal compaction decides, as RocksDB has it: files that are full are done with, the others are
/// ordered by age, and when there are `runsTrigger` of them
///
/// 1. all come together when the newer ones hold many times the bytes of the oldest;
/// 2. else the newest ones come together as long as the next is no larger than what there is so far;
/// 3. else as many of the newest as it takes to be below the trigger again.
///
/// Files of a table's tier (`TableTier`) come together with such only, and those that are to move there at once.
/// A file is rewritten for its deleted rows, its format or its column files alone, too.
///
/// Source: RocksDB's universal compaction.
/// Memory: the candidates (`CompactionOptions.candidatesMax`), not the table's files. Cost: reads all
/// manifests that the filter leaves.
struct CompactionPlanner {
  private let options: CompactionOptions
  private let targetBytes: Int
  private let format: FileFormat
  private let shardFieldID: Int32?
  private let tier: Tier?

  /// Files that may come together.
  private struct Key: Hashable {
    var specID: Int
    var partition: [Scalar]
    var shard: [UInt8]?
    /// Whether the files are in the table's tier, or go there.
    var isCold = false
  }

  /// Files that come together, the oldest rows first.
  struct Group {
    var tasks: [FileScanTask]
    /// Whether they go to the table's tier.
    var isCold: Bool
  }

  /// The tier's folder, and the files that are to move there.
  struct Tier {
    var folder: StorageLocation
    var agedPaths: Set<String>
  }

  private struct Candidate {
    var task: FileScanTask
    var deletedCount: Int
    /// It is to be rewritten by itself.
    var isDue: Bool

    /// What its live rows take, about.
    var byteCount: Int {
      let rows = max(1, task.dataFile.recordCount)
      let live = Double(rows - min(rows, deletedCount)) / Double(rows)
      let bytes = task.columnFiles.reduce(task.dataFile.fileSizeInBytes) { $0 + $1.byteCount }
      return max(1, Int(Double(bytes) * live))
    }
  }

  init(
    _ metadata: TableMetadata, _ options: CompactionOptions, tier: Tier? = nil
  ) throws(TableError) {
    self.options = options
    self.tier = tier
    let properties = try WriteProperties(
      metadata.properties, schema: metadata.currentSchema, sortOrder: metadata.defaultSortOrder)
    targetBytes = properties.targetFileBytes
    format = properties.format
    if let name = options.shardColumn {
      guard let field = metadata.currentSchema.field(path: name) else {
        throw TableError.noColumn(name, metadata.currentSchema)
      }
      shardFieldID = field.id
    } else {
      shardFieldID = nil
    }
  }

  /// The groups to rewrite, those with most files first.
  func groups(_ planner: ScanPlanner) throws(TableError) -> [Group] {
    var byKey: [Key: [Candidate]] = [:]
    var count = 0
    while count < options.candidatesMax, let task = try planner.next() {
      guard let (key, candidate) = candidate(task) else { continue }
      byKey[key, default: []].append(candidate)
      count += 1
    }
    var groups: [(candidates: [Candidate], isCold: Bool)] = []
    for (key, var candidates) in byKey {
      candidates.sort {
        ($0.task.sequenceNumber, $0.task.dataFile.path)
          > ($1.task.sequenceNumber, $1.task.dataFile.path)
      }
      groups += split(chosen(candidates)).map { ($0, key.isCold) }
    }
    let order = groups.sorted {
      ($0.candidates.count, $1.candidates[0].task.dataFile.path)
        > ($1.candidates.count, $0.candidates[0].task.dataFile.path)
    }
    var result: [Group] = []
    var bytes = 0
    for group in order {
      bytes += group.candidates.reduce(0) { $0 + $1.task.dataFile.fileSizeInBytes }
      if bytes > options.bytesMax && !result.isEmpty { break }
      result.append(
        Group(tasks: group.candidates.reversed().map(\.task), isCold: group.isCold))
    }
    return result
  }

  private func candidate(_ task: FileScanTask) -> (Key, Candidate)? {
    var task = task
    let file = task.dataFile
    if let paths = options.paths, !paths.contains(file.path) { return nil }
    let metrics = file.metrics
    var deleted = task.deletes.deletionVector?.recordCount ?? 0
    // What other deletes take is not known: an eighth of the rows for each, say.
    deleted +=
      (task.deletes.positionDeletes.count + task.deletes.equalityDeletes.count)
      * (file.recordCount / 8 + 1)
    deleted = min(deleted, file.recordCount)
    if deleted == file.recordCount, options.keepsDeletedFiles || file.recordCount == 0 {
      return nil
    }
    var key = Key(specID: file.specID, partition: file.partition, shard: nil)
    if let shardFieldID {
      let lower = metrics.lowerBounds?[shardFieldID]
      if let lower, lower == metrics.upperBounds?[shardFieldID] { key.shard = Array(lower) }
    }
    let moves = tier?.agedPaths.contains(file.path) ?? false
    if let tier { key.isCold = moves || TableTier.holds(file.path, tier.folder) }
    let isConverted = options.convertsFormat && file.format != format
    let hasDeletes = deleted > 0
    let isDue =
      isConverted || moves || options.paths != nil
      || task.columnFiles.count >= options.columnFilesTrigger
      || options.isFull && !task.columnFiles.isEmpty
      || Double(deleted) >= options.deletedShare * Double(file.recordCount) && hasDeletes
      || options.isFull && hasDeletes
    let isWhole = Double(file.fileSizeInBytes) >= options.fullShare * Double(targetBytes)
    guard isDue || !isWhole else { return nil }
    task.dataFile.metrics = FileMetrics()
    return (key, Candidate(task: task, deletedCount: deleted, isDue: isDue))
  }

  /// - Parameter runs: of one group, the newest first.
  private func chosen(_ runs: [Candidate]) -> [Candidate] {
    guard runs.count > 1 else { return runs.filter(\.isDue) }
    if options.isFull || options.paths != nil { return runs }
    guard runs.count >= max(2, options.runsTrigger) else { return runs.filter(\.isDue) }
    let oldest = runs[runs.count - 1].byteCount
    let newer = runs.dropLast().reduce(0) { $0 + $1.byteCount }
    if Double(newer) >= options.spaceAmplificationMax * Double(oldest) { return runs }
    var width = 1
    var bytes = runs[0].byteCount
    while width < runs.count, runs[width].byteCount <= bytes {
      bytes += runs[width].byteCount
      width += 1
    }
    let wanted = max(width, runs.count - max(2, options.runsTrigger) + 2)
    return runs.prefix(wanted) + runs.dropFirst(wanted).filter(\.isDue)
  }

  /// Parts that are within the bounds of a group.
  private func split(_ runs: [Candidate]) -> [[Candidate]] {
    var result: [[Candidate]] = []
    var (bytes, rows) = (0, 0)
    for run in runs {
      let file = run.task.dataFile
      let fits =
        bytes + file.fileSizeInBytes <= options.groupBytesMax
        && rows + file.recordCount <= options.groupRowsMax
      if result.isEmpty || !fits {
        result.append([])
        (bytes, rows) = (0, 0)
      }
      result[result.count - 1].append(run)
      bytes += file.fileSizeInBytes
      rows += file.recordCount
    }
    // What is left alone by the split is not worth a rewrite.
    return result.filter { $0.count > 1 || $0.contains(where: \.isDue) }
  }
}
