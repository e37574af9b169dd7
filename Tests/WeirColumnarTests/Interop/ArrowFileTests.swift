// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@Suite struct ArrowFileTests {
  private func file(
    _ schema: Schema, _ batches: [RecordBatch], _ options: ArrowWriteOptions = ArrowWriteOptions()
  ) throws -> Buffer {
    let target = MutableBuffer()
    let writer = try ArrowFileWriter(schema: schema, options: options) { target.append($0) }
    for batch in batches { try writer.write(batch) }
    try writer.finish()
    #expect(writer.byteCount == target.count)
    return target.finish()
  }

  private func withoutDictionaries() -> RandomOptions {
    var options = RandomOptions()
    options.dictionaries = false
    return options
  }

  @Test(arguments: 0..<40)
  func filesRoundTrip(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let many = random.chance(0.5)
    let choices = many ? withoutDictionaries() : RandomOptions()
    let schema = random.annotatedSchema(choices)
    let batches = (0..<(many ? 3 : 1)).map { _ in
      random.batch(schema, rows: random.int(0...40), choices)
    }
    var options = ArrowWriteOptions(
      compression: random.pick(ArrowWriteOptions.Compression.allCases))
    options.alignment = random.pick([8, 64])
    let reader = try ArrowFileReader(try file(schema, batches, options))
    #expect(reader.schema == schema)
    #expect(reader.batchCount == batches.count)
    for (index, batch) in batches.enumerated().reversed() {
      #expect(firstDifference(batch, try reader.batch(at: index))?.description == nil)
    }
    #expect(try readAll(reader).count == batches.count)
  }

  @Test func aSecondDictionaryIsRefusedButMayGrow() throws {
    let type = DataType.dictionary(index: .int8, value: .utf8, ordered: false)
    func batch(_ words: [String]) throws -> RecordBatch {
      let column = ArrayData(
        type: type, length: 1, buffers: [Buffer([Int8(words.count - 1)])],
        dictionary: try array(.utf8, words.map { .string($0) }))
      return try RecordBatch(schema: Schema([Field("d", type)]), columns: [column])
    }
    let batches = [try batch(["a"]), try batch(["a", "b"])]
    let error = #expect(throws: ColumnarError.self) { try file(batches[0].schema, batches) }
    #expect(error?.code == .unsupported && error?.column == "d")
    var options = ArrowWriteOptions()
    options.deltaDictionaries = true
    let reader = try ArrowFileReader(try file(batches[0].schema, batches, options))
    for (batch, copy) in zip(batches, try readAll(reader)) {
      #expect(firstDifference(batch, copy)?.description == nil)
    }
  }

  @Test func damagedFilesNeverCrash() throws {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(2)
    var random = SeededRandom(seed: 30)
    var options = ArrowReadOptions()
    options.bodyBytesMax = 1 << 20
    options.metadataBytesMax = 1 << 20
    var threw = 0
    while clock.now < end {
      let schema = random.schema()
      let bytes = try file(schema, [random.batch(schema, rows: 10)])
      for _ in 0..<100 where clock.now < end {
        var damaged = bytes.array(of: UInt8.self)
        // Half of the damage goes to the footer.
        let start = random.chance(0.5) ? damaged.count * 2 / 3 : 0
        for _ in 0..<random.int(1...3) {
          damaged[random.int(start..<damaged.count)] = UInt8(truncatingIfNeeded: random.next())
        }
        do {
          let reader = try ArrowFileReader(Buffer(damaged), options: options)
          for index in 0..<min(3, reader.batchCount) { _ = try reader.batch(at: index) }
        } catch is ColumnarError {
          threw += 1
        }
      }
    }
    #expect(threw > 50)
  }

  @Test func otherFilesAreNamedSo() throws {
    for bytes in [Buffer(), Buffer([UInt8](repeating: 7, count: 100)), Buffer([1, 2] as [UInt8])] {
      let error = #expect(throws: ColumnarError.self) { try ArrowFileReader(bytes) }
      #expect(error?.message.contains("not an Arrow file") == true)
    }
  }
}
