// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
internal import WeirCompression
public import WeirStorage

/// Reads a Puffin file: its footer at once, blobs when they are asked for. Threads may share it.
/// Source: Puffin specification.
public final class PuffinReader: Sendable {
  public let name: String
  public let blobs: [PuffinBlob]
  public let properties: [String: String]
  private let reader: any ObjectReader

  /// Read at once from the end; most footers fit.
  private static let tailGuess = 32 << 10
  /// Of a footer, and of a blob after decompression.
  static let footerByteCountMax = 64 << 20
  static let blobByteCountMax = 1 << 30

  /// Reads the footer, in one request when it is small.
  /// - Throws: `damaged` or `unsupported` with the file's name; `storage` when the store fails.
  public init(_ reader: any ObjectReader) throws(TableError) {
    name = reader.name
    self.reader = reader
    do throws(TableError) {
      let (json, footerStart) = try Self.footer(reader)
      let object: JSONObject
      do throws(JSONError) {
        object = try json.asObject()
        blobs = try object.array("blobs") { value throws(JSONError) in
          try PuffinBlob(json: value)
        }
        properties = try PuffinBlob.properties(object)
      } catch {
        throw TableError(.damaged, "the footer cannot be read", cause: "\(error)")
      }
      for blob in blobs {
        guard blob.offset >= PuffinFormat.magic.count, blob.length >= 0,
          blob.offset <= footerStart, blob.length <= footerStart - blob.offset
        else {
          throw TableError(
            .damaged,
            "a blob of \(blob.length) bytes at \(blob.offset) does not lie before the footer at "
              + "byte \(footerStart)")
        }
      }
    } catch {
      throw error.adding(file: reader.name)
    }
  }

  private static func read(
    _ reader: any ObjectReader, _ range: Range<Int>
  ) throws(TableError) -> Buffer {
    do throws(StorageError) {
      return try reader.read(range)
    } catch {
      throw TableError(.storage, "the file cannot be read", file: reader.name, cause: "\(error)")
    }
  }

  private static func footer(
    _ reader: any ObjectReader
  ) throws(TableError) -> (json: JSONValue, start: Int) {
    let size = reader.size
    let magic = PuffinFormat.magic
    let byteCountMin = 2 * magic.count + PuffinFormat.tailByteCount
    guard size >= byteCountMin else {
      throw TableError(.damaged, "a Puffin file of \(size) bytes is cut off")
    }
    var tail = try read(reader, max(0, size - tailGuess)..<size)
    let end = tail.slice(offset: tail.count - PuffinFormat.tailByteCount, count: 12)
      .array(of: UInt8.self)
    guard Array(end[8...]) == magic else {
      throw TableError(.damaged, "the file does not end as a Puffin file does")
    }
    let payloadCount = end[..<4].reversed().reduce(0) { $0 << 8 | Int($1) }
    let footerCount = payloadCount + magic.count + PuffinFormat.tailByteCount
    guard payloadCount <= footerByteCountMax, footerCount <= size - magic.count else {
      throw TableError(
        .damaged, "a footer of \(payloadCount) bytes is announced in a file of \(size)")
    }
    guard end[4] & ~PuffinFormat.flagPayloadCompressed == 0, end[5...7].allSatisfy({ $0 == 0 })
    else {
      throw TableError(.unsupported, "the footer has flags that this version does not know")
    }
    if footerCount > tail.count { tail = try read(reader, size - footerCount..<size) }
    let start = tail.count - footerCount
    guard tail.slice(offset: start, count: magic.count).array(of: UInt8.self) == magic else {
      throw TableError(.damaged, "the footer does not start at byte \(size - footerCount)")
    }
    var payload = tail.slice(offset: start + magic.count, count: payloadCount)
    if end[4] & PuffinFormat.flagPayloadCompressed != 0 {
      payload = try BlobCodec.decompress(payload, .lz4, byteCountMax: footerByteCountMax)
    }
    do throws(JSONError) {
      let limits = JSONParser.Limits(depthMax: 16, byteCountMax: footerByteCountMax)
      return (try JSONParser(limits: limits).parse(payload), size - footerCount)
    } catch {
      throw TableError(.damaged, "the footer is not JSON", cause: "\(error)")
    }
  }

  /// The bytes of one of `blobs`, decompressed.
  public func read(_ blob: PuffinBlob) throws(TableError) -> Buffer {
    let stored = try Self.read(reader, blob.offset..<blob.offset + blob.length)
    guard let codecName = blob.compressionCodec else { return stored }
    guard let codec = PuffinCodec(rawValue: codecName) else {
      throw TableError(
        .unsupported, "a blob is compressed with '\(codecName)'; lz4 and zstd are read", file: name)
    }
    do throws(TableError) {
      return try BlobCodec.decompress(stored, codec, byteCountMax: Self.blobByteCountMax)
    } catch {
      throw error.adding(file: name)
    }
  }

  /// A deletion vector where a manifest says that it lies, without reading the file's footer.
  ///
  /// - Parameter file: as the manifest describes it: `contentOffset` and `contentSizeInBytes`.
  public static func deletionVector(
    _ reader: any ObjectReader, file: DataFile
  ) throws(TableError) -> RoaringBitmap64 {
    guard let offset = file.contentOffset, let count = file.contentSizeInBytes, offset >= 0,
      count >= 0, offset <= Int64(reader.size), count <= Int64(reader.size) - offset
    else {
      throw TableError(
        .damaged,
        "the manifest says that a deletion vector lies at \(file.contentOffset ?? -1) and takes "
          + "\(file.contentSizeInBytes ?? -1) bytes, in a file of \(reader.size)", file: reader.name
      )
    }
    let blob = try read(reader, Int(offset)..<Int(offset + count))
    do throws(TableError) {
      return try DeletionVector.decode(blob, cardinality: file.recordCount)
    } catch {
      throw error.adding(file: reader.name)
    }
  }
}
