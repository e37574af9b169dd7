// SPDX-License-Identifier: Apache-2.0

public import WeirTable

/// How a pipeline is at one moment: something that keeps a stream's table up with another stream.
public struct PipelineStatus: Sendable {
  /// `profile`, `candidates`, …
  public var kind: String
  public var table: TableIdentifier
  public var source: TableIdentifier
  /// The next offset of each shard of the source; `nil` while it reads the source's table.
  public var position: [Int: Int64]?
  /// Rows of the source that it has not read; by offsets. `nil` while it reads the source's table.
  public var lagRowCount: Int64?
  /// For how long there have been such rows; microseconds.
  public var lagMicroseconds: Int64 = 0
  /// Rows of its own table that may have to be written again.
  public var waitingCount = 0
  /// Rows of the source that were read, and of its own table that were written, since the start.
  public var readCount: Int64 = 0
  public var writtenCount: Int64 = 0
  /// Rows a second, lately.
  public var readRate = 0.0
  public var writtenRate = 0.0
  /// About what it remembers.
  public var memoryByteCount = 0
  /// Why it does not go on, when it does not.
  public var failure: String?

  public init(kind: String, table: TableIdentifier, source: TableIdentifier) {
    self.kind = kind
    self.table = table
    self.source = source
  }
}
