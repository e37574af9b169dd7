// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import Testing
internal import _WeirTestSupport

@testable internal import WeirColumnar

/// Gives some batches, then an error; says when it is gone.
private final class FailingReader: RecordBatchReader {
  let schema = Schema([Field("n", .int32)])
  var left: Int
  let onEnd: () -> Void

  init(good: Int, onEnd: @escaping () -> Void) {
    left = good
    self.onEnd = onEnd
  }

  deinit { onEnd() }

  func next() throws -> RecordBatch? {
    guard left > 0 else {
      throw ColumnarError(.unsupported, "no more of this", column: "n")
    }
    left -= 1
    return try RecordBatch(
      schema: schema,
      columns: [ArrayData(type: .int32, length: 1, buffers: [Buffer([7] as [Int32])])])
  }
}

@Suite struct CStreamTests {
  @Test(arguments: 0..<20)
  func streamsRoundTrip(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let schema = random.annotatedSchema()
    let batches = (0..<random.int(0...4)).map { _ in
      random.batch(schema, rows: random.int(0...20))
    }
    var stream = ArrowArrayStream()
    CDataExport.export(try MemoryBatchReader(schema: schema, batches: batches), to: &stream)
    let reader = try CStreamReader(&stream)
    #expect(stream.release == nil)
    #expect(reader.schema == schema)
    for batch in batches {
      let copy = try #require(try reader.next())
      #expect(firstDifference(batch, copy)?.description == nil)
    }
    #expect(try reader.next() == nil)
    #expect(try reader.next() == nil)
  }

  @Test func errorsCrossTheStream() throws {
    var released = 0
    do {
      var stream = ArrowArrayStream()
      CDataExport.export(FailingReader(good: 1) { released += 1 }, to: &stream)
      let reader = try CStreamReader(&stream)
      #expect(try reader.next()?.rowCount == 1)
      let error = #expect(throws: ColumnarError.self) { try reader.next() }
      #expect(error?.code == .sourceFailed)
      #expect(error?.message.contains("no more of this") == true)
      #expect(released == 0)
    }
    #expect(released == 1)
  }

  @Test func releaseIsOnceAndLastErrorIsNullWhenAllIsWell() throws {
    var released = 0
    var stream = ArrowArrayStream()
    CDataExport.export(FailingReader(good: 1) { released += 1 }, to: &stream)
    #expect(stream.get_last_error(&stream) == nil)
    var array = ArrowArray()
    #expect(stream.get_next(&stream, &array) == 0)
    array.release(&array)
    #expect(stream.get_next(&stream, &array) != 0)
    #expect(stream.get_last_error(&stream) != nil)
    var schema = ArrowSchema()
    #expect(stream.get_schema(&stream, &schema) == 0)
    #expect(stream.get_last_error(&stream) == nil)
    schema.release(&schema)
    let release = stream.release!
    release(&stream)
    #expect(released == 1 && stream.release == nil)
    release(&stream)
    #expect(released == 1)
  }
}
