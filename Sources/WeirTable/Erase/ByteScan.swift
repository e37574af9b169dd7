// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirFile
internal import WeirParquet
public import WeirStorage

/// Looks for markers in the bytes of files: as they lie on the disk, and in what they hold when it is
/// unpacked: the values of Parquet and Weir files, the records of Avro files, the blobs of Puffin files.
public struct ByteScan: Sendable {
  /// What was looked at, and found.
  public struct Result: Sendable, Hashable {
    public var fileCount = 0
    public var byteCount = 0
    /// Of files that were unpacked, too.
    public var unpackedFileCount = 0
    public var unpackedByteCount = 0
    /// How often each marker was found.
    public var counts: [Int]
    /// Files with markers, the first ones.
    public var places: [String] = []
    /// Files that look like one of a known format and could not be unpacked.
    public var unreadable: [String] = []

    public var foundCount: Int { counts.reduce(0, +) }
  }

  /// Bytes read at once.
  private static let pieceBytes = 8 << 20
  private static let placesMax = 100

  private let markers: [[UInt8]]
  private let overlap: Int
  public private(set) var result: Result

  /// - Parameter markers: not empty ones.
  public init(_ markers: [[UInt8]]) {
    self.markers = markers
    overlap = max(0, (markers.map(\.count).max() ?? 0) - 1)
    result = Result(counts: markers.map { _ in 0 })
  }

  /// Looks at everything below a folder of a store.
  ///
  /// - Parameter skips: paths that are not looked at.
  public mutating func scan(
    _ folder: String, _ stores: ObjectStores, skips: (String) -> Bool = { _ in false }
  ) throws(TableError) {
    do throws(StorageError) {
      let place = try stores.resolve(folder)
      var after: String?
      repeat {
        let page = try place.store.list(
          prefix: place.path + "/", after: after, limit: listLimitMax)
        for object in page.objects where !skips(object.path) {
          do throws(StorageError) {
            try scan(try place.store.open(object.path), name: object.path)
          } catch {
            // Others remove files meanwhile.
            guard error.code == .notFound else { throw error }
          }
        }
        after = page.next
      } while after != nil
    } catch { throw TableError(error, "a folder cannot be looked through") }
  }

  /// Looks at one file.
  public mutating func scan(_ reader: any ObjectReader, name: String) throws(StorageError) {
    result.fileCount += 1
    result.byteCount += reader.size
    var start = 0
    var magic: [UInt8] = []
    let before = result.foundCount
    while start < reader.size {
      let end = min(reader.size, start + Self.pieceBytes)
      let bytes = try reader.read(max(0, start - overlap)..<end)
      if start == 0 {
        magic = bytes.slice(offset: 0, count: min(8, bytes.count)).array(of: UInt8.self)
      }
      count(bytes, behind: start == 0 ? 0 : min(overlap, start))
      start = end
    }
    do {
      let unpacked = result.unpackedByteCount
      try unpack(reader, magic)
      if result.unpackedByteCount > unpacked { result.unpackedFileCount += 1 }
    } catch {
      result.unreadable.append(name)
    }
    if result.foundCount > before, result.places.count < Self.placesMax {
      result.places.append(name)
    }
  }

  /// - Parameter known: bytes at the front that were looked at before; a marker in them alone was counted.
  private mutating func count(_ bytes: Buffer, behind known: Int) {
    for (index, marker) in markers.enumerated() {
      var found = bytes.count(of: marker)
      if known > 0 { found -= bytes.slice(offset: 0, count: known).count(of: marker) }
      result.counts[index] += found
    }
  }

  private mutating func unpack(_ reader: any ObjectReader, _ magic: [UInt8]) throws {
    if magic.starts(with: Array("PAR1".utf8)) {
      let batches = try ParquetReader(reader).batches()
      while let batch = try batches.next() { look(batch) }
    } else if magic == Array("WEIRCOL1".utf8) {
      let batches = try WeirFileReader(reader).batches()
      while let batch = try batches.next() { look(batch) }
    } else if magic.starts(with: AvroFileReader.magic) {
      let avro = try AvroFileReader(try reader.read(0..<reader.size), name: reader.name)
      while let block = try avro.nextBlock() { look(block.bytes) }
    } else if magic.starts(with: PuffinFormat.magic) {
      let puffin = try PuffinReader(reader)
      for blob in puffin.blobs { look(try puffin.read(blob)) }
    } else if magic.starts(with: [0x1f, 0x8b]) {
      let bytes = try reader.read(0..<reader.size)
      if let plain = try MetadataGzip.decompress(
        bytes, byteCountMax: TableMetadata.fileByteCountMax)
      {
        look(plain)
      }
    }
  }

  private mutating func look(_ bytes: Buffer) {
    result.unpackedByteCount += bytes.count
    count(bytes, behind: 0)
  }

  private mutating func look(_ batch: RecordBatch) {
    for column in batch.columns { look(column) }
  }

  private mutating func look(_ array: ArrayData) {
    for buffer in array.buffers { look(buffer) }
    for child in array.children { look(child) }
    if let dictionary = array.dictionary { look(dictionary) }
  }
}
