// SPDX-License-Identifier: Apache-2.0

internal import CWeirKernels
internal import Synchronization
internal import Testing
internal import _WeirTestSupport

@testable internal import WeirColumnar

/// Counts how often a buffer's memory was given back.
private final class ReleaseCounter: Sendable {
  private let counter = Mutex(0)
  var count: Int { counter.withLock { $0 } }

  /// A buffer with a copy of `values`, whose release is counted.
  func buffer<T: BitwiseCopyable>(_ values: [T], misalignedBy shift: Int = 0) -> Buffer {
    let size = values.count * MemoryLayout<T>.stride
    let base = UnsafeMutableRawPointer.allocate(byteCount: size + 64, alignment: 64)
    values.withUnsafeBytes { (base + shift).copyMemory(from: $0.baseAddress!, byteCount: size) }
    nonisolated(unsafe) let memory = base
    return Buffer(foreign: base + shift, count: size) { [self] in
      memory.deallocate()
      counter.withLock { $0 += 1 }
    }
  }
}

@Suite struct CDataTests {
  @Test(arguments: 0..<80)
  func schemasRoundTrip(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let schema = random.annotatedSchema()
    var exported = ArrowSchema()
    try CDataExport.export(schema, to: &exported)
    #expect(try CDataImport.schema(from: &exported) == schema)
    #expect(exported.release == nil)
  }

  @Test(arguments: 0..<80)
  func batchesRoundTripWithoutACopy(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let schema = random.annotatedSchema()
    let batch = random.batch(schema, rows: random.int(0...50))
    let copy = try roundTrip(batch)
    #expect(copy.schema == schema)
    #expect(copy.rowCount == batch.rowCount)
    #expect(firstDifference(batch, copy)?.description == nil)
    for (a, b) in zip(batch.columns, copy.columns) where a.length > 0 { expectSameMemory(a, b) }
  }

  private func roundTrip(_ batch: RecordBatch) throws -> RecordBatch {
    var schema = ArrowSchema()
    var array = ArrowArray()
    try CDataExport.export(batch.schema, to: &schema)
    CDataExport.export(batch, to: &array)
    return try CDataImport.batch(from: &array, schema: &schema)
  }

  private func expectSameMemory(_ a: ArrayData, _ b: ArrayData) {
    #expect(a.offset == b.offset || a.type == .null)
    #expect(a.nullCount == b.nullCount)
    for (x, y) in zip(a.buffers, b.buffers) where x.count > 0 && y.count > 0 {
      #expect(x.base == y.base)
      #expect(y.count <= x.count)
    }
    if let x = a.validity, let y = b.validity { #expect(x.base == y.base) }
    for (x, y) in zip(a.children, b.children) where x.length > 0 { expectSameMemory(x, y) }
  }

  @Test func memoryIsReleasedOnceAfterTheLastBuffer() throws {
    let counter = ReleaseCounter()
    var array = ArrowArray()
    CDataExport.export(
      ArrayData(type: .int32, length: 4, buffers: [counter.buffer([1, 2, 3, 4] as [Int32])]),
      to: &array)
    var schema = ArrowSchema()
    try CDataExport.export(Field("x", .int32), to: &schema)
    var imported: ArrayData? = try CDataImport.array(from: &array, schema: &schema).array
    #expect(array.release == nil)
    var slice: Buffer? = imported!.buffers[0].slice(offset: 4, count: 8)
    imported = nil
    #expect(counter.count == 0)
    #expect(slice!.array(of: Int32.self) == [2, 3])
    slice = nil
    #expect(counter.count == 1)
  }

  @Test func aMovedChildOutlivesItsParent() throws {
    let (kept, dropped) = (ReleaseCounter(), ReleaseCounter())
    var array = ArrowArray()
    let type = DataType.struct([Field("a", .int64), Field("b", .int64)])
    CDataExport.export(
      ArrayData(
        type: type, length: 2,
        children: [
          ArrayData(type: .int64, length: 2, buffers: [kept.buffer([1, 2] as [Int64])]),
          ArrayData(type: .int64, length: 2, buffers: [dropped.buffer([3, 4] as [Int64])]),
        ]), to: &array)
    var child = array.children[0]!.pointee
    array.children[0]!.pointee.release = nil
    array.release(&array)
    #expect(array.release == nil)
    #expect(kept.count == 0 && dropped.count == 1)
    var schema = ArrowSchema()
    try CDataExport.export(Field("a", .int64), to: &schema)
    do {
      let imported = try CDataImport.array(from: &child, schema: &schema).array
      #expect(imported.buffers[0].array(of: Int64.self) == [1, 2])
    }
    #expect(kept.count == 1 && dropped.count == 1)
  }

  @Test func aMovedSchemaChildOutlivesItsParent() throws {
    var schema = ArrowSchema()
    try CDataExport.export(
      Schema([Field("a", .timestamp(.second, timeZone: "Asia/Tokyo")), Field("b", .int8)]),
      to: &schema)
    var child = schema.children[0]!.pointee
    schema.children[0]!.pointee.release = nil
    schema.release(&schema)
    #expect(
      try CDataImport.field(from: &child) == Field("a", .timestamp(.second, timeZone: "Asia/Tokyo"))
    )
  }

