// SPDX-License-Identifier: Apache-2.0
// Safe: every load is checked against the bytes that are left before it happens.

public import WeirColumnar

/// The "portable" format of Roaring bitmaps with its extension for 64 bits.
/// Source: https://github.com/RoaringBitmap/RoaringFormatSpec
extension RoaringBitmap64 {
  private static let cookieWithoutRuns: UInt32 = 12_346
  private static let cookieWithRuns: UInt32 = 12_347
  /// With runs, bitmaps of fewer containers have no offsets.
  private static let offsetContainerCountMin = 4

  /// Reads bytes that nobody vouches for: they must be one bitmap, no more and no less.
  ///
  /// - Throws: `damaged` with the position in the bytes. Memory stays in proportion to them.
  public init(serialized bytes: Buffer) throws(TableError) {
    defer { withExtendedLifetime(bytes) {} }
    var reader = RoaringReader(base: bytes.base, end: bytes.count)
    let bitmapCount = try reader.uint64()
    guard bitmapCount <= UInt64(reader.left / 8) else {
      throw reader.damaged(
        "\(bitmapCount) bitmaps are announced where \(reader.left) bytes are left")
    }
    var keys: [UInt64] = []
    var containers: [RoaringContainer] = []
    var previous: UInt32?
    for _ in 0..<bitmapCount {
      let high = try reader.uint32()
      guard previous.map({ $0 < high }) ?? true, high <= UInt32(Int32.max) else {
        throw reader.damaged("the key \(high) of a bitmap is out of order or negative")
      }
      previous = high
      try reader.bitmap(high, &keys, &containers)
    }
    guard reader.left == 0 else {
      throw reader.damaged("\(reader.left) bytes follow the last bitmap")
    }
    self.init(keys: keys, containers: containers)
  }

  /// The bytes of the bitmap, each container in its smallest form.
  public func serialized() -> [UInt8] {
    var bytes: [UInt8] = []
    var groups: [Range<Int>] = []
    var start = 0
    for index in keys.indices
    where index + 1 == keys.count || keys[index + 1] >> 16 != keys[index] >> 16 {
      groups.append(start..<index + 1)
      start = index + 1
    }
    Self.append(UInt64(groups.count), to: &bytes)
    for group in groups {
      Self.append(UInt32(truncatingIfNeeded: keys[group.lowerBound] >> 16), to: &bytes)
      append(group, to: &bytes)
    }
    return bytes
  }

