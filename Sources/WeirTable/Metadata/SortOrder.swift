// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// One key of a sort order.
public struct SortField: Hashable, Sendable {
  public enum Direction: String, Hashable, Sendable {
    case ascending = "asc"
    case descending = "desc"
  }

  public enum NullOrder: String, Hashable, Sendable {
    case first = "nulls-first"
    case last = "nulls-last"
  }

  /// More than one only for transforms of several arguments (v3).
  public var sourceIDs: [Int32]
  public var transform: Transform
  public var direction: Direction
  public var nullOrder: NullOrder
  public var extra: JSONObject

  /// The (first) source column.
  public var sourceID: Int32 {
    get { sourceIDs.first ?? 0 }
    set { sourceIDs = [newValue] }
  }

  public init(
    sourceID: Int32, transform: Transform = .identity, direction: Direction = .ascending,
    nullOrder: NullOrder? = nil, extra: JSONObject = JSONObject()
  ) {
    self.sourceIDs = [sourceID]
    self.transform = transform
    self.direction = direction
    self.nullOrder = nullOrder ?? (direction == .ascending ? .first : .last)
    self.extra = extra
  }
}

/// How writers sort the rows within data files.
public struct SortOrder: Hashable, Sendable {
  /// 0 is kept for "not sorted".
  public var orderID: Int
  public var fields: [SortField]
  public var extra: JSONObject

  public init(orderID: Int, fields: [SortField], extra: JSONObject = JSONObject()) {
    self.orderID = orderID
    self.fields = fields
    self.extra = extra
  }

  public static let unsorted = SortOrder(orderID: 0, fields: [])

  public var isUnsorted: Bool { fields.isEmpty }
}

extension SortField: JSONConvertible {
  private static let known: JSONObject.Known = [
    "source-id", "source-ids", "transform", "direction", "null-order",
  ]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    let sourceIDs = try SourceIDs.read(object)
    let direction = try object.string("direction")
    guard let direction = Direction(rawValue: direction.lowercased()) else {
      throw JSONError(.invalidValue, "must be asc or desc, is '\(direction)'").inside("direction")
    }
    let nullOrder = try object.string("null-order")
    guard let nullOrder = NullOrder(rawValue: nullOrder.lowercased()) else {
      throw JSONError(.invalidValue, "must be nulls-first or nulls-last, is '\(nullOrder)'")
        .inside("null-order")
    }
    self.init(
      sourceID: sourceIDs[0],
      transform: try object.required("transform") { value throws(JSONError) in
        try Transform(json: value)
      },
      direction: direction, nullOrder: nullOrder, extra: object.members(besides: Self.known))
    self.sourceIDs = sourceIDs
  }

  public func json() -> JSONValue {
    var object: JSONObject = ["transform": transform.json()]
    SourceIDs.write(sourceIDs, to: &object)
    object["direction"] = .string(direction.rawValue)
    object["null-order"] = .string(nullOrder.rawValue)
    object.merge(extra)
    return .object(object)
  }
}

extension SortOrder: JSONConvertible {
  private static let known: JSONObject.Known = ["order-id", "fields"]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    self.init(
      orderID: try object.id("order-id"),
      fields: try object.array("fields") { value throws(JSONError) in try SortField(json: value) },
      extra: object.members(besides: Self.known))
  }

  public func json() -> JSONValue {
    var object: JSONObject = [
      "order-id": .int(Int64(orderID)), "fields": .array(fields.map { $0.json() }),
    ]
    object.merge(extra)
    return .object(object)
  }
}
