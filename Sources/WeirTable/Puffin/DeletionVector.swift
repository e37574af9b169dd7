// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
public import WeirColumnar

/// The blob `deletion-vector-v1` of Puffin files: which rows of a data file are deleted.
/// Source: Puffin specification, "`deletion-vector-v1` blob type".
public enum DeletionVector {
  public static let blobType = "deletion-vector-v1"
  /// The blob's properties.
  public static let referencedDataFileKey = "referenced-data-file"
  public static let cardinalityKey = "cardinality"

  private static let magic: [UInt8] = [0xd1, 0xd3, 0x39, 0x64]
  /// Length, magic and checksum.
  private static let frameByteCount = 12

  /// The blob of a bitmap.
  /// - Throws: `limit` for a bitmap of more than 2 GiB.
  public static func encode(_ bitmap: RoaringBitmap64) throws(TableError) -> [UInt8] {
    let vector = bitmap.serialized()
    guard let length = Int32(exactly: vector.count + magic.count) else {
      throw TableError(.limit, "a deletion vector of \(vector.count) bytes is too large")
    }
    var blob = bigEndian(UInt32(length))
    blob += magic
    blob += vector
    blob += bigEndian(checksum(blob[4...]))
    return blob
  }

  /// The bitmap of a blob, whose length, magic and checksum are verified.
  ///
  /// - Parameter cardinality: as the manifest or the blob's properties say; `nil` is not compared.
  /// - Throws: `damaged`.
  public static func decode(
    _ blob: Buffer, cardinality: Int? = nil
  ) throws(TableError) -> RoaringBitmap64 {
    guard blob.count >= frameByteCount else {
      throw TableError(.damaged, "a deletion vector of \(blob.count) bytes is cut off")
    }
    let head = blob.slice(offset: 0, count: 8).array(of: UInt8.self)
    let length = head[..<4].reduce(0) { $0 << 8 | Int($1) }
    guard length == blob.count - 8 else {
      throw TableError(
        .damaged, "a deletion vector in \(blob.count) bytes announces a length of \(length)")
    }
    guard Array(head[4...]) == magic else {
      throw TableError(.damaged, "a deletion vector starts with \(head[4...]), expected \(magic)")
    }
    let stored = blob.slice(offset: blob.count - 4, count: 4).array(of: UInt8.self)
      .reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    // Safe: the range lies within the blob, which is held.
    let computed = blob.withUnsafeBytes { weir_crc32(0, $0.baseAddress! + 4, length) }
    guard stored == computed else {
      throw TableError(.damaged, "the checksum of a deletion vector is wrong")
    }
    let bitmap = try RoaringBitmap64(serialized: blob.slice(offset: 8, count: length - 4))
    if let cardinality, bitmap.count != cardinality {
      throw TableError(
        .damaged,
        "a deletion vector holds \(bitmap.count) positions where \(cardinality) are announced")
    }
    return bitmap
  }

  private static func bigEndian(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  // Safe: the view is of the array's own bytes.
  private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.withUnsafeBytes { weir_crc32(0, $0.baseAddress, $0.count) }
  }
}
