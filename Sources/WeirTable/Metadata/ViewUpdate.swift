// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// One change of a view's metadata (REST catalog, `ViewUpdate`). -1 means what was added before.
public enum ViewUpdate: Hashable, Sendable {
  case assignUUID(String)
  case upgradeFormatVersion(Int)
  case addSchema(TableSchema)
  case setLocation(String)
  case setProperties(StringMap)
  case removeProperties([String])
  case addVersion(ViewVersion)
  case setCurrentVersion(Int)
}

/// What must be so for a view's commit to take place.
public enum ViewRequirement: Hashable, Sendable {
  /// The view must not be there.
  case assertCreate
  case assertViewUUID(String)

  /// - Throws: `conflict`, `alreadyExists` or `notFound`, saying what is there instead.
  public func check(_ metadata: ViewMetadata?) throws(TableError) {
    switch self {
    case .assertCreate:
      if metadata != nil {
        throw TableError(.alreadyExists, "the view is there already; it was to be created")
      }
    case .assertViewUUID(let uuid):
      guard let metadata else { throw TableError(.notFound, "the view is not there (any more)") }
      if metadata.uuid.lowercased() != uuid.lowercased() {
        throw TableError(
          .conflict,
          "the view's UUID is \(metadata.uuid), the commit was made for \(uuid): "
            + "the view was dropped and created anew")
      }
    }
  }
}

extension ViewRequirement: JSONConvertible {
  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    let type = try object.string("type")
    switch type {
    case "assert-create": self = .assertCreate
    case "assert-view-uuid": self = .assertViewUUID(try object.string("uuid"))
    default: throw JSONError(.unsupported, "no view requirement '\(type)' is known").inside("type")
    }
  }

  public func json() -> JSONValue {
    switch self {
    case .assertCreate: ["type": "assert-create"]
    case .assertViewUUID(let uuid): ["type": "assert-view-uuid", "uuid": .string(uuid)]
    }
  }
}

extension ViewUpdate: JSONConvertible {
  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    let action = try object.string("action")
    switch action {
    case "assign-uuid": self = .assignUUID(try object.string("uuid"))
    case "upgrade-format-version": self = .upgradeFormatVersion(try object.int("format-version"))
    case "add-schema":
      self = .addSchema(
        try object.required("schema") { value throws(JSONError) in try TableSchema(json: value) })
    case "set-location": self = .setLocation(try object.string("location"))
    case "set-properties":
      self = .setProperties(
        try object.required("updates") { value throws(JSONError) in try StringMap(json: value) })
    case "remove-properties":
      self = .removeProperties(
        try object.array("removals") { value throws(JSONError) in try value.asString() })
    case "add-view-version":
      self = .addVersion(
        try object.required("view-version") { value throws(JSONError) in
          try ViewVersion(json: value)
        })
    case "set-current-view-version": self = .setCurrentVersion(try object.id("view-version-id"))
    default: throw JSONError(.unsupported, "no view update '\(action)' is known").inside("action")
    }
  }

  public func json() -> JSONValue {
    switch self {
    case .assignUUID(let uuid): ["action": "assign-uuid", "uuid": .string(uuid)]
    case .upgradeFormatVersion(let version):
      ["action": "upgrade-format-version", "format-version": .int(Int64(version))]
    case .addSchema(let schema): ["action": "add-schema", "schema": schema.json()]
    case .setLocation(let location): ["action": "set-location", "location": .string(location)]
    case .setProperties(let properties):
      ["action": "set-properties", "updates": properties.json()]
    case .removeProperties(let names):
      ["action": "remove-properties", "removals": .array(names.map { .string($0) })]
    case .addVersion(let version):
      ["action": "add-view-version", "view-version": version.json()]
    case .setCurrentVersion(let id):
      ["action": "set-current-view-version", "view-version-id": .int(Int64(id))]
    }
  }
}
