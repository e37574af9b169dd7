// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import WeirStreaming
internal import WeirTable
internal import _WeirTestSupport

@testable internal import WeirPipelines

struct HistoryBackfillTests {
  /// The job dies at random steps, with the service, and runs again; in the end the table holds the
  /// history of all events, once.
  @Test(arguments: 1...5)
  func theTableHoldsTheHistoryThroughCrashes(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    let world = try World(seed: UInt64(seed))
    let definitions = try Shop.streams()
    var clock = Shop.start
    let events = (0..<random.int(100...1_500)).map { _ in
      clock += Int64(random.int(0...2)) * Shop.minute
      return Shop.Event(
        user: Int64(random.int(0...5)), item: Int64(random.int(0...9)), time: clock, knownAt: clock,
        kind: random.pick(["click", "rating"]), value: Double(random.int(0...5)))
    }
    var process = 0
    while true {
      let (streams, disk) = try world.start("p\(process)", definitions)
      let source = try streams.stream(Shop.table("events"))
      if process == 0 { try source.put(Shop.batch(events, source.inputSchema), streams) }
      process += 1
      let job = try HistoryBackfill(Shop.examples(), view: Shop.view(), streams: streams)
      var steps = random.chance(0.4) ? Int.max : random.int(1...30)
      while steps > 0, !job.progress.isFinished {
        _ = try job.step()
        if random.chance(0.5) { streams.step() }
        if random.chance(0.2) { world.advance() }
        steps -= 1
      }
      if job.progress.isFinished {
        try Self.check(streams, job.progress)
        _ = streams.close()
        return
      }
      world.disk.kill(disk)
      _ = streams.close(drains: false)
    }
  }

  private static func check(_ streams: Streams, _ progress: HistoryBackfill.Progress) throws {
    let shape = try ExampleShape(Shop.examples(), view: Shop.view(), feedback: Shop.events())
    let history = try HistoryExamples(
      shape,
      events: [Shop.table("events"): streams.stream(Shop.table("events")).rows()],
      rows: [Shop.table("items"): streams.stream(Shop.table("items")).rows()])
    let expected = history.next(impressions: .max)
    let target = try streams.stream(Shop.table("examples"))
    let found = try target.rows(shape.fields.map(\.name) + [StreamColumns.knownAt])
    let batch = try shape.batch(expected, found.schema)
    #expect(Shop.text(found, without: []) == Shop.text(batch, without: []))
    #expect(found.rowCount == expected.count)
    #expect(progress.rowCount == expected.count)
    #expect(progress.doneCount == progress.impressionCount)
  }

  @Test func tooMuchIsSaid() throws {
    let (streams, _) = try World(seed: 1).start("p", Shop.streams())
    defer { _ = streams.close() }
    let source = try streams.stream(Shop.table("events"))
    let events = (0..<10).map {
      Shop.Event(time: Shop.start, knownAt: Shop.start, kind: "rating", offset: Int64($0))
    }
    try source.put(Shop.batch(events, source.inputSchema), streams)
    let job = try HistoryBackfill(
      Shop.examples(), view: Shop.view(), streams: streams, eventCountMax: 5)
    #expect(throws: StreamError.self) { while true { _ = try job.step() } }
    var other = try Shop.examples()
    other.history = nil
    #expect(throws: StreamError.self) {
      _ = try HistoryBackfill(other, view: Shop.view(), streams: streams)
    }
  }
}
