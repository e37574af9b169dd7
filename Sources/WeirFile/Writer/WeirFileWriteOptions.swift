// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// How a file is written.
public struct WeirFileWriteOptions: Sendable {
  /// What is weighed against size when encodings are chosen.
  public enum Profile: String, Sendable, CaseIterable {
    /// Decoding must be about as fast as copying: what trainers and lookups read.
    case fast
    /// Smaller where that costs a little decoding: what is kept.
    case compact

    /// Bits a value that a nanosecond of decoding it is worth.
    var bitsPerNanosecond: Double { self == .fast ? 1 : 0.25 }
  }

  public var profile = Profile.fast
  /// Rows of a page, at most.
  public var pageRowsMax = 65_536
  /// Bytes of a page in memory, roughly; a single row is never divided.
  public var pageBytesMax = 4 << 20
  /// Bytes of rows that wait for their pages, of all columns together.
  public var bufferBytesMax = 256 << 20
  /// Bytes of distinct list items that a column keeps in memory to find lists that repeat or slide.
  public var windowBytesMax = 128 << 20
  /// Bytes of the values of a column's dictionary.
  public var dictionaryBytesMax = 16 << 20
  /// Bytes of a field of a struct, in a page, that lie apart from the other fields, so that the field is read
  /// without them, or they without it. 0: fields of structs always lie together.
  public var partBytesMin = 64 << 10
  /// Whether columns whose values are mostly the same (ids of one space, in lists or alone) may have one
  /// dictionary together, where that is smaller.
  public var sharesDictionaries = true
  /// Whether counts of nulls and NaNs and bounds of values are written for each page, which scans
  /// with a predicate pass over pages by.
  public var statistics = true
  /// Columns by whose values rows are looked up: each gets a bloom filter and an index from values to
  /// rows. Numbers that are no floats, decimals, dates, times, byte strings.
  public var keyColumns: [String] = []
  /// How often a bloom filter lets a value pass that is not there.
  public var keyFalsePositiveRate = 0.01
  /// Bytes of memory for the index of a key column, 16 a row; columns of more rows get the filter
  /// alone.
  public var keyIndexBytesMax = 256 << 20
  /// Columns of float32, or of lists of them, that may be rounded: the largest difference allowed. The
  /// form of the fewest bytes that keeps it (int8 with scales, float16, bfloat16) is written, and named
  /// in the field's metadata with the difference that it made.
  public var quantise: [String: Double] = [:]
  /// Columns in the order in which their pages lie in the file, those first that are read together
  /// most; others follow in the schema's order. Names that the schema lacks say nothing.
  public var layout: [String] = []
  /// Bytes of pages that wait for those of other columns of the same rows, to lie behind each other:
  /// of narrow columns few reads then bring many. 0 for pages that are written at once.
  public var bucketPageBytesMax = 16 << 10
  /// Written behind the schema's own metadata.
  public var metadata = Metadata()
  /// Named in errors.
  public var fileName: String?

  public init() {}

  /// Whether a column of the type may be a key.
  package static func canBeKey(_ type: DataType) -> Bool { KeyHash.isSupported(type) }
}
