// SPDX-License-Identifier: Apache-2.0

/// What the open row group of a scan may still take in memory: its pages, its dictionaries and the
/// batch being built.
///
/// The limit follows from the bytes that the file has for the columns: run lengths and codecs make
/// small files large, but not without bound. So a few hundred bytes that claim to be gigabytes are
/// refused before anything is allocated, and long before memory runs out.
final class MemoryBudget {
  private var limit = 0
  private var used = 0

  /// What any file may take: several times what a batch should take, since rows differ in size.
  private static let floor = 512 << 20

  /// Starts again for a row group.
  ///
  /// - Parameter chunks: codec and compressed bytes of the columns that are read.
  func reset(chunks: [(codec: CompressionCodec, byteCount: Int)], options: ParquetReadOptions) {
    used = 0
    var justified = Self.floor
    for chunk in chunks {
      let (product, overflow) = chunk.byteCount.multipliedReportingOverflow(
        by: Self.expansionMax(chunk.codec))
      let (sum, overflow2) = justified.addingReportingOverflow(product)
      justified = overflow || overflow2 ? Int.max : sum
    }
    limit = min(justified, options.scanByteCountMax)
  }

  /// Bytes in memory that a byte of a file may become: gzip makes some thousand of one; zstd and brotli
  /// repeat blocks in a few bytes.
  private static func expansionMax(_ codec: CompressionCodec) -> Int {
    switch codec {
    case .brotli: 1 << 21
    case .zstd: 1 << 17
    default: 1 << 10
    }
  }

  var left: Int { limit - used }

  /// Takes `byteCount` bytes.
  func take(_ byteCount: Int, _ what: String) throws(ParquetError) {
    guard byteCount <= left else {
      throw ParquetError(
        .limitExceeded,
        "\(what) of \(byteCount) bytes, where \(left) are left of the \(limit) that a file of this "
          + "size may take; scanByteCountMax is the limit for large files")
    }
    used += byteCount
  }

  func giveBack(_ byteCount: Int) { used -= byteCount }
}
