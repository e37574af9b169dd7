// SPDX-License-Identifier: Apache-2.0

package import WeirColumnar

/// What the log remembers of its producers: for each the last batches with the offsets that they got.
///
/// It remembers `producerCountMax` producers; the one that has not brought anything for the longest
/// time is forgotten first, and of each producer the `stampCountMax` batches with the highest
/// sequences. Both follow from the log alone, so that a log that is read again remembers the same.
package struct ProducerTable {
  /// Batches that one producer may have under way without knowing whether they arrived.
  package static let stampCountMax = 32

  /// What is known about a stamp.
  package enum Answer: Equatable {
    case new
    /// It came before and got these offsets.
    case known(Range<Int64>)
    /// Below all that are remembered: whether it came before is not known any more.
    case stale
  }

  private struct Stamp {
    var sequence: Int64
    var first: Int64
    var rowCount: UInt32
  }

  private struct Producer {
    var id: String
    /// By sequence.
    var stamps: [Stamp]
    /// Whether stamps were dropped that lie below the first one.
    var hasForgotten: Bool
    /// The neighbours in the order of their last batches; -1 at the ends.
    var older: Int
    var newer: Int
  }

  private let producerCountMax: Int
  private var producers: [Producer] = []
  private var places: [String: Int] = [:]
  private var oldest = -1
  private var newest = -1

  package init(producerCountMax: Int) { self.producerCountMax = max(1, producerCountMax) }

  var count: Int { producers.count }

  package func answer(_ stamp: ProducerStamp) -> Answer {
    guard let place = places[stamp.id] else { return .new }
    let producer = producers[place]
    // The last ones are the likely ones.
    for known in producer.stamps.reversed() {
      if known.sequence == stamp.sequence {
        return .known(known.first..<known.first + Int64(known.rowCount))
      }
      if known.sequence < stamp.sequence { return .new }
    }
    return producer.hasForgotten ? .stale : .new
  }

  /// Notes a batch that is durable now.
  package mutating func record(_ stamp: ProducerStamp, _ offsets: Range<Int64>) {
    let place: Int
    if let known = places[stamp.id] {
      place = known
      unlink(place)
    } else if producers.count < producerCountMax {
      place = producers.count
      producers.append(
        Producer(id: stamp.id, stamps: [], hasForgotten: false, older: -1, newer: -1))
      places[stamp.id] = place
    } else {
      place = oldest
      unlink(place)
      places[producers[place].id] = nil
      places[stamp.id] = place
      producers[place].id = stamp.id
      producers[place].stamps.removeAll(keepingCapacity: true)
      producers[place].hasForgotten = false
    }
    link(place)
    insert(
      Stamp(
        sequence: stamp.sequence, first: offsets.lowerBound,
        rowCount: UInt32(clamping: offsets.count)),
      place)
  }

  private mutating func insert(_ stamp: Stamp, _ place: Int) {
    var index = producers[place].stamps.count
    while index > 0, producers[place].stamps[index - 1].sequence > stamp.sequence { index -= 1 }
    producers[place].stamps.insert(stamp, at: index)
    if producers[place].stamps.count > Self.stampCountMax {
      producers[place].stamps.removeFirst()
      producers[place].hasForgotten = true
    }
  }

  private mutating func unlink(_ place: Int) {
    let (older, newer) = (producers[place].older, producers[place].newer)
    if older >= 0 { producers[older].newer = newer } else { oldest = newer }
    if newer >= 0 { producers[newer].older = older } else { newest = older }
  }

  private mutating func link(_ place: Int) {
    producers[place].older = newest
    producers[place].newer = -1
    if newest >= 0 { producers[newest].newer = place } else { oldest = place }
    newest = place
  }
}

extension ProducerTable {
  /// The table's bytes: the number of producers, and for each, from the oldest on, its name, whether
  /// stamps were dropped, their number, and their differences to the ones before.
  package func encode(into buffer: MutableBuffer) {
    var output = VarintWriter(buffer)
    output.append(UInt64(producers.count))
    var place = oldest
    while place >= 0 {
      let producer = producers[place]
      output.append(producer.id)
      output.append(producer.hasForgotten ? 1 : 0)
      output.append(UInt64(producer.stamps.count))
      var (sequence, first): (Int64, Int64) = (0, 0)
      for stamp in producer.stamps {
        output.append(signed: stamp.sequence &- sequence)
        output.append(signed: stamp.first &- first)
        output.append(UInt64(stamp.rowCount))
        (sequence, first) = (stamp.sequence, stamp.first)
      }
      place = producer.newer
    }
  }

  /// - Returns: `nil` when the bytes are not such a table.
  package init?(_ input: inout VarintReader, producerCountMax: Int) {
    self.init(producerCountMax: producerCountMax)
    guard let count = input.number() else { return nil }
    for _ in 0..<count {
      guard let id = input.text(countMax: SegmentFormat.producerIDBytesMax), !id.isEmpty,
        let hasForgotten = input.number(), hasForgotten <= 1, let stampCount = input.number(),
        stampCount <= UInt64(Self.stampCountMax), stampCount > 0
      else { return nil }
      var (sequence, first): (Int64, Int64) = (0, 0)
      for _ in 0..<stampCount {
        guard let sequenceStep = input.signed(), let firstStep = input.signed(),
          let rows = input.number(), rows > 0, rows <= UInt64(UInt32.max)
        else { return nil }
        sequence &+= sequenceStep
        first &+= firstStep
        guard first >= 0, first < SegmentFormat.offsetMax else { return nil }
        record(ProducerStamp(id: id, sequence: sequence), first..<first + Int64(rows))
      }
      producers[newest].hasForgotten = hasForgotten == 1
    }
  }
}

/// Numbers of few bytes: seven bits a byte, the lowest first.
package struct VarintWriter {
  private let buffer: MutableBuffer

  package init(_ buffer: MutableBuffer) { self.buffer = buffer }

  package mutating func append(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      buffer.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    buffer.append(UInt8(rest))
  }

  package mutating func append(signed value: Int64) {
    append(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }

  package mutating func append(_ text: String) {
    append(UInt64(text.utf8.count))
    buffer.append(contentsOf: Array(text.utf8))
  }
}

/// Reads what `VarintWriter` wrote, out of bytes that nobody vouches for.
package struct VarintReader {
  private let bytes: [UInt8]
  private var position = 0

  package init(_ bytes: Buffer) { self.bytes = bytes.array(of: UInt8.self) }

  package var isAtEnd: Bool { position == bytes.count }

  package mutating func number() -> UInt64? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < bytes.count, shift < 64 {
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    return nil
  }

  package mutating func signed() -> Int64? {
    number().map { Int64(bitPattern: $0 >> 1) ^ -Int64(bitPattern: $0 & 1) }
  }

  package mutating func text(countMax: Int) -> String? {
    guard let count = number(), count <= UInt64(countMax), Int(count) <= bytes.count - position
    else { return nil }
    defer { position += Int(count) }
    return String(validating: bytes[position..<position + Int(count)], as: UTF8.self)
  }
}
