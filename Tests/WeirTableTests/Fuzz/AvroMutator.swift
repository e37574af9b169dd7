// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirTable

/// Damages Avro files in ways that keep most of a file whole, so that the damage gets past the first
/// check: the header, the schema's words, the records of blocks before compression, and bytes anywhere.
struct AvroMutator {
  private struct Parts {
    var metadata: [(String, [UInt8])]
    var sync: [UInt8]
    var blocks: [(count: Int64, bytes: [UInt8])]
  }

  private static func parts(_ bytes: [UInt8]) -> Parts? {
    guard let file = try? AvroFileReader(Buffer(bytes), name: "f") else { return nil }
    var parts = Parts(
      metadata: file.header.metadata.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
      sync: (0..<16).map { UInt8($0) }, blocks: [])
    while let block = try? file.nextBlock() {
      parts.blocks.append((Int64(block.recordCount), block.bytes.array(of: UInt8.self)))
    }
    return parts
  }

  private static func file(_ parts: Parts, _ codec: AvroCodec) -> [UInt8] {
    let encoder = AvroEncoder()
    encoder.raw(AvroFileReader.magic)
    encoder.long(parts.metadata.count)
    for (key, value) in parts.metadata {
      encoder.string(key)
      encoder.bytes(key == "avro.codec" ? Array(codec.rawValue.utf8) : value)
    }
    encoder.long(0 as Int)
    encoder.raw(parts.sync)
    let blockCodec = AvroBlockCodec(codec)
    for block in parts.blocks {
      encoder.long(block.count)
      let stored = try? blockCodec.compress(Buffer(block.bytes))
      encoder.bytes(stored?.array(of: UInt8.self) ?? [])
      encoder.raw(parts.sync)
    }
    return encoder.finish().array(of: UInt8.self)
  }

  func mutate(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
    guard random.chance(0.85), var parts = Self.parts(bytes) else {
      var damaged = bytes
      Self.damage(&damaged, &random)
      return damaged
    }
    for _ in 0..<random.int(1...2) {
      switch random.int(0..<10) {
      case 0..<3: mutateSchema(&parts, &random)
      case 3 where !parts.blocks.isEmpty:
        let block = random.int(0..<parts.blocks.count)
        parts.blocks[block].count = random.pick(Self.numbers)
      case 4:
        let index = random.int(0..<parts.metadata.count)
        Self.damage(&parts.metadata[index].1, &random)
      default:
        guard !parts.blocks.isEmpty else { continue }
        Self.damage(&parts.blocks[random.int(0..<parts.blocks.count)].bytes, &random)
      }
    }
    return Self.file(parts, random.pick(AvroCodec.allCases))
  }

  private static let numbers: [Int64] = [
    -1, 0, 1, 2, 3, 64, 1 << 20, 1 << 31, 1 << 40, .max, .min, .min + 1,
  ]

  private static let words = [
    "\"null\"", "\"boolean\"", "\"int\"", "\"long\"", "\"float\"", "\"double\"", "\"bytes\"",
    "\"string\"", "\"record\"", "\"array\"", "\"map\"", "\"fixed\"", "\"r2\"", "\"r102\"",
    "\"field-id\":0", "\"field-id\":2", "\"field-id\":103", "\"size\":0", "\"size\":99999999", "[]",
    "{}", "null",
  ]

  /// Puts one word of a schema in the place of another.
  private func mutateSchema(_ parts: inout Parts, _ random: inout SeededRandom) {
    guard let index = parts.metadata.firstIndex(where: { $0.0 == "avro.schema" }) else { return }
    var text = parts.metadata[index].1
    let old = Array(random.pick(Self.words).utf8)
    let starts = text.indices.filter { text[$0...].starts(with: old) }
    guard let start = starts.isEmpty ? nil : random.pick(starts) else { return }
    text.replaceSubrange(start..<start + old.count, with: Array(random.pick(Self.words).utf8))
    parts.metadata[index].1 = text
  }

  /// Flips, overwrites, inserts or removes bytes; writes numbers as Avro encodes them.
  static func damage(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
    guard !bytes.isEmpty else { return }
    let position = random.int(0..<bytes.count)
    switch random.int(0..<6) {
    case 0: bytes[position] ^= 1 << UInt8(random.int(0..<8))
    case 1: bytes[position] = random.pick([0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff])
    case 2: bytes.removeSubrange(position..<min(bytes.count, position + random.int(1...20)))
    case 3: bytes.insert(contentsOf: random.bytes(random.int(1...12)), at: position)
    case 4: bytes.insert(contentsOf: [UInt8](repeating: 0xff, count: 11), at: position)
    default:
      let encoder = AvroEncoder()
      encoder.long(random.pick(numbers))
      let number = encoder.finish().array(of: UInt8.self)
      bytes.replaceSubrange(position..<min(bytes.count, position + number.count), with: number)
    }
  }
}
