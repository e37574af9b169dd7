// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The column files of a table after a compaction.
///
/// What the sources had in column files when they were read is in the outputs. What they got since then
/// follows the rows by the row maps, into column files of the outputs.
struct CompactedColumns {
  /// Those that were made, by what they were made of.
  private var made: [Key: ColumnFile] = [:]
  /// The column files of the last attempt.
  private(set) var used: Set<String> = []

  private struct Key: Hashable {
    var output: String
    var fieldID: Int32
    /// The column files of the sources; `nil` for those whose values the compaction read.
    var sources: [ColumnFile?]
  }

  /// - Parameter changes: of the outputs, those that are added.
  /// - Returns: `nil` where the list stays as it is.
  mutating func follow(
    _ groups: [CompactedGroup], on base: TableMetadata, _ parent: Snapshot?,
    _ changes: FileChanges, _ context: CommitContext, wrote: (String) -> Void
  ) throws(TableError) -> ColumnFileList? {
    used = []
    let before = try context.files.columnFiles(of: parent, in: base)
    var list = before
    let added = Set(changes.addedDataFiles.map(\.path))
    for group in groups {
      for (fieldID, sources) in try Self.changed(group, before, base, changes) {
        guard !Defect.compactionLosesColumns.isPlanted,
          let field = base.currentSchema.field(id: fieldID)
        else { continue }
        for (number, output) in group.outputs.enumerated() where added.contains(output.path) {
          let file = try columnFile(group, number, field, sources, base, context, wrote: wrote)
          guard let file else { continue }
          list.set(file, of: output.path)
          used.insert(file.path)
        }
      }
      for source in group.sources where changes.removedDataFiles[source.dataFile.path] != nil {
        list.remove(source.dataFile.path)
      }
    }
    return list == before ? nil : list
  }

  /// Columns that got other values since the sources were read: for each source the column file that it
  /// has now, where that is another one.
  private static func changed(
    _ group: CompactedGroup, _ list: ColumnFileList, _ base: TableMetadata,
    _ changes: FileChanges
  ) throws(TableError) -> [(Int32, [ColumnFile?])] {
    var result: [Int32: [ColumnFile?]] = [:]
    for (number, source) in group.sources.enumerated() {
      let path = source.dataFile.path
      // Of one that is gone no row is left.
      guard changes.removedDataFiles[path] != nil else { continue }
      for file in list[path] where !source.columnFiles.contains(file) {
        result[file.fieldID, default: Array(repeating: nil, count: group.sources.count)][number] =
          file
      }
      for file in source.columnFiles
      where list.file(path, file.fieldID) == nil
        && base.currentSchema.field(id: file.fieldID) != nil
      {
        throw TableError(
          .conflict,
          "a column of a data file that was compacted lost its values meanwhile: the table was rolled "
            + "back; nothing was changed: compact the table again", file: path)
      }
    }
    return result.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  private mutating func columnFile(
    _ group: CompactedGroup, _ number: Int, _ field: TableField, _ sources: [ColumnFile?],
    _ base: TableMetadata, _ context: CommitContext, wrote: (String) -> Void
  ) throws(TableError) -> ColumnFile? {
    let output = group.outputs[number]
    let key = Key(output: output.path, fieldID: field.id, sources: sources)
    if let known = made[key] { return known }
    var numbers: [Int: Int32] = [:]
    var files: [ColumnFile] = []
    for (source, file) in sources.enumerated() {
      guard let file else { continue }
      numbers[source] = Int32(truncatingIfNeeded: files.count)
      files.append(file)
    }
    let picks = group.map.origins(of: number).map { origin in
      guard let source = numbers[origin.source] else { return ColumnRemaker.Pick.own }
      return ColumnRemaker.Pick(source: source, row: UInt32(truncatingIfNeeded: origin.row))
    }
    guard picks.contains(where: { $0 != .own }) else { return nil }
    let remaker = ColumnRemaker(metadata: base, files: context.files)
    let file = try remaker.make(
      try ColumnRemaker.task(output, [], base), field, sources: files, picks: picks)
    wrote(file.path)
    made[key] = file
    return file
  }
}
