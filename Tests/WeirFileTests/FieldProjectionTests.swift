// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStorage
internal import _WeirTestSupport

@testable internal import WeirFile

/// Fields of structs are read alone, by dotted paths, as those of Parquet files are.
struct FieldProjectionTests {
  /// Paths to fields of structs in the type.
  private static func paths(_ type: DataType, _ path: [String]) -> [[String]] {
    switch type {
    case .struct(let fields):
      fields.flatMap { field in [path + [field.name]] + paths(field.type, path + [field.name]) }
    case .list(let item), .largeList(let item), .fixedSizeList(let item, _): paths(item.type, path)
    default: []
    }
  }

  /// The value with the fields alone that some path leads to.
  private static func pruned(_ value: Scalar, _ type: DataType, _ paths: [[String]]) -> Scalar {
    if paths.contains([]) { return value }
    switch (value, type) {
    case (.struct(let members), .struct(let fields)):
      var kept: [Scalar.Member] = []
      for (member, field) in zip(members, fields) {
        let below = paths.filter { $0.first == field.name }.map { Array($0.dropFirst()) }
        if below.isEmpty { continue }
        kept.append(Scalar.Member(field.name, pruned(member.value, field.type, below)))
      }
      return .struct(kept)
    case (.list(let items), .list(let item)), (.list(let items), .largeList(let item)),
      (.list(let items), .fixedSizeList(let item, _)):
      return .list(items.map { pruned($0, item.type, paths) })
    default: return value
    }
  }

