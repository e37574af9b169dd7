// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirTable

@Suite struct SingleValueTests {
  /// Made by PyIceberg 0.12, `pyiceberg.conversions.to_bytes`.
  static let known: [(TableType, Scalar, String)] = [
    (.boolean, .bool(true), "01"), (.boolean, .bool(false), "00"),
    (.int, .int(-2), "feffffff"), (.long, .int(1 << 40), "0000000000010000"),
    (.float, .float32(-4.5), "000090c0"), (.double, .float64(6.0), "0000000000001840"),
    (.date, .int(-1), "ffffffff"), (.time, .int(10_000_000_000), "00e40b5402000000"),
    (.timestamp, .int(-1), "ffffffffffffffff"), (.string, .string("ABC€"), "414243e282ac"),
    (.uuid, .binary(Array(0..<16)), "000102030405060708090a0b0c0d0e0f"),
    (.fixed(3), .binary([1, 2, 3]), "010203"), (.binary, .binary([]), ""),
    (.decimal(precision: 9, scale: 2), .decimal(12_345, scale: 2), "3039"),
    (.decimal(precision: 9, scale: 2), .decimal(0, scale: 2), "00"),
    (.decimal(precision: 9, scale: 2), .decimal(-1, scale: 2), "ff"),
    (.decimal(precision: 9, scale: 2), .decimal(128, scale: 2), "0080"),
    (.decimal(precision: 9, scale: 2), .decimal(-128, scale: 2), "80"),
    (
      .decimal(precision: 38, scale: 0), .decimal(-(Int128(1) << 100), scale: 0),
      "f0000000000000000000000000"
    ),
  ]

  @Test func knownBytes() throws {
    for (type, value, text) in Self.known {
      let bytes = try SingleValue.encode(value, as: type)
      #expect(hex(bytes) == text, "\(type)")
      #expect(try SingleValue.decode(bytes, as: type) == value, "\(type)")
    }
  }

  @Test func promotedAndWrong() throws {
    #expect(try SingleValue.decode([0xfe, 0xff, 0xff, 0xff], as: .long) == .int(-2))
    #expect(try SingleValue.decode([0, 0, 0x90, 0xc0], as: .double) == .float64(-4.5))
    #expect(try SingleValue.decode([1, 0, 0, 0], as: .timestamp) == .int(86_400_000_000))
    #expect(
      try SingleValue.decode([0xff, 0xff, 0x80], as: .decimal(precision: 4, scale: 1))
        == .decimal(-128, scale: 1))
    for (type, value, _) in Self.known where type != .binary && type != .string {
      var bytes = try SingleValue.encode(value, as: type)
      bytes += [UInt8](repeating: 0x55, count: 17)
      #expect(throws: TableError.self, "\(type)") { try SingleValue.decode(bytes, as: type) }
    }
    #expect(throws: TableError.self) { try SingleValue.decode([0xff, 0xfe], as: .string) }
    #expect(throws: TableError.self) { try SingleValue.encode(.int(1 << 31), as: .int) }
    #expect(throws: TableError.self) { try SingleValue.encode(.null, as: .int) }
    #expect(throws: TableError.self) { try SingleValue.encode(.string("x"), as: .int) }
  }

  @Test func truncatedBounds() {
    let long = "0123456789abcdefXYZ"
    #expect(SingleValue.truncatedLower(.string(long)) == .string("0123456789abcdef"))
    #expect(SingleValue.truncatedUpper(.string(long)) == .string("0123456789abcdeg"))
    #expect(SingleValue.truncatedUpper(.string("abc")) == .string("abc"))
    #expect(SingleValue.truncatedUpper(.string("a\u{10ffff}bc"), length: 2) == .string("b"))
    #expect(SingleValue.truncatedUpper(.string("\u{10ffff}bc"), length: 1) == nil)
    #expect(SingleValue.truncatedUpper(.string("\u{d7ff}bc"), length: 1) == .string("\u{e000}"))
    #expect(SingleValue.truncatedLower(.string("ẅẍyz"), length: 2) == .string("ẅẍ"))
    #expect(SingleValue.truncatedLower(.binary([1, 2, 3]), length: 2) == .binary([1, 2]))
    #expect(SingleValue.truncatedUpper(.binary([1, 0xff, 3]), length: 2) == .binary([2]))
    #expect(SingleValue.truncatedUpper(.binary([0xff, 0xff, 3]), length: 2) == nil)
    #expect(SingleValue.truncatedUpper(.int(7)) == .int(7))
    var random = SeededRandom(seed: 3)
    for _ in 0..<500 {
      let text = random.unicodeString(random.int(0...12))
      let length = random.int(1...6)
      let value = Scalar.string(text)
      #expect(!BoundOrder.precedes(value, SingleValue.truncatedLower(value, length: length)))
      if let upper = SingleValue.truncatedUpper(value, length: length) {
        #expect(!BoundOrder.precedes(upper, value))
      }
    }
  }

  @Test func decimalSizes() {
    // Apache Iceberg's `TypeUtil.decimalRequiredBytes`.
    let expected = [1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 9: 4, 10: 5, 18: 8, 19: 9, 38: 16]
    for (precision, count) in expected {
      #expect(SingleValue.decimalByteCount(precision: precision) == count)
    }
  }
}
