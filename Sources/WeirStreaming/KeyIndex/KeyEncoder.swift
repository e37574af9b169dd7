// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar

/// Encodes columns as one sequence of bytes for each row, which compares byte by byte as the columns
/// do one after the other.
///
/// | type | bytes |
/// |---|---|
/// | bool | 0 or 1 |
/// | integers, dates, times, timestamps, durations | 8 bytes big-endian, the sign bit flipped (not that of uint64) |
/// | floats | as double, big-endian: negative ones inverted, others with the sign bit flipped |
/// | decimal128 | 16 bytes, as a signed integer |
/// | fixed-size binary | as they are |
/// | utf8, binary in the last column | as they are |
/// | utf8, binary elsewhere | 00 as 00 FF; 00 00 at the end |
///
/// Numbers of all widths look the same, so that keys stay when a column is widened. -0.0 is 0.0, and all NaN are one value, greater than the others. Where nulls are allowed, each
/// column begins with 00 for a null (and nothing else) or 01.
public struct KeyEncoder: Sendable {
  /// What a null is.
  public enum Nulls: Sendable {
    /// An error: the columns tell rows apart.
    case refused
    /// Less than all values.
    case first
  }

  /// Bytes of one key at most.
  public static let keyBytesMax = 32 << 10

  public let columns: [Int]
  let nulls: Nulls
  private let names: [String]
  private let types: [DataType]

  /// - Parameter columns: places in `schema`, the first counting most; none gives empty keys.
  /// - Throws: `unsupported` for nested columns and dictionaries.
  public init(_ schema: Schema, columns: [Int], nulls: Nulls = .refused) throws(StreamError) {
    self.columns = columns
    self.nulls = nulls
    names = columns.map { schema.fields[$0].name }
    types = columns.map { schema.fields[$0].type }
    for (name, type) in zip(names, types) {
      switch type.layout {
      case .bits, .variableBinary: continue
      case .fixedWidth: continue
      default:
        throw StreamError(
          .unsupported,
          "rows cannot be told apart or ordered by a column of type \(type); use a column of single "
            + "values", column: name)
      }
    }
  }

  /// The keys of the batch's rows: `binary`, without nulls.
  ///
  /// - Throws: `invalidArgument` for a null where they are refused, a key of more than `keyBytesMax`
  ///   bytes, or keys of 2 GiB together.
  public func encode(_ batch: RecordBatch) throws(StreamError) -> ArrayData {
    try encode(columns.map { batch.columns[$0] }, rowCount: batch.rowCount)
  }

  /// As above, from the key's columns alone, in the key's order.
  public func encode(_ keys: [ArrayData], rowCount: Int) throws(StreamError) -> ArrayData {
    for (index, column) in keys.enumerated() {
      precondition(column.length == rowCount, "key columns are as long as their batch")
      guard column.type == types[index] else {
        throw StreamError(
          .invalidArgument, "the key's column has type \(column.type), not \(types[index])",
          column: names[index])
      }
      guard nulls == .first || column.nullCount == 0 else {
        throw StreamError(
          .invalidArgument, "the key is null; every row needs a key", column: names[index])
      }
    }
    switch KeyKernel(nullable: nulls == .first).encode(
      keys, rowCount, rowBytesMax: Self.keyBytesMax)
    {
    case .done(let array): return array
    case .tooLong(let row):
      throw StreamError(
        .invalidArgument, "the key of row \(row) has more than \(Self.keyBytesMax) bytes",
        column: names.first)
    case .tooMany:
      throw StreamError(
        .invalidArgument, "the keys of a batch have more than 2 GiB; use smaller batches",
        column: names.first)
    }
  }
}
