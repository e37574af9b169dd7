// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStreaming

/// States as bytes, in the table's column `_state`. The same state has the same bytes.
///
/// Numbers are LEB128, signed ones in zigzag. A state: the version 1; positions (their number, then
/// shard and offset each, ascending); the greatest event time; the known-at time; for each feature its
/// kind and what it remembers:
///
/// | kind | content |
/// |---|---|
/// | 0 tiles | their number; of each the index, count, count of the others, number of the sum's parts, the parts (8 bytes each, little-endian) |
/// | 1 decayed | the number of bytes, then those of `DecayedSum` |
/// | 2 last, top_k | their number; of each the time, shard, offset, and its values |
/// | 3 first_time, last_time | 0 without a time, or 1, the earliest and the latest |
///
/// A value is a kind and its content: 0 null, 1 false, 2 true, 3 signed, 4 unsigned, 5 float, 6 double,
/// 7 text, 8 bytes (both with their length), 9 decimal (scale, then 16 bytes).
enum ProfileStateCoding {
  static let version: UInt8 = 1

  static func encode(_ state: ProfileState) throws(StreamError) -> [UInt8] {
    var writer = StateWriter()
    writer.bytes.append(version)
    writer.unsigned(UInt64(state.positions.count))
    for (shard, offset) in state.positions.sorted(by: { $0.key < $1.key }) {
      writer.unsigned(UInt64(shard))
      writer.signed(offset)
    }
    writer.signed(state.latest)
    writer.signed(state.knownAt)
    for feature in state.features { try encode(feature, into: &writer) }
    return writer.bytes
  }

  private static func encode(
    _ feature: FeatureState, into writer: inout StateWriter
  ) throws(StreamError) {
    switch feature {
    case .tiles(let run):
      writer.bytes.append(0)
      writer.unsigned(UInt64(run.tiles.count))
      for tile in run.tiles {
        writer.signed(tile.index)
        writer.signed(tile.count)
        writer.signed(tile.others)
        let parts = tile.sum.canonical
        writer.unsigned(UInt64(parts.count))
        writer.bytes += DoubleBytes.encode(parts)
      }
    case .decayed(let sum):
      writer.bytes.append(1)
      writer.counted(sum.encoded)
    case .last(let last):
      writer.bytes.append(2)
      writer.unsigned(UInt64(last.entries.count))
      for entry in last.entries {
        writer.signed(entry.time)
        writer.unsigned(UInt64(entry.shard))
        writer.signed(entry.offset)
        for value in entry.values { try writer.value(value) }
      }
    case .times(let earliest, let latest):
      writer.bytes.append(3)
      guard let earliest, let latest else {
        writer.bytes.append(0)
        return
      }
      writer.bytes.append(1)
      writer.signed(earliest)
      writer.signed(latest)
    }
  }

  /// - Throws: `damaged` for bytes that are no state of these features.
  static func decode(
    _ bytes: [UInt8], _ plans: [FeaturePlan]
  ) throws(StreamError) -> ProfileState {
    var reader = StateReader(bytes)
    guard let state = decode(&reader, plans), reader.isAtEnd else {
      throw StreamError(
        .damaged,
        "the state of a profile cannot be read: its features are not those that are declared; make a "
          + "new table for them and fill it from the events")
    }
    return state
  }

  private static func decode(_ reader: inout StateReader, _ plans: [FeaturePlan]) -> ProfileState? {
    guard reader.byte() == version, let positions = reader.count() else { return nil }
    var state = ProfileState(plans)
    for _ in 0..<positions {
      guard let shard = reader.count(), let offset = reader.signed() else { return nil }
      state.positions[shard] = offset
    }
    guard let latest = reader.signed(), let knownAt = reader.signed() else { return nil }
    (state.latest, state.knownAt) = (latest, knownAt)
    for (index, plan) in plans.enumerated() {
      guard let kind = reader.byte(),
        let feature = decode(kind, &reader, state.features[index], plan)
      else { return nil }
      state.features[index] = feature
    }
    return state
  }

