// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@testable internal import WeirParquet

/// Levels and values against record shredding as the Dremel paper describes it, value by value.
struct LevelTests {
  struct Entry: Equatable {
    var repetition: Int
    var definition: Int
    var value: Scalar
  }

  /// The entries of one leaf for one value of its top-level column.
  private func shred(
    _ value: Scalar, _ field: Field, _ path: ArraySlice<String>, repetition: Int, definition: Int,
    depth: Int
  ) -> [Entry] {
    if value.isNull { return [Entry(repetition: repetition, definition: definition, value: .null)] }
    let definition = definition + (field.nullable ? 1 : 0)
    switch value {
    case .list(let items):
      return shred(
        items, field.type.children[0], path.dropFirst(2), repetition, definition, depth)
    case .map(let entries):
      let isKey = path.dropFirst(1).first == "key"
      var child = field.type.children[0].type.children[isKey ? 0 : 1]
      if isKey { child.nullable = false }
      return shred(
        entries.map { isKey ? $0.key : $0.value }, child, path.dropFirst(2), repetition,
        definition, depth)
    case .struct(let members):
      let index = members.firstIndex { $0.name == path.first! }!
      return shred(
        members[index].value, field.type.children[index], path.dropFirst(),
        repetition: repetition, definition: definition, depth: depth)
    default: return [Entry(repetition: repetition, definition: definition, value: value)]
    }
  }

  private func shred(
    _ items: [Scalar], _ field: Field, _ path: ArraySlice<String>, _ repetition: Int,
    _ definition: Int, _ depth: Int
  ) -> [Entry] {
    if items.isEmpty {
      return [Entry(repetition: repetition, definition: definition, value: .null)]
    }
    return items.enumerated().flatMap { index, item in
      shred(
        item, field, path, repetition: index == 0 ? repetition : depth + 1,
        definition: definition + 1, depth: depth + 1)
    }
  }

  @Test(arguments: 0..<80)
  func againstNaiveShredding(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(1_000 + seed))
    var options = RandomOptions()
    options.depthMax = 4
    options.leafTypes = [.int64, .utf8, .bool, .int8]
    let schema = random.schema(options)
    let batches = (0..<2).map { _ in random.batch(schema, rows: random.int(0...40), options) }
    for leaf in try WriteSchema(schema).leaves {
      let column = ColumnLevels(leaf)
      var expected: [Entry] = []
      for batch in batches {
        try column.add(batch.columns[leaf.column], firstRow: 0)
        for row in 0..<batch.rowCount {
          expected += shred(
            batch.columns[leaf.column].scalar(at: row), schema.fields[leaf.column],
            leaf.path.dropFirst(), repetition: 0, definition: 0, depth: 0)
        }
      }
      #expect(column.entryCount == expected.count)
      func levels(_ buffer: MutableBuffer?, _ constant: Int) -> [Int] {
        buffer.map { $0.withUnsafeBytes { $0.map { Int($0) } } }
          ?? Array(repeating: constant, count: column.entryCount)
      }
      #expect(levels(column.definition, leaf.maxDefinition) == expected.map(\.definition))
      #expect(levels(column.repetition, 0) == expected.map(\.repetition))
      if leaf.maxRepetition > 0 && column.repetition != nil {
        #expect(
          column.rowStarts == expected.indices.filter { expected[$0].repetition == 0 })
      }
      let present = expected.filter { $0.definition == leaf.maxDefinition }.map(\.value)
      #expect(try values(column) == present)
    }
  }

  private func values(_ column: ColumnLevels) throws -> [Scalar] {
    let values = try column.gatherValues()
    defer { withExtendedLifetime((column, values)) {} }
    return (0..<values.count).map { index in
      switch column.plan.type {
      case .int64: .int(values.at(index, as: Int64.self)[0])
      case .int8: .int(Int64(values.at(index, as: Int32.self)[0]))
      case .bool: .bool(values.at(index, as: UInt8.self)[0] != 0)
      default:
        .string(String(decoding: values.at(index, as: ByteView.self)[0].bytes, as: UTF8.self))
      }
    }
  }

  /// Pages end at rows, keep their bounds where they can, and cover everything.
  @Test(arguments: 0..<20)
  func pagesHoldWholeRows(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let schema = Schema([Field("l", .list(of: .int64))])
    var options = RandomOptions()
    options.itemsMax = 30
    let batch = random.batch(schema, rows: random.int(1...300), options)
    let column = ColumnLevels(try WriteSchema(schema).leaves[0])
    try column.add(batch.columns[0], firstRow: 0)
    let values = try column.gatherValues()
    var settings = ParquetWriteOptions()
    settings.pageRowsMax = random.pick([1, 10, 100])
    settings.pageBytesMax = random.pick([1, 400, 10_000])
    var pages = PageRows(column: column, options: settings, bits: 64, valueCount: values.count)
    var row = 0
    var entry = 0
    var value = 0
    while let page = pages.next(values) {
      #expect(page.rows.lowerBound == row && page.entries.lowerBound == entry)
      #expect(page.values.lowerBound == value && !page.rows.isEmpty)
      #expect(page.rows.count <= settings.pageRowsMax)
      #expect(page.rows.count == 1 || page.values.count * 8 <= 2 * settings.pageBytesMax)
      (row, entry, value) = (page.rows.upperBound, page.entries.upperBound, page.values.upperBound)
    }
    #expect(row == column.rowCount && entry == column.entryCount && value == values.count)
  }
}
