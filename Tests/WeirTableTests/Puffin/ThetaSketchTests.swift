// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirTable

/// Against sketches that Apache DataSketches made, see `testdata/iceberg/puffin`.
@Suite struct ThetaSketchTests {
  private func sketch(_ name: String, _ want: JSONObject) throws -> ThetaSketch {
    let sketch = ThetaSketch(nominalLog: try want.int("log"))
    let first = try want.int("first")
    for index in first..<first + (try want.int("count")) {
      if name.hasPrefix("longs") {
        sketch.add(try SingleValue.encode(.int(Int64(index)), as: .long))
      } else {
        sketch.add(try SingleValue.encode(.string("item-\(index)"), as: .string))
      }
    }
    return sketch
  }

  @Test func sameBytesAsDataSketches() throws {
    for (name, value) in try GoldenFiles.json("puffin/sketches.json").asObject() {
      let want = try value.asObject()
      let bytes = try GoldenFiles.bytes("puffin/\(name).theta")
      let read = try ThetaSketch(
        serialized: Buffer(bytes), nominalLog: try want.int("log"))
      #expect(read.retainedCount == (try want.int("retained")), "\(name)")
      let estimate = try want.required("estimate") { value throws(JSONError) in
        try value.asDouble()
      }
      #expect(abs(read.estimate - estimate) <= estimate * 1e-12, "\(name)")
      #expect(try content(read.serialized()) == content(bytes), "\(name)")
      if name != "union" {
        #expect(try content(sketch(name, want).serialized()) == content(bytes), "\(name)")
      }
    }
  }

  /// Without the flag that says that there is one hash, which is Java's, and the unused probability.
  private func content(_ bytes: [UInt8]) throws -> [UInt8] {
    var bytes = bytes
    bytes[5] &= ~32
    if bytes[0] > 1 { bytes.replaceSubrange(12..<16, with: [0, 0, 0, 0]) }
    return bytes
  }

  @Test func union() throws {
    func part(_ name: String) throws -> ThetaSketch {
      try ThetaSketch(
        serialized: Buffer(try GoldenFiles.bytes("puffin/\(name).theta")), nominalLog: 8)
    }
    let united = try part("part-0")
    united.formUnion(try part("part-1500"))
    united.trim()
    let expected = try part("union")
    #expect(abs(united.estimate - 3_500) < 3_500 * 0.2)
    #expect(try content(united.serialized()) == content(expected.serialized()))
  }

  @Test func damagedSketchesAreRefused() throws {
    var random = SeededRandom(seed: 6)
    var refused = 0
    for round in 0..<300 {
      let name = ["strings-12-1", "strings-12-100", "strings-5-1000"][round % 3]
      var bytes = try GoldenFiles.bytes("puffin/\(name).theta")
      switch random.int(0...2) {
      case 0: bytes[random.int(0..<min(24, bytes.count))] = random.pick([0, 1, 4, 0x7f, 0xff])
      case 1: bytes.removeLast(random.int(1...bytes.count))
      default: bytes += random.bytes(random.int(1...9))
      }
      do throws(TableError) {
        _ = try ThetaSketch(serialized: Buffer(bytes)).estimate
      } catch { refused += 1 }
    }
    #expect(refused > 150)
  }
}
