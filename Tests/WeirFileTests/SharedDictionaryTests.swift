// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// Columns of the same values have one dictionary, where that is smaller; nothing else changes.
struct SharedDictionaryTests {
  /// Ids of a space: hashes, the same for the same number.
  static func id(_ number: Int, space: UInt64) -> Int64 {
    let mixed = (UInt64(number) &+ space &* 1_000_003) &* 0x9E37_79B9_7F4A_7C15
    return Int64(bitPattern: (mixed ^ mixed >> 29) >> 2)
  }

  /// Small numbers are frequent.
  static func number(_ random: inout SeededRandom, _ count: Int) -> Int {
    let x = Double(random.int(0..<1 << 20)) / Double(1 << 20)
    return min(count - 1, Int(x * x * Double(count)))
  }

  /// Two columns of lists and one of ids of one space, one of another, and two of words.
  static func batch(seed: UInt64, rows: Int, distinct: Int = 900) throws -> RecordBatch {
    var random = SeededRandom(seed: seed)
    let list = DataType.list(of: .int64, nullable: false)
    let fields = [
      Field("clicks", list, id: 1), Field("views", list, id: 2),
      Field("candidate", .int64, id: 3), Field("user", .int64, nullable: false, id: 4),
      Field("word", .utf8, id: 5), Field("words", .list(of: .utf8, nullable: false), id: 6),
    ]
    func word(_ number: Int) -> Scalar { .string("a word with the number \(number * 7_919)") }
    let builders = fields.map { makeBuilder(for: $0.type) }
    for _ in 0..<rows {
      for (index, builder) in builders.enumerated() {
        if fields[index].nullable && random.chance(0.05) {
          builder.appendNull()
          continue
        }
        switch index {
        case 0, 1:
          try builder.append(
            .list(
              (0..<random.int(0...7)).map { _ in
                Scalar.int(id(number(&random, distinct), space: 1))
              }))
        case 2: try builder.append(.int(id(number(&random, distinct), space: 1)))
        case 3: try builder.append(.int(id(number(&random, distinct), space: 2)))
        case 4: try builder.append(word(number(&random, 300)))
        default:
          try builder.append(
            .list((0..<random.int(0...4)).map { _ in word(number(&random, 300)) }))
        }
      }
    }
    return try RecordBatch(schema: Schema(fields), columns: builders.map { $0.finish() })
  }

  private static func options(_ rows: Int = 2_000) -> WeirFileWriteOptions {
    var options = WeirFileWriteOptions()
    options.pageRowsMax = rows
    return options
  }

  @Test(arguments: WeirFileWriteOptions.Profile.allCases)
  func columnsOfOneSpaceShare(profile: WeirFileWriteOptions.Profile) throws {
    let batch = try Self.batch(seed: 1, rows: 6_000)
    var options = Self.options()
    options.profile = profile
    let file = try RoundTripTests.write([batch], batch.schema, options)
    let reader = try WeirFileReader(file)
    let infos = try reader.columnInfos(nil)
    #expect(
      infos.map(\.sharesWith) == [
        ["views", "candidate"], ["clicks", "candidate"], ["clicks", "views"], [], ["words"],
        ["word"],
      ])
    #expect(infos.reduce(0) { $0 + $1.countedBytes } > 0)
    #expect(reader.problems().map(\.message) == [])
    let written = rows(batch)
    #expect(try RoundTripTests.all(reader.batches(batchRows: 700)) == written)
    // The dictionary is opened, and decoded, once for all of them.
    let arrays = try reader.columns(["clicks", "views", "candidate"]).map {
      $0.decoder.auxiliary[0]
    }
    #expect(arrays[0] === arrays[1] && arrays[0] === arrays[2])

