// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar

/// Strings in Arrow are UTF-8, and those who get them rely on it; a file's bytes may be anything.
///
/// The bytes of many values are checked at once, while they are still in the cache: they must be
/// UTF-8 together, and no value may start in the middle of a character. Values out of a dictionary
/// were checked with it.
extension LeafSink {
  /// How much is in the sink, before something is decoded.
  struct Mark {
    let dataCount: Int
    let endsCount: Int
  }

  var mark: Mark { Mark(dataCount: data.count, endsCount: ends.count) }

  /// Checks what was decoded since `mark`.
  func checkText(since mark: Mark) throws(ParquetError) {
    guard isText, data.count > mark.dataCount else { return }
    // Safe: the pointers go into buffers that this object owns, and stay below their counts.
    let bytes = data.base.assumingMemoryBound(to: UInt8.self)
    let count = data.count - mark.dataCount
    if weir_is_ascii(bytes + mark.dataCount, count) != 0 { return }
    guard weir_is_utf8(bytes + mark.dataCount, count) != 0 else { throw notText() }
    let isWhole =
      endWidth == 4
      ? startsAreWhole(Int32.self, mark, bytes) : startsAreWhole(Int64.self, mark, bytes)
    guard isWhole else { throw notText() }
  }

  private func startsAreWhole<T: FixedWidthInteger & BitwiseCopyable>(
    _: T.Type, _ mark: Mark, _ bytes: UnsafePointer<UInt8>
  ) -> Bool {
    let width = MemoryLayout<T>.size
    let ends = self.ends.base.assumingMemoryBound(to: T.self)
    var isWhole = true
    // The last value ends where the bytes do, which is whole.
    for index in mark.endsCount / width..<max(mark.endsCount, self.ends.count - width) / width {
      let end = Int(ends[index])
      if end < data.count && bytes[end] & 0xc0 == 0x80 { isWhole = false }
    }
    return isWhole
  }

  @inline(never)
  private func notText() -> ParquetError {
    ParquetError(
      .damaged,
      "a string of the page is not UTF-8: the file was damaged, or its writer put other bytes into "
        + "a column of strings; they can be read with validatesText off")
  }
}
