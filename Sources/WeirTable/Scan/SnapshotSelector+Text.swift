// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

extension SnapshotSelector {
  /// What a person writes: a snapshot id (digits), a time (`2026-01-31`, `2026-01-31 12:00:00`, with a
  /// zone or in UTC), or else the name of a branch or tag.
  public init(parsing text: String) throws(TableError) {
    guard !text.isEmpty else {
      throw TableError(
        .invalidArgument, "give a snapshot id, a time, or the name of a branch or tag")
    }
    if let id = Int64(text) {
      self = .id(id)
    } else if let (nanoseconds, _) = LiteralText.timestamp(text) {
      guard let time = Int64(exactly: nanoseconds / 1_000_000) else {
        throw TableError(.invalidArgument, "the time '\(text)' is too far away")
      }
      self = .asOf(milliseconds: time)
    } else if let days = LiteralText.date(text) {
      self = .asOf(milliseconds: days * 86_400_000)
    } else {
      self = .reference(text)
    }
  }
}
