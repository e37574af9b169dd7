// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// A blob of a Puffin file, as table metadata tells of it.
public struct StatisticsBlob: Hashable, Sendable {
  public var type: String
  public var snapshotID: Int64
  public var sequenceNumber: Int64
  /// The columns it is about.
  public var fieldIDs: [Int32]
  public var properties: StringMap?
  public var extra: JSONObject

  public init(
    type: String, snapshotID: Int64, sequenceNumber: Int64, fieldIDs: [Int32],
    properties: StringMap? = nil, extra: JSONObject = JSONObject()
  ) {
    self.type = type
    self.snapshotID = snapshotID
    self.sequenceNumber = sequenceNumber
    self.fieldIDs = fieldIDs
    self.properties = properties
    self.extra = extra
  }
}

/// A Puffin file of statistics about one snapshot.
public struct StatisticsFile: Hashable, Sendable {
  public var snapshotID: Int64
  public var path: String
  public var sizeInBytes: Int64
  public var footerSizeInBytes: Int64
  /// Base64.
  public var keyMetadata: String?
  public var blobs: [StatisticsBlob]
  public var extra: JSONObject

  public init(
    snapshotID: Int64, path: String, sizeInBytes: Int64, footerSizeInBytes: Int64,
    keyMetadata: String? = nil, blobs: [StatisticsBlob], extra: JSONObject = JSONObject()
  ) {
    self.snapshotID = snapshotID
    self.path = path
    self.sizeInBytes = sizeInBytes
    self.footerSizeInBytes = footerSizeInBytes
    self.keyMetadata = keyMetadata
    self.blobs = blobs
    self.extra = extra
  }
}

/// A file of statistics for every partition of one snapshot.
public struct PartitionStatisticsFile: Hashable, Sendable {
  public var snapshotID: Int64
  public var path: String
  public var sizeInBytes: Int64
  public var extra: JSONObject

  public init(
    snapshotID: Int64, path: String, sizeInBytes: Int64, extra: JSONObject = JSONObject()
  ) {
    self.snapshotID = snapshotID
    self.path = path
    self.sizeInBytes = sizeInBytes
    self.extra = extra
  }
}

/// A key for encrypted files, itself encrypted (v3). Weir keeps keys and does not use them.
public struct EncryptedKey: Hashable, Sendable {
  public var keyID: String
  /// Base64.
  public var encryptedKeyMetadata: String
  public var encryptedByID: String?
  public var properties: StringMap?
  public var extra: JSONObject

  public init(
    keyID: String, encryptedKeyMetadata: String, encryptedByID: String? = nil,
    properties: StringMap? = nil, extra: JSONObject = JSONObject()
  ) {
    self.keyID = keyID
    self.encryptedKeyMetadata = encryptedKeyMetadata
    self.encryptedByID = encryptedByID
    self.properties = properties
    self.extra = extra
  }
}

extension StatisticsBlob: JSONConvertible {
  private static let known: JSONObject.Known = [
    "type", "snapshot-id", "sequence-number", "fields", "properties",
  ]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    self.init(
      type: try object.string("type"), snapshotID: try object.int64("snapshot-id"),
      sequenceNumber: try object.int64("sequence-number"),
      fieldIDs: try object.array("fields") { value throws(JSONError) in try value.asInt32() },
      properties: try object.optional("properties") { value throws(JSONError) in
        try StringMap(json: value)
      },
      extra: object.members(besides: Self.known))
  }

  public func json() -> JSONValue {
    var object: JSONObject = [
      "type": .string(type), "snapshot-id": .int(snapshotID),
      "sequence-number": .int(sequenceNumber),
      "fields": .array(fieldIDs.map { .int(Int64($0)) }),
    ]
    object.set("properties", properties?.json())
    object.merge(extra)
    return .object(object)
  }
}

extension StatisticsFile: JSONConvertible {
  private static let known: JSONObject.Known = [
    "snapshot-id", "statistics-path", "file-size-in-bytes", "file-footer-size-in-bytes",
    "key-metadata", "blob-metadata",
  ]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    self.init(
      snapshotID: try object.int64("snapshot-id"), path: try object.string("statistics-path"),
      sizeInBytes: try object.int64("file-size-in-bytes"),
      footerSizeInBytes: try object.int64("file-footer-size-in-bytes"),
      keyMetadata: try object.optionalString("key-metadata"),
      blobs: try object.array("blob-metadata") { value throws(JSONError) in
        try StatisticsBlob(json: value)
      },
      extra: object.members(besides: Self.known))
  }

  public func json() -> JSONValue {
    var object: JSONObject = [
      "snapshot-id": .int(snapshotID), "statistics-path": .string(path),
      "file-size-in-bytes": .int(sizeInBytes), "file-footer-size-in-bytes": .int(footerSizeInBytes),
    ]
    object.set("key-metadata", keyMetadata.map { .string($0) })
    object["blob-metadata"] = .array(blobs.map { $0.json() })
    object.merge(extra)
    return .object(object)
  }
}

extension PartitionStatisticsFile: JSONConvertible {
  private static let known: JSONObject.Known = [
    "snapshot-id", "statistics-path", "file-size-in-bytes",
  ]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    self.init(
      snapshotID: try object.int64("snapshot-id"), path: try object.string("statistics-path"),
      sizeInBytes: try object.int64("file-size-in-bytes"),
      extra: object.members(besides: Self.known))
  }

  public func json() -> JSONValue {
    var object: JSONObject = [
      "snapshot-id": .int(snapshotID), "statistics-path": .string(path),
      "file-size-in-bytes": .int(sizeInBytes),
    ]
    object.merge(extra)
    return .object(object)
  }
}

extension EncryptedKey: JSONConvertible {
  private static let known: JSONObject.Known = [
    "key-id", "encrypted-key-metadata", "encrypted-by-id", "properties",
  ]

  public init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    self.init(
      keyID: try object.string("key-id"),
      encryptedKeyMetadata: try object.string("encrypted-key-metadata"),
      encryptedByID: try object.optionalString("encrypted-by-id"),
      properties: try object.optional("properties") { value throws(JSONError) in
        try StringMap(json: value)
      },
      extra: object.members(besides: Self.known))
  }

  public func json() -> JSONValue {
    var object: JSONObject = [
      "key-id": .string(keyID), "encrypted-key-metadata": .string(encryptedKeyMetadata),
    ]
    object.set("encrypted-by-id", encryptedByID.map { .string($0) })
    object.set("properties", properties?.json())
    object.merge(extra)
    return .object(object)
  }
}