  @Test(arguments: 0..<60)
  func randomPaths(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed) + 4_400)
    var fields = random.schema().fields
    fields.append(
      Field(
        "s",
        .struct([
          Field("a", .int64), Field("b", .utf8),
          Field("c", .struct([Field("x", .list(of: .int64)), Field("y", .float32)])),
        ])))
    fields.append(
      Field("l", .list(of: .struct([Field("a", .int64), Field("b", .int32)]))))
    var names: Set<String> = []
    fields = fields.filter { names.insert($0.name).inserted && !$0.name.contains(".") }
    let schema = Schema(fields)
    let batch = random.batch(schema, rows: random.pick([1, 40, 300]))
    let file = try RoundTripTests.write([batch], schema, RoundTripTests.writeOptions(&random))
    let reader = try WeirFileReader(file)
    let written = rows(batch)
    for _ in 0..<4 {
      var wanted: [String] = []
      var chosen: [(index: Int, paths: [[String]])] = []
      for (index, field) in fields.enumerated() {
        let all = Self.paths(field.type, []).filter { !$0.contains { $0.contains(".") } }
        let some = all.filter { _ in random.chance(0.3) }
        if some.isEmpty {
          if random.chance(0.3) {
            wanted.append(field.name)
            chosen.append((index, [[]]))
          }
          continue
        }
        wanted += some.map { ([field.name] + $0).joined(separator: ".") }
        chosen.append((index, some))
      }
      let expected = written.map { row in
        chosen.map { Self.pruned(row[$0.index], fields[$0.index].type, $0.paths) }
      }
      let batches = try reader.batches(columns: wanted, batchRows: random.pick([7, 100]))
      #expect(batches.schema.fields.map(\.name) == chosen.map { fields[$0.index].name })
      #expect(try RoundTripTests.all(batches) == expected, "\(wanted)")
      let places = (0..<20).map { _ in random.int(0..<written.count) }
      #expect(
        try rows(reader.take(rows: places, columns: wanted)) == places.map { expected[$0] })
    }
  }

  /// Large fields have pages of their own: a field is read without the bytes of the others.
  @Test func fieldsAreReadAlone() throws {
    let (count, size) = (4_000, 16)
    var random = SeededRandom(seed: 12)
    let inner = DataType.struct([Field("noise", .int64), Field("few", .int8)])
    let vector = DataType.fixedSizeList(Field("item", .float32, nullable: false), size: size)
    let type = DataType.struct([
      Field("id", .int64, nullable: false), Field("vector", vector), Field("in", inner),
    ])
    let builder = makeBuilder(for: type)
    for row in 0..<count {
      if row % 50 == 7 {
        builder.appendNull()
        continue
      }
      var vector: Scalar = .null
      if row % 20 != 1 {
        vector = .list((0..<size).map { _ in Scalar.float32(Float(random.int(0..<1 << 20)) / 7) })
      }
      let noise = Scalar.int(Int64(random.int(0..<1 << 60)))
      let inside = [Scalar.Member("noise", noise), Scalar.Member("few", .int(5))]
      try builder.append(
        .struct([
          Scalar.Member("id", .int(Int64(row % 3))), Scalar.Member("vector", vector),
          Scalar.Member("in", .struct(inside)),
        ]))
    }
    let schema = Schema([Field("s", type)])
    let batch = try RecordBatch(schema: schema, columns: [builder.finish()])
    let store = MemoryObjectStore()
    var options = WeirFileWriteOptions()
    options.pageRowsMax = 1_500
    options.partBytesMin = 4 << 10
    let writer = try WeirFileWriter(
      try store.create("f", condition: .none), schema: schema, options: options)
    try writer.write(batch)
    try writer.close()
    let counting = CountingObjectStore(store)
    let written = rows(batch)
    func read(_ names: [String]?) throws -> (rows: [[Scalar]], bytes: Int) {
      let reader = try WeirFileReader(try counting.open("f"))
      _ = try reader.batches(columns: names)
      counting.reset()
      return (
        try RoundTripTests.all(reader.batches(columns: names, batchRows: 400)),
        counting.counts.bytes
      )
    }
    let all = try read(nil)
    #expect(all.rows == written)
    // Parts of three pages: vectors of 64 bytes a row, noise of 8.
    let reader = try WeirFileReader(try store.open("f"))
    #expect(reader.problems().map(\.message) == [])
    let column = try reader.allColumns()[0]
    #expect(column.descriptor.auxiliary.map(\.role) == [.parts])
    #expect(column.descriptor.auxiliary[0].pageCount == 6)
    let names = [["s.id"], ["s.in.noise"], ["s.vector"]]
    let bytes = try names.map { names in
      let part = try read(names)
      let path = names[0].split(separator: ".").dropFirst().map(String.init)
      #expect(part.rows == written.map { [Self.pruned($0[0], type, [path])] })
      return part.bytes
    }
    #expect(bytes[0] < 8_000 && bytes[1] > 20_000 && bytes[1] < 45_000 && bytes[2] > 150_000)
    #expect(all.bytes > bytes[1] + bytes[2] - 16_000)
    #expect(
      try rows(reader.take(rows: [3_999, 57, 21], columns: ["s.in"]))
        == [3_999, 57, 21].map { [Self.pruned(written[$0][0], type, [["in"]])] })
    let (erased, _) = try EraseTests.erase([21, 3_000], reader)
    var expected = written
    for row in [21, 3_000] { expected[row] = [.null] }
    #expect(try RoundTripTests.all(WeirFileReader(erased).batches()) == expected)
  }

  @Test func namesAndErrors() throws {
    let place = DataType.struct([Field("city", .utf8), Field("zip", .int32)])
    let schema = Schema([Field("place", place), Field("place.zip", .int64), Field("id", .int64)])
    let columns = [
      try array(
        place,
        (0..<5).map {
          .struct([.init("city", .string("city \($0)")), .init("zip", .int(Int64($0)))])
        }),
      try array(.int64, (0..<5).map { .int(Int64($0) * 100) }),
      try array(.int64, (0..<5).map { .int(Int64($0)) }),
    ]
    let batch = try RecordBatch(schema: schema, columns: columns)
    let reader = try WeirFileReader(
      try RoundTripTests.write([batch], schema, WeirFileWriteOptions()))
    // A column of that name comes before a field.
    let exact = try reader.take(rows: [3], columns: ["place.zip"])
    #expect(rows(exact) == [[.int(300)]])
    let city = try reader.take(rows: [3], columns: ["id", "place.city"])
    #expect(rows(city) == [[.int(3), .struct([.init("city", .string("city 3"))])]])
    #expect(try reader.columns(["place.city"])[0] === reader.columns(["place.city"])[0])
    let both = try reader.take(rows: [3], columns: ["place.city", "place"])
    #expect(both.columns.count == 1 && both.columns[0].type == place)
    let filtered = try reader.matches(
      try Predicate(parsing: "id >= 3"), columns: ["place.city"])
    #expect(
      try RoundTripTests.all(filtered)
        == (3..<5).map { [.struct([.init("city", .string("city \($0)"))])] })
    for name in ["place.town", "id.x", "place.city.x", "gone.city", "place."] {
      let error = #expect(throws: WeirFileError.self) { try reader.batches(columns: [name]) }
      #expect(error?.code == .invalidArgument && error?.column == name)
    }
    // A field alone cannot be erased.
    #expect(throws: WeirFileError.self) {
      try EraseTests.erase([1], columns: ["place.city"], reader)
    }
  }
}

extension RoundTripTests {
  fileprivate static func all(_ matches: WeirFileMatches) throws -> [[Scalar]] {
    var result: [[Scalar]] = []
    while let batch = try matches.next() { result += rows(batch) }
    return result
  }
}
