// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirStreaming

@Suite struct ProducerTableTests {
  /// Against a list of everything that was recorded; written and read again now and then.
  @Test func itRemembersTheLastProducersAndTheirHighestStamps() throws {
    for seed in LogSimulationTests.seeds(40) {
      var random = SeededRandom(seed: seed)
      let countMax = random.int(1...5)
      var table = ProducerTable(producerCountMax: countMax)
      /// Producers from the one that was heard of last on, with what is remembered of each.
      var model: [(id: String, stamps: [Int64: Range<Int64>], forgot: Int64?)] = []
      var next: Int64 = 0
      for _ in 0..<600 {
        let id = "p\(random.int(0..<7))"
        let stamp = ProducerStamp(id: id, sequence: Int64(random.int(0..<80)))
        let known = model.first { $0.id == id }
        let wanted: ProducerTable.Answer =
          if let offsets = known?.stamps[stamp.sequence] {
            .known(offsets)
          } else if let forgot = known?.forgot, stamp.sequence < known!.stamps.keys.min()! {
            forgot >= 0 ? .stale : .new
          } else {
            .new
          }
        #expect(table.answer(stamp) == wanted, "seed \(seed)")
        if wanted == .new {
          let offsets = next..<next + Int64(random.int(1...9))
          next = offsets.upperBound
          table.record(stamp, offsets)
          var entry = known ?? (id: id, stamps: [:], forgot: nil)
          entry.stamps[stamp.sequence] = offsets
          if entry.stamps.count > ProducerTable.stampCountMax {
            entry.stamps[entry.stamps.keys.min()!] = nil
            entry.forgot = 0
          }
          model.removeAll { $0.id == id }
          model.insert(entry, at: 0)
          if model.count > countMax { model.removeLast() }
        }
        if random.chance(0.02) {
          let bytes = MutableBuffer()
          table.encode(into: bytes)
          var input = VarintReader(bytes.finish())
          table = try #require(ProducerTable(&input, producerCountMax: countMax))
          #expect(input.isAtEnd)
        }
        #expect(table.count == model.count)
      }
    }
  }

  @Test func theChecksumIsCastagnolis() {
    func crc(_ bytes: [UInt8]) -> (UInt32, UInt32) {
      (weir_crc32c(0, bytes, bytes.count), weir_crc32c_portable(0, bytes, bytes.count))
    }
    // RFC 3720, appendix B.4.
    #expect(crc([UInt8](repeating: 0, count: 32)) == (0x8a91_36aa, 0x8a91_36aa))
    #expect(crc([UInt8](repeating: 0xff, count: 32)) == (0x62a8_ab43, 0x62a8_ab43))
    #expect(crc(Array(0..<32)) == (0x46dd_794e, 0x46dd_794e))
    var random = SeededRandom(seed: 1)
    for count in 0..<200 {
      let bytes = random.bytes(count)
      let (whole, portable) = crc(bytes)
      #expect(whole == portable)
      let cut = count / 3
      let first = weir_crc32c(0, bytes, cut)
      #expect(weir_crc32c(first, Array(bytes[cut...]), count - cut) == whole)
    }
  }
}
