// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// One way to say what a view is; only `sql` is known.
public struct ViewRepresentation: Hashable, Sendable {
  public var type: String
  /// A SELECT statement, of type `sql`.
  public var sql: String?
  public var dialect: String?
  public var extra: JSONObject

  public init(sql: String, dialect: String) {
    self.type = "sql"
    self.sql = sql
    self.dialect = dialect
    self.extra = JSONObject()
  }
}

/// A view at some time. Never changes.
public struct ViewVersion: Hashable, Sendable {
  public var versionID: Int
  public var schemaID: Int
  public var timestampMilliseconds: Int64
  public var summary: StringMap
  public var representations: [ViewRepresentation]
  public var defaultCatalog: String?
  public var defaultNamespace: [String]
  public var extra: JSONObject

  public init(
    versionID: Int, schemaID: Int, timestampMilliseconds: Int64, summary: StringMap = [:],
    representations: [ViewRepresentation], defaultCatalog: String? = nil,
    defaultNamespace: [String], extra: JSONObject = JSONObject()
  ) {
    self.versionID = versionID
    self.schemaID = schemaID
    self.timestampMilliseconds = timestampMilliseconds
    self.summary = summary
    self.representations = representations
    self.defaultCatalog = defaultCatalog
    self.defaultNamespace = defaultNamespace
    self.extra = extra
  }

  /// True when both say the same, whatever their ids and times.
  func isSame(as other: ViewVersion) -> Bool {
    var other = other
    other.versionID = versionID
    other.timestampMilliseconds = timestampMilliseconds
    return self == other
  }

  /// SQL dialects, in lower case.
  var dialects: [String] { representations.compactMap { $0.dialect?.lowercased() } }
}

/// Everything that a view's metadata file says (Iceberg view format v1).
public struct ViewMetadata: Hashable, Sendable {
  /// When a version was made current.
  public struct LogEntry: Hashable, Sendable {
    public var timestampMilliseconds: Int64
    public var versionID: Int
    public var extra: JSONObject

    public init(timestampMilliseconds: Int64, versionID: Int, extra: JSONObject = JSONObject()) {
      self.timestampMilliseconds = timestampMilliseconds
      self.versionID = versionID
      self.extra = extra
    }
  }

  public var uuid: String
  public var formatVersion: Int
  public var location: String
  public var schemas: [TableSchema]
  public var currentVersionID: Int
  public var versions: [ViewVersion]
  public var versionLog: [LogEntry]
  public var properties: StringMap
  public var extra: JSONObject

  public func schema(id: Int) -> TableSchema? { schemas.first { $0.schemaID == id } }
  public func version(id: Int) -> ViewVersion? { versions.first { $0.versionID == id } }

  public var currentVersion: ViewVersion {
    guard let version = version(id: currentVersionID) else {
      preconditionFailure("view metadata has its current version: checked when it was made")
    }
    return version
  }

  public var currentSchema: TableSchema {
    guard let schema = schema(id: currentVersion.schemaID) else {
      preconditionFailure("a view's version has its schema: checked when it was made")
    }
    return schema
  }
}

extension ViewRepresentation: JSONConvertible {
  private static let known: JSONObject.Known = ["type", "sql", "dialect"]
  private static let knownOfOthers: JSONObject.Known = ["type"]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    type = try object.string("type").lowercased()
    let isSQL = type == "sql"
    sql = isSQL ? try object.string("sql") : nil
    dialect = isSQL ? try object.string("dialect") : nil
    extra = object.members(besides: isSQL ? Self.known : Self.knownOfOthers)
  }

  public func json() -> JSONValue {
    var object: JSONObject = ["type": .string(type)]
    object.set("sql", sql.map { .string($0) })
    object.set("dialect", dialect.map { .string($0) })
    object.merge(extra)
    return .object(object)
  }
}

