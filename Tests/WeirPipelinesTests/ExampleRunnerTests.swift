// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirPipelines

/// One answer of a surface.
private struct Served {
  var id: String
  var user: Int64
  var at: Int64
  var items: [Int64]
  /// A number from which all features follow.
  var salt: Int64

  func value(_ field: Field) -> Scalar {
    func perItem(_ value: (Int64) -> Scalar) -> Scalar { .list(items.map(value)) }
    return switch field.name {
    case "request_id": .string(id)
    case "surface": .string("home")
    case "user_id": .int(user)
    case "at": .int(at)
    case "model_version": salt % 2 == 0 ? .null : .int(salt)
    case "items": perItem { .int($0) }
    case "propensities": perItem { .float64(1 / Double($0 + 1)) }
    case "user_events": .int(salt)
    case "user_heat": .float64(Double(salt) / 3)
    case "user_recent_item_id": .list((0..<salt % 4).map { .int($0 * salt) })
    case "item_events": perItem { .int($0 * salt) }
    case "item_mean_value": perItem { $0 % 3 == 0 ? .null : .float64(Double($0) / 7) }
    case "item_recently": perItem { .int($0) }
    case "attributes_category": perItem { .string("c\($0)") }
    case "_known_at": .int(at)
    default: .null
    }
  }
}

struct ExampleRunnerTests {
  private static func world(
    _ random: inout SeededRandom
  ) -> (requests: [Served], events: [Shop.Event]) {
    var requests: [Served] = []
    var events: [Shop.Event] = []
    var clock = Shop.start
    for number in 0..<random.int(5...25) {
      clock += Int64(random.int(1...20)) * 1_000_000
      var items: [Int64] = []
      for _ in 0..<random.int(0...8) {
        let item = Int64(random.int(0...11))
        if !items.contains(item) || random.chance(0.1) { items.append(item) }
      }
      let served = Served(
        id: "r\(number)", user: Int64(random.int(0...3)), at: clock, items: items,
        salt: Int64(random.int(0...9)))
      requests.append(served)
      for _ in 0..<random.int(0...10) {
        let late = Int64(random.int(-2...40)) * Shop.minute
        let after = random.chance(0.1) ? Int64(random.int(100...140)) * Shop.minute : late
        events.append(
          Shop.Event(
            user: served.user, item: random.chance(0.05) ? nil : Int64(random.int(0...12)),
            time: clock + after, knownAt: clock, kind: random.pick(["click", "view", "rating"]),
            value: random.chance(0.3) ? nil : Double(random.int(0...5)),
            request: random.chance(0.1) ? nil : random.chance(0.05) ? "nobody" : served.id))
      }
    }
    return (requests, events)
  }

  /// What the table holds in the end, by the plainest means.
  private static func expected(
    _ requests: [Served], _ events: [Shop.Event], _ schema: Schema
  ) throws -> [String: String] {
    let builder = RecordBatchBuilder(schema)
    for request in requests {
      for (position, item) in request.items.enumerated()
      where request.items.firstIndex(of: item) == position {
        let mine = events.filter { $0.request == request.id && $0.item == item }
        func first(_ minutes: Int64, _ isLabel: (Shop.Event) -> Bool) -> Int64? {
          mine.filter { isLabel($0) && $0.time <= request.at + minutes * Shop.minute }
            .map(\.time).min()
        }
        let click = first(30) { $0.kind == "click" }
        let like = first(120) { $0.value ?? 0 >= 4 }
        let isLabelled = click != nil || like != nil
        let fraction = NegativeSampling.fraction(request.id, .int(item), .int64)
        guard isLabelled || fraction < 0.5 else { continue }
        let values: [String: Scalar] = [
          "item_id": .int(item), "position": .int(Int64(position)),
          "propensity": .float64(1 / Double(item + 1)),
          "click": .bool(click != nil), "click_at": click.map { .int($0) } ?? .null,
          "like": .bool(like != nil), "like_at": like.map { .int($0) } ?? .null,
          "sampling_rate": .float32(isLabelled ? 1 : 0.5), "is_correction": .bool(false),
          "source": .string("served"),
        ]
        try builder.append(
          row: schema.fields.map { field in
            if let value = values[field.name] { return value }
            let value = request.value(field)
            if case .list(let list) = value, !field.name.hasPrefix("user_") {
              return list[position]
            }
            return value
          })
      }
    }
    return Shop.text(try builder.finish(), without: ["is_correction"])
  }

  private static func runner(_ streams: Streams, rows: Int) throws -> ExampleRunner {
    try ExampleRunner(
      Shop.examples(), view: Shop.view(), requests: streams.stream(Shop.table("requests")),
      feedback: streams.stream(Shop.table("events")),
      target: streams.stream(Shop.table("examples")),
      positions: streams.stream(TableIdentifier(parsing: PipelinePositions.tableName)),
      requestRows: rows)
  }

  private static func put(_ served: [Served], _ streams: Streams) throws {
    let stream = try streams.stream(Shop.table("requests"))
    let builder = RecordBatchBuilder(stream.inputSchema)
    for request in served {
      try builder.append(row: stream.inputSchema.fields.map { request.value($0) })
    }
    try stream.put(builder.finish(), streams)
  }

  private static func put(_ events: [Shop.Event], _ streams: Streams) throws {
    let stream = try streams.stream(Shop.table("events"))
    try stream.put(Shop.batch(events, stream.inputSchema), streams)
  }

  private static func finish(_ runner: ExampleRunner, _ streams: Streams) throws {
    var idle = 0
    while idle < 3 {
      let step = try runner.step()
      let worked = streams.step()
      if case .idle = step, !worked { idle += 1 } else { idle = 0 }
    }
  }

