// SPDX-License-Identifier: Apache-2.0

// FlatBuffers, as far as Arrow's messages need them, for bytes that nobody vouches for.
//
// A table starts with a signed distance back to its vtable; the vtable holds its own size, the
// table's size and, for each slot, where in the table the field lies (0: absent). References to
// tables, strings and vectors are unsigned distances forward. Every one of these is checked before it
// is followed. References may be shared, so a small message can describe a huge tree: all tables
// visited and all text copied are counted against budgets that follow from the message's size.

/// The bytes of one message, and what may still be taken out of them.
final class FlatBytes {
  private let bytes: Buffer
  /// Where the bytes start in the stream, for errors.
  let position: Int
  private var tablesLeft: Int
  private var textLeft: Int

  init(_ bytes: Buffer, position: Int) {
    self.bytes = bytes
    self.position = position
    // A table takes at least 4 bytes, so honest messages stay far below.
    tablesLeft = bytes.count / 2 + 64
    textLeft = bytes.count * 4 + (16 << 20)
  }

  var count: Int { bytes.count }

  func error(_ message: String, at offset: Int) -> ColumnarError {
    ColumnarError(.invalidData, "damaged Arrow metadata: \(message)", position: position + offset)
  }

  /// Safe: checked against the buffer's bounds before the load.
  func load<T: FixedWidthInteger & BitwiseCopyable>(
    _ offset: Int, as type: T.Type
  ) throws(ColumnarError) -> T {
    guard offset >= 0, offset <= bytes.count - MemoryLayout<T>.size else {
      throw error("a value lies outside the message", at: offset)
    }
    defer { withExtendedLifetime(bytes) {} }
    return T(littleEndian: bytes.base.loadUnaligned(fromByteOffset: offset, as: T.self))
  }

  /// Where the reference at `offset` points.
  func follow(_ offset: Int) throws(ColumnarError) -> Int {
    let target = offset + Int(try load(offset, as: UInt32.self))
    guard target > offset, target <= bytes.count - 4 else {
      throw error("a reference points outside the message", at: offset)
    }
    return target
  }

  func chargeTable(at offset: Int) throws(ColumnarError) {
    tablesLeft -= 1
    guard tablesLeft >= 0 else {
      throw error("more parts than the message has room for", at: offset)
    }
  }

  /// The string at `offset`; bytes that are not UTF-8 become replacement characters.
  func string(_ offset: Int) throws(ColumnarError) -> String {
    let count = Int(try load(offset, as: UInt32.self))
    guard count <= bytes.count - offset - 4 else {
      throw error("a text of \(count) bytes reaches outside the message", at: offset)
    }
    textLeft -= count
    guard textLeft >= 0 else { throw error("more text than the message has room for", at: offset) }
    return bytes.slice(offset: offset + 4, count: count).withUnsafeBytes {
      String(decoding: $0, as: UTF8.self)
    }
  }

  /// The table that the first reference of the bytes points to.
  func root() throws(ColumnarError) -> FlatTable {
    try FlatTable(self, at: try follow(0))
  }
}

/// A checked table.
struct FlatTable {
  let bytes: FlatBytes
  let position: Int
  private let vtable: Int
  private let vtableSize: Int
  private let tableSize: Int

  init(_ bytes: FlatBytes, at position: Int) throws(ColumnarError) {
    try bytes.chargeTable(at: position)
    let vtable = position - Int(try bytes.load(position, as: Int32.self))
    let vtableSize = Int(try bytes.load(vtable, as: UInt16.self))
    let tableSize = Int(try bytes.load(vtable + 2, as: UInt16.self))
    guard vtableSize >= 4, vtableSize & 1 == 0, vtableSize <= bytes.count - vtable, tableSize >= 4,
      tableSize <= bytes.count - position
    else { throw bytes.error("a table has impossible sizes", at: position) }
    self.bytes = bytes
    self.position = position
    self.vtable = vtable
    self.vtableSize = vtableSize
    self.tableSize = tableSize
  }

  /// Where the field of `slot` lies, `nil` when it is absent.
  private func field(_ slot: Int, size: Int) throws(ColumnarError) -> Int? {
    let entry = 4 + slot * 2
    guard entry + 2 <= vtableSize else { return nil }
    let offset = Int(try bytes.load(vtable + entry, as: UInt16.self))
    if offset == 0 { return nil }
    guard offset >= 4, offset + size <= tableSize else {
      throw bytes.error("a field lies outside its table", at: position)
    }
    return position + offset
  }

  func scalar<T: FixedWidthInteger & BitwiseCopyable>(
    _ slot: Int, _ absent: T
  ) throws(ColumnarError) -> T {
    guard let field = try field(slot, size: MemoryLayout<T>.size) else { return absent }
    return try bytes.load(field, as: T.self)
  }

  func bool(_ slot: Int) throws(ColumnarError) -> Bool { try scalar(slot, UInt8(0)) != 0 }

  private func reference(_ slot: Int) throws(ColumnarError) -> Int? {
    guard let field = try field(slot, size: 4) else { return nil }
    return try bytes.follow(field)
  }

  func table(_ slot: Int) throws(ColumnarError) -> FlatTable? {
    guard let target = try reference(slot) else { return nil }
    return try FlatTable(bytes, at: target)
  }

  /// The table of `slot`, which the format demands.
  func requiredTable(_ slot: Int, _ what: String) throws(ColumnarError) -> FlatTable {
    guard let table = try table(slot) else {
      throw bytes.error("\(what) is missing", at: position)
    }
    return table
  }

  func string(_ slot: Int) throws(ColumnarError) -> String? {
    guard let target = try reference(slot) else { return nil }
    return try bytes.string(target)
  }

  /// A vector whose elements take `stride` bytes each; an absent one is empty.
  func vector(_ slot: Int, stride: Int) throws(ColumnarError) -> FlatVector {
    guard let target = try reference(slot) else {
      return FlatVector(bytes: bytes, start: 0, count: 0, stride: stride)
    }
    let count = Int(try bytes.load(target, as: UInt32.self))
    guard count <= (bytes.count - target - 4) / stride else {
      throw bytes.error("a list of \(count) items reaches outside the message", at: target)
    }
    return FlatVector(bytes: bytes, start: target + 4, count: count, stride: stride)
  }
}

/// A vector that lies within its message.
struct FlatVector {
  let bytes: FlatBytes
  let start: Int
  let count: Int
  let stride: Int

  /// The table that element `index` refers to.
  func table(_ index: Int) throws(ColumnarError) -> FlatTable {
    try FlatTable(bytes, at: try bytes.follow(start + index * stride))
  }

  /// The number `field` bytes into element `index`.
  func load<T: FixedWidthInteger & BitwiseCopyable>(
    _ index: Int, _ field: Int = 0, as type: T.Type
  ) throws(ColumnarError) -> T {
    guard index >= 0, index < count else {
      throw bytes.error("a list has only \(count) items", at: start)
    }
    return try bytes.load(start + index * stride + field, as: T.self)
  }
}
