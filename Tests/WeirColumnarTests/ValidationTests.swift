// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import _WeirTestSupport

@testable internal import WeirColumnar

@Suite struct ValidationTests {
  @Test(arguments: 0..<150)
  func goodArraysPass(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let schema = random.schema()
    let batch = random.batch(schema, rows: random.int(0...80))
    try batch.validate(full: true)
    try batch.structArray.validate(full: false)
  }

  /// What full validation lets through can be read without leaving the memory: the accessors' own
  /// checks trap otherwise, and so does the address sanitizer.
  @Test(arguments: 0..<400)
  func damagedArraysAreFoundOrHarmless(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let type = random.type()
    let original = random.array(type, random.int(1...30))
    for _ in 0..<5 {
      let damaged: ArrayData
      do {
        damaged = try damage(original, &random)
        try damaged.validate(full: true)
      } catch is ColumnarError { continue }
      _ = rows(damaged)
      _ = damaged.isEqual(to: original)
    }
  }

  private func damage(_ array: ArrayData, _ random: inout SeededRandom) throws -> ArrayData {
    var (length, offset, nullCount) = (array.length, array.offset, Int?.none)
    var (validity, buffers) = (array.validity, array.buffers)
    var (children, dictionary) = (array.children, array.dictionary)
    switch random.int(0..<9) {
    case 0: length = random.pick([length + 1, length + 64, .max, .max - 5, -1, 1 << 60])
    case 1: offset = random.pick([offset + 1, offset + 100, .max, .max / 2, -1, 1 << 60])
    case 2: nullCount = random.pick([-1, 1, .max, length])
    case 3: validity = validity.map { $0.slice(offset: 0, count: random.int(0...$0.count)) }
    case 4 where !buffers.isEmpty:
      let index = random.int(0..<buffers.count)
      buffers[index] = buffers[index].slice(offset: 0, count: random.int(0...buffers[index].count))
    case 5 where !buffers.isEmpty: buffers.remove(at: random.int(0..<buffers.count))
    case 6 where !children.isEmpty:
      let index = random.int(0..<children.count)
      children[index] = try damage(children[index], &random)
    case 7 where dictionary != nil: dictionary = try damage(dictionary!, &random)
    default:
      guard !buffers.isEmpty else { break }
      let index = random.int(0..<buffers.count)
      var bytes = buffers[index].array(of: UInt8.self)
      for _ in 0..<random.int(1...4) where !bytes.isEmpty {
        bytes[random.int(0..<bytes.count)] = random.pick([0xff, 0x7f, 0x80, 0, 1])
      }
      buffers[index] = exactBuffer(bytes)
    }
    return try ArrayData.untrusted(
      type: array.type, length: length, offset: offset, nullCount: nullCount, validity: validity,
      buffers: buffers, children: children, dictionary: dictionary)
  }

  private func refused(_ array: ArrayData, basic: Bool = false) -> Bool {
    do throws(ColumnarError) {
      try array.validate(full: !basic)
      return false
    } catch { return error.code == .invalidData }
  }

  @Test func eachRuleIsChecked() throws {
    let strings = Buffer(Array("añb".utf8))
    func text(_ offsets: [Int32], validity: Buffer? = nil, _ bytes: Buffer? = nil) -> ArrayData {
      ArrayData(
        type: .utf8, length: offsets.count - 1, validity: validity,
        buffers: [Buffer(offsets), bytes ?? strings])
    }
    #expect(!refused(text([0, 1, 3, 4])))
    #expect(refused(text([0, 1, 3, 5]), basic: true))
    #expect(refused(text([0, 3, 1, 4])))
    #expect(refused(text([-1, 1, 3, 4]), basic: true))
    #expect(refused(text([0, 2, 4])), "splits a character")
    #expect(refused(text([0, 1], Buffer([UInt8(0xff)]))))
    let hidden = text([0, 1, 2], validity: Buffer([UInt8(0b10)]), Buffer([0xff, 0x61] as [UInt8]))
    #expect(!refused(hidden), "garbage under a null")

    func dictionary(_ indices: [Int8], validity: Buffer? = nil) throws -> ArrayData {
      try ArrayData(
        type: .dictionary(index: .int8, value: .int32, ordered: false), length: indices.count,
        validity: validity, buffers: [Buffer(indices)],
        dictionary: array(.int32, [.int(1), .int(2)]))
    }
    #expect(try !refused(dictionary([0, 1, 1])))
    #expect(try refused(dictionary([0, 2])))
    #expect(try refused(dictionary([0, -1])))
    #expect(try !refused(dictionary([0, -1], validity: Buffer([UInt8(1)]))))

    let keys = try array(.utf8, [.string("a"), .null])
    let values = try array(.int8, [.null, .null])
    let mapType = DataType.map(key: .utf8, value: .int8)
    let entries = ArrayData(
      type: mapType.children[0].type, length: 2, children: [keys, values])
    func map(_ offsets: [Int32]) -> ArrayData {
      ArrayData(
        type: mapType, length: 1, buffers: [Buffer(offsets)], children: [entries])
    }
    #expect(!refused(map([0, 1])))
    #expect(refused(map([0, 2])))
    #expect(
      refused(ArrayData(type: .int32, length: 2, buffers: [Buffer([Int32(1)])]), basic: true))
    #expect(
      refused(
        ArrayData(type: .decimal128(precision: 39, scale: 0), length: 0, buffers: [Buffer()])))
    #expect(throws: ColumnarError.self) {
      try ArrayData.untrusted(type: .int8, length: .max, offset: 1)
    }

    var deep = ArrayData(type: .null, length: 0)
    for _ in 0..<70 {
      deep = ArrayData(type: .struct([Field("x", deep.type)]), length: 0, children: [deep])
    }
    #expect(refused(deep, basic: true))
  }

  @Test func errorsNameTheChild() throws {
    let bad = ArrayData(type: .int32, length: 1, buffers: [Buffer()])
    let list = ArrayData(
      type: .list(of: .int32), length: 1, buffers: [Buffer([Int32(0), 1])], children: [bad])
    let batch = RecordBatch(
      trusted: Schema([Field("c", list.type)]), columns: [list], rowCount: 1)
    do throws(ColumnarError) {
      try batch.validate(full: false)
      Issue.record("not refused")
    } catch { #expect(error.column == "c.item") }
  }

  @Test func utf8AgreesWithTheStandardLibrary() {
    var random = SeededRandom(seed: 9)
    func check(_ bytes: [UInt8]) {
      let expected = String(validating: bytes, as: UTF8.self) != nil
      if bytes.withUnsafeBytes(isValidUTF8) != expected { Issue.record("\(bytes)") }
    }
    for first in 0..<256 {
      for second in stride(from: 0, to: 256, by: 5) {
        for rest in [[], [0x80], [0x80, 0x80], [0x80, 0x41], [0xbf, 0xbf]] as [[UInt8]] {
          check([UInt8(first), UInt8(second)] + rest)
        }
      }
    }
    for _ in 0..<2_000 {
      var bytes = Array(random.unicodeString(random.int(0...30)).utf8)
      bytes += Array(repeating: 0x61, count: random.int(0...70))
      bytes += Array(random.unicodeString(random.int(0...5)).utf8)
      check(bytes)
      if !bytes.isEmpty {
        bytes[random.int(0..<bytes.count)] = UInt8(random.int(0...255))
        check(bytes)
        check(Array(bytes.dropLast()))
      }
    }
  }
}
