// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@Suite struct TakeFilterConcatenateTests {
  /// Compares with the oracle's rows, by values and by the validator's rules.
  private func check(
    _ result: ArrayData, _ expected: [Scalar], _ location: SourceLocation = #_sourceLocation
  ) throws {
    try result.validate(full: true)
    #expect(rows(result) == expected, sourceLocation: location)
    #expect(result.nullCount == expected.count { $0.isNull } || result.dictionary != nil)
  }

  @Test(arguments: 0..<200)
  func take(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let array = random.array(random.type(), random.int(1...100))
    let all = rows(array)
    // Single rows, and runs of rows that follow each other.
    var indices: [Int] = []
    for _ in 0..<random.int(0...40) {
      let start = random.int(0..<array.length)
      indices += start..<min(array.length, start + (random.chance(0.3) ? random.int(1...9) : 1))
    }
    try check(array.take(indices), indices.map { all[$0] })

    let type = random.pick([DataType.int8, .uint16, .int32, .uint32, .int64])
    let optional = indices.map { random.chance(0.2) ? nil : $0 }
    let indexArray = try _WeirTestSupport.array(
      type, optional.map { $0.map { .int(Int64($0)) } ?? .null })
    try check(array.take(indexArray), optional.map { $0.map { all[$0] } ?? .null })
  }

  @Test func takeFromNothing() throws {
    var random = SeededRandom(seed: 5)
    let nulls = try array(.int32, [.null, .null])
    for _ in 0..<200 {
      let empty = random.array(random.type(), 0)
      #expect(rows(try empty.take([])) == [])
      #expect(rows(try empty.take(nulls)) == [.null, .null])
    }
  }

  @Test func takeRefusesRowsOutside() throws {
    let three = try array(.int8, [.int(1), .int(2), .int(3)])
    #expect(throws: ColumnarError.self) { try three.take([0, 3]) }
    #expect(throws: ColumnarError.self) { try three.take([-1]) }
    #expect(throws: ColumnarError.self) { try three.take([.max]) }
    #expect(throws: ColumnarError.self) { try three.take([.min]) }
    #expect(throws: ColumnarError.self) { try three.take(array(.int8, [.int(-1), .null])) }
    #expect(throws: ColumnarError.self) { try three.take(array(.int8, [.int(-2), .null])) }
    #expect(throws: ColumnarError.self) { try three.take(array(.uint64, [.uint(.max)])) }
    #expect(throws: ColumnarError.self) { try three.take(array(.utf8, [.string("0")])) }
  }

  @Test(arguments: 0..<200)
  func filter(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let length = random.int(0...200)
    let array = random.array(random.type(), length)
    let all = rows(array)
    let rate = random.pick([0, 0.02, 0.5, 0.98, 1])
    var keep: [Bool?] = []
    while keep.count < length {
      let value = random.chance(0.1) ? nil : random.chance(rate)
      for _ in 0..<(seed % 2 == 0 ? 1 : random.int(1...60)) where keep.count < length {
        keep.append(value)
      }
    }
    // As a slice, so that the mask starts within a byte.
    let padding = random.int(0...9)
    let padded = Array(repeating: Bool?.some(true), count: padding) + keep
    let mask = try _WeirTestSupport.array(.bool, padded.map { $0.map { .bool($0) } ?? .null })
      .slice(offset: padding, length: length)
    let expected = zip(all, keep).filter { $1 == true }.map(\.0)
    try check(array.filter(mask), expected)
  }

  @Test func filterRefusesWrongMasks() throws {
    let three = try array(.int8, [.int(1), .int(2), .int(3)])
    #expect(throws: ColumnarError.self) { try three.filter(array(.bool, [.bool(true)])) }
    #expect(throws: ColumnarError.self) { try three.filter(three) }
  }

  @Test(arguments: 0..<200)
  func concatenate(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var options = RandomOptions()
    // Dictionaries of small types together stay within any index type.
    options.leafTypes = options.leafTypes.filter { $0 != .fixedSizeBinary(16) }
    let type = random.type(options)
    let parts = (0..<random.int(1...4)).map { _ in random.array(type, random.int(0...50), options) }
    try check(ArrayData.concatenate(parts), parts.flatMap { rows($0) })
    // Slices of one array share its dictionaries.
    let whole = random.array(type, 60, options)
    let slices = (0..<3).map { whole.slice(offset: 20 * $0, length: 20) }
    let again = try ArrayData.concatenate(slices)
    try check(again, rows(whole))
    #expect(again.dictionary === whole.dictionary)
  }

  @Test func concatenateDictionaries() throws {
    let type = DataType.dictionary(index: .int8, value: .utf8, ordered: false)
    let a = try array(type, [.string("x"), .null, .string("y")])
    let b = try array(type, [.string("y"), .string("z"), .null, .string("x")])
    let joined = try ArrayData.concatenate([a, b])
    #expect(rows(joined) == rows(a) + rows(b))
    #expect(joined.dictionary?.length == 3)

    let many = try (0..<2).map { part in
      try array(type, (0..<100).map { .string("\(part) \($0)") })
    }
    #expect(throws: ColumnarError.self) { try ArrayData.concatenate(many) }
  }

  @Test func concatenateRefusesOtherTypes() throws {
    let a = try array(.int8, [.int(1)])
    let b = try array(.int16, [.int(1)])
    #expect(throws: ColumnarError.self) { try ArrayData.concatenate([a, b]) }
    #expect(throws: ColumnarError.self) { try ArrayData.concatenate([]) }
  }

  @Test func offsetsThatOverflowThrow() throws {
    // One string that says to have 2^28 bytes: nothing may be copied before the sizes are known.
    let size = 1 << 28
    let memory = Buffer([UInt8(0)])
    let bytes = memory.withUnsafeBytes { Buffer(foreign: $0.baseAddress!, count: size) {} }
    defer { withExtendedLifetime(memory) {} }
    let big = ArrayData(
      type: .utf8, length: 1, buffers: [Buffer([Int32(0), Int32(size)]), bytes])
    do throws(ColumnarError) {
      _ = try big.take([Int](repeating: 0, count: 9))
      Issue.record("no overflow")
    } catch { #expect(error.code == .overflow) }
    do throws(ColumnarError) {
      _ = try ArrayData.concatenate([ArrayData](repeating: big, count: 9))
      Issue.record("no overflow")
    } catch { #expect(error.code == .overflow) }
  }

  @Test(arguments: 0..<40)
  func batches(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var options = RandomOptions()
    options.dictionaries = false
    let schema = random.schema(options)
    let a = random.batch(schema, rows: 30, options)
    let b = random.batch(schema, rows: 10, options)
    let joined = try RecordBatch.concatenate([a, b])
    #expect(rows(joined) == rows(a) + rows(b))
    let indices = (0..<20).map { _ in random.int(0..<40) }
    #expect(rows(try joined.take(indices)) == indices.map { rows(joined)[$0] })
    let keep = (0..<40).map { _ in random.chance(0.5) }
    let mask = try array(.bool, keep.map { .bool($0) })
    #expect(rows(try joined.filter(mask)) == zip(rows(joined), keep).filter(\.1).map(\.0))
    let none = RecordBatch(trusted: Schema([]), columns: [], rowCount: 3)
    #expect(try none.take([0, 2]).rowCount == 2)
    #expect(try RecordBatch.concatenate([none, none]).rowCount == 6)
  }

  /// As Arrow's IPC allows it: arrays without rows need no offsets.
  @Test(arguments: [DataType.utf8, .largeUtf8]) func listsOfNothing(_ type: DataType) throws {
    let items = ArrayData(type: type, length: 0, buffers: [Buffer(), Buffer()])
    let list = ArrayData(
      type: .list(Field("element", type)), length: 3,
      buffers: [Buffer([Int32](repeating: 0, count: 4))],
      children: [items])
    let mask = try array(.bool, [.bool(true), .bool(false), .bool(true)])
    #expect(try list.filter(mask).length == 2)
    #expect(try list.take([2, 0]).scalar(at: 1) == .list([]))
    #expect(try ArrayData.concatenate([list, list]).length == 6)
    #expect(try ArrayData.concatenate([items, items]).length == 0)
    #expect(try items.take([]).length == 0)
  }
}
