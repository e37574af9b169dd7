// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile
@testable internal import WeirTable

/// The order of columns in Weir files: its text, how it is learnt, and that files follow it.
@Suite struct LayoutTests {
  @Test(arguments: 0..<20) func textAndBack(_ seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    var ids: [Int32] = []
    for _ in 0..<random.int(0...30) {
      if let last = ids.last, random.chance(0.6) {
        ids.append(last + 1)
      } else {
        ids.append(Int32(random.int(1...1_000)))
      }
    }
    let layout = ColumnLayout(ids)
    #expect(ColumnLayout(layout.text) == layout)
  }

  @Test(arguments: ["x", "3-1", "-3", "0", "1-2-3", "1-2147483647", "1,,x", "99999999999"])
  func whatIsNoLayout(_ text: String) { #expect(ColumnLayout(text) == nil) }

  @Test func theMostFrequentReadsAreTogether() {
    let layout = ColumnLayout(learning: [
      ColumnReads([1, 5, 9], count: 3), ColumnReads([2, 5, 7, 9], count: 10),
      ColumnReads([1, 5, 9], count: 4), ColumnReads([100], count: 1),
    ])
    #expect(layout.fieldIDs == [5, 9, 2, 7, 1, 100])
    #expect(ColumnLayout(learning: []).fieldIDs.isEmpty)
  }

  /// Columns of the `k` most frequent kinds of reads: those of the first are always the first.
  @Test(arguments: 0..<10) func theFirstKindComesFirst(_ seed: Int) {
    var random = SeededRandom(seed: UInt64(seed))
    var reads: [ColumnReads] = []
    for count in 1...random.int(2...100) {
      let ids = (1...40).filter { _ in random.chance(0.2) }.map { Int32($0) }
      if !ids.isEmpty { reads.append(ColumnReads(ids, count: count * 1_000)) }
    }
    let layout = ColumnLayout(learning: reads.shuffled(using: &random))
    #expect(Set(layout.fieldIDs).count == layout.fieldIDs.count)
    if let first = reads.last {
      #expect(layout.fieldIDs.prefix(first.fieldIDs.count).sorted() == first.fieldIDs)
    }
  }

  @Test func readsAreNoted() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("weir-reads-\(UInt64.random(in: 0 ... .max))")
    defer { try? FileManager.default.removeItem(at: folder) }
    let log = ReadLog(folder: folder.path)
    let others = ReadLog(folder: folder.path)
    for _ in 0..<1_000 { log.add("a-1/../x", [3, 1, 2, 3]) }
    for _ in 0..<5 { others.add("a-1/../x", [7]) }
    log.add("b", [])
    for id in 0..<400 { log.add("many", [Int32(id + 1)]) }
    var counts: [[Int32]: Int] = [:]
    for read in log.reads("a-1/../x") { counts[read.fieldIDs, default: 0] += read.count }
    #expect(counts == [[1, 2, 3]: 512, [7]: 4])
    #expect(log.reads("many").count == 255)
    #expect(log.reads("b").isEmpty)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    #expect(names == ["a-1x.reads", "many.reads"])
    // Whatever stands there.
    let path = folder.appendingPathComponent("b.reads").path
    try Data("1 2\n\u{0}x 5\n-1 3\n4\n2 8-9\n9 9 9\n3".utf8).write(to: URL(fileURLWithPath: path))
    #expect(log.reads("b") == [ColumnReads([2], count: 1), ColumnReads([8, 9], count: 2)])
    log.forget("b")
    #expect(log.reads("b").isEmpty)
  }

  @Test func filesAndCompactionsFollow() throws {
    let schema = TableSchema((1...6).map { TableField(Int32($0), "c\($0)", .long) })
    let table = try WrittenTables(.weir).table("layout", schema)
    let batch = try RecordBatch(
      schema: schema.arrowSchema(),
      columns: (1...6).map { place in
        try array(.int64, (0..<50).map { .int(Int64($0 * place)) })
      })
    for _ in 0..<2 { try table.append([batch]) }
    func order() throws -> [[String]] {
      var result: [[String]] = []
      let planner = try ScanPlanner(table.metadata, stores: table.stores)
      while let task = try planner.next() {
        let reader = try WeirFileReader(try table.stores.open(task.dataFile.path))
        result.append(
          try reader.columns(nil).sorted {
            $0.descriptor.pages[0].offset < $1.descriptor.pages[0].offset
          }.map(\.field.name).filter { !$0.hasPrefix("_") })
      }
      return result
    }
    let names = (1...6).map { "c\($0)" }
    #expect(try order() == [names, names])
    let transaction = table.transaction()
    transaction.setProperties([ColumnLayout.property: "5,99,2-3"])
    transaction.updateSchema().renameColumn("c2", to: "two")
    try transaction.commit()
    var options = CompactionOptions()
    options.isFull = true
    try table.compact(options)
    #expect(try order() == [["c5", "two", "c3", "c1", "c4", "c6"]])
    let wrong = table.transaction()
    wrong.setProperties([ColumnLayout.property: "c5"])
    try wrong.commit()
    #expect(throws: TableError.self) { try table.writer() }
  }
}
