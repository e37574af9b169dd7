// SPDX-License-Identifier: Apache-2.0

/// How records in JSON become rows, and what they may cost.
public struct JSONLinesOptions: Sendable {
  /// What becomes of a field that is no column.
  public enum UnknownFields: String, Sendable, CaseIterable {
    /// The record is refused.
    case error
    /// The field is passed over.
    case ignore
  }

  /// How bytes are written in strings.
  public enum BinaryText: String, Sendable, CaseIterable {
    /// RFC 4648, also its alphabet for URLs, with or without padding.
    case base64
    /// Two digits a byte, in any case.
    case hex
  }

  public var unknownFields = UnknownFields.error
  public var binary = BinaryText.base64
  /// What a number in a timestamp column counts, since 1970-01-01T00:00:00 (UTC). Without it numbers
  /// there are refused.
  public var timestampUnit: TimeUnit?
  /// What a column holds in records that lack it; null without an entry. A field that is null is not
  /// missing.
  public var defaults: [String: Scalar] = [:]
  /// Columns of whole numbers of which some have names: `["_op": ["upsert": 0, "delete": 1]]`.
  public var words: [String: [String: Int64]] = [:]
  /// The most bytes of a record.
  public var recordByteCountMax = 1 << 20
  /// How deep arrays and objects within fields that are passed over may lie in each other.
  public var depthMax = 64
  /// The most rows of a batch.
  public var batchRowCountMax = 65_536
  /// The most rows in all batches.
  public var rowCountMax = 1 << 30
  /// The most records that are refused one by one; with more of them everything is.
  public var failureCountMax = 10_000
  /// The most bytes that are kept of a refused record.
  public var failureByteCountMax = 64 << 10

  public init() {}
}

/// A record that did not become a row.
public struct JSONLinesFailure: Hashable, Sendable {
  /// From 1; empty lines count.
  public var line: Int
  /// The column at fault, with dots between levels, where it is one.
  public var column: String?
  public var reason: String
  /// The record as it came; its first bytes when `isCut`.
  public var bytes: [UInt8]
  public var isCut: Bool

  public init(line: Int, column: String?, reason: String, bytes: [UInt8], isCut: Bool = false) {
    self.line = line
    self.column = column
    self.reason = reason
    self.bytes = bytes
    self.isCut = isCut
  }
}
