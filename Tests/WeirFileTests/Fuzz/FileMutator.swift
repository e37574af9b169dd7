// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// A Weir file, and where its checksums are, so that damage gets past them.
struct FileMutator {
  let bytes: [UInt8]
  /// Parts with a checksum, those first whose checksums lie within later ones.
  private var parts: [Part] = []

  private struct Part {
    var range: Range<Int>
    /// Where its checksum is.
    var crc: Int
  }

  init(_ bytes: [UInt8]) throws(WeirFileError) {
    self.bytes = bytes
    let reader = try WeirFileReader(ExactReader(name: "whole", bytes: bytes))
    let (tail, end) = (reader.tail, bytes.count - FileTail.byteCount)
    var (tables, records, entries): ([Part], [Part], [Part]) = ([], [], [])
    for number in 0..<tail.columnCount {
      let column = try reader.open([number])[0]
      let (entry, at) = (column.entry, reader.entryRange(number).lowerBound)
      entries.append(Part(range: at..<at + 60, crc: at + 60))
      records.append(Part(range: entry.descriptor.range, crc: at + 20))
      records.append(Part(range: entry.field.range, crc: at + 36))
      if entry.statistics.size > 0 {
        records.append(Part(range: entry.statistics.range, crc: at + 52))
      }
      let descriptor = entry.descriptor.offset + 8
      for (index, page) in column.descriptor.pages.enumerated() {
        parts.append(Part(range: page.range, crc: descriptor + index * 32 + 20))
      }
      let arrays = descriptor + column.descriptor.pages.count * 32
      for (index, array) in column.descriptor.auxiliary.enumerated() where array.pageCount > 0 {
        tables.append(Part(range: array.tableRange, crc: arrays + index * 32 + 24))
        for page in 0..<array.pageCount {
          let place = array.tableOffset + page * 16
          let table = Buffer(Array(bytes[array.tableRange]))
          let entry = try PageTableEntry(table, page, fileSize: bytes.count)
          parts.append(Part(range: entry.range, crc: place + 12))
        }
      }
    }
    parts += tables + records + entries
    if tail.metadataSize > 0 {
      let range = tail.metadataOffset..<tail.metadataOffset + tail.metadataSize
      parts.append(Part(range: range, crc: end + 52))
    }
    parts.append(Part(range: end..<end + 112, crc: end + 112))
  }

  /// The file with some bytes changed in one to three of its parts, and, mostly, checksums that fit.
  func mutate(_ random: inout SeededRandom) -> [UInt8] {
    var result = bytes
    for _ in 0..<random.int(1...3) {
      let part = random.pick(parts)
      for _ in 0..<random.pick([1, 1, 2, 5]) {
        change(&result, random.chance(0.95) ? part.range : 0..<bytes.count, &random)
      }
    }
    if random.chance(0.9) {
      for part in parts {
        let crc = Buffer(Array(result[part.range])).crc32c
        if result[part.crc..<part.crc + 4].elementsEqual(Self.bytes(UInt64(crc), 4)) { continue }
        result.replaceSubrange(part.crc..<part.crc + 4, with: Self.bytes(UInt64(crc), 4))
      }
    }
    if random.chance(0.02) { result.removeLast(random.int(1...result.count)) }
    return result
  }

  private static func bytes(_ number: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: number >> UInt64($0 * 8)) }
  }

  private func change(
    _ result: inout [UInt8], _ range: Range<Int>, _ random: inout SeededRandom
  ) {
    if range.isEmpty { return }
    // Heads of pages say more than their buffers.
    let head = range.lowerBound..<min(range.upperBound, range.lowerBound + 120)
    let place = random.int(random.chance(0.6) ? head : range)
    switch random.int(0..<5) {
    case 0: result[place] ^= 1 << UInt8(random.int(0...7))
    case 1: result[place] = UInt8(random.int(0...255))
    case 2:
      let width = random.pick([2, 4, 8])
      let start = place & ~(width - 1)
      let known = [
        0, 1, UInt64.max, UInt64(bytes.count), 1 << 28, 1 << 31, 1 << 32, 1 << 40, 1 << 63,
        random.next(),
      ]
      guard start >= range.lowerBound, start + width <= range.upperBound else { return }
      result.replaceSubrange(start..<start + width, with: Self.bytes(random.pick(known), width))
    case 3:
      // A little more or less than was there.
      result[place] = result[place] &+ UInt8(truncatingIfNeeded: random.pick([-2, -1, 1, 2]))
    default:
      // A stretch of another part of the file.
      let count = min(random.pick([4, 8, 32]), range.upperBound - place)
      let from = random.int(0..<bytes.count - count)
      result.replaceSubrange(place..<place + count, with: bytes[from..<from + count])
    }
  }
}
