// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@Suite struct ArrowDictionaryTests {
  private let type = DataType.dictionary(index: .int8, value: .utf8, ordered: false)

  private func batch(_ indices: [Int8], _ words: [String]) throws -> RecordBatch {
    let values = try array(.utf8, words.map { .string($0) })
    let column = ArrayData(
      type: type, length: indices.count, buffers: [Buffer(indices)], dictionary: values)
    return try RecordBatch(schema: Schema([Field("d", type)]), columns: [column])
  }

  /// Replaced, kept and grown dictionaries, with and without deltas.
  @Test(arguments: [false, true])
  func dictionariesChange(deltas: Bool) throws {
    let batches = [
      try batch([0, 1], ["a", "b"]), try batch([1, 1], ["a", "b"]),
      try batch([2, 0], ["a", "b", "c"]), try batch([3], ["a", "b", "c", "d"]),
      try batch([0], ["x"]), try batch([], []),
    ]
    var options = ArrowWriteOptions()
    options.deltaDictionaries = deltas
    let bytes = try arrowStream(batches[0].schema, batches, options)
    let copies = try readAll(try ArrowStreamReader(bytes))
    #expect(copies.count == batches.count)
    for (batch, copy) in zip(batches, copies) {
      #expect(firstDifference(batch, copy)?.description == nil)
    }
    #expect(copies[0].columns[0].dictionary === copies[1].columns[0].dictionary)
    if deltas { #expect(copies[3].columns[0].dictionary?.length == 4) }
  }

  @Test func dictionariesMayHoldDictionaries() throws {
    let inner = try batch([1, 0, 1], ["p", "q"]).columns[0]
    let structType = DataType.struct([Field("inner", type)])
    let outerType = DataType.dictionary(index: .int32, value: structType, ordered: false)
    let column = ArrayData(
      type: outerType, length: 2, buffers: [Buffer([2, 0] as [Int32])],
      dictionary: ArrayData(type: structType, length: 3, children: [inner]))
    let batch = try RecordBatch(schema: Schema([Field("o", outerType)]), columns: [column])
    let copies = try readAll(
      try ArrowStreamReader(try arrowStream(batch.schema, [batch])))
    #expect(firstDifference(batch, copies[0])?.description == nil)
  }

  @Test func indicesBeyondTheDictionaryAreRefused() throws {
    let bytes = try arrowStream(try batch([0], ["a"]).schema, [try batch([1], ["a"])])
    let reader = try ArrowStreamReader(bytes)
    let error = #expect(throws: ColumnarError.self) { try reader.next() }
    #expect(error?.code == .invalidData && error?.column == "d")
  }
}
