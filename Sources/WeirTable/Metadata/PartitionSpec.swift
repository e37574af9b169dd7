// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// One value of a partition tuple.
public struct PartitionField: Hashable, Sendable {
  /// The columns the value comes from; more than one only for transforms of several arguments (v3).
  public var sourceIDs: [Int32]
  /// From 1000 on, unique in the table; 0 in a new field whose id is to be given.
  public var fieldID: Int32
  public var name: String
  public var transform: Transform
  public var extra: JSONObject

  /// The (first) source column.
  public var sourceID: Int32 {
    get { sourceIDs.first ?? 0 }
    set { sourceIDs = [newValue] }
  }

  public init(
    sourceID: Int32, fieldID: Int32, name: String, transform: Transform,
    extra: JSONObject = JSONObject()
  ) {
    self.init(
      sourceIDs: [sourceID], fieldID: fieldID, name: name, transform: transform, extra: extra)
  }

  public init(
    sourceIDs: [Int32], fieldID: Int32, name: String, transform: Transform,
    extra: JSONObject = JSONObject()
  ) {
    self.sourceIDs = sourceIDs
    self.fieldID = fieldID
    self.name = name
    self.transform = transform
    self.extra = extra
  }
}

/// How a table's data files are divided. Without fields: not at all.
public struct PartitionSpec: Hashable, Sendable {
  public var specID: Int
  public var fields: [PartitionField]
  public var extra: JSONObject

  /// Ids of partition fields begin behind this one.
  public static let lastFieldIDOfNone: Int32 = 999

  public init(specID: Int, fields: [PartitionField], extra: JSONObject = JSONObject()) {
    self.specID = specID
    self.fields = fields
    self.extra = extra
  }

  public static let unpartitioned = PartitionSpec(specID: 0, fields: [])

  /// True when no field has a value: none at all, or `void` only.
  public var isUnpartitioned: Bool { fields.allSatisfy { $0.transform == .void } }

  public var highestFieldID: Int32 {
    fields.map(\.fieldID).max() ?? Self.lastFieldIDOfNone
  }

  /// True when both divide data the same way and under the same names, whatever their ids.
  public func isCompatible(with other: PartitionSpec) -> Bool {
    fields.count == other.fields.count
      && zip(fields, other.fields).allSatisfy {
        $0.sourceIDs == $1.sourceIDs && $0.transform == $1.transform && $0.name == $1.name
      }
  }

  /// The struct of partition tuples under `schema`, in the order of the fields. A source that the
  /// schema has no more counts as `unknown`.
  public func partitionType(_ schema: TableSchema) -> StructType {
    StructType(
      fields.map { field in
        let source = schema.field(id: field.sourceID)?.type ?? .unknown
        return TableField(
          field.fieldID, field.name, field.transform.resultType(of: source) ?? source)
      })
  }
}

extension PartitionField: JSONConvertible {
  private static let known: JSONObject.Known = [
    "source-id", "source-ids", "field-id", "name", "transform",
  ]

  /// A field without an id gets 0: "not given yet".
  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    let fieldID = try object.optionalInt32("field-id") ?? 0
    self.init(
      sourceIDs: try SourceIDs.read(object), fieldID: fieldID, name: try object.string("name"),
      transform: try object.required("transform") { value throws(JSONError) in
        try Transform(json: value)
      },
      extra: object.members(besides: Self.known))
  }

  public func json() -> JSONValue {
    var object = JSONObject()
    SourceIDs.write(sourceIDs, to: &object)
    object["field-id"] = .int(Int64(fieldID))
    object["name"] = .string(name)
    object["transform"] = transform.json()
    object.merge(extra)
    return .object(object)
  }
}

/// `source-id`, or `source-ids` where there are several.
enum SourceIDs {
  static func read(_ object: JSONObject) throws(JSONError) -> [Int32] {
    let several = try object.optionalArray("source-ids") { value throws(JSONError) in
      try value.asInt32()
    }
    if let several {
      guard !several.isEmpty else {
        throw JSONError(.invalidValue, "must name a column at least").inside("source-ids")
      }
      return several
    }
    return [try object.int32("source-id")]
  }

  static func write(_ ids: [Int32], to object: inout JSONObject) {
    if ids.count == 1 {
      object["source-id"] = .int(Int64(ids[0]))
    } else {
      object["source-ids"] = .array(ids.map { .int(Int64($0)) })
    }
  }
}

extension PartitionSpec: JSONConvertible {
  private static let known: JSONObject.Known = ["spec-id", "fields"]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    self.init(
      specID: try object.optionalID("spec-id") ?? 0,
      fields: try object.array("fields") { value throws(JSONError) in
        try PartitionField(json: value)
      },
      extra: object.members(besides: Self.known))
  }

  /// Gives fields without an id those from 1000 on by their position, as v1 means it.
  mutating func fillFieldIDs() {
    for index in fields.indices where fields[index].fieldID == 0 {
      fields[index].fieldID = Self.lastFieldIDOfNone + 1 + Int32(index)
    }
  }

  public func json() -> JSONValue {
    var object: JSONObject = [
      "spec-id": .int(Int64(specID)), "fields": .array(fields.map { $0.json() }),
    ]
    object.merge(extra)
    return .object(object)
  }
}
