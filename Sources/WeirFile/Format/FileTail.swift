// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// The last 128 bytes of a file: where everything else is (section 1.1 of the specification).
struct FileTail: Sendable, Equatable {
  static let byteCount = 128
  static let magic = Array("WEIRCOL1".utf8)
  private static let checkedByteCount = 112
  private static let majorVersion: UInt16 = 1

  var rowCount = 0
  var directoryOffset = 0
  var columnCount = 0
  var firstID: UInt32 = 0
  var isDense = true
  var namesOffset = 0
  var nameSlots = 0
  var metadataOffset = 0
  var metadataSize = 0
  var metadataCRC: UInt32 = 0
  var generation: UInt64 = 0
  /// Bytes from a directory entry to the next.
  var stride = DirectoryEntry.byteCount

  func encoded() -> Buffer {
    let out = MutableBuffer(capacity: Self.byteCount)
    out.put(UInt64(rowCount))
    out.put(UInt64(directoryOffset))
    out.put(UInt32(columnCount))
    out.put(firstID)
    out.put(UInt64(namesOffset))
    out.put(UInt32(nameSlots))
    out.put(UInt32(isDense ? 1 : 0))
    out.put(UInt64(metadataOffset))
    out.put(UInt32(metadataSize))
    out.put(metadataCRC)
    out.put(generation)
    out.put(UInt64(0))
    out.put(UInt64(0))
    out.put(UInt32(stride))
    out.appendZeros(Self.checkedByteCount - out.count)
    out.put(out.crc(0..<Self.checkedByteCount))
    out.put(Self.majorVersion)
    out.put(UInt16(0))
    out.append(contentsOf: Self.magic)
    return out.finish()
  }

  /// - Parameters:
  ///   - bytes: the last 128 of the file.
  ///   - fileSize: what the offsets are checked against.
  init(_ bytes: Buffer, fileSize: Int) throws(WeirFileError) {
    guard bytes.count == Self.byteCount,
      bytes.slice(offset: 120, count: 8).array(of: UInt8.self) == Self.magic
    else {
      throw WeirFileError(
        .notWeirFile, "it does not end as a Weir file does; was it cut, or is it of another format?"
      )
    }
    let version = bytes.number(UInt16.self, at: 116)
    guard version == Self.majorVersion else {
      throw WeirFileError(
        .unsupported, "the file has version \(version) of the format; this version of Weir reads 1")
    }
    let crc = bytes.slice(offset: 0, count: Self.checkedByteCount).crc32c
    guard crc == bytes.number(UInt32.self, at: Self.checkedByteCount) else {
      throw .damaged("the checksum of the file's tail is wrong")
    }
    let features = bytes.number(UInt64.self, at: 64)
    guard features == 0 else {
      throw WeirFileError(
        .unsupported,
        features & 1 == 1
          ? "its pages are encrypted, which this version does not read"
          : "the file needs features (\(features)) that are not known; a newer version reads it"
      )
    }
    rowCount = try Self.size(bytes, 0, limit: 1 << 48)
    columnCount = Int(bytes.number(UInt32.self, at: 16))
    stride = Int(bytes.number(UInt32.self, at: 80))
    guard stride >= DirectoryEntry.byteCount, stride & 7 == 0 else {
      throw .damaged("directory entries at every \(stride) bytes")
    }
    directoryOffset = try Self.size(bytes, 8, limit: fileSize - columnCount * stride)
    firstID = bytes.number(UInt32.self, at: 20)
    nameSlots = Int(bytes.number(UInt32.self, at: 32))
    namesOffset = try Self.size(bytes, 24, limit: fileSize - nameSlots * NameTable.slotByteCount)
    isDense = bytes.number(UInt32.self, at: 36) == 1
    metadataSize = Int(bytes.number(UInt32.self, at: 48))
    metadataOffset = try Self.size(bytes, 40, limit: fileSize - metadataSize)
    metadataCRC = bytes.number(UInt32.self, at: 52)
    generation = bytes.number(UInt64.self, at: 56)
    guard nameSlots & (nameSlots - 1) == 0, nameSlots >= columnCount else {
      throw .damaged("a name table of \(nameSlots) slots for \(columnCount) columns")
    }
  }

  init() {}

