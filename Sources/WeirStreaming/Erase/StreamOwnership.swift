// SPDX-License-Identifier: Apache-2.0

public import WeirTable

extension TableMetadata {
  /// Whether a stream writes the table.
  public var isOfStream: Bool { properties[StreamOffsets.property] != nil }

  /// Whether the lease of a process that owns the stream has not ended.
  ///
  /// - Parameter now: milliseconds since 1970.
  public func hasStreamOwner(now: Int64) -> Bool {
    guard let until = properties[StreamLease.untilProperty].flatMap({ Int64($0) }) else {
      return false
    }
    return now < until
  }
}
