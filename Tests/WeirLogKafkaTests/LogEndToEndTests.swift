// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirTable

@testable internal import WeirStreaming

/// What streams promise, over each kind of log: the same tests.
@Suite(.serialized) struct LogEndToEndTests {
  @Test(arguments: LogKind.allCases) func rowsComeOnceWhateverIsReopened(_ kind: LogKind) throws {
    let world = try LogWorld(kind)
    var stream = try world.open(world.definition())
    // In memory, in files, in both; reopened without a flush each time.
    try stream.put((0..<10).map { row($0, "a") })
    #expect(try stream.rows() == texts(0..<10))
    #expect(try stream.rows(live: false) == [])
    stream.close()
    stream = try world.open(world.definition())
    #expect(try stream.rows() == texts(0..<10))
    #expect(try stream.flush())
    #expect(try stream.rows(live: false) == texts(0..<10))
    try stream.put((10..<20).map { row($0, "b") })
    #expect(try stream.rows() == texts(0..<20))
    stream.close()
    stream = try world.open(world.definition())
    #expect(try stream.rows() == texts(0..<20))
    #expect(try stream.tailRows().suffix(10) == (10..<20).map { "\($0)" })
    #expect(try stream.flush())
    #expect(try !stream.flush())
    #expect(stream.status().lagRowCount == 0)
    stream.close()
    stream = try world.open(world.definition())
    #expect(try stream.rows() == texts(0..<20) && stream.rows(live: false) == texts(0..<20))
    #expect(stream.status().lagRowCount == 0)
    #expect(try stream.tailRows() == (0..<20).map { "\($0)" })
    stream.close()
  }

  @Test(arguments: LogKind.allCases) func retriesAreKnownAfterRestarts(_ kind: LogKind) throws {
    let world = try LogWorld(kind)
    var stream = try world.open(world.definition())
    let stamps = (1...40).map { ProducerStamp(id: "p", sequence: $0 * 10) }
    var receipts: [StreamReceipt] = []
    func put(_ number: Int) throws -> StreamReceipt {
      try stream.put([row(number * 2, "x"), row(number * 2 + 1, "y")], producer: stamps[number])
    }
    for number in 0..<10 { receipts.append(try put(number)) }
    #expect(try put(3) == StreamReceipt(offsets: receipts[3].offsets, isRepeat: true))
    // Known from what the table does not hold yet, and from before it.
    for flushes in [false, true, true] {
      if flushes { try stream.flush() }
      stream.close()
      stream = try world.open(world.definition())
      for number in 0..<receipts.count {
        let again = try put(number)
        #expect(again == StreamReceipt(offsets: receipts[number].offsets, isRepeat: true))
      }
      receipts.append(try put(receipts.count))
      #expect(!receipts[receipts.count - 1].isRepeat)
      #expect(try stream.rows() == texts(0..<receipts.count * 2))
    }
    // Those that are forgotten are not taken for new ones.
    for number in receipts.count..<40 { _ = try put(number) }
    let error = #expect(throws: StreamError.self) { try put(0) }
    #expect(error?.code == .invalidArgument)
    #expect(try stream.rows() == texts(0..<80))
    stream.close()
  }

  @Test(arguments: LogKind.allCases, [1, 3])
  func keyedRowsAreReplacedDeletedAndLookedUp(_ kind: LogKind, shards: Int) throws {
    let world = try LogWorld(kind, shards: shards)
    let definition = world.definition(keyed: true, shards: shards)
    var stream = try world.open(definition)
    var state: [Int: String] = [:]
    func check() throws {
      let expected = state.map { "\($0.key) \($0.value)" }.sorted()
      #expect(try stream.rows(["id", "name"]) == expected)
      let keys = PrimitiveBuilder<Int64>(.int64)
      for id in 0..<30 { keys.append(Int64(id)) }
      let found = try stream.lookup(
        keys: RecordBatch(
          schema: Schema([Field("id", .int64, nullable: false)]), columns: [keys.finish()]),
        columns: ["name"])
      #expect(found.found == (0..<30).map { state[$0] != nil })
      #expect(found.rows.rowCount == state.count)
    }
    for round in 0..<6 {
      let ids = (0..<20).map { ($0 * 7 + round) % 25 }
      try stream.put(ids.map { row($0, "v\(round)") })
      for id in ids { state[id] = "v\(round)" }
      try stream.put([[.int(Int64(round)), .null, .int(1)]])
      state[round] = nil
      try check()
      if round % 2 == 1 {
        try stream.flush()
        try check()
      }
      if round % 3 == 1 {
        stream.close()
        stream = try world.open(definition)
        try check()
      }
    }
    try stream.flush()
    #expect(try stream.rows(["id", "name"], live: false) == stream.rows(["id", "name"]))
    stream.close()
  }

  @Test(arguments: LogKind.allCases, [false, true])
  func changesBetweenPositionsAreTold(_ kind: LogKind, keyed: Bool) throws {
    let world = try LogWorld(kind, shards: 2)
    let stream = try world.open(world.definition(keyed: keyed, shards: 2))
    var point = StreamPoint.earliest
    func changes() throws -> [String] {
      let reader = try stream.changes(from: point, to: .latest)
      point = .position(reader.to)
      var result: [String] = []
      while let batch = try reader.next() {
        guard let types = batch[StreamColumns.changeType], let ids = batch["id"] else { continue }
        for row in 0..<batch.rowCount {
          result.append("\(ids.scalar(at: row).plain) \(types.scalar(at: row).plain)")
        }
      }
      return result.sorted()
    }
    for round in 0..<4 {
      let ids = round * 5..<round * 5 + 10
      try stream.put(ids.map { row($0, "v\(round)") })
      if round == 1 { try stream.flush() }
      var expected = ids.map { "\($0) INSERT" }
      if keyed, round > 0 {
        expected = ids.flatMap { id in
          id < round * 5 + 5 ? ["\(id) UPDATE_AFTER", "\(id) UPDATE_BEFORE"] : ["\(id) INSERT"]
        }
      }
      #expect(try changes() == expected.sorted())
      #expect(try changes() == [])
    }
    stream.close()
  }

  @Test(arguments: LogKind.allCases) func manyProducersAtOnce(_ kind: LogKind) async throws {
    let world = try LogWorld(kind, shards: 2)
    let definition = world.definition(shards: 2)
    let stream = try world.open(definition)
    try await withThrowingTaskGroup { group in
      for producer in 0..<4 {
        group.addTask {
          for sequence in 0..<20 {
            let start = (producer * 20 + sequence) * 5
            let rows = (start..<start + 5).map { row($0, "p\(producer)") }
            let stamp = ProducerStamp(id: "p\(producer)", sequence: Int64(sequence))
            try stream.put(rows, producer: stamp)
            // As a client does that did not get the answer.
            if sequence % 3 == 0 {
              #expect(try stream.put(rows, producer: stamp).isRepeat)
            }
            if sequence == 10 { try stream.flush() }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try stream.rows() == texts(0..<400))
    stream.close()
    let again = try world.open(definition)
    #expect(try again.rows() == texts(0..<400))
    try again.flush()
    #expect(try again.rows(live: false) == texts(0..<400))
    again.close()
  }
}
