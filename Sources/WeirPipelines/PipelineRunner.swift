// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import WeirStreaming
public import WeirTable

/// What a step of a pipeline came to.
public enum PipelineStep: Sendable {
  /// Something was done; there may be more.
  case worked
  /// Rows are on their way; or nothing new came.
  case idle
}

/// Something that keeps a table up with another, in single steps. One thread at a time.
public protocol PipelineRunner: AnyObject {
  /// Does one thing.
  ///
  /// - Throws: what kept it from going on. The next step tries again.
  func step() throws(StreamError) -> PipelineStep

  /// How far it is. Cheap.
  var progress: PipelineProgress { get }
}

/// How far a pipeline is, as it knows it.
public struct PipelineProgress: Sendable {
  /// `profile`, `candidates`, …
  public var kind: String
  /// The table that it keeps up.
  public var table: TableIdentifier
  /// The stream that it follows.
  public var source: TableIdentifier
  /// The next offset of each shard of the source; `nil` while it is not in the log yet.
  public var position: [Int: Int64]?
  /// Rows of its own table that may have to be written.
  public var waitingCount: Int
  /// Rows of the source that were read, since it was made.
  public var readCount: Int64
  /// Rows of its own table that were written, since it was made.
  public var writtenCount: Int64
  /// About what it remembers.
  public var memoryByteCount: Int

  public init(
    kind: String, table: TableIdentifier, source: TableIdentifier, position: [Int: Int64]?,
    waitingCount: Int = 0, readCount: Int64, writtenCount: Int64, memoryByteCount: Int = 0
  ) {
    self.kind = kind
    self.table = table
    self.source = source
    self.position = position
    self.waitingCount = waitingCount
    self.readCount = readCount
    self.writtenCount = writtenCount
    self.memoryByteCount = memoryByteCount
  }
}

/// The answer to rows that are on their way.
final class AppendAnswer: Sendable {
  private let result = Mutex<Result<StreamReceipt, StreamError>?>(nil)

  /// `nil` before it came.
  var value: Result<StreamReceipt, StreamError>? { result.withLock { $0 } }

  func set(_ value: Result<StreamReceipt, StreamError>) { result.withLock { $0 = value } }
}