  private static func append<T: FixedWidthInteger>(_ value: T, to bytes: inout [UInt8]) {
    Swift.withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  private static func append<T: FixedWidthInteger & BitwiseCopyable>(
    contentsOf values: [T], to bytes: inout [UInt8]
  ) {
    #if _endian(little)
      values.withUnsafeBytes { bytes.append(contentsOf: $0) }
    #else
      for value in values { append(value, to: &bytes) }
    #endif
  }

  /// One bitmap of 32-bit values.
  private func append(_ group: Range<Int>, to bytes: inout [UInt8]) {
    let parts = containers[group].map { $0.optimized() }
    let isRun = parts.map { if case .runs = $0 { true } else { false } }
    let start = bytes.count
    if isRun.contains(true) {
      Self.append(Self.cookieWithRuns | UInt32(parts.count - 1) << 16, to: &bytes)
      var flags = [UInt8](repeating: 0, count: (parts.count + 7) / 8)
      for index in parts.indices where isRun[index] { flags[index / 8] |= 1 << UInt8(index % 8) }
      bytes += flags
    } else {
      Self.append(Self.cookieWithoutRuns, to: &bytes)
      Self.append(UInt32(parts.count), to: &bytes)
    }
    for (key, part) in zip(keys[group], parts) {
      Self.append(UInt16(truncatingIfNeeded: key), to: &bytes)
      Self.append(UInt16(part.count - 1), to: &bytes)
    }
    if !isRun.contains(true) || parts.count >= Self.offsetContainerCountMin {
      var offset = UInt32(bytes.count - start + 4 * parts.count)
      for part in parts {
        Self.append(offset, to: &bytes)
        offset += UInt32(Self.byteCount(part))
      }
    }
    for part in parts {
      switch part {
      case .array(let values): Self.append(contentsOf: values, to: &bytes)
      case .bitmap(let words, _): Self.append(contentsOf: words, to: &bytes)
      case .runs(let runs):
        Self.append(UInt16(runs.count / 2), to: &bytes)
        Self.append(contentsOf: runs, to: &bytes)
      }
    }
  }

  private static func byteCount(_ container: RoaringContainer) -> Int {
    switch container {
    case .array(let values): 2 * values.count
    case .bitmap: 8 * RoaringContainer.wordCount
    case .runs(let runs): 2 + 2 * runs.count
    }
  }

  /// Reads forward over bytes that are not trusted.
  private struct RoaringReader {
    let base: UnsafeRawPointer
    let end: Int
    var position = 0

    init(base: UnsafeRawPointer, end: Int) {
      self.base = base
      self.end = end
    }

    var left: Int { end - position }

    @inline(never)
    func damaged(_ message: String) -> TableError {
      TableError(.damaged, "\(message), at byte \(position) of the bitmap")
    }

    private mutating func take(_ count: Int) throws(TableError) -> UnsafeRawPointer {
      guard count <= left else {
        throw damaged("\(count) bytes are announced where \(left) are left")
      }
      defer { position += count }
      return base + position
    }

    mutating func uint16() throws(TableError) -> UInt16 {
      UInt16(littleEndian: try take(2).loadUnaligned(as: UInt16.self))
    }

    mutating func uint32() throws(TableError) -> UInt32 {
      UInt32(littleEndian: try take(4).loadUnaligned(as: UInt32.self))
    }

    mutating func uint64() throws(TableError) -> UInt64 {
      UInt64(littleEndian: try take(8).loadUnaligned(as: UInt64.self))
    }

    /// One bitmap of 32-bit values.
    mutating func bitmap(
      _ high: UInt32, _ keys: inout [UInt64], _ containers: inout [RoaringContainer]
    ) throws(TableError) {
      let cookie = try uint32()
      let containerCount: Int
      var flags = UnsafeRawPointer(base)
      let hasRuns = cookie & 0xffff == RoaringBitmap64.cookieWithRuns
      if hasRuns {
        containerCount = Int(cookie >> 16) + 1
        flags = try take((containerCount + 7) / 8)
      } else {
        guard cookie == RoaringBitmap64.cookieWithoutRuns else {
          throw damaged("a bitmap starts with \(cookie), which is no known mark")
        }
        let count = try uint32()
        guard count <= 65_536 else { throw damaged("\(count) containers in one bitmap") }
        containerCount = Int(count)
      }
      let descriptors = try take(4 * containerCount)
      if !hasRuns || containerCount >= RoaringBitmap64.offsetContainerCountMin {
        // Containers follow one another: where they start needs no telling.
        _ = try take(4 * containerCount)
      }
      var previous = -1
      for index in 0..<containerCount {
        let key = Int(
          UInt16(
            littleEndian: descriptors.loadUnaligned(fromByteOffset: 4 * index, as: UInt16.self)))
        let count =
          Int(
            UInt16(
              littleEndian: descriptors.loadUnaligned(
                fromByteOffset: 4 * index + 2, as: UInt16.self))) + 1
        guard key > previous else { throw damaged("the keys of containers do not ascend") }
        previous = key
        let isRun =
          hasRuns
          && flags.load(fromByteOffset: index / 8, as: UInt8.self) >> UInt8(index % 8) & 1 == 1
        keys.append(UInt64(high) << 16 | UInt64(key))
        containers.append(isRun ? try runs(count) : try plain(count))
      }
    }

    private mutating func plain(_ count: Int) throws(TableError) -> RoaringContainer {
      if count <= RoaringContainer.arrayCountMax {
        let start = try take(2 * count)
        var values = [UInt16](repeating: 0, count: count)
        var previous = -1
        for index in 0..<count {
          let value = UInt16(
            littleEndian: start.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
          guard Int(value) > previous else { throw damaged("positions do not ascend") }
          previous = Int(value)
          values[index] = value
        }
        return .array(values)
      }
      let start = try take(8 * RoaringContainer.wordCount)
      var words = [UInt64](repeating: 0, count: RoaringContainer.wordCount)
      var bitCount = 0
      for index in words.indices {
        words[index] = UInt64(
          littleEndian: start.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
        bitCount += words[index].nonzeroBitCount
      }
      guard bitCount == count else {
        throw damaged("a container of \(bitCount) positions announces \(count)")
      }
      return .bitmap(words, count: count)
    }

    private mutating func runs(_ count: Int) throws(TableError) -> RoaringContainer {
      let runCount = Int(try uint16())
      guard runCount > 0 else { throw damaged("a container has no runs") }
      let start = try take(4 * runCount)
      var runs = [UInt16](repeating: 0, count: 2 * runCount)
      var previous = -1
      var total = 0
      for index in 0..<runCount {
        let first = UInt16(
          littleEndian: start.loadUnaligned(fromByteOffset: 4 * index, as: UInt16.self))
        let more = UInt16(
          littleEndian: start.loadUnaligned(fromByteOffset: 4 * index + 2, as: UInt16.self))
        guard Int(first) > previous, Int(first) + Int(more) <= 65_535 else {
          throw damaged("runs overlap or go beyond their container")
        }
        previous = Int(first) + Int(more)
        total += Int(more) + 1
        runs[2 * index] = first
        runs[2 * index + 1] = more
      }
      guard total == count else {
        throw damaged("a container of \(total) positions announces \(count)")
      }
      return .runs(runs)
    }
  }
}
