// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirTable

/// Scans with a filter of tables whose files are Weir files: the rows are those that the filter leaves
/// of all rows, whatever pages and keys let the reader pass over, and however the table changed since.
@Suite struct WeirFilterTests {
  @Test(arguments: 0..<6)
  func theRowsOfAFilter(_ seed: Int) throws {
    var world = try EvolvingTable(seed: UInt64(seed) + 300)
    let schema = world.table.schema.arrowSchema()
    let columns = schema.fields.map(\.name) + ["_pos", "_row_id"]
    let all = try WrittenTables.rows(world.table, ScanOptions(columns: columns))
    var (matched, empty) = (0, 0)
    for _ in 0..<25 {
      let filter = world.predicate(schema, depth: world.random.int(0...2))
      let bound = try filter.bind(to: schema)
      let wanted = try all.flatMap { rows(try $0.filter(bound)) }
      var options = ScanOptions(columns: columns, where: filter)
      options.batchRowsMax = world.random.pick([7, 64, 65_536])
      let found = try WrittenTables.rows(world.table, options).flatMap { rows($0) }
      #expect(texts(found) == texts(wanted), "\(filter)")
      if wanted.isEmpty { empty += 1 } else { matched += 1 }
      // Other columns than those that are tested, and parts of files.
      let chosen = [world.random.pick(columns)]
      let place = try #require(columns.firstIndex(of: chosen[0]))
      let part = try WrittenTables.rows(
        world.table, ScanOptions(columns: chosen, where: filter)
      ).flatMap { rows($0) }
      #expect(texts(part) == texts(wanted.map { [$0[place]] }), "\(filter) of \(chosen)")
      #expect(
        try world.inParts(filter, columns) == texts(wanted), "\(filter) in parts")
    }
    // The test tests something.
    #expect(matched > 0 && empty > 0)
  }

  private func texts(_ rows: [[Scalar]]) -> [String] {
    rows.map { String(describing: $0) }.sorted()
  }

  private static let schema = TableSchema(
    [
      TableField(1, "user", .long, required: true), TableField(2, "time", .timestamp),
      TableField(3, "word", .string),
    ], identifierFieldIDs: [1])

  /// A long text without a pattern, so that pages are large.
  private static func word(_ number: Int) -> String {
    var random = SeededRandom(seed: UInt64(number))
    return String((0..<20).flatMap { _ in String(random.next(), radix: 36) })
  }

  private static func batch(_ range: Range<Int>) throws -> RecordBatch {
    let times = range.map { Scalar.int(Int64($0) * 1_000) }
    return try RecordBatch(
      schema: schema.arrowSchema(),
      columns: [
        array(.int64, range.map { .int(Int64($0 * 7_919 % 20_011)) }),
        array(schema.fields[1].type.arrowType, times),
        array(.utf8, range.map { .string(word($0)) }),
      ])
  }

  private static let rowCount = 8_000

  /// A table of 8 pages, and what a scan of it with a filter reads.
  private func measure(
    _ filter: Predicate, keys: String? = nil
  ) throws -> (counts: CountingObjectStore.Counts, users: [Int64]) {
    let store = CountingObjectStore(MemoryObjectStore())
    let stores = try ObjectStores(factories: ["memory": { _ in store }])
    let catalog = try PointerCatalog(
      name: "test", backend: MemoryCatalogBackend(), stores: stores,
      warehouse: "memory://w/house")
    try catalog.createNamespace(Namespace(["n"]))
    let identifier = TableIdentifier(Namespace(["n"]), "t")
    var properties: StringMap = [DataFormat.property: "weir"]
    if let keys { properties[DataFormat.keysProperty] = keys }
    _ = try catalog.createTable(
      identifier, TableCreation(schema: Self.schema, properties: properties))
    let table = try catalog.table(identifier)
    var options = TableWriteOptions()
    // Pages of about a thousand rows.
    options.bufferedBytesMax = 270_000
    try table.append(
      BatchList(
        try stride(from: 0, to: Self.rowCount, by: 1_000).map { try Self.batch($0..<$0 + 1_000) }),
      options: options)
    store.reset()
    let found = try WrittenTables.rows(table, ScanOptions(where: filter))
    return (store.counts, found.flatMap { Lineage.values($0.columns[0]) })
  }

  /// What is read is a small part of the file: of a key a few pages, of a range its pages.
  @Test func littleIsRead() throws {
    let all = try measure(.always(true))
    #expect(all.users.count == Self.rowCount)
    let user = try #require(all.users.dropFirst(5_432).first)
    let one = try measure(.compare(.equal, "user", .integer(Int128(user))))
    #expect(one.users == [user])
    #expect(one.counts.bytes * 4 < all.counts.bytes, "\(one.counts) of \(all.counts)")
    let without = try measure(.compare(.equal, "user", .integer(Int128(user))), keys: "none")
    #expect(without.users == [user])
    // A column that is no key of the table's: the last is not there.
    let word = try measure(.compare(.equal, "word", .string(Self.word(777))), keys: "word, gone")
    #expect(word.users.count == 1 && word.counts.bytes * 4 < all.counts.bytes)
    let range = try measure(
      try Predicate(parsing: "time < timestamp '1970-01-01T00:00:01.5'"), keys: "none")
    #expect(range.users.count == 1_500)
    #expect(range.counts.bytes * 3 < all.counts.bytes, "\(range.counts) of \(all.counts)")
  }

  @Test func whatIsNoKeySaysWhy() throws {
    let table = try WrittenTables(.weir).table(
      "keys", TableSchema([TableField(1, "x", .double)]),
      properties: [DataFormat.keysProperty: "x"])
    let error = #expect(throws: TableError.self) { try table.writer() }
    #expect(error?.message.contains(DataFormat.keysProperty) == true)
  }
}

