// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// Reading ahead in a store whose requests wait, and pages of narrow columns that lie together.
@Suite struct ReadAheadTests {
  private final class Threads: Sendable {
    let known = Mutex<Set<UInt>>([])
    func note() { known.withLock { _ = $0.insert(UInt(pthread_self())) } }
    var count: Int { known.withLock { $0.count } }
  }

  /// Ints of many narrow columns, in pages of 100 rows.
  private static func write(
    _ store: any ObjectStore, columns: Int, rows: Int, layout: [String] = [],
    bucketPageBytesMax: Int = 16 << 10
  ) throws -> RecordBatch {
    let fields = (0..<columns).map { Field("c\($0)", .int64) } + [Field("text", .utf8)]
    var random = SeededRandom(seed: UInt64(columns))
    let arrays = try fields.map { field in
      try array(
        field.type,
        (0..<rows).map { _ in
          field.name == "text"
            ? .string((0..<40).map { _ in String(random.int(0..<1_000_000_000)) }.joined())
            : .int(Int64(random.int(0..<1_000)))
        })
    }
    let batch = try RecordBatch(schema: Schema(fields), columns: arrays)
    var options = WeirFileWriteOptions()
    options.pageRowsMax = 100
    options.layout = layout
    options.bucketPageBytesMax = bucketPageBytesMax
    let writer = try WeirFileWriter(
      try store.create("f", condition: .none), schema: batch.schema, options: options)
    for start in stride(from: 0, to: rows, by: 250) {
      try writer.write(batch.slice(offset: start, length: min(250, rows - start)))
    }
    try writer.close()
    return batch
  }

  private static func all(_ reader: WeirFileReader, _ batchRows: Int) throws -> [[Scalar]] {
    let batches = try reader.batches(batchRows: batchRows)
    var result: [[Scalar]] = []
    while let batch = try batches.next() { result += rows(batch) }
    return result
  }

