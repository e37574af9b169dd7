// SPDX-License-Identifier: Apache-2.0

/// Writes Thrift's compact protocol.
package struct ThriftWriter {
  package private(set) var bytes: [UInt8] = []
  private var lastID = 0
  private var outerIDs: [Int] = []

  package init() {}

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private mutating func zigzag(_ value: Int64) {
    varint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }

  private mutating func header(_ id: Int, _ type: ThriftType) {
    let delta = id - lastID
    if delta > 0 && delta <= 15 {
      bytes.append(UInt8(delta) << 4 | type.rawValue)
    } else {
      bytes.append(type.rawValue)
      zigzag(Int64(id))
    }
    lastID = id
  }

  package mutating func int32(_ id: Int, _ value: Int32?) {
    guard let value else { return }
    header(id, .i32)
    zigzag(Int64(value))
  }

  package mutating func int64(_ id: Int, _ value: Int?) {
    guard let value else { return }
    header(id, .i64)
    zigzag(Int64(value))
  }

  package mutating func int16(_ id: Int, _ value: Int16?) {
    guard let value else { return }
    header(id, .i16)
    zigzag(Int64(value))
  }

  package mutating func byte(_ id: Int, _ value: Int8?) {
    guard let value else { return }
    header(id, .byte)
    bytes.append(UInt8(bitPattern: value))
  }

  package mutating func bool(_ id: Int, _ value: Bool?) {
    guard let value else { return }
    header(id, value ? .boolTrue : .boolFalse)
  }

  package mutating func binary(_ id: Int, _ value: [UInt8]?) {
    guard let value else { return }
    header(id, .binary)
    varint(UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  package mutating func string(_ id: Int, _ value: String?) {
    guard let value else { return }
    binary(id, Array(value.utf8))
  }

  /// A field that is a structure, written by `body`.
  package mutating func structure(_ id: Int, _ body: (inout ThriftWriter) -> Void) {
    header(id, .structure)
    nested(body)
  }

  /// A structure that is no field: the outermost, or a list's element.
  package mutating func nested(_ body: (inout ThriftWriter) -> Void) {
    outerIDs.append(lastID)
    lastID = 0
    body(&self)
    bytes.append(0)
    lastID = outerIDs.removeLast()
  }

  private mutating func listHeader(_ id: Int, _ type: ThriftType, _ count: Int) {
    header(id, .list)
    if count < 15 {
      bytes.append(UInt8(count) << 4 | type.rawValue)
    } else {
      bytes.append(0xf0 | type.rawValue)
      varint(UInt64(count))
    }
  }

  package mutating func structures<T>(
    _ id: Int, _ values: [T]?, _ body: (T, inout ThriftWriter) -> Void
  ) {
    guard let values else { return }
    listHeader(id, .structure, values.count)
    for value in values { nested { body(value, &$0) } }
  }

  package mutating func int32s(_ id: Int, _ values: [Int32]?) {
    guard let values else { return }
    listHeader(id, .i32, values.count)
    for value in values { zigzag(Int64(value)) }
  }

  package mutating func int64s(_ id: Int, _ values: [Int]?) {
    guard let values else { return }
    listHeader(id, .i64, values.count)
    for value in values { zigzag(Int64(value)) }
  }

  package mutating func strings(_ id: Int, _ values: [String]?) {
    binaries(id, values.map { $0.map { Array($0.utf8) } })
  }

  package mutating func binaries(_ id: Int, _ values: [[UInt8]]?) {
    guard let values else { return }
    listHeader(id, .binary, values.count)
    for value in values {
      varint(UInt64(value.count))
      bytes.append(contentsOf: value)
    }
  }

  package mutating func bools(_ id: Int, _ values: [Bool]?) {
    guard let values else { return }
    listHeader(id, .boolTrue, values.count)
    for value in values { bytes.append(value ? 1 : 2) }
  }
}
