// SPDX-License-Identifier: Apache-2.0
// Safe: pointers come from the cursor, within the ranges that it checked.

internal import WeirColumnar

extension AvroCursor {
  /// Passes over a value.
  @inline(__always)
  mutating func skip(_ type: AvroType) throws(TableError) {
    switch type.skip {
    case .number: try skipLong()
    case .optionalNumber(let null): if try branch() != null { try skipLong() }
    case .bytes: _ = try bytesRange()
    case .optionalBytes(let null): if try branch() != null { _ = try bytesRange() }
    case .optionalCounts(let null): if try branch() != null { try skipCounts() }
    case .optionalBounds(let null): if try branch() != null { try skipBounds() }
    case .nothing: break
    case .boolean: _ = try boolean()
    case .fixed(let count): _ = try take(count)
    case .general: try skipGeneral(type)
    }
  }

  /// The branch of a union of two.
  @inline(__always)
  mutating func branch() throws(TableError) -> Int64 {
    let branch = try long()
    guard branch == 0 || branch == 1 else { throw unknownBranch(branch) }
    return branch
  }

  @inline(never)
  private func unknownBranch(_ branch: Int64) -> TableError {
    damaged("a union has no branch \(branch)")
  }

  /// Passes over an array of pairs of numbers.
  mutating func skipCounts() throws(TableError) {
    while true {
      let (count, byteCount) = try blockCount(itemBytesMin: 2)
      if count == 0 { return }
      if let byteCount {
        position &+= byteCount
      } else {
        try skipLongs(count &* 2)
      }
    }
  }

  /// Passes over an array of pairs of a number and bytes.
  mutating func skipBounds() throws(TableError) {
    while true {
      var (count, byteCount) = try blockCount(itemBytesMin: 2)
      if count == 0 { return }
      if let byteCount {
        position &+= byteCount
        continue
      }
      while count > 0 {
        try skipLong()
        _ = try bytesRange()
        count &-= 1
      }
    }
  }

  @inline(never)
  private mutating func skipGeneral(_ type: AvroType) throws(TableError) {
    switch type.kind {
    case .record(let fields):
      for field in fields { try skip(field.type) }
    case .union(let branches):
      let branch = try long()
      guard branch >= 0 && branch < branches.count else { throw unknownBranch(branch) }
      try skip(branches[Int(branch)])
    case .array(let item):
      while true {
        let (count, byteCount) = try blockCount(itemBytesMin: item.byteCountMin)
        if count == 0 { return }
        if let byteCount {
          position &+= byteCount
        } else {
          for _ in 0..<count { try skip(item) }
        }
      }
    case .map(let value):
      while true {
        let (count, byteCount) = try blockCount(itemBytesMin: value.byteCountMin + 1)
        if count == 0 { return }
        if let byteCount {
          position &+= byteCount
          continue
        }
        for _ in 0..<count {
          _ = try bytesRange()
          try skip(value)
        }
      }
    default: try skip(type)
    }
  }

  /// Reads a value: numbers, dates and times as `int`, decimals as `decimal`, UUIDs and fixed as
  /// `binary`, arrays as `list`, maps as `map`, and arrays whose logical type is `map` as `map`, too.
  mutating func scalar(_ type: AvroType) throws(TableError) -> Scalar {
    switch type.kind {
    case .null: return .null
    case .boolean: return .bool(try boolean())
    case .int: return .int(Int64(try int()))
    case .long: return .int(try long())
    case .float: return .float32(try float())
    case .double: return .float64(try double())
    case .string: return .string(try string())
    case .bytes: return try bytesScalar(try bytesRange(), type)
    case .fixed(let count):
      let start = try take(count)
      return try bytesScalar(start..<start + count, type)
    case .enumeration(let symbols):
      let index = try long()
      guard index >= 0 && index < symbols.count else {
        throw damaged("an enumeration has no symbol \(index)")
      }
      return .string(symbols[Int(index)])
    case .union(let branches):
      let branch = try long()
      guard branch >= 0 && branch < branches.count else { throw unknownBranch(branch) }
      return try scalar(branches[Int(branch)])
    case .record(let fields):
      var members: [Scalar.Member] = []
      members.reserveCapacity(fields.count)
      for field in fields { members.append(Scalar.Member(field.name, try scalar(field.type))) }
      return .struct(members)
    case .array(let item): return try arrayScalar(item, isMap: type.logicalType == "map")
    case .map(let value):
      var entries: [Scalar.Entry] = []
      try forEachItem(byteCountMin: value.byteCountMin + 1) { (cursor) throws(TableError) in
        let key = Scalar.string(try cursor.string())
        entries.append(Scalar.Entry(key, try cursor.scalar(value)))
      }
      return .map(entries)
    }
  }

  /// Calls `body` for each item of an array or a map.
  mutating func forEachItem(
    byteCountMin: Int, _ body: (inout AvroCursor) throws(TableError) -> Void
  ) throws(TableError) {
    while true {
      let (count, _) = try blockCount(itemBytesMin: byteCountMin)
      if count == 0 { return }
      for _ in 0..<count { try body(&self) }
    }
  }

  private mutating func arrayScalar(
    _ item: AvroType, isMap: Bool
  ) throws(TableError) -> Scalar {
    if isMap, let fields = item.fields, fields.count == 2 {
      var entries: [Scalar.Entry] = []
      try forEachItem(byteCountMin: item.byteCountMin) { (cursor) throws(TableError) in
        let key = try cursor.scalar(fields[0].type)
        entries.append(Scalar.Entry(key, try cursor.scalar(fields[1].type)))
      }
      return .map(entries)
    }
    var items: [Scalar] = []
    try forEachItem(byteCountMin: item.byteCountMin) { (cursor) throws(TableError) in
      items.append(try cursor.scalar(item))
    }
    return .list(items)
  }

  private func bytesScalar(_ range: Range<Int>, _ type: AvroType) throws(TableError) -> Scalar {
    let bytes = view(range)
    guard type.logicalType == "decimal" else { return .binary([UInt8](bytes)) }
    guard let value = Int128(bigEndianBytes: bytes) else {
      throw damaged("a decimal of \(bytes.count) bytes does not fit 128 bits")
    }
    return .decimal(value, scale: type.scale ?? 0)
  }
}

extension Int128 {
  /// Two's complement, most significant byte first; no bytes are 0. `nil` when it needs more than 16
  /// bytes.
  init?(bigEndianBytes bytes: UnsafeRawBufferPointer) {
    guard let first = bytes.first else {
      self = 0
      return
    }
    var result: Int128 = first >= 0x80 ? -1 : 0
    let surplus = bytes.count - 16
    if surplus > 0 {
      let sign: UInt8 = first >= 0x80 ? 0xff : 0
      guard bytes.prefix(surplus).allSatisfy({ $0 == sign }), bytes[surplus] >> 7 == sign >> 7
      else { return nil }
    }
    for byte in bytes.dropFirst(surplus > 0 ? surplus : 0) { result = result << 8 | Int128(byte) }
    self = result
  }
}
