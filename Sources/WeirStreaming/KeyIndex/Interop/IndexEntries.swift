// SPDX-License-Identifier: Apache-2.0
// Safe: keys and values are copied from arrays that the caller holds, within their offsets; values that are
// read are checked for their length first.

internal import WeirColumnar

#if canImport(Glibc)
  internal import Glibc
#endif

/// Writes the keys of a batch, see `RocksKeyIndex`.
struct IndexEntryWriter {
  private let writer: RocksStore.Writer

  init(_ writer: RocksStore.Writer) { self.writer = writer }

  /// State, file and row in front of a version.
  static let placeBytes = 9

  func writePlaces(_ batch: IndexBatch, _ files: [UInt32]) throws(StreamError) {
    let key = MutableBuffer(capacity: 256)
    let value = MutableBuffer(capacity: 64)
    let keys = BytesView(batch.keys)
    let versions = BytesView(batch.versions)
    for row in 0..<batch.keys.length {
      if Self.isRepeated(keys, row, batch.keys.length) { continue }
      Self.fill(key, prefix: 1, keys[row])
      if batch.states[row] == .absent {
        try writer.delete(Self.bytes(key))
        continue
      }
      value.truncate(to: 0)
      value.append(batch.states[row].rawValue)
      value.append(files[Int(batch.locations[row].file)].littleEndian)
      value.append(batch.locations[row].row.littleEndian)
      value.append(versions[row])
      try writer.put(Self.bytes(key), Self.bytes(value))
    }
    withExtendedLifetime(batch) {}
  }

  func writeRows(_ batch: IndexBatch) throws(StreamError) {
    guard let encoded = batch.rows else { return }
    let key = MutableBuffer(capacity: 256)
    let keys = BytesView(batch.keys)
    let rows = BytesView(encoded)
    for row in 0..<batch.keys.length {
      if Self.isRepeated(keys, row, batch.keys.length) { continue }
      Self.fill(key, prefix: 2, keys[row])
      if batch.states[row] == .absent {
        try writer.delete(Self.bytes(key))
      } else {
        try writer.put(Self.bytes(key), rows[row])
      }
    }
    withExtendedLifetime(batch) {}
  }

  /// Whether the next row has the same key: the last one counts.
  @inline(__always)
  private static func isRepeated(_ keys: BytesView, _ row: Int, _ count: Int) -> Bool {
    row + 1 < count && VersionBytes.compare(keys[row], keys[row + 1]) == 0
  }

  @inline(__always)
  private static func fill(
    _ target: MutableBuffer, prefix: UInt8, _ key: UnsafeRawBufferPointer
  ) {
    target.truncate(to: 0)
    target.append(prefix)
    target.append(key)
  }

  @inline(__always)
  private static func bytes(_ buffer: MutableBuffer) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: buffer.base, count: buffer.count)
  }
}

/// Collects values of `binary`, nulls among them.
struct BytesCollector {
  private let bytes = MutableBuffer()
  private let offsets: MutableBuffer
  private let valid: MutableBuffer
  private var count = 0
  private var nullCount = 0

  init(capacity: Int) {
    offsets = MutableBuffer(capacity: (capacity + 1) * 4)
    offsets.append(Int32(0))
    valid = MutableBuffer(capacity: (capacity + 7) / 8)
  }

  /// `nil` for a null. Values of 2 GiB in all are refused in the end.
  mutating func append(_ value: UnsafeRawBufferPointer?) {
    if count & 7 == 0 { valid.appendZeros(1) }
    if let value {
      bytes.append(value)
      Bitmap.set(valid.base, count)
    } else {
      nullCount += 1
    }
    count += 1
    offsets.append(Int32(truncatingIfNeeded: bytes.count))
  }

  func finish() throws(StreamError) -> ArrayData {
    guard bytes.count <= Int(Int32.max) else {
      throw StreamError(
        .overloaded, "the rows asked for at once have more than 2 GiB; ask for fewer keys")
    }
    return ArrayData(
      type: .binary, length: count, nullCount: nullCount,
      validity: nullCount == 0 ? nil : valid.finish(),
      buffers: [offsets.finish(), bytes.finish()])
  }
}

/// Reads keys out of a snapshot.
struct IndexEntryReader {
  private let snapshot: RocksStore.Snapshot
  private let folder: String

  init(_ snapshot: RocksStore.Snapshot, folder: String) {
    self.snapshot = snapshot
    self.folder = folder
  }

  func get(
    _ keys: ArrayData, isSorted: Bool, withRows: Bool
  ) throws(StreamError) -> IndexedRows {
    let count = keys.length
    let (bytes, starts) = Self.prefixed(keys)
    var states = [KeyState](repeating: .absent, count: count)
    var locations = [RowLocation](repeating: RowLocation(file: 0, row: 0), count: count)
    var versions = BytesCollector(capacity: count)
    var isDamaged = false
    let base = UnsafeMutableRawBufferPointer(start: bytes.base, count: bytes.count)
    try snapshot.get(UnsafeRawBufferPointer(base), starts: starts, isSorted: isSorted) {
      row, value in
      guard let value else {
        versions.append(UnsafeRawBufferPointer(start: nil, count: 0))
        return
      }
      guard value.count >= IndexEntryWriter.placeBytes, let state = KeyState(rawValue: value[0]),
        state != .absent
      else {
        isDamaged = true
        versions.append(UnsafeRawBufferPointer(start: nil, count: 0))
        return
      }
      states[row] = state
      locations[row] = RowLocation(
        file: value.loadUnaligned(fromByteOffset: 1, as: UInt32.self).littleEndian,
        row: value.loadUnaligned(fromByteOffset: 5, as: UInt32.self).littleEndian)
      versions.append(UnsafeRawBufferPointer(rebasing: value[IndexEntryWriter.placeBytes...]))
    }
    var rows: ArrayData?
    if withRows {
      for start in starts.dropLast() { base[start] = 2 }
      var collected = BytesCollector(capacity: count)
      try snapshot.get(UnsafeRawBufferPointer(base), starts: starts, isSorted: isSorted) {
        row, value in
        if (value == nil) != (states[row] == .absent) { isDamaged = true }
        collected.append(value)
      }
      rows = try collected.finish()
    }
    if isDamaged {
      throw StreamError(
        .damaged, "the key index breaks its format; it must be rebuilt", file: folder)
    }
    return IndexedRows(
      states: states, locations: locations, versions: try versions.finish(), rows: rows)
  }

  /// The keys behind a byte of 1 each, and where they begin.
  private static func prefixed(_ keys: ArrayData) -> (MutableBuffer, [Int]) {
    let view = BytesView(keys)
    var total = keys.length
    for row in 0..<keys.length { total += view[row].count }
    let buffer = MutableBuffer(capacity: max(1, total))
    var starts: [Int] = []
    starts.reserveCapacity(keys.length + 1)
    for row in 0..<keys.length {
      starts.append(buffer.count)
      buffer.append(UInt8(1))
      buffer.append(view[row])
    }
    starts.append(buffer.count)
    withExtendedLifetime(keys) {}
    return (buffer, starts)
  }
}
