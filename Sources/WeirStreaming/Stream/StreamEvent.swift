// SPDX-License-Identifier: Apache-2.0

public import WeirTable

/// Something that whoever runs the streams may want to know, for the log of the service.
public struct StreamEvent: Sendable {
  public enum Level: String, Sendable, CaseIterable {
    /// Of interest to who looks for something.
    case debug
    case info
    /// Something failed, and is tried again; nothing is lost.
    case warning
    /// Rows are turned away until it is mended.
    case error
  }

  public var level: Level
  /// What happened, in one word for programs, such as `flush_failed`.
  public var name: String
  public var stream: TableIdentifier?
  public var shard: Int?
  /// What happened, in words for people.
  public var message: String
  /// Numbers that belong to it, by names with their units.
  public var counts: [(name: String, value: Int64)]

  public init(
    _ level: Level, _ name: String, stream: TableIdentifier? = nil, shard: Int? = nil,
    _ message: String, counts: [(name: String, value: Int64)] = []
  ) {
    self.level = level
    self.name = name
    self.stream = stream
    self.shard = shard
    self.message = message
    self.counts = counts
  }
}
