// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage

/// The bytes of one column chunk, read through a window that moves forward.
///
/// Memory: one window of `windowByteCount`, or one page if that is larger.
final class ChunkSource {
  private let source: any ObjectReader
  /// Bytes of the chunk in the file.
  let range: Range<Int>
  private let windowByteCount: Int
  private var window: Buffer
  private var windowStart: Int
  /// Position in the file of the next byte.
  private(set) var position: Int

  /// - Parameter first: bytes that were read ahead, from the start of the chunk.
  init(_ source: any ObjectReader, range: Range<Int>, windowByteCount: Int, first: Buffer) {
    self.source = source
    self.range = range
    self.windowByteCount = windowByteCount
    window = first
    windowStart = range.lowerBound
    position = range.lowerBound
  }

  var left: Int { range.upperBound - position }

  /// Goes to a position within the chunk.
  func seek(to newPosition: Int) throws(ParquetError) {
    guard newPosition >= range.lowerBound && newPosition <= range.upperBound else {
      throw ParquetError(
        .damaged, "the page index points to byte \(newPosition), outside the column chunk")
    }
    position = newPosition
  }

  /// The next `count` bytes or, near the end of the chunk, as many as there are; does not move.
  func peek(_ count: Int) throws(ParquetError) -> Buffer {
    let wanted = min(count, left)
    if position < windowStart || position + wanted > windowStart + window.count {
      let fetch = min(max(wanted, windowByteCount), left)
      do throws(StorageError) {
        window = try source.read(position..<position + fetch)
      } catch {
        throw ParquetError(.storage, "\(error)", position: position)
      }
      windowStart = position
    }
    let offset = position - windowStart
    return window.slice(offset: offset, count: window.count - offset)
  }

  /// The next `count` bytes; moves behind them.
  func take(_ count: Int, _ what: String) throws(ParquetError) -> Buffer {
    guard count <= left else {
      throw ParquetError(
        .damaged,
        "\(what) of \(count) bytes reaches beyond its column chunk, which has \(left) left",
        position: position)
    }
    let bytes = try peek(count)
    position += count
    return bytes.slice(offset: 0, count: count)
  }

  func skip(_ count: Int) { position += count }
}
