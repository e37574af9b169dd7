// SPDX-License-Identifier: Apache-2.0

package import WeirColumnar

/// The columns that every table of events begins with, whatever it came from.
///
/// | column | type | meaning |
/// |---|---|---|
/// | `event_time` | timestamp[ms, UTC] | when it happened, by the clock of where it happened |
/// | `user_id` | int64, nullable | who; null when the source does not say |
/// | `item_id` | int64 | what it happened to |
/// | `event` | dictionary of utf8 | its kind: `view`, `click`, `rating`, ... |
/// | `value` | float32, nullable | how much, where the kind has an amount: stars, seconds |
///
/// Attributes of the source follow. Field ids are stable: the common columns have 1 to 5, attributes
/// start at 16.
package enum EventSchema {
  package static let eventTime = Field(
    "event_time", .timestamp(.millisecond, timeZone: "UTC"), nullable: false, id: 1)
  package static let userID = Field("user_id", .int64, id: 2)
  package static let itemID = Field("item_id", .int64, nullable: false, id: 3)
  package static let event = Field("event", category, nullable: false, id: 4)
  package static let value = Field("value", .float32, id: 5)

  package static let common = [eventTime, userID, itemID, event, value]

  /// Text with few distinct values.
  package static let category = DataType.dictionary(index: .int32, value: .utf8, ordered: false)

  private static let firstAttributeID: Int32 = 16

  /// `fields` with the stable ids of attributes.
  package static func attributes(_ fields: [Field]) -> [Field] {
    numbered(fields, from: firstAttributeID)
  }

  /// The columns of a table of items or users, numbered from 1.
  package static func dimension(_ fields: [Field]) -> [Field] { numbered(fields, from: 1) }

  private static func numbered(_ fields: [Field], from first: Int32) -> [Field] {
    fields.enumerated().map { index, field in
      var copy = field
      copy.id = first + Int32(index)
      return copy
    }
  }
}