/// A table of Weir files, each of several pages and written under another schema: columns are renamed,
/// promoted, added, and dropped and added again under the same name.
private struct EvolvingTable {
  var random: SeededRandom
  let table: Table
  private var count: Int64 = 0

  private static let fields: [TableField] = [
    TableField(1, "id", .long, required: true), TableField(2, "word", .string),
    TableField(3, "n", .int), TableField(4, "x", .float), TableField(5, "time", .timestamp),
    TableField(6, "price", .decimal(precision: 9, scale: 2)), TableField(7, "flag", .boolean),
    TableField(8, "code", .fixed(2)),
    TableField(9, "inner", .struct(StructType([TableField(10, "a", .int)]))),
    TableField(11, "items", .list(ListType(elementID: 12, element: .int))),
  ]

  init(seed: UInt64) throws {
    random = SeededRandom(seed: seed)
    let keys: [Int32] = seed % 3 == 0 ? [] : [1]
    table = try WrittenTables(.weir).table(
      "evolving", TableSchema(Self.fields, identifierFieldIDs: keys),
      properties: seed % 3 == 1 ? [DataFormat.keysProperty: "word,id,n"] : [:])
    let changes: [(UpdateSchema) -> Void] = [
      { $0.changeType("n", to: .long).changeType("x", to: .double) },
      { $0.changeType("price", to: .decimal(precision: 20, scale: 2)) },
      {
        $0.renameColumn("word", to: "text").addColumn("word", .string)
          .addColumn("extra", .int, defaultValue: .int(5))
      },
      { $0.dropColumn("flag").addColumn("flag", .int) },
      { $0.renameColumn("time", to: "at").renameColumn("code", to: "time") },
    ]
    for step in 0...changes.count {
      for _ in 0..<random.int(1...2) { try append() }
      if random.chance(0.5) {
        let low = random.int(0...Int(count))
        try table.delete(where: try Predicate(parsing: "id between \(low) and \(low + 3)"))
      }
      if step == changes.count { break }
      let transaction = table.transaction()
      changes[step](transaction.updateSchema())
      try transaction.commit()
    }
  }

  private mutating func append() throws {
    let schema = table.schema.arrowSchema()
    var batches: [RecordBatch] = []
    for _ in 0..<random.int(1...4) {
      let builder = RecordBatchBuilder(schema)
      // Pages differ in their values.
      let level = random.int(-3...3)
      for _ in 0..<random.int(1...60) {
        count += 1
        try builder.append(
          row: schema.fields.map {
            $0.name == "id" ? .int(count) : value($0.type, level, nullable: $0.nullable)
          })
      }
      batches.append(try builder.finish())
    }
    var options = TableWriteOptions()
    // Pages of few rows.
    options.bufferedBytesMax = random.pick([1_500, 6_000])
    try table.append(BatchList(batches), options: options)
  }

