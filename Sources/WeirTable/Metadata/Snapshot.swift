// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// The state of a table at one time.
public struct Snapshot: Hashable, Sendable {
  /// What a snapshot did, as its summary says.
  public enum Operation: String, Hashable, Sendable {
    case append, replace, overwrite, delete
  }

  public var snapshotID: Int64
  public var parentID: Int64?
  /// 0 in v1.
  public var sequenceNumber: Int64
  public var timestampMilliseconds: Int64
  /// `nil` for v1 snapshots that list `manifests` instead.
  public var manifestList: String?
  /// Locations of manifests, of v1 only.
  public var manifests: [String]
  /// With `operation`; `nil` only in old v1 metadata.
  public var summary: StringMap?
  public var schemaID: Int?
  /// Of the first row added (v3).
  public var firstRowID: Int64?
  /// How many row ids the snapshot takes (v3).
  public var addedRows: Int64?
  /// Of the key that encrypts the manifest list's (v3).
  public var keyID: String?
  public var extra: JSONObject

  public init(
    snapshotID: Int64, parentID: Int64? = nil, sequenceNumber: Int64 = 0,
    timestampMilliseconds: Int64, manifestList: String?, manifests: [String] = [],
    summary: StringMap? = nil, schemaID: Int? = nil, firstRowID: Int64? = nil,
    addedRows: Int64? = nil, keyID: String? = nil, extra: JSONObject = JSONObject()
  ) {
    self.snapshotID = snapshotID
    self.parentID = parentID
    self.sequenceNumber = sequenceNumber
    self.timestampMilliseconds = timestampMilliseconds
    self.manifestList = manifestList
    self.manifests = manifests
    self.summary = summary
    self.schemaID = schemaID
    self.firstRowID = firstRowID
    self.addedRows = addedRows
    self.keyID = keyID
    self.extra = extra
  }

  /// `nil` when the summary does not say, or says something unknown.
  public var operation: Operation? { summary?["operation"].flatMap { Operation(rawValue: $0) } }
}

extension Snapshot: JSONConvertible {
  private static let known: JSONObject.Known = [
    "snapshot-id", "parent-snapshot-id", "sequence-number", "timestamp-ms", "manifest-list",
    "manifests", "summary", "schema-id", "first-row-id", "added-rows", "key-id",
  ]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    self.init(
      snapshotID: try object.int64("snapshot-id"),
      parentID: try object.optionalInt64("parent-snapshot-id"),
      sequenceNumber: try object.optionalInt64("sequence-number") ?? 0,
      timestampMilliseconds: try object.int64("timestamp-ms"),
      manifestList: try object.optionalString("manifest-list"),
      manifests: try object.optionalArray("manifests") { value throws(JSONError) in
        try value.asString()
      } ?? [],
      summary: try object.optional("summary") { value throws(JSONError) in
        try StringMap(json: value)
      },
      schemaID: try object.optionalID("schema-id"),
      firstRowID: try object.optionalInt64("first-row-id"),
      addedRows: try object.optionalInt64("added-rows"),
      keyID: try object.optionalString("key-id"),
      extra: object.members(besides: Self.known))
    if sequenceNumber < 0 {
      throw JSONError(.invalidValue, "must not be negative").inside("sequence-number")
    }
  }

  public func json() -> JSONValue { json(formatVersion: 2) }

  /// - Parameter formatVersion: v1 has no sequence numbers.
  func json(formatVersion: Int) -> JSONValue {
    var object = JSONObject()
    if sequenceNumber > 0 || formatVersion > 1 { object["sequence-number"] = .int(sequenceNumber) }
    object["snapshot-id"] = .int(snapshotID)
    object.set("parent-snapshot-id", parentID.map { .int($0) })
    object["timestamp-ms"] = .int(timestampMilliseconds)
    object.set("summary", summary?.json())
    if let manifestList {
      object["manifest-list"] = .string(manifestList)
    } else {
      object["manifests"] = .array(manifests.map { .string($0) })
    }
    object.set("schema-id", schemaID.map { .int(Int64($0)) })
    object.set("first-row-id", firstRowID.map { .int($0) })
    object.set("added-rows", addedRows.map { .int($0) })
    object.set("key-id", keyID.map { .string($0) })
    object.merge(extra)
    return .object(object)
  }
}

