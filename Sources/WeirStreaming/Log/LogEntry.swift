// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Rows as they are in the log: what one append brought, or a part of it, or several.
public struct LogEntry: Sendable {
  /// From the first row's to behind the last one's. They grow along the log.
  public var offsets: Range<Int64>
  /// Each row's offset, where they do not follow each other without gaps; `nil` where they do.
  public var rowOffsets: [Int64]?
  /// What the entry tells of the log: that between the ends of `span` it has these rows and no others.
  public var span: Range<Int64>
  /// When the first row came in; microseconds since 1970-01-01 UTC.
  public var ingestTime: Int64
  /// When each row came in, where it was not at one time.
  public var ingestTimes: [Int64]?
  /// When this process got to know of the rows, where that is not when they came in.
  public var arrivalTime: Int64?
  public var producer: ProducerStamp?
  public var batch: RecordBatch
  /// Records between the ends of `span` that are no rows of the stream.
  public var rejected: [RejectedRecords] = []

  /// Rows whose offsets follow each other.
  public init(
    offsets: Range<Int64>, ingestTime: Int64, producer: ProducerStamp?, batch: RecordBatch
  ) {
    self.offsets = offsets
    span = offsets
    self.ingestTime = ingestTime
    self.producer = producer
    self.batch = batch
  }

  /// The part of the entry within `range`.
  package func clamped(to range: Range<Int64>) -> LogEntry {
    let kept = span.clamped(to: range)
    guard kept != span else { return self }
    var result = self
    result.span = kept
    let rows = row(from: kept.lowerBound)..<row(from: kept.upperBound)
    result.rejected = rejected.filter { kept.contains($0.offset) }
    guard rows != 0..<batch.rowCount else { return result }
    result.batch = batch.slice(offset: rows.lowerBound, length: rows.count)
    result.ingestTimes = ingestTimes.map { Array($0[rows]) }
    result.ingestTime = result.ingestTimes?.first ?? ingestTime
    if let rowOffsets {
      let left = Array(rowOffsets[rows])
      result.rowOffsets = left
      result.offsets =
        left.isEmpty ? kept.lowerBound..<kept.lowerBound : left[0]..<left[left.count - 1] + 1
    } else {
      let first = offsets.lowerBound + Int64(rows.lowerBound)
      result.offsets = first..<first + Int64(rows.count)
    }
    return result
  }

  /// The first row at `offset` or behind it.
  private func row(from offset: Int64) -> Int {
    guard let rowOffsets else {
      return Int(min(max(0, offset - offsets.lowerBound), Int64(batch.rowCount)))
    }
    var (low, high) = (0, rowOffsets.count)
    while low < high {
      let middle = (low + high) / 2
      if rowOffsets[middle] < offset { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The offset behind so many rows, which are no more than there are.
  func end(ofRows count: Int) -> Int64 {
    guard count < batch.rowCount else { return span.upperBound }
    return rowOffsets?[count] ?? offsets.lowerBound + Int64(count)
  }

  /// The offset of each row.
  var allOffsets: [Int64] { rowOffsets ?? Array(offsets) }
}

/// Records of a log that could not become rows.
public struct RejectedRecords: Sendable {
  /// Where they are in the log. All records of one place are told of together, whoever reads the log,
  /// and whenever.
  public var offset: Int64
  public var records: [DeadLetter]

  public init(offset: Int64, records: [DeadLetter]) {
    self.offset = offset
    self.records = records
  }
}
