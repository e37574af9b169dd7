// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirWorld

@Suite struct EventStatisticsTests {
  /// Against counting row by row with scalars.
  @Test func agreesWithANaiveCount() throws {
    var settings = WorldSettings()
    settings.userCount = 300
    settings.itemCount = 200
    let world = SyntheticWorld(settings)
    let reader = SyntheticEvents(world, rowCount: 8_000, batchRows: 999)
    var statistics = EventStatistics()
    var kinds: [String: Int] = [:]
    var users: Set<Int64> = []
    var events: [Int64: Int] = [:]
    var watched = 0.0
    while let batch = try reader.nextBatch() {
      try statistics.add(batch)
      for row in 0..<batch.rowCount {
        let kind = batch["event"]!.scalar(at: row).text(as: .utf8)
        kinds[kind, default: 0] += 1
        if case .int(let user) = batch["user_id"]!.scalar(at: row) { users.insert(user) }
        if case .int(let item) = batch["item_id"]!.scalar(at: row) {
          events[item, default: 0] += kind == "impression" ? 0 : 1
        }
        if case .float32(let value) = batch["value"]!.scalar(at: row) { watched += Double(value) }
      }
    }
    #expect(statistics.rowCount == 8_000)
    #expect(statistics.kinds == kinds)
    #expect(statistics.users == users)
    #expect(statistics.items.mapValues(\.count) == events)
    #expect(abs(statistics.valueSum - watched) < 1e-6 * watched)
    #expect(statistics.values.values.reduce(0, +) == kinds["watch"])
    #expect(statistics.days.values.reduce(0, +) == 8_000)
    #expect(statistics.hours.reduce(0, +) == 8_000)
    #expect(statistics.positions.values.reduce(0) { $0 + $1.impressions } == kinds["impression"])
    #expect(statistics.positions.values.reduce(0) { $0 + $1.clicks } == kinds["click"])
    #expect(!statistics.overflowed)
  }

  @Test func otherTablesAreRefused() throws {
    let batch = SyntheticWorld().itemBatch()
    var statistics = EventStatistics()
    #expect(throws: WorldError.self) { try statistics.add(batch) }
  }
}

@Suite struct CSVInferenceTests {
  private func types(_ text: String) throws -> [String] {
    try CSVInference.columns(CSVReader(MemoryByteSource(text))).map(\.field.type.description)
  }

  @Test func typesOfColumns() throws {
    #expect(
      try types(
        """
        a,b,c,d,e,f,g,
        1,1.5,true,2026-01-31,x,0123,,1
        -7,2,false,2026-01-31 10:00:00Z,1,4567,,
        ,,,,,,,3
        """)
        == [
          "int64", "float64", "bool", "timestamp[ms, tz=UTC]", "utf8", "utf8", "utf8", "int64",
        ])
    #expect(try types("a\n0.5\n-0.5\n0\n") == ["float64"])
    #expect(try types("a\n99999999999999999999\n") == ["float64"])
    #expect(try types("a,b\n") == ["utf8", "utf8"])
  }

  @Test func errors() {
    #expect(throws: WorldError.self) { try types("") }
    #expect(throws: WorldError.self) { try types("a,b,a\n1,2,3\n") }
  }
}