/// A name for a snapshot, with rules on how long to keep it.
public struct SnapshotReference: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable { case branch, tag }

  /// The branch that a table's readers read and writers write when nobody says otherwise.
  public static let mainBranch = "main"

  public var snapshotID: Int64
  public var kind: Kind
  /// Branches only.
  public var minSnapshotsToKeep: Int?
  /// Branches only.
  public var maxSnapshotAgeMilliseconds: Int64?
  public var maxReferenceAgeMilliseconds: Int64?
  public var extra: JSONObject

  public init(
    snapshotID: Int64, kind: Kind, minSnapshotsToKeep: Int? = nil,
    maxSnapshotAgeMilliseconds: Int64? = nil, maxReferenceAgeMilliseconds: Int64? = nil,
    extra: JSONObject = JSONObject()
  ) {
    self.snapshotID = snapshotID
    self.kind = kind
    self.minSnapshotsToKeep = minSnapshotsToKeep
    self.maxSnapshotAgeMilliseconds = maxSnapshotAgeMilliseconds
    self.maxReferenceAgeMilliseconds = maxReferenceAgeMilliseconds
    self.extra = extra
  }
}

extension SnapshotReference: JSONConvertible {
  static let known: JSONObject.Known = [
    "snapshot-id", "type", "min-snapshots-to-keep", "max-snapshot-age-ms", "max-ref-age-ms",
  ]

  static let knownInUpdate: JSONObject.Known = [
    "snapshot-id", "type", "min-snapshots-to-keep", "max-snapshot-age-ms", "max-ref-age-ms",
    "action", "ref-name",
  ]

  public init(json: JSONValue) throws(JSONError) { try self.init(json: json, besides: Self.known) }

  init(json: JSONValue, besides known: JSONObject.Known) throws(JSONError) {
    let object = try json.asObject()
    let kind = try object.string("type")
    guard let kind = Kind(rawValue: kind.lowercased()) else {
      throw JSONError(.invalidValue, "must be branch or tag, is '\(kind)'").inside("type")
    }
    self.init(
      snapshotID: try object.int64("snapshot-id"), kind: kind,
      minSnapshotsToKeep: try object.optionalInt("min-snapshots-to-keep"),
      maxSnapshotAgeMilliseconds: try object.optionalInt64("max-snapshot-age-ms"),
      maxReferenceAgeMilliseconds: try object.optionalInt64("max-ref-age-ms"),
      extra: object.members(besides: known))
    try checkRetention()
  }

  private func checkRetention() throws(JSONError) {
    if kind == .tag && (minSnapshotsToKeep != nil || maxSnapshotAgeMilliseconds != nil) {
      throw JSONError(
        .invalidValue, "a tag has neither min-snapshots-to-keep nor max-snapshot-age-ms")
    }
    if let value = minSnapshotsToKeep, value <= 0 {
      throw JSONError(.invalidValue, "must be positive").inside("min-snapshots-to-keep")
    }
    if let value = maxSnapshotAgeMilliseconds, value <= 0 {
      throw JSONError(.invalidValue, "must be positive").inside("max-snapshot-age-ms")
    }
    if let value = maxReferenceAgeMilliseconds, value <= 0 {
      throw JSONError(.invalidValue, "must be positive").inside("max-ref-age-ms")
    }
  }

  public func json() -> JSONValue {
    var object: JSONObject = [
      "snapshot-id": .int(snapshotID), "type": .string(kind.rawValue),
    ]
    object.set("min-snapshots-to-keep", minSnapshotsToKeep.map { .int(Int64($0)) })
    object.set("max-snapshot-age-ms", maxSnapshotAgeMilliseconds.map { .int($0) })
    object.set("max-ref-age-ms", maxReferenceAgeMilliseconds.map { .int($0) })
    object.merge(extra)
    return .object(object)
  }
}
