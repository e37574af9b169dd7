// SPDX-License-Identifier: Apache-2.0

/// The wire types of Thrift's compact protocol.
/// Source: apache/thrift, doc/specs/thrift-compact-protocol.md.
package enum ThriftType: UInt8 {
  case stop = 0
  case boolTrue = 1
  case boolFalse = 2
  case byte = 3
  case i16 = 4
  case i32 = 5
  case i64 = 6
  case double = 7
  case binary = 8
  case list = 9
  case set = 10
  case map = 11
  case structure = 12
  case uuid = 13
}

/// Reads Thrift's compact protocol from bytes that nobody vouches for.
///
/// Every length is checked against the bytes that are left before anything is allocated, and the
/// nesting is bounded. Errors carry the position from the start of the bytes.
///
/// Safe: `base` is valid for as long as the buffer that the caller holds across the use of this reader.
package struct ThriftReader {
  private let base: UnsafeRawPointer
  private let end: Int
  package private(set) var position: Int
  private var depth = 0

  /// Structures and containers within each other; Parquet needs fewer than ten.
  private static let depthMax = 32

  package init(_ bytes: UnsafeRawBufferPointer) {
    // Safe: with no bytes nothing is ever loaded.
    base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1)!
    end = bytes.count
    position = 0
  }

  package func damaged(_ message: String) -> ParquetError {
    ParquetError(.damaged, message, position: position)
  }

  package mutating func byte() throws(ParquetError) -> UInt8 {
    guard position < end else { throw damaged("the metadata ends in the middle of a value") }
    let value = base.load(fromByteOffset: position, as: UInt8.self)
    position += 1
    return value
  }

  package mutating func varint() throws(ParquetError) -> UInt64 {
    var result: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let next = try byte()
      if shift == 63 && next > 1 {
        throw damaged("a number in the metadata is longer than 64 bits")
      }
      result |= UInt64(next & 0x7f) << shift
      if next & 0x80 == 0 { return result }
      shift += 7
    }
  }

  package mutating func int64() throws(ParquetError) -> Int64 {
    let raw = try varint()
    return Int64(bitPattern: (raw >> 1) ^ (0 &- (raw & 1)))
  }

  package mutating func int32() throws(ParquetError) -> Int32 {
    guard let value = Int32(exactly: try int64()) else {
      throw damaged("a 32-bit number in the metadata is out of range")
    }
    return value
  }

  /// A count, size or offset: not negative.
  package mutating func size() throws(ParquetError) -> Int {
    let value = try int64()
    guard value >= 0 else { throw damaged("a size or an offset in the metadata is negative") }
    return Int(value)
  }

  /// A count or size whose field is 32 bits wide: not negative.
  package mutating func size32() throws(ParquetError) -> Int {
    let value = try int32()
    guard value >= 0 else { throw damaged("a size in the metadata is negative") }
    return Int(value)
  }

  package mutating func double() throws(ParquetError) -> Double {
    guard end - position >= 8 else { throw damaged("the metadata ends in the middle of a value") }
    let bits = base.loadUnaligned(fromByteOffset: position, as: UInt64.self)
    position += 8
    return Double(bitPattern: UInt64(littleEndian: bits))
  }

  private mutating func bytesRange() throws(ParquetError) -> Range<Int> {
    let count = try varint()
    guard count <= UInt64(end - position) else {
      throw damaged("a string of \(count) bytes does not fit the metadata")
    }
    let start = position
    position += Int(count)
    return start..<position
  }

  package mutating func binary() throws(ParquetError) -> [UInt8] {
    let range = try bytesRange()
    return [UInt8](UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
  }

  package mutating func string() throws(ParquetError) -> String {
    let range = try bytesRange()
    return String(
      decoding: UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count),
      as: UTF8.self)
  }

  /// Calls `field` for each field of a structure with its number and type; what it does not read
  /// (it returns false) is skipped.
  package mutating func structure(
    _ field: (inout ThriftReader, Int, ThriftType) throws(ParquetError) -> Bool
  ) throws(ParquetError) {
    try enter()
    var lastID = 0
    while true {
      let header = try byte()
      if header == 0 { break }
      guard let type = ThriftType(rawValue: header & 0x0f), type != .stop else {
        throw damaged("unknown field type \(header & 0x0f) in the metadata")
      }
      let delta = Int(header >> 4)
      if delta == 0 {
        let id = try int64()
        guard id > 0 && id <= Int64(Int16.max) else {
          throw damaged("impossible field number \(id)")
        }
        lastID = Int(id)
      } else {
        lastID += delta
      }
      if try !field(&self, lastID, type) { try skip(type) }
    }
    depth -= 1
  }

  /// A boolean field's value is in its type.
  package func bool(_ type: ThriftType) -> Bool { type == .boolTrue }

  /// Reads a list's elements by `element`, which must consume at least one byte each.
  package mutating func list<T>(
    of expected: ThriftType, _ element: (inout ThriftReader) throws(ParquetError) -> T
  ) throws(ParquetError) -> [T] {
    let (type, count) = try listHeader()
    guard type == expected || count == 0 else {
      throw damaged("a list in the metadata holds \(type), expected \(expected)")
    }
    try enter()
    var result: [T] = []
    // An element takes at least one byte; do not believe more than 1,024 of them in advance.
    result.reserveCapacity(min(count, 1024))
    for _ in 0..<count { result.append(try element(&self)) }
    depth -= 1
    return result
  }

  /// A list of booleans, one byte each (1 is true; some writers use 2 for false, others 0).
  package mutating func boolList() throws(ParquetError) -> [Bool] {
    let (type, count) = try listHeader()
    guard type == .boolTrue || type == .boolFalse || count == 0 else {
      throw damaged("a list in the metadata holds \(type), expected booleans")
    }
    var result: [Bool] = []
    result.reserveCapacity(count)
    for _ in 0..<count { result.append(try byte() == 1) }
    return result
  }

  /// A list of 64-bit numbers, of either sign.
  package mutating func int64List() throws(ParquetError) -> [Int] {
    try list(of: .i64) { (reader) throws(ParquetError) in Int(try reader.int64()) }
  }

  private mutating func listHeader() throws(ParquetError) -> (ThriftType, Int) {
    let header = try byte()
    guard let type = ThriftType(rawValue: header & 0x0f) else {
      throw damaged("unknown list element type \(header & 0x0f) in the metadata")
    }
    var count = UInt64(header >> 4)
    if count == 15 { count = try varint() }
    guard count <= UInt64(end - position) else {
      throw damaged("a list of \(count) elements does not fit the metadata")
    }
    return (type, Int(count))
  }

  private mutating func enter() throws(ParquetError) {
    depth += 1
    guard depth <= Self.depthMax else { throw damaged("the metadata is nested too deeply") }
  }

  /// Passes over a value of `type`.
  package mutating func skip(_ type: ThriftType) throws(ParquetError) {
    switch type {
    case .stop: throw damaged("unexpected end of a structure")
    case .boolTrue, .boolFalse: break
    case .byte: _ = try byte()
    case .i16, .i32, .i64: _ = try varint()
    case .double: _ = try double()
    case .uuid:
      guard end - position >= 16 else {
        throw damaged("the metadata ends in the middle of a value")
      }
      position += 16
    case .binary: _ = try bytesRange()
    case .list, .set:
      let (element, count) = try listHeader()
      try enter()
      for _ in 0..<count { try skipElement(element) }
      depth -= 1
    case .map:
      let count = try varint()
      guard count <= UInt64(end - position) else {
        throw damaged("a map of \(count) entries does not fit the metadata")
      }
      if count == 0 { break }
      let types = try byte()
      guard let key = ThriftType(rawValue: types >> 4), let value = ThriftType(rawValue: types & 15)
      else { throw damaged("unknown map types in the metadata") }
      try enter()
      for _ in 0..<count {
        try skipElement(key)
        try skipElement(value)
      }
      depth -= 1
    case .structure:
      try structure { (_, _, _) throws(ParquetError) in false }
    }
  }

  /// Within containers a boolean takes a byte of its own.
  private mutating func skipElement(_ type: ThriftType) throws(ParquetError) {
    if type == .boolTrue || type == .boolFalse { _ = try byte() } else { try skip(type) }
  }
}