  private static func size(_ bytes: Buffer, _ at: Int, limit: Int) throws(WeirFileError) -> Int {
    let value = bytes.number(UInt64.self, at: at)
    guard limit >= 0 && value <= UInt64(limit) else {
      throw .damaged("the tail's number at byte \(at) is \(value)")
    }
    return Int(value)
  }
}

/// Where the parts of a column are (section 1.2).
struct DirectoryEntry: Sendable, Equatable {
  static let byteCount = 64

  /// A part of the file with its checksum.
  struct Part: Sendable, Equatable {
    var offset = 0
    var size = 0
    var crc: UInt32 = 0
    var range: Range<Int> { offset..<offset + size }
  }

  var fieldID: UInt32 = 0
  var position = 0
  var descriptor = Part()
  var field = Part()
  /// Of size 0 when there are none.
  var statistics = Part()
  var bucket: UInt32 = 0

  func encode(into out: MutableBuffer) {
    let start = out.count
    out.put(fieldID)
    out.put(UInt32(position))
    for part in [descriptor, field, statistics] {
      out.put(UInt64(part.offset))
      out.put(UInt32(part.size))
      out.put(part.crc)
    }
    out.put(bucket)
    out.put(out.crc(start..<start + 60))
  }

  init() {}

  /// - Parameter bytes: 64 of them.
  init(_ bytes: Buffer, tail: FileTail, fileSize: Int) throws(WeirFileError) {
    guard bytes.slice(offset: 0, count: 60).crc32c == bytes.number(UInt32.self, at: 60) else {
      throw .damaged("the checksum of a directory entry is wrong")
    }
    fieldID = bytes.number(UInt32.self, at: 0)
    position = Int(bytes.number(UInt32.self, at: 4))
    descriptor = try Self.part(bytes, 8, fileSize)
    field = try Self.part(bytes, 24, fileSize)
    statistics = try Self.part(bytes, 40, fileSize)
    bucket = bytes.number(UInt32.self, at: 56)
    guard position < tail.columnCount else {
      throw .damaged("a column at place \(position) of \(tail.columnCount)")
    }
  }

  private static func part(_ bytes: Buffer, _ at: Int, _ fileSize: Int) throws(WeirFileError)
    -> Part
  {
    let offset = bytes.number(UInt64.self, at: at)
    let size = Int(bytes.number(UInt32.self, at: at + 8))
    guard size <= fileSize, offset <= UInt64(fileSize - size) else {
      throw .damaged("a directory entry leads out of the file")
    }
    return Part(offset: Int(offset), size: size, crc: bytes.number(UInt32.self, at: at + 12))
  }
}

/// From names to directory entries (section 1.3).
enum NameTable {
  static let slotByteCount = 16

  static func hash(_ name: String) -> UInt64 {
    var hash: UInt64 = 14_695_981_039_346_656_037
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
    return hash
  }

  /// Slots for that many columns.
  static func slotCount(_ columns: Int) -> Int {
    if columns == 0 { return 0 }
    var slots = 2
    while slots < columns * 2 { slots *= 2 }
    return slots
  }

  /// - Parameter names: by number of the directory entry, in the order of their positions.
  static func encoded(_ names: [(name: String, entry: Int)]) -> Buffer {
    let slots = slotCount(names.count)
    var table = [UInt64](repeating: 0, count: slots * 2)
    for (name, entry) in names {
      let hash = hash(name)
      var slot = Int(hash & UInt64(slots - 1))
      while table[slot * 2 + 1] != 0 { slot = (slot + 1) & (slots - 1) }
      table[slot * 2] = hash.littleEndian
      table[slot * 2 + 1] = (UInt64(entry) | 1 << 32).littleEndian
    }
    return Buffer(table)
  }
}

extension MutableBuffer {
  /// Appends the number, little-endian.
  func put<T: FixedWidthInteger & BitwiseCopyable>(_ number: T) { append(number.littleEndian) }

  /// Zeros up to the next multiple of 8.
  func align() { appendZeros((8 - count & 7) & 7) }

  func crc(_ range: Range<Int>) -> UInt32 {
    // Safe: the bytes are read during the call.
    withUnsafeBytes { crc32c(UnsafeRawBufferPointer(rebasing: $0[range])) }
  }
}
