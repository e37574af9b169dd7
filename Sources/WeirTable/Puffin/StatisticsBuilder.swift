// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Counts the distinct values of columns while their rows pass by, for a table's statistics file.
///
/// Memory: a sketch of at most 128 KiB for each column. One thread at a time.
public final class StatisticsBuilder {
  /// The columns that are counted.
  public let fields: [TableField]
  private let sketches: [ThetaSketch]

  /// - Parameter fields: columns that are not nested.
  public init(_ fields: [TableField]) throws(TableError) {
    for field in fields where field.type.isNested || field.type == .variant {
      throw TableError(
        .invalidArgument, "distinct values of a \(field.type) cannot be counted",
        column: field.name)
    }
    self.fields = fields
    sketches = fields.map { _ in ThetaSketch() }
  }

  /// Adds the rows of a batch whose columns are `fields`, in their order.
  public func add(_ batch: RecordBatch) throws(TableError) {
    precondition(batch.columns.count == fields.count, "a batch has the columns that are counted")
    for (index, column) in batch.columns.enumerated() {
      do throws(TableError) {
        try sketches[index].add(column, as: fields[index].type)
      } catch {
        throw error.adding(column: fields[index].name)
      }
    }
  }

  /// The Puffin file, and how table metadata is going to tell of it.
  public func finish(
    snapshotID: Int64, sequenceNumber: Int64, path: String
  ) throws(TableError) -> (bytes: Buffer, file: StatisticsFile) {
    let writer = PuffinWriter()
    var blobs: [StatisticsBlob] = []
    for (field, sketch) in zip(fields, sketches) {
      let count = String(Int64(sketch.estimate.rounded()))
      let blob = PuffinBlob(
        type: ThetaSketch.blobType, fields: [field.id], snapshotID: snapshotID,
        sequenceNumber: sequenceNumber, properties: [ThetaSketch.distinctCountKey: count])
      try writer.append(blob, Buffer(sketch.serialized()), codec: .zstd)
      blobs.append(
        StatisticsBlob(
          type: blob.type, snapshotID: snapshotID, sequenceNumber: sequenceNumber,
          fieldIDs: blob.fields, properties: [ThetaSketch.distinctCountKey: count]))
    }
    let footerStart = writer.byteCount
    let bytes = try writer.finish()
    let file = StatisticsFile(
      snapshotID: snapshotID, path: path, sizeInBytes: Int64(bytes.count),
      footerSizeInBytes: Int64(bytes.count - footerStart), blobs: blobs)
    return (bytes, file)
  }
}

extension StatisticsFile {
  /// About how many distinct values columns have, by field id, as the metadata says without a look
  /// into the file.
  public var distinctCounts: [Int32: Int64] {
    var counts: [Int32: Int64] = [:]
    for blob in blobs where blob.type == ThetaSketch.blobType && blob.fieldIDs.count == 1 {
      if let text = blob.properties?[ThetaSketch.distinctCountKey], let count = Int64(text) {
        counts[blob.fieldIDs[0]] = count
      }
    }
    return counts
  }
}
