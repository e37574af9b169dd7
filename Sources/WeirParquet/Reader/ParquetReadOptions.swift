// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// How a file is read, and what it may make the reader allocate.
public struct ParquetReadOptions: Sendable {
  /// Compare each page with its checksum, where it has one.
  public var verifiesChecksums = true
  /// Check that strings are UTF-8, on which those rely who get them.
  public var validatesText = true
  /// Unit of the timestamps that INT96 values are read as. Nanoseconds span the years 1677 to 2262.
  public var int96Unit = TimeUnit.nanosecond
  /// Bytes of a file's footer that are accepted.
  public var footerByteCountMax = 512 << 20
  /// Bytes of one page, uncompressed, that are accepted.
  public var pageByteCountMax = 1 << 31
  /// Bytes that one column of one batch may take.
  public var columnByteCountMax = 2 << 30
  /// Bytes that all columns of a batch and their open pages may take together. Small files get less:
  /// see `MemoryBudget`.
  public var scanByteCountMax = 8 << 30
  /// Bytes that a batch should take at most, by the file's own sizes; batches get fewer rows for it.
  public var batchByteCountTarget = 64 << 20
  /// Bytes of compressed pages read ahead, all columns together.
  public var readAheadByteCount = 32 << 20

  public init() {}
}