    // One of them alone, by a reader of its own.
    for (index, field) in batch.schema.fields.enumerated() {
      let alone = try WeirFileReader(file)
      let values = try RoundTripTests.all(alone.batches(columns: [field.name], batchRows: 999))
      #expect(values == written.map { [$0[index]] })
      let taken = try alone.take(rows: [5_999, 3, 77], columns: [field.name])
      #expect(rows(taken) == [5_999, 3, 77].map { [written[$0][index]] })
    }
    options.sharesDictionaries = false
    let apart = try RoundTripTests.write([batch], batch.schema, options)
    #expect(file.size < apart.size)
    #expect(try WeirFileReader(apart).columnInfos(nil).allSatisfy(\.sharesWith.isEmpty))
  }

  /// Columns that have few values in common, or none, have their own.
  @Test(arguments: 0..<6)
  func othersDoNot(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let fields = (0..<4).map { Field("c\($0)", .int64) }
    var columns: [ArrayData] = []
    for column in fields.indices {
      var values: [Int64] = []
      for _ in 0..<4_000 {
        let space = seed % 2 == 1 && random.chance(0.1) ? 99 : UInt64(column)
        values.append(Self.id(Self.number(&random, 700), space: space))
      }
      columns.append(ArrayData(type: .int64, length: 4_000, buffers: [Buffer(values)]))
    }
    let batch = try RecordBatch(schema: Schema(fields), columns: columns)
    let reader = try WeirFileReader(
      try RoundTripTests.write([batch], batch.schema, Self.options()))
    for column in try reader.allColumns() {
      #expect(column.descriptor.auxiliary.map(\.role) == [.dictionary])
    }
    #expect(try reader.columnInfos(nil).allSatisfy(\.sharesWith.isEmpty))
    #expect(try RoundTripTests.all(reader.batches()) == rows(batch))
  }

  /// Random subsets of two spaces: the same rows, and hardly a file that is larger.
  @Test(arguments: 0..<30)
  func randomSpaces(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) + 500)
    let distinct = random.pick([40, 700, 5_000])
    let types: [DataType] = [
      .int64, .list(of: .int64), .list(of: .int64, nullable: false), .int32, .utf8,
      .struct([Field("a", .int64), Field("b", .list(of: .int64))]),
    ]
    let fields = (0..<random.int(2...6)).map { Field("c\($0)", random.pick(types)) }
    let parts = fields.map { _ in random.pick([distinct, max(1, distinct / 4)]) }
    let spaces = fields.map { _ in UInt64(random.int(0...1)) }
    func scalar(_ type: DataType, _ column: Int) -> Scalar {
      if random.chance(0.03) { return .null }
      return value(type, column)
    }
    func value(_ type: DataType, _ column: Int) -> Scalar {
      let id = Self.id(Self.number(&random, parts[column]), space: spaces[column])
      switch type {
      case .int64: return .int(id)
      case .int32: return .int(id >> 31)
      case .utf8: return .string("\(id)")
      case .list(let item):
        return .list(
          (0..<random.int(0...9)).map { _ in
            item.nullable ? scalar(item.type, column) : value(item.type, column)
          })
      case .struct(let fields):
        return .struct(fields.map { Scalar.Member($0.name, scalar($0.type, column)) })
      default: preconditionFailure("not a type of this test")
      }
    }
    let columns = try fields.enumerated().map { column, field in
      try array(field.type, (0..<1_500).map { _ in scalar(field.type, column) })
    }
    let batch = try RecordBatch(schema: Schema(fields), columns: columns)
    var options = Self.options(random.pick([300, 1_000, 65_536]))
    options.profile = random.pick([.fast, .compact])
    options.dictionaryBytesMax = random.pick([2_000, 16 << 20])
    let parts2 = [batch.slice(offset: 0, length: 600), batch.slice(offset: 600, length: 900)]
    let file = try RoundTripTests.write(parts2, batch.schema, options)
    let reader = try WeirFileReader(file)
    #expect(reader.problems().map(\.message) == [])
    let written = rows(batch)
    #expect(try RoundTripTests.all(reader.batches(batchRows: 256)) == written)
    let chosen = (0..<40).map { _ in random.int(0..<written.count) }
    #expect(try rows(reader.take(rows: chosen)) == chosen.map { written[$0] })
    options.sharesDictionaries = false
    let apart = try RoundTripTests.write(parts2, batch.schema, options)
    #expect(Double(file.size) <= Double(apart.size) * 1.02)
  }

  /// Two columns that describe one page table in different ways are named.
  @Test func verifyNamesDisagreement() throws {
    let batch = try Self.batch(seed: 3, rows: 2_000)
    let file = try RoundTripTests.write([batch], batch.schema, Self.options())
    let reader = try WeirFileReader(file)
    let columns = try reader.allColumns()
    let array = columns[0].descriptor.auxiliary[0]
    #expect(columns[1].descriptor.auxiliary[0] == array)
    let bytes = try file.read(0..<file.size).array(of: UInt8.self)
    // The second column's record says another CRC of the table; everything around it is made to fit.
    let changed = try Self.changed(bytes, columns[1], reader)
    let store = MemoryObjectStore()
    let sink = try store.create("x", condition: .none)
    try sink.append(Buffer(changed))
    _ = try sink.finish()
    let problems = try WeirFileReader(try store.open("x")).problems()
    #expect(problems.contains { $0.column == "views" && $0.message.contains("page table") })
  }

  private static func changed(
    _ bytes: [UInt8], _ column: FileColumn, _ reader: WeirFileReader
  ) throws -> [UInt8] {
    var bytes = bytes
    let part = column.entry.descriptor
    bytes[part.offset + part.size - 8] ^= 1
    func put(_ crc: UInt32, _ at: Int) {
      for index in 0..<4 { bytes[at + index] = UInt8(truncatingIfNeeded: crc >> UInt32(index * 8)) }
    }
    put(Buffer(Array(bytes[part.range])).crc32c, reader.entryRange(1).lowerBound + 20)
    let entry = reader.entryRange(1).lowerBound
    put(Buffer(Array(bytes[entry..<entry + 60])).crc32c, entry + 60)
    return bytes
  }
}