  private mutating func value(_ type: DataType, _ level: Int, nullable: Bool) -> Scalar {
    if nullable, random.chance(level == 0 ? 0.9 : 0.1) { return .null }
    switch type {
    case .int32, .int64: return .int(Int64(level * 10 + random.int(0...9)))
    case .timestamp: return .int(Int64(level * 10 + random.int(0...9)) * 1_000_000)
    case .float32: return .float32(random.pick([.nan, -0.0, 0, Float(level) + 0.1]))
    case .float64:
      return .float64(level == 3 ? .nan : random.pick([.nan, -0.0, 0, Double(level) + 0.1]))
    case .decimal128: return .decimal(Int128(level * 100 + random.int(0...99)), scale: 2)
    case .bool: return .bool(random.chance(0.5))
    case .utf8:
      return .string(random.pick(["", "a", "ä", "b", "a long text of level \(level + 3)"]))
    case .fixedSizeBinary: return .binary([UInt8(level + 3), UInt8(random.int(0...3))])
    case .list: return .list((0..<random.int(0...3)).map { .int(Int64($0)) })
    case .struct(let fields):
      return .struct(
        fields.map { Scalar.Member($0.name, value($0.type, level, nullable: true)) })
    default: return .null
    }
  }

  mutating func predicate(_ schema: Schema, depth: Int) -> WeirColumnar.Predicate {
    if depth > 0 {
      let parts = (0..<random.int(2...3)).map { _ in predicate(schema, depth: depth - 1) }
      return switch random.int(0...3) {
      case 0, 1: .and(parts)
      case 2: .or(parts)
      default: .not(parts[0])
      }
    }
    let field = random.pick(schema.fields)
    if case .struct = field.type {
      return .compare(
        .lessOrEqual, Term(path: ["inner", "a"]), .integer(Int128(random.int(-40...40))))
    }
    let term = Term(field.name)
    switch random.int(0...7) {
    case 0: return .isNull(term)
    case 1: return .notNull(term)
    case 2 where field.type.isFloatingPoint:
      return random.chance(0.5) ? .isNaN(term) : .notNaN(term)
    case 3 where field.type == .utf8: return .startsWith(term, random.pick(["a", "a long", "z"]))
    case 4, 5:
      let values = (0..<random.int(1...3)).compactMap { _ in literal(field) }
      guard !values.isEmpty else { return .isNull(term) }
      return random.chance(0.8) ? .isIn(term, values) : .notIn(term, values)
    default:
      guard let literal = literal(field) else { return .notNull(term) }
      return .compare(
        random.pick([.equal, .equal, .less, .greaterOrEqual, .notEqual]), term, literal)
    }
  }

  private mutating func literal(_ field: Field) -> Literal? {
    if field.name == "id" { return .integer(Int128(random.int(0...Int(count) + 5))) }
    // Beyond what was there before the promotion, too.
    if field.name == "n", random.chance(0.1) {
      return .integer(1 << 40 + Int128(random.int(-9...9)))
    }
    return Literal(
      value(field.type, random.int(-3...3), nullable: false), as: field.type)
  }

  /// The rows of a filter, read as parts of files.
  mutating func inParts(
    _ filter: WeirColumnar.Predicate, _ columns: [String]
  ) throws -> [String] {
    let planner = try table.plan(ScanOptions(where: filter))
    var tasks: [FileScanTask] = []
    while let task = try planner.next() {
      let size = Int64(task.dataFile.fileSizeInBytes)
      let cut = Int64(random.int(0...Int(size)))
      for range in [0..<cut, cut..<size] {
        var part = task
        part.range = range
        tasks.append(part)
      }
    }
    var options = TableReadOptions()
    options.columns = columns
    let reader = try TableReader(
      table.metadata, stores: table.stores, options: options, tasks: tasks)
    var result: [String] = []
    while let batch = try reader.next() {
      result += rows(batch).map { String(describing: $0) }
    }
    return result.sorted()
  }
}
