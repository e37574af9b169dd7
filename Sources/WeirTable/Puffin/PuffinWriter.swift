// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Writes a Puffin file in memory. One thread at a time.
/// Source: Puffin specification.
public final class PuffinWriter {
  /// Blobs so far, with where they lie.
  public private(set) var blobs: [PuffinBlob] = []
  private let output = MutableBuffer()
  private let properties: [String: String]

  /// - Parameter createdBy: the file's property `created-by`.
  public init(createdBy: String = "Weir") {
    properties = ["created-by": createdBy]
    output.append(contentsOf: PuffinFormat.magic)
  }

  /// Bytes so far.
  public var byteCount: Int { output.count }

  /// Adds a blob.
  ///
  /// - Parameters:
  ///   - blob: its offset, length and codec are filled in.
  ///   - codec: `nil` stores the bytes as they are.
  /// - Returns: the blob with where it lies.
  @discardableResult
  public func append(
    _ blob: PuffinBlob, _ bytes: Buffer, codec: PuffinCodec? = nil
  ) throws(TableError) -> PuffinBlob {
    var blob = blob
    let stored: Buffer
    if let codec { stored = try BlobCodec.compress(bytes, codec) } else { stored = bytes }
    blob.compressionCodec = codec?.rawValue
    blob.offset = output.count
    blob.length = stored.count
    output.append(stored)
    blobs.append(blob)
    return blob
  }

  /// Adds the deletion vector of a data file.
  /// - Returns: the blob, whose offset and length the manifest names.
  @discardableResult
  public func append(
    deletionVector bitmap: RoaringBitmap64, of dataFile: String
  ) throws(TableError) -> PuffinBlob {
    let blob = PuffinBlob(
      type: DeletionVector.blobType, fields: [Self.rowPositionFieldID], snapshotID: -1,
      sequenceNumber: -1,
      properties: [
        DeletionVector.referencedDataFileKey: dataFile,
        DeletionVector.cardinalityKey: String(bitmap.count),
      ])
    return try append(blob, Buffer(try DeletionVector.encode(bitmap)))
  }

  /// The reserved field id of `_pos`, which deletion vectors are computed for.
  static let rowPositionFieldID: Int32 = 2_147_483_645

  /// The file.
  ///
  /// - Parameter compressesFooter: as one LZ4 frame.
  public func finish(compressesFooter: Bool = false) throws(TableError) -> Buffer {
    let json: JSONValue = [
      "blobs": .array(blobs.map { $0.json() }), "properties": PuffinBlob.json(properties),
    ]
    var payload = Buffer(json.bytes)
    if compressesFooter { payload = try BlobCodec.compress(payload, .lz4) }
    guard let count = Int32(exactly: payload.count) else {
      throw TableError(.limit, "a footer of \(payload.count) bytes is too large")
    }
    output.append(contentsOf: PuffinFormat.magic)
    output.append(payload)
    output.append(count.littleEndian)
    let flags: UInt8 = compressesFooter ? PuffinFormat.flagPayloadCompressed : 0
    output.append(contentsOf: [flags, 0, 0, 0])
    output.append(contentsOf: PuffinFormat.magic)
    return output.finish()
  }
}
