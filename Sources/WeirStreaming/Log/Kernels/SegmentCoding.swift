// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import WeirColumnar

// Safe, all of this file: every position is checked against the buffer's size before it is read, and
// only bytes that were reserved are written.

extension SegmentHeader {
  var bytes: Buffer {
    let buffer = MutableBuffer(capacity: SegmentFormat.headerBytes)
    buffer.append(SegmentFormat.fileMagic.littleEndian)
    buffer.append(UInt32(0))
    buffer.append(shard.littleEndian)
    buffer.append(base.littleEndian)
    buffer.append(salt.littleEndian)
    buffer.append(previousBase.littleEndian)
    buffer.append(previousEnd.littleEndian)
    buffer.append(preambleEnd.littleEndian)
    buffer.append(Int64(0))
    let checksum = weir_crc32c(0, buffer.base + 12, SegmentFormat.headerBytes - 12)
    buffer.base.storeBytes(of: checksum.littleEndian, toByteOffset: 8, as: UInt32.self)
    return buffer.finish()
  }

  /// `nil` when the bytes are no segment's first ones.
  init?(_ bytes: Buffer) {
    guard bytes.count >= SegmentFormat.headerBytes else { return nil }
    defer { withExtendedLifetime(bytes) {} }
    let base = bytes.base
    guard base.load64(0) == SegmentFormat.fileMagic,
      base.load32(8) == weir_crc32c(0, base + 12, SegmentFormat.headerBytes - 12)
    else { return nil }
    shard = base.load32(12)
    self.base = Int64(bitPattern: base.load64(16))
    salt = base.load64(24)
    previousBase = Int64(bitPattern: base.load64(32))
    previousEnd = Int64(bitPattern: base.load64(40))
    preambleEnd = Int64(bitPattern: base.load64(48))
    guard self.base >= 0, self.base < SegmentFormat.offsetMax, previousBase >= -1,
      previousBase < self.base || previousBase == -1, previousEnd >= 0,
      preambleEnd >= Int64(SegmentFormat.headerBytes)
    else { return nil }
  }
}

extension EntryHeader {
  /// Whether an entry may begin in these bytes, at a glance.
  static func mayBegin(_ bytes: Buffer, at offset: Int) -> Bool {
    defer { withExtendedLifetime(bytes) {} }
    return offset >= 0 && offset <= bytes.count - SegmentFormat.headerBytes
      && bytes.base.load32(offset) == SegmentFormat.entryMagic
  }

  /// How many bytes the head of the entry takes whose first 64 are `bytes`.
  static func headBytes(_ bytes: Buffer) -> Int {
    guard bytes.count >= SegmentFormat.headerBytes else { return SegmentFormat.headerBytes }
    defer { withExtendedLifetime(bytes) {} }
    let idBytes = Int(bytes.base.load(fromByteOffset: 17, as: UInt8.self))
    return SegmentFormat.headerBytes
      + SegmentFormat.padded(min(idBytes, SegmentFormat.producerIDBytesMax))
  }

  /// The head of an entry from its bytes, of which there are `headBytes(_:)`; `nil` when they are
  /// none.
  ///
  /// - Parameter position: where they are in the file.
  init?(_ bytes: Buffer, position: Int, salt: UInt64) {
    guard Self.mayBegin(bytes, at: 0), bytes.count >= Self.headBytes(bytes) else { return nil }
    defer { withExtendedLifetime(bytes) {} }
    let base = bytes.base
    let idBytes = Int(base.load(fromByteOffset: 17, as: UInt8.self))
    guard idBytes <= SegmentFormat.producerIDBytesMax,
      base.load32(4)
        == Self.checksum(base, salt: salt, position: position, idBytes: idBytes),
      let kind = EntryKind(rawValue: base.load(fromByteOffset: 16, as: UInt8.self)),
      base.load16(18) == 0
    else { return nil }
    self.kind = kind
    payloadChecksum = base.load32(8)
    payloadBytes = Int(base.load32(12))
    rowCount = Int(base.load32(20))
    firstOffset = Int64(bitPattern: base.load64(24))
    time = Int64(bitPattern: base.load64(32))
    let sequence = Int64(bitPattern: base.load64(40))
    let durable = Int64(bitPattern: base.load64(48))
    let schemaPosition = Int64(bitPattern: base.load64(56))
    guard firstOffset >= 0, firstOffset < SegmentFormat.offsetMax, durable >= 0,
      durable <= Int64(position), schemaPosition >= 0, schemaPosition < Int64(position),
      (kind == .rows) == (rowCount > 0)
    else { return nil }
    self.durable = Int(durable)
    self.schemaPosition = Int(schemaPosition)
    if idBytes > 0 {
      let id = UnsafeRawBufferPointer(start: base + SegmentFormat.headerBytes, count: idBytes)
      producer = ProducerStamp(id: String(decoding: id, as: UTF8.self), sequence: sequence)
      guard producer!.id.utf8.count == idBytes else { return nil }
    }
  }