  /// Requests and feedback come in any order, twice now and then, while the service dies again and again.
  @Test(arguments: 1...10)
  func examplesAreThoseOfThePlainestMeansThroughCrashes(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let world = try World(seed: UInt64(seed))
    let definitions = try Shop.streams()
    let (requests, events) = Self.world(&random)
    var restRequests = requests
    var restEvents = events
    var process = 0
    while true {
      let (streams, disk) = try world.start("p\(process)", definitions)
      process += 1
      let runner = try Self.runner(streams, rows: random.int(1...8))
      for _ in 0..<random.int(5...40) {
        if !restRequests.isEmpty, random.chance(0.3) {
          let count = min(restRequests.count, random.int(1...4))
          try Self.put(Array(restRequests.prefix(count)), streams)
          if !random.chance(0.2) { restRequests.removeFirst(count) }
        }
        if !restEvents.isEmpty, random.chance(0.3) {
          let count = min(restEvents.count, random.int(1...20))
          try Self.put(Array(restEvents.prefix(count)), streams)
          if !random.chance(0.2) { restEvents.removeFirst(count) }
        }
        _ = try runner.step()
        if random.chance(0.5) { world.advance() }
        if random.chance(0.7) { streams.step() }
      }
      if restRequests.isEmpty, restEvents.isEmpty, random.chance(0.5) {
        try Self.finish(runner, streams)
        let columns = definitions[3].columns
        let found = try streams.stream(Shop.table("examples")).rows(columns.fields.map(\.name))
        #expect(runner.droppedCount == 0)
        #expect(
          Shop.text(found, without: ["is_correction"])
            == (try Self.expected(requests, events, columns)))
        _ = streams.close()
        return
      }
      world.disk.kill(disk)
      _ = streams.close(drains: false)
    }
  }

  @Test func lateFeedbackCorrects() throws {
    let (streams, _) = try World(seed: 1).start("p", Shop.streams())
    defer { _ = streams.close() }
    let runner = try Self.runner(streams, rows: 10)
    let items = (0..<40).map { Int64($0) }
    let served = Served(id: "r", user: 1, at: Shop.start, items: items, salt: 2)
    let kept = items.filter { NegativeSampling.fraction("r", .int($0), .int64) < 0.5 }
    let sampledOut = try #require(items.first { !kept.contains($0) })
    try Self.put([served], streams)
    try Self.finish(runner, streams)
    func rows() throws -> [Int64: (click: Scalar, at: Scalar, correction: Scalar, known: Scalar)] {
      let rows = try streams.stream(Shop.table("examples")).rows()
      var result: [Int64: (click: Scalar, at: Scalar, correction: Scalar, known: Scalar)] = [:]
      for row in 0..<rows.rowCount {
        guard case .int(let item)? = rows["item_id"]?.scalar(at: row) else { continue }
        func value(_ name: String) -> Scalar { rows[name]?.scalar(at: row) ?? .null }
        result[item] = (
          value("click"), value("click_at"), value("is_correction"), value("_known_at")
        )
      }
      return result
    }
    #expect(try Set(rows().keys) == Set(kept))
    func click(_ item: Int64, _ minutes: Int64) -> Shop.Event {
      Shop.Event(
        user: 1, item: item, time: Shop.start + minutes * Shop.minute,
        knownAt: Shop.start + 50 * Shop.minute, kind: "click", request: "r")
    }
    // In time, too late, and of an item of which there was no early example.
    try Self.put([click(kept[0], 29), click(kept[1], 31), click(sampledOut, 3)], streams)
    try Self.finish(runner, streams)
    // The first one counts, whenever it comes.
    try Self.put([click(kept[0], 7), click(kept[0], 8)], streams)
    try Self.finish(runner, streams)
    let found = try rows()
    #expect(found[kept[0]]?.click == .bool(true))
    #expect(found[kept[0]]?.at == .int(Shop.start + 7 * Shop.minute))
    #expect(found[kept[0]]?.correction == .bool(true))
    #expect(found[kept[0]]?.known == .int(Shop.start + 50 * Shop.minute))
    #expect(found[kept[1]]?.click == .bool(false))
    #expect(found[kept[1]]?.known == .int(Shop.start))
    #expect(found[sampledOut]?.click == .bool(true))
    #expect(found[sampledOut]?.correction == .bool(false))
    #expect(found.count == kept.count + 1)
  }

  @Test func feedbackWaitsForItsRequestAndNotForEver() throws {
    let (streams, _) = try World(seed: 1).start("p", Shop.streams())
    defer { _ = streams.close() }
    let runner = try Self.runner(streams, rows: 10)
    func click(_ request: String, _ minutes: Int64) -> Shop.Event {
      Shop.Event(
        user: 1, item: 1, time: Shop.start, knownAt: Shop.start + minutes * Shop.minute,
        kind: "click", request: request)
    }
    try Self.put([click("late", 0), click("never", 0)], streams)
    try Self.finish(runner, streams)
    try Self.put(
      [Served(id: "late", user: 1, at: Shop.start, items: [1], salt: 1)], streams)
    try Self.finish(runner, streams)
    let found = try streams.stream(Shop.table("examples")).rows(["click"])
    #expect((0..<found.rowCount).map { found.columns[0].scalar(at: $0) } == [.bool(true)])
    #expect(runner.droppedCount == 0)
    try Self.put([click("other", 11)], streams)
    try Self.finish(runner, streams)
    #expect(runner.droppedCount == 1)
  }
}
