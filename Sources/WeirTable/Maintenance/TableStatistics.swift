// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

extension Table {
  /// Counts the distinct values of columns of the current snapshot, keeps the sketches in a Puffin file
  /// beside the metadata and names it in the table's metadata.
  ///
  /// Cost: reads the columns of all rows. What the counts say is about 1.6 % off beyond 4,096 values.
  /// - Parameter columns: not nested; `nil` takes all such columns of the first level.
  /// - Returns: the file, or `nil` for a table without a snapshot.
  @discardableResult
  public func computeStatistics(
    columns: [String]? = nil
  ) throws(TableError) -> StatisticsFile? {
    let metadata = metadata
    guard let snapshot = metadata.currentSnapshot else { return nil }
    let fields = try countedFields(columns, metadata.currentSchema)
    let builder = try StatisticsBuilder(fields)
    let paths = fields.compactMap { metadata.currentSchema.path(ofFieldID: $0.id) }
    let reader = try scan(ScanOptions(columns: paths, at: .id(snapshot.snapshotID)))
    while let batch = try reader.next() { try builder.add(batch) }
    let files = TableFiles(self, metadata)
    let random = String(environment.random(), radix: 16)
    let location = files.newLocation("\(snapshot.snapshotID)-\(random).stats")
    let (bytes, file) = try builder.finish(
      snapshotID: snapshot.snapshotID, sequenceNumber: snapshot.sequenceNumber, path: location)
    try files.write(bytes, to: location)
    let transaction = transaction()
    transaction.add { _, _ throws(TableError) in [.setStatistics(file)] }
    try transaction.commit()
    return file
  }

  private func countedFields(
    _ columns: [String]?, _ schema: TableSchema
  ) throws(TableError) -> [TableField] {
    guard let columns else {
      return schema.fields.filter {
        !$0.type.isNested && $0.type != .variant && $0.type != .unknown
      }
    }
    var fields: [TableField] = []
    for name in columns {
      guard let field = schema.field(path: name) else {
        throw TableError.noColumn(name, schema).adding(table: identifier.description)
      }
      fields.append(field)
    }
    return fields
  }
}