  /// Over where the entry is and its head behind the checksum: a head at another place, or of
  /// another file, is none. Safe: the callers have checked that the head's bytes are there.
  private static func checksum(
    _ base: UnsafeRawPointer, salt: UInt64, position: Int, idBytes: Int
  ) -> UInt32 {
    var seed = (salt.littleEndian, UInt64(position).littleEndian)
    let start = withUnsafeBytes(of: &seed) { weir_crc32c(0, $0.baseAddress, 16) }
    return weir_crc32c(start, base + 8, SegmentFormat.headerBytes - 8 + idBytes)
  }

  /// The checksum that belongs into a head with these bytes, for tests that make heads of their own.
  static func headChecksum(_ bytes: Buffer, position: Int, salt: UInt64) -> UInt32 {
    defer { withExtendedLifetime(bytes) {} }
    let idBytes = Int(bytes.base.load(fromByteOffset: 17, as: UInt8.self))
    let known = max(0, min(idBytes, bytes.count - SegmentFormat.headerBytes))
    return checksum(bytes.base, salt: salt, position: position, idBytes: known)
  }

  /// Whether `payload` is what this entry was written with.
  func fits(_ payload: Buffer, salt: UInt64) -> Bool {
    payload.count == payloadBytes && Self.payloadChecksum(payload, salt: salt) == payloadChecksum
  }

  static func payloadChecksum(_ payload: Buffer, salt: UInt64) -> UInt32 {
    payload.withUnsafeBytes {
      weir_crc32c(UInt32(truncatingIfNeeded: salt), $0.baseAddress, $0.count)
    }
  }

  /// Appends an entry whose payload `body` appends.
  ///
  /// - Parameter position: in the file, of the entry.
  static func append<E: Error>(
    _ header: EntryHeader, at position: Int, salt: UInt64, to buffer: MutableBuffer,
    payload body: (MutableBuffer) throws(E) -> Void
  ) throws(E) {
    var header = header
    let start = buffer.count
    buffer.appendZeros(header.headBytes)
    let payloadStart = buffer.count
    try body(buffer)
    let payloadBytes = buffer.count - payloadStart
    buffer.appendZeros(SegmentFormat.padded(payloadBytes) - payloadBytes)
    header.payloadBytes = payloadBytes
    header.payloadChecksum = weir_crc32c(
      UInt32(truncatingIfNeeded: salt), buffer.base + payloadStart, payloadBytes)
    header.store(buffer.base + start, position: position, salt: salt)
  }

  private func store(_ base: UnsafeMutableRawPointer, position: Int, salt: UInt64) {
    var id = producer?.id ?? ""
    base.store32(SegmentFormat.entryMagic, 0)
    base.store32(payloadChecksum, 8)
    // `batchBytesMax` and the size of a state keep it below.
    base.store32(UInt32(payloadBytes), 12)
    base.storeBytes(of: kind.rawValue, toByteOffset: 16, as: UInt8.self)
    base.storeBytes(of: UInt8(id.utf8.count), toByteOffset: 17, as: UInt8.self)
    base.store32(UInt32(rowCount), 20)
    base.store64(UInt64(bitPattern: firstOffset), 24)
    base.store64(UInt64(bitPattern: time), 32)
    base.store64(UInt64(bitPattern: producer?.sequence ?? 0), 40)
    base.store64(UInt64(durable), 48)
    base.store64(UInt64(schemaPosition), 56)
    id.withUTF8 { bytes in
      if let source = bytes.baseAddress {
        (base + SegmentFormat.headerBytes).copyMemory(from: source, byteCount: bytes.count)
      }
    }
    base.store32(
      Self.checksum(
        UnsafeRawPointer(base), salt: salt, position: position, idBytes: id.utf8.count), 4)
  }
}

// Safe: the callers have checked that the bytes are there.
extension UnsafeRawPointer {
  fileprivate func load16(_ offset: Int) -> UInt16 {
    UInt16(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }
  fileprivate func load32(_ offset: Int) -> UInt32 {
    UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }
  fileprivate func load64(_ offset: Int) -> UInt64 {
    UInt64(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
}

extension UnsafeMutableRawPointer {
  fileprivate func store32(_ value: UInt32, _ offset: Int) {
    storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt32.self)
  }
  fileprivate func store64(_ value: UInt64, _ offset: Int) {
    storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt64.self)
  }
}