extension ViewVersion: JSONConvertible {
  private static let known: JSONObject.Known = [
    "version-id", "schema-id", "timestamp-ms", "summary", "representations", "default-catalog",
    "default-namespace",
  ]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    self.init(
      versionID: try object.id("version-id"), schemaID: try object.id("schema-id"),
      timestampMilliseconds: try object.int64("timestamp-ms"),
      summary: try object.required("summary") { value throws(JSONError) in
        try StringMap(json: value)
      },
      representations: try object.array("representations") { value throws(JSONError) in
        try ViewRepresentation(json: value)
      },
      defaultCatalog: try object.optionalString("default-catalog"),
      defaultNamespace: try object.array("default-namespace") { value throws(JSONError) in
        try value.asString()
      },
      extra: object.members(besides: Self.known))
  }

  public func json() -> JSONValue {
    var object: JSONObject = [
      "version-id": .int(Int64(versionID)), "timestamp-ms": .int(timestampMilliseconds),
      "schema-id": .int(Int64(schemaID)), "summary": summary.json(),
    ]
    object.set("default-catalog", defaultCatalog.map { .string($0) })
    object["default-namespace"] = .array(defaultNamespace.map { .string($0) })
    object["representations"] = .array(representations.map { $0.json() })
    object.merge(extra)
    return .object(object)
  }
}

extension ViewMetadata.LogEntry: JSONConvertible {
  private static let known: JSONObject.Known = ["timestamp-ms", "version-id"]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    self.init(
      timestampMilliseconds: try object.int64("timestamp-ms"),
      versionID: try object.id("version-id"), extra: object.members(besides: Self.known))
  }

  public func json() -> JSONValue {
    var object: JSONObject = [
      "timestamp-ms": .int(timestampMilliseconds), "version-id": .int(Int64(versionID)),
    ]
    object.merge(extra)
    return .object(object)
  }
}

extension ViewMetadata: JSONConvertible {
  private static let known: JSONObject.Known = [
    "view-uuid", "format-version", "location", "schemas", "current-version-id", "versions",
    "version-log", "properties",
  ]

  /// Reads a view's metadata file (not compressed).
  public init(bytes: Buffer, location: String) throws(TableError) {
    let limits = JSONParser.Limits(byteCountMax: TableMetadata.fileByteCountMax)
    do {
      self = try ViewMetadata(json: try JSONParser(limits: limits).parse(bytes))
    } catch {
      throw TableError(metadata: error, file: location)
    }
  }

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    let version = try object.int("format-version")
    guard version == 1 else {
      throw JSONError(
        .unsupported,
        "view format version \(version) is not supported: this version of Weir reads version 1")
    }
    self.init(
      uuid: try object.string("view-uuid"), formatVersion: version,
      location: try object.string("location"),
      schemas: try object.array("schemas") { value throws(JSONError) in
        try TableSchema(json: value)
      },
      currentVersionID: try object.id("current-version-id"),
      versions: try object.array("versions") { value throws(JSONError) in
        try ViewVersion(json: value)
      },
      versionLog: try object.array("version-log") { value throws(JSONError) in
        try LogEntry(json: value)
      },
      properties: try object.optional("properties") { value throws(JSONError) in
        try StringMap(json: value)
      } ?? StringMap(),
      extra: object.members(besides: Self.known))
    guard let current = self.version(id: currentVersionID) else {
      throw JSONError(
        .invalidValue, "the current version \(currentVersionID) is not among the versions")
    }
    guard schema(id: current.schemaID) != nil else {
      throw JSONError(
        .invalidValue, "the current version's schema \(current.schemaID) is not among the schemas")
    }
  }

  public func json() -> JSONValue {
    var object: JSONObject = [
      "view-uuid": .string(uuid), "format-version": .int(Int64(formatVersion)),
      "location": .string(location),
    ]
    if !properties.isEmpty { object["properties"] = properties.json() }
    object["schemas"] = .array(schemas.map { $0.json() })
    object["current-version-id"] = .int(Int64(currentVersionID))
    object["versions"] = .array(versions.map { $0.json() })
    object["version-log"] = .array(versionLog.map { $0.json() })
    object.merge(extra)
    return .object(object)
  }

  /// The bytes of a metadata file (not compressed).
  public func bytes() -> [UInt8] { json().bytes }
}