  private static func decode(
    _ kind: UInt8, _ reader: inout StateReader, _ empty: FeatureState, _ plan: FeaturePlan
  ) -> FeatureState? {
    switch (kind, empty) {
    case (0, .tiles(var run)):
      guard let count = reader.count() else { return nil }
      for _ in 0..<count {
        guard let index = reader.signed(), let events = reader.signed(),
          let others = reader.signed(), let parts = reader.count(),
          let bytes = reader.take(8 * parts), let doubles = DoubleBytes.decode(bytes),
          run.tiles.last.map({ $0.index < index }) ?? true
        else { return nil }
        var tile = TileRun.Tile(index: index, count: events, others: others)
        for part in doubles { tile.sum.add(part) }
        run.tiles.append(tile)
      }
      return .tiles(run)
    case (1, .decayed(var sum)):
      guard let length = reader.count(), let bytes = reader.take(length),
        sum.add(encoded: Array(bytes))
      else { return nil }
      return .decayed(sum)
    case (2, .last(var last)):
      guard let count = reader.count(), count <= last.limit else { return nil }
      for _ in 0..<count {
        guard let time = reader.signed(), let shard = reader.count(), let offset = reader.signed()
        else { return nil }
        var values: [Scalar] = []
        for _ in plan.valueNames {
          guard let value = reader.value() else { return nil }
          values.append(value)
        }
        last.entries.append(.init(time: time, shard: shard, offset: offset, values: values))
      }
      return .last(last)
    case (3, .times):
      guard let flag = reader.byte() else { return nil }
      guard flag == 1 else { return flag == 0 ? empty : nil }
      guard let earliest = reader.signed(), let latest = reader.signed() else { return nil }
      return .times(earliest: earliest, latest: latest)
    default: return nil
    }
  }
}

/// Writes numbers and values.
private struct StateWriter {
  var bytes: [UInt8] = []

  mutating func unsigned(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  mutating func signed(_ value: Int64) { unsigned(UInt64(bitPattern: value << 1 ^ value >> 63)) }

  mutating func counted(_ content: [UInt8]) {
    unsigned(UInt64(content.count))
    bytes += content
  }

  mutating func value(_ value: Scalar) throws(StreamError) {
    switch value {
    case .null: bytes.append(0)
    case .bool(let value): bytes.append(value ? 2 : 1)
    case .int(let value):
      bytes.append(3)
      signed(value)
    case .uint(let value):
      bytes.append(4)
      unsigned(value)
    case .float16(let value):
      bytes.append(5)
      little(Float(value).bitPattern)
    case .float32(let value):
      bytes.append(5)
      little(value.bitPattern)
    case .float64(let value):
      bytes.append(6)
      little(value.bitPattern)
    case .string(let value):
      bytes.append(7)
      counted(Array(value.utf8))
    case .binary(let value):
      bytes.append(8)
      counted(value)
    case .decimal(let value, let scale):
      bytes.append(9)
      signed(Int64(scale))
      little(value)
    case .list, .struct, .map:
      throw StreamError(.unsupported, "profiles keep single values only")
    }
  }

  private mutating func little(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }
}

/// Reads what `StateWriter` wrote; `nil` where the bytes break its form.
private struct StateReader {
  private let bytes: [UInt8]
  private var place = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { place == bytes.count }

  mutating func byte() -> UInt8? {
    guard place < bytes.count else { return nil }
    defer { place += 1 }
    return bytes[place]
  }

  mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
    guard count >= 0, count <= bytes.count - place else { return nil }
    defer { place += count }
    return bytes[place..<place + count]
  }

  mutating func unsigned() -> UInt64? {
    var result: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let next = byte() else { return nil }
      guard shift < 63 || next < 2 else { return nil }
      result |= UInt64(next & 0x7f) << shift
      if next & 0x80 == 0 { return result }
    }
    return nil
  }

  mutating func signed() -> Int64? {
    unsigned().map { Int64(bitPattern: $0 >> 1) ^ -Int64(bitPattern: $0 & 1) }
  }

  /// A number of things, each of at least one byte.
  mutating func count() -> Int? {
    guard let value = unsigned(), value <= UInt64(bytes.count) || value < 1 << 31 else {
      return nil
    }
    return Int(value)
  }

  mutating func value() -> Scalar? {
    guard let kind = byte() else { return nil }
    switch kind {
    case 0: return .null
    case 1, 2: return .bool(kind == 2)
    case 3: return signed().map { .int($0) }
    case 4: return unsigned().map { .uint($0) }
    case 5: return little(UInt32.self).map { .float32(Float(bitPattern: $0)) }
    case 6: return little(UInt64.self).map { .float64(Double(bitPattern: $0)) }
    case 7, 8:
      guard let length = count(), let content = take(length) else { return nil }
      return kind == 8
        ? .binary(Array(content)) : String(validating: content, as: UTF8.self).map { .string($0) }
    case 9:
      guard let scale = signed(), let value = little(Int128.self) else { return nil }
      return .decimal(value, scale: Int(scale))
    default: return nil
    }
  }

  private mutating func little<T: FixedWidthInteger>(_ type: T.Type) -> T? {
    guard let content = take(T.bitWidth / 8) else { return nil }
    return content.reversed().reduce(T(0)) { $0 << 8 | T(truncatingIfNeeded: $1) }
  }
}
