// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The metric maps of one data file as they lie in a manifest's block: arrays of (key, value) records.
///
/// The reader has walked over all of them, so that every length within is known to be right.
///
/// Safe: pointers into `bytes` are used while this value is held.
struct EncodedMetrics: Sendable {
  /// The maps, in the order of the manifest's fields.
  enum Part: Int, CaseIterable, Sendable {
    case columnSizes, valueCounts, nullValueCounts, nanValueCounts, lowerBounds, upperBounds
  }

  /// Holds the maps, and as a rule much else.
  private let bytes: Buffer
  /// Where each map starts; -1 for those that are null or left out.
  private let starts: SIMD8<Int32>

  /// - Parameter starts: positions in `bytes`, by `Part.rawValue`.
  init(bytes: Buffer, starts: SIMD8<Int32>) {
    self.bytes = bytes
    self.starts = starts
  }

  private func cursor(_ part: Part) -> AvroCursor? {
    let start = starts[part.rawValue]
    guard start >= 0 else { return nil }
    return AvroCursor(bytes.base, position: Int(start), end: bytes.count)
  }

  /// Calls `body` with each key and a cursor at its value, which it must pass over, until it returns
  /// false.
  @inline(__always)
  private func walk(
    _ cursor: inout AvroCursor, _ body: (Int64, inout AvroCursor) throws(TableError) -> Bool
  ) throws(TableError) {
    while true {
      var (count, _) = try cursor.blockCount(itemBytesMin: 2)
      if count == 0 { return }
      while count > 0 {
        let key = try cursor.long()
        guard try body(key, &cursor) else { return }
        count &-= 1
      }
    }
  }

  func count(_ fieldID: Int32, _ part: Part) -> Int64? {
    guard var cursor = cursor(part) else { return nil }
    defer { withExtendedLifetime(bytes) {} }
    var found: Int64?
    let wanted = Int64(fieldID)
    try? walk(&cursor) { (key, cursor) throws(TableError) in
      if key == wanted {
        found = try cursor.long()
        return false
      }
      try cursor.skipLong()
      return true
    }
    return found
  }

  /// Calls `body` with the bytes of a column's bound, which must not escape it.
  func withBound<R>(
    _ fieldID: Int32, _ part: Part, _ body: (UnsafeRawBufferPointer) -> R
  ) -> R? {
    guard var cursor = cursor(part) else { return nil }
    defer { withExtendedLifetime(bytes) {} }
    var found: Range<Int>?
    let wanted = Int64(fieldID)
    try? walk(&cursor) { (key, cursor) throws(TableError) in
      let range = try cursor.bytesRange()
      guard key == wanted else { return true }
      found = range
      return false
    }
    return found.map { body(cursor.view($0)) }
  }

  func bound(_ fieldID: Int32, _ part: Part) -> [UInt8]? {
    withBound(fieldID, part) { [UInt8]($0) }
  }

  func counts(_ part: Part) -> [Int32: Int64]? {
    guard var cursor = cursor(part) else { return nil }
    defer { withExtendedLifetime(bytes) {} }
    var result: [Int32: Int64] = [:]
    try? walk(&cursor) { (key, cursor) throws(TableError) in
      let value = try cursor.long()
      if let key = Int32(exactly: key) { result[key] = value }
      return true
    }
    return result
  }

  func bounds(_ part: Part) -> [Int32: [UInt8]]? {
    guard var cursor = cursor(part) else { return nil }
    defer { withExtendedLifetime(bytes) {} }
    var result: [Int32: [UInt8]] = [:]
    try? walk(&cursor) { (key, cursor) throws(TableError) in
      let value = try cursor.bytes()
      if let key = Int32(exactly: key) { result[key] = value }
      return true
    }
    return result
  }

  func maps() -> FileMetrics.Maps {
    FileMetrics.Maps(
      columnSizes: counts(.columnSizes), valueCounts: counts(.valueCounts),
      nullValueCounts: counts(.nullValueCounts), nanValueCounts: counts(.nanValueCounts),
      lowerBounds: bounds(.lowerBounds), upperBounds: bounds(.upperBounds))
  }

  /// The encoded bytes of one map with its end mark; `nil` when it is null.
  func withEncoded<R>(
    _ part: Part, _ body: (UnsafeRawBufferPointer) -> R
  ) throws(TableError) -> R? {
    guard var cursor = cursor(part) else { return nil }
    defer { withExtendedLifetime(bytes) {} }
    let start = cursor.position
    let isBounds = part == .lowerBounds || part == .upperBounds
    try walk(&cursor) { (_, cursor) throws(TableError) in
      if isBounds { _ = try cursor.bytesRange() } else { try cursor.skipLong() }
      return true
    }
    return body(cursor.view(start..<cursor.position))
  }

  /// The same on memory of its own, which holds these maps alone.
  func detached() -> EncodedMetrics {
    let copy = MutableBuffer()
    var starts = SIMD8<Int32>(repeating: -1)
    for part in Part.allCases {
      let start = copy.count
      let isThere: Void? = try? withEncoded(part) { copy.append($0) }
      if isThere != nil { starts[part.rawValue] = Int32(start) }
    }
    return EncodedMetrics(bytes: copy.finish(), starts: starts)
  }
}