  @Test(arguments: 0..<24)
  func theRowsAreTheSame(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) + 70)
    let schema = random.schema()
    let batches = (0..<random.int(1...3)).map { _ in
      random.batch(schema, rows: random.pick([1, 9, 150, 700]))
    }
    let memory = MemoryObjectStore()
    let threads = Threads()
    let store = CountingObjectStore(memory, wait: { threads.note() })
    let writer = try WeirFileWriter(
      try memory.create("f", condition: .none), schema: schema,
      options: RoundTripTests.writeOptions(&random))
    for batch in batches { try writer.write(batch) }
    try writer.close()
    var options = WeirFileReadOptions()
    options.aheadBytesMax = random.pick([1, 2_000, 64 << 20])
    let ahead = try WeirFileReader(try store.open("f"), options: options)
    let plain = try WeirFileReader(try memory.open("f"))
    let count = plain.rowCount
    let first = random.int(0...count)
    let rowsWanted = first..<random.int(first...count)
    for size in [1, 7, 64, 1_000] {
      let a = try ahead.batches(rows: rowsWanted, batchRows: size)
      let b = try plain.batches(rows: rowsWanted, batchRows: size)
      while let batch = try b.next() {
        let other = try #require(try a.next())
        #expect(String(describing: rows(other)) == String(describing: rows(batch)))
      }
      #expect(try a.next() == nil)
    }
  }

  /// Pages come in few requests, by another thread than the one that decodes.
  @Test func pagesAreAskedForBefore() throws {
    let memory = MemoryObjectStore()
    let threads = Threads()
    let store = CountingObjectStore(memory, wait: { threads.note() })
    let batch = try Self.write(memory, columns: 30, rows: 1_000)
    let reader = try WeirFileReader(try store.open("f"))
    _ = try reader.schema
    store.reset()
    #expect(try Self.all(reader, 100).count == batch.rowCount)
    #expect(threads.count > 1)
    #expect(store.counts.requests <= 6, "\(store.counts)")
    // An abandoned reader leaves its thread to itself.
    let abandoned = try reader.batches(batchRows: 100)
    _ = try abandoned.next()
  }

  /// Scans with a predicate: the pages that may match come in few requests.
  @Test func filteredScansAskBefore() throws {
    let memory = MemoryObjectStore()
    let threads = Threads()
    let store = CountingObjectStore(memory, wait: { threads.note() })
    // Pages of 100 rows, c0 from 0 to 9 in every second of them, from 100 to 109 in the others.
    let count = 4_000
    let fields = (0..<12).map { Field("c\($0)", .int64) }
    var random = SeededRandom(seed: 5)
    var arrays: [ArrayData] = []
    for column in fields.indices {
      var values: [Int64] = []
      for row in 0..<count {
        let first = Int64(row / 100 % 2 * 100 + row % 10)
        values.append(column == 0 ? first : Int64(random.int(0..<1 << 40)))
      }
      arrays.append(ArrayData(type: .int64, length: count, buffers: [Buffer(values)]))
    }
    let batch = try RecordBatch(schema: Schema(fields), columns: arrays)
    var options = WeirFileWriteOptions()
    options.pageRowsMax = 100
    options.bucketPageBytesMax = 0
    let writer = try WeirFileWriter(
      try memory.create("f", condition: .none), schema: batch.schema, options: options)
    for start in stride(from: 0, to: count, by: 100) {
      try writer.write(batch.slice(offset: start, length: 100))
    }
    try writer.close()
    let written = rows(batch)
    for (text, isDense) in [("c0 < 50", true), ("c0 = 3", false), ("c0 < 50 AND c1 < 0", false)] {
      let predicate = try WeirColumnar.Predicate(parsing: text)
      func matching(_ ahead: Int) throws -> (rows: [[Scalar]], counts: CountingObjectStore.Counts) {
        var options = WeirFileReadOptions()
        options.aheadBytesMax = ahead
        let reader = try WeirFileReader(try store.open("f"), options: options)
        _ = try reader.schema
        store.reset()
        let matches = try reader.matches(predicate, batchRows: 100)
        var found: [[Scalar]] = []
        while let batch = try matches.next() { found += rows(batch) }
        return (found, store.counts)
      }
      let (plain, ahead) = (try matching(0), try matching(64 << 20))
      #expect(ahead.rows == plain.rows)
      var expected: [[Scalar]] = []
      for row in written {
        guard case .int(let first) = row[0], case .int(let second) = row[1] else { continue }
        let isFound = text == "c0 = 3" ? first == 3 : first < 50 && (isDense || second < 0)
        if isFound { expected.append(row) }
      }
      #expect(plain.rows == expected)
      if isDense {
        #expect(ahead.counts.requests <= 8, "\(ahead.counts), not ahead \(plain.counts)")
        #expect(plain.counts.requests > 20)
      } else {
        #expect(ahead.counts.requests <= plain.counts.requests)
      }
    }
    #expect(threads.count > 1)
  }

  /// What waiting costs, for docs/measurements.md: WEIR_MEASURE=milliseconds of a request.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["WEIR_MEASURE"] != nil))
  func waiting() throws {
    let milliseconds = ProcessInfo.processInfo.environment["WEIR_MEASURE"].flatMap { Double($0) }
    let memory = MemoryObjectStore()
    let store = CountingObjectStore(
      memory, wait: { Thread.sleep(forTimeInterval: (milliseconds ?? 20) / 1_000) })
    for bucketBytes in [0, 16 << 10] {
      _ = try Self.write(memory, columns: 300, rows: 4_000, bucketPageBytesMax: bucketBytes)
      for aheadBytes in [0, 64 << 20] {
        var options = WeirFileReadOptions()
        options.aheadBytesMax = aheadBytes
        store.reset()
        let start = ContinuousClock.now
        let reader = try WeirFileReader(try store.open("f"), options: options)
        let batches = try reader.batches(
          columns: (0..<300).filter { $0 % 10 == 0 }.map { "c\($0)" }, batchRows: 100)
        while try batches.next() != nil {}
        print(
          "bucket pages \(bucketBytes), ahead \(aheadBytes): \(ContinuousClock.now - start), "
            + "\(store.counts)")
      }
    }
  }

  /// Narrow columns lie behind each other in the order of the layout, for each range of rows.
  @Test func bucketsOfNarrowColumns() throws {
    let store = MemoryObjectStore()
    let layout = ["c7", "gone", "c3", "c11"]
    let batch = try Self.write(
      store, columns: 20, rows: 730, layout: layout, bucketPageBytesMax: 2_000)
    let reader = try WeirFileReader(try store.open("f"))
    #expect(try rows(RecordBatch.concatenated(reader)) == rows(batch))
    #expect(reader.problems().isEmpty)
    let columns = try reader.columns(nil)
    #expect(columns[20].entry.bucket == 0, "strings are wide")
    #expect(Set(columns[..<20].map(\.entry.bucket)) == [1])
    // Pages of a range of rows, in the order of their places.
    let names = ["c7", "c3", "c11"] + (0..<20).map { "c\($0)" }.filter { !layout.contains($0) }
    for page in columns[0].descriptor.pages.indices {
      let order = columns[..<20].sorted {
        $0.descriptor.pages[page].offset < $1.descriptor.pages[page].offset
      }
      #expect(order.map(\.field.name) == names)
      let start = try #require(order.first?.descriptor.pages[page].offset)
      let end = try #require(order.last?.descriptor.pages[page].range.upperBound)
      let size = order.reduce(0) { $0 + ($1.descriptor.pages[page].size + 7) & ~7 }
      #expect(end - start <= size && size - (end - start) < 8)
    }
    #expect(try reader.schema.fields.map(\.name) == batch.schema.fields.map(\.name))
  }

  @Test func withoutBuckets() throws {
    let store = MemoryObjectStore()
    let batch = try Self.write(store, columns: 5, rows: 300, bucketPageBytesMax: 0)
    let reader = try WeirFileReader(try store.open("f"))
    #expect(try reader.columns(nil).allSatisfy { $0.entry.bucket == 0 })
    #expect(try rows(RecordBatch.concatenated(reader)) == rows(batch))
  }
}

extension RecordBatch {
  fileprivate static func concatenated(_ reader: WeirFileReader) throws -> RecordBatch {
    let batches = try reader.batches(batchRows: max(reader.rowCount, 1))
    return try #require(try batches.next())
  }
}
