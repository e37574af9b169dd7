// SPDX-License-Identifier: Apache-2.0

// Safe: all pointers come from an array that the caller holds, with the counts that it states.

internal import WeirColumnar

/// Looks up a column's values in its bloom filter.
enum BloomFilterCheck {
  /// The first row whose value the filter denies; `nil` when it has them all, or when the type's
  /// values are not stored as they are in memory.
  static func firstMissing(
    _ array: ArrayData, _ filter: Buffer, physicalType: PhysicalType
  ) -> Int? {
    defer { withExtendedLifetime(array) {} }
    switch (array.type, physicalType) {
    case (.int8, .int32): return integers(array, filter, Int8.self) { Int32($0) }
    case (.int16, .int32): return integers(array, filter, Int16.self) { Int32($0) }
    case (.uint8, .int32): return integers(array, filter, UInt8.self) { Int32($0) }
    case (.uint16, .int32): return integers(array, filter, UInt16.self) { Int32($0) }
    case (.int32, .int32), (.date32, .int32), (.time32, .int32), (.uint32, .int32):
      return integers(array, filter, Int32.self) { $0 }
    case (.int64, .int64), (.uint64, .int64), (.time64, .int64), (.duration, .int64),
      (.timestamp(.millisecond, _), .int64), (.timestamp(.microsecond, _), .int64),
      (.timestamp(.nanosecond, _), .int64):
      return integers(array, filter, Int64.self) { $0 }
    case (.utf8, .byteArray), (.largeUtf8, .byteArray), (.binary, .byteArray),
      (.largeBinary, .byteArray), (.fixedSizeBinary, .fixedLenByteArray):
      return (0..<array.length).first { row in
        array.isValid(row)
          && !SplitBlockBloomFilter.mayContain(
            array.withBytes(row) { XXHash64.hash($0) }, in: filter)
      }
    default: return nil
    }
  }

  private static func integers<T: FixedWidthInteger & BitwiseCopyable, P: FixedWidthInteger>(
    _ array: ArrayData, _ filter: Buffer, _ type: T.Type, _ stored: (T) -> P
  ) -> Int? {
    let values = array.values(as: type)
    return (0..<array.length).first { row in
      guard array.isValid(row) else { return false }
      let hash = withUnsafeBytes(of: stored(values[row]).littleEndian) { XXHash64.hash($0) }
      return !SplitBlockBloomFilter.mayContain(hash, in: filter)
    }
  }
}
