// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// How a blob of a Puffin file is compressed.
public enum PuffinCodec: String, Sendable {
  case lz4
  case zstd
}

/// What a Puffin file's footer says about one blob.
/// Source: Puffin specification, "BlobMetadata".
public struct PuffinBlob: Hashable, Sendable {
  /// Such as `deletion-vector-v1`.
  public var type: String
  /// Field ids that the blob was computed for, in order.
  public var fields: [Int32]
  /// -1 for deletion vectors, which are written before their snapshot is known.
  public var snapshotID: Int64
  public var sequenceNumber: Int64
  /// Where the blob's bytes start in the file, and how many there are.
  public var offset: Int
  public var length: Int
  /// `nil` when the blob is not compressed; another name than those of `PuffinCodec` is kept as it is.
  public var compressionCodec: String?
  public var properties: [String: String]

  public init(
    type: String, fields: [Int32], snapshotID: Int64, sequenceNumber: Int64, offset: Int = 0,
    length: Int = 0, compressionCodec: String? = nil, properties: [String: String] = [:]
  ) {
    self.type = type
    self.fields = fields
    self.snapshotID = snapshotID
    self.sequenceNumber = sequenceNumber
    self.offset = offset
    self.length = length
    self.compressionCodec = compressionCodec
    self.properties = properties
  }

  init(json: JSONValue) throws(JSONError) {
    let object = try json.asObject()
    self.init(
      type: try object.string("type"),
      fields: try object.array("fields") { value throws(JSONError) in try value.asInt32() },
      snapshotID: try object.int64("snapshot-id"),
      sequenceNumber: try object.int64("sequence-number"), offset: try object.int("offset"),
      length: try object.int("length"),
      compressionCodec: try object.optionalString("compression-codec"),
      properties: try PuffinBlob.properties(object))
  }

  static func properties(_ object: JSONObject) throws(JSONError) -> [String: String] {
    var result: [String: String] = [:]
    for (key, value) in try object.optionalObject("properties") ?? JSONObject() {
      do { result[key] = try value.asString() } catch { throw error.inside(key) }
    }
    return result
  }

  static func json(_ properties: [String: String]) -> JSONValue {
    .object(JSONObject(properties.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
  }

  func json() -> JSONValue {
    var object: JSONObject = [
      "type": .string(type), "fields": .array(fields.map { .int(Int64($0)) }),
      "snapshot-id": .int(snapshotID), "sequence-number": .int(sequenceNumber),
      "offset": .int(Int64(offset)), "length": .int(Int64(length)),
    ]
    if let compressionCodec { object["compression-codec"] = .string(compressionCodec) }
    if !properties.isEmpty { object["properties"] = Self.json(properties) }
    return .object(object)
  }
}

/// The frame of Puffin files.
enum PuffinFormat {
  static let magic: [UInt8] = [0x50, 0x46, 0x41, 0x31]
  /// Size of the payload, flags and magic.
  static let tailByteCount = 12
  static let flagPayloadCompressed: UInt8 = 1
}