  @Test func failedImportsReleaseToo() throws {
    let counter = ReleaseCounter()
    var array = ArrowArray()
    CDataExport.export(
      ArrayData(type: .int32, length: 1, buffers: [counter.buffer([1] as [Int32])]), to: &array)
    array.length = -1
    var schema = ArrowSchema()
    try CDataExport.export(Field("x", .int32), to: &schema)
    #expect(throws: ColumnarError.self) { try CDataImport.array(from: &array, schema: &schema) }
    #expect(counter.count == 1)
    #expect(array.release == nil && schema.release == nil)
  }

  @Test func misalignedValuesAreCopied() throws {
    let counter = ReleaseCounter()
    var array = ArrowArray()
    CDataExport.export(
      ArrayData(
        type: .int64, length: 2, buffers: [counter.buffer([5, 6] as [Int64], misalignedBy: 4)]),
      to: &array)
    var schema = ArrowSchema()
    try CDataExport.export(Field("x", .int64), to: &schema)
    let imported = try CDataImport.array(from: &array, schema: &schema).array
    #expect(counter.count == 1)
    #expect(imported.buffers[0].array(of: Int64.self) == [5, 6])
  }

  @Test func unknownNullCountsAreCounted() throws {
    var array = ArrowArray()
    CDataExport.export(
      ArrayData(
        type: .int8, length: 3, validity: Buffer([0b101] as [UInt8]),
        buffers: [Buffer([1, 2, 3] as [Int8])]), to: &array)
    array.null_count = -1
    var schema = ArrowSchema()
    try CDataExport.export(Field("x", .int8), to: &schema)
    let imported = try CDataImport.array(from: &array, schema: &schema).array
    #expect(imported.nullCount == 1)
  }

  @Test(arguments: [
    ("d:40,2,256", "decimal256"), ("d:5,1,32", "decimal32"), ("+vl", "list_view"),
    ("+r", "run_end_encoded"), ("+ud:0,1", "union"), ("tiM", "interval"), ("??", "format \"??\""),
    ("w:-1", "format \"w:-1\""), ("tsx:", "format"), ("d:", "format"),
  ])
  func unknownFormatsNameTheColumn(format: String, expected: String) throws {
    var schema = ArrowSchema()
    try CDataExport.export(Schema([Field("outer", .struct([Field("it", .int8)]))]), to: &schema)
    let child = schema.children[0]!.pointee.children[0]!
    let old = child.pointee.format
    let error = format.withCString { text in
      child.pointee.format = text
      return #expect(throws: ColumnarError.self) { try CDataImport.schema(from: &schema) }
    }
    _ = old
    #expect(error?.code == .unsupported)
    #expect(error?.column == "outer.it")
    #expect(error?.message.contains(expected) == true)
  }
}
