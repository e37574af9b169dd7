// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import Testing
internal import WeirColumnar
internal import WeirTable

@testable internal import WeirLogKafka
@testable internal import WeirStreaming

/// What is only so over Kafka: others write the topic, brokers go away, messages are deleted.
@Suite(.serialized) struct KafkaLogTests {
  private func arrow(_ stream: StreamTable, _ rows: [[Scalar]]) throws -> [UInt8] {
    let batch = try stream.batch(rows)
    let target = MutableBuffer()
    let writer = try ArrowStreamWriter(schema: batch.schema, into: target)
    try writer.write(batch)
    try writer.finish()
    return target.finish().array(of: UInt8.self)
  }

  @Test func messagesOfOthersBecomeRowsOrDeadLetters() throws {
    let world = try LogWorld(.kafka)
    let broker = try #require(world.broker)
    let letters = try world.open(DeadLetters.definition(of: world.definition()))
    var stream = try world.open(world.definition(), deadLetters: letters)
    try broker.produce(
      "events",
      [
        #"{"id": 0, "name": "a"}"#, "{\"id\": 1}\n\n{\"id\": 2}\n{\"id\": \"x\"}\n{\"id\": 3}",
        "no record at all", "", #"{"id": 4, "size": 7}"#,
      ])
    try stream.put([row(5, "ours")])
    try broker.produce("events", [try arrow(stream, [row(6, "x"), row(7, "y")])])
    try broker.produce(
      "events", [[0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5], Array("{\"id\": 8}\n".utf8)])
    #expect(try stream.wait(rows: 8) == ["0", "1", "2", "3", "5", "6", "7", "8"])
    func reasons() throws -> [String] { try letters.rows(["record", "reason"]) }
    let found = try reasons()
    #expect(found.count == 5)
    for (text, offset) in [("4 ", 1), ("1 ", 2), ("1 ", 3), ("1 ", 4), ("1 ", 7)] {
      let place = "\(text)topic 'events', partition 0, offset \(offset): "
      #expect(found.contains { $0.hasPrefix(place) }, "\(place): \(found)")
    }
    #expect(
      try letters.rows(["bytes"]).contains("\(Scalar.binary(Array("no record at all".utf8)))"))
    // The offset of a row follows from its message alone: blank and bad lines count.
    let offsets = try stream.rows(["id", "_offset"])
    #expect(offsets.contains("3 \(1 << 20 | 4)") && offsets.contains("5 \(5 << 20)"))
    let times = try stream.rows(["id", "_ingest_time"])
    #expect(times.contains("0 1700000000000000"))
    // Read again, everything is as it was, and told of once.
    for flushes in [false, true] {
      if flushes { try stream.flush() }
      stream.close()
      stream = try world.open(world.definition(), deadLetters: letters)
      #expect(try stream.wait(rows: 8).count == 8)
      #expect(try stream.rows(["id", "_offset"]) == offsets)
      #expect(try reasons() == found)
    }
    #expect(stream.status().lagRowCount == 0)
    stream.close()
    letters.close()
  }

  @Test func aBrokerThatComesBackLosesAndDoublesNothing() throws {
    let world = try LogWorld(.kafka)
    let broker = try #require(world.broker)
    let stream = try world.open(world.definition())
    try stream.put([row(0, "a")], producer: ProducerStamp(id: "p", sequence: 0))
    for round in 1...3 {
      try broker.tell("down")
      let answer = Mutex<Result<StreamReceipt, any Error>?>(nil)
      let done = DispatchSemaphore(value: 0)
      Thread.detachNewThread {
        let result = Result {
          try stream.put(
            [row(round, "b")], producer: ProducerStamp(id: "p", sequence: Int64(round)))
        }
        answer.withLock { $0 = result }
        done.signal()
      }
      // Reads do not need the broker.
      #expect(try stream.rows() == texts(0..<round))
      Thread.sleep(forTimeInterval: 0.3)
      try broker.tell("up")
      done.wait()
      let receipt = try #require(answer.withLock { $0 }).get()
      #expect(!receipt.isRepeat)
      #expect(try stream.rows() == texts(0..<round + 1))
    }
    // Messages of others come again by themselves, too.
    try broker.produce("events", [#"{"id": 4}"#])
    #expect(try stream.wait(rows: 5) == texts(0..<5))
    try stream.flush()
    #expect(try stream.rows(live: false) == texts(0..<5))
    stream.close()
  }

  @Test func anAppendThatNobodyAnswersIsSentAgain() throws {
    let world = try LogWorld(.kafka, deliveryMilliseconds: 1_000)
    let broker = try #require(world.broker)
    let stream = try world.open(world.definition())
    try stream.put([row(0, "a")])
    try broker.tell("down")
    let stamp = ProducerStamp(id: "p", sequence: 1)
    let error = #expect(throws: StreamError.self) {
      try stream.put([row(1, "b")], producer: stamp)
    }
    #expect(error?.code == .storage)
    let text = error?.description ?? ""
    for part in ["events", "partition 0", broker.brokers, "send them again"] {
      #expect(text.contains(part), "\(text)")
    }
    try broker.tell("up")
    let deadline = Date().addingTimeInterval(30)
    while Date() < deadline {
      do {
        try stream.put([row(1, "b")], producer: stamp)
        break
      } catch { Thread.sleep(forTimeInterval: 0.05) }
    }
    #expect(try stream.wait(rows: 2) == texts(0..<2))
    stream.close()
    let again = try world.open(world.definition())
    #expect(try again.rows() == texts(0..<2))
    #expect(try again.put([row(1, "b")], producer: stamp).isRepeat)
    again.close()
  }

  @Test func whatKafkaDeletedIsSaid() throws {
    let world = try LogWorld(.kafka)
    let broker = try #require(world.broker)
    var stream = try world.open(world.definition())
    try stream.put([row(0, "a")])
    try stream.flush()
    stream.close()
    // The mock broker keeps 5 MB.
    let name = String(repeating: "x", count: 100_000)
    for start in stride(from: 1, to: 81, by: 10) {
      try broker.produce(
        "events", (start..<start + 10).map { #"{"id": \#($0), "name": "\#(name)"}"# })
    }
    let error = #expect(throws: StreamError.self) { try world.open(world.definition()) }
    #expect(error?.code == .damaged)
    let text = error?.description ?? ""
    #expect(
      text.contains("topic 'events', partition 0") && text.contains("messages 1 to ")
        && text.contains(StreamOffsets.property), "\(text)")
    // As the message says.
    let numbers = text.split { !$0.isNumber }.compactMap { Int64($0) }
    let offset = try #require(numbers.first { $0 > 1 << 20 && $0 % (1 << 20) == 0 })
    let table = try world.catalog.table(world.definition().table)
    let transaction = table.transaction()
    transaction.setProperties([StreamOffsets.property: StreamOffsets([offset]).text])
    try transaction.commit()
    stream = try world.open(world.definition())
    let first = Int(offset >> 20)
    #expect(try stream.wait(rows: 82 - first).count == 82 - first)
    stream.close()
  }

  @Test func anotherTopicIsNotTakenForIt() throws {
    let world = try LogWorld(.kafka)
    var definition = world.definition()
    let stream = try world.open(definition)
    try stream.put([row(0, "a"), row(1, "b")])
    try stream.flush()
    stream.close()
    definition.log = .segments
    #expect(throws: StreamError.self) { try world.open(definition) }
    // A cluster that lost everything.
    let other = try KafkaBroker()
    try other.tell("topic events 1")
    definition.log = .kafka(other.source("events"))
    let moved = #expect(throws: StreamError.self) { try world.open(definition) }
    #expect(moved?.code == .conflict || moved?.code == .damaged, "\(String(describing: moved))")
    let table = try world.catalog.table(definition.table)
    let transaction = table.transaction()
    let handle = try KafkaProducer(
      KafkaLogOptions(other.source("events"), now: { 0 }), partition: 0
    ).handle
    let id = try #require(handle.clusterID(waitMilliseconds: 3_000))
    transaction.setProperties([StreamLease.logProperty: "kafka:events@\(id)"])
    try transaction.commit()
    let lost = #expect(throws: StreamError.self) { try world.open(definition) }
    #expect(lost?.code == .damaged && lost?.description.contains("made anew") == true)
  }

  @Test func topicsThatDoNotFitAreRefused() throws {
    let world = try LogWorld(.kafka, shards: 2)
    var definition = world.definition()
    let count = #expect(throws: StreamError.self) { try world.open(definition) }
    #expect(count?.description.contains("2 partitions") == true)
    // The mock broker makes topics that are asked for.
    try world.broker?.tell("missing nowhere")
    definition.log = .kafka(try #require(world.broker).source("nowhere"))
    let missing = #expect(throws: StreamError.self) { try world.open(definition) }
    #expect(
      missing?.description.contains("no such topic") == true, "\(String(describing: missing))")
    definition.log = .kafka(KafkaSource(brokers: "127.0.0.1:1", topic: "events"))
    let silent = #expect(throws: StreamError.self) { try world.open(definition) }
    #expect(
      silent?.code == .storage && silent?.description.contains("127.0.0.1:1") == true,
      "\(String(describing: silent))")
    var source = try #require(world.broker).source("events")
    source.settings["group.id"] = "g"
    definition.log = .kafka(source)
    let own = #expect(throws: StreamError.self) { try world.open(definition) }
    #expect(own?.code == .invalidArgument && own?.description.contains("group.id") == true)
  }

  @Test func rowsInTheWrongShardAreDeadLetters() throws {
    let world = try LogWorld(.kafka, shards: 3)
    let broker = try #require(world.broker)
    let definition = world.definition(keyed: true, shards: 3)
    let letters = try world.open(DeadLetters.definition(of: definition))
    let stream = try world.open(definition, deadLetters: letters)
    for partition in 0..<3 {
      try broker.produce(
        "events", partition: partition, (0..<30).map { #"{"id": \#($0), "name": "\#(partition)"}"# }
      )
    }
    #expect(try stream.wait(rows: 30) == texts(0..<30))
    let deadline = Date().addingTimeInterval(30)
    while try letters.rows(["record"]).count < 60, Date() < deadline {
      Thread.sleep(forTimeInterval: 0.01)
    }
    #expect(try letters.rows(["record"]).count == 60)
    stream.close()
    letters.close()
  }

  @Test func aBrokerThatRefusesIsSaidSo() throws {
    let world = try LogWorld(.kafka)
    let broker = try #require(world.broker)
    let stream = try world.open(world.definition())
    for (code, remedy) in [(29, "allow it to"), (10, "message.max.bytes")] {
      try broker.tell("fail 0 \(code) 1")
      let stamp = ProducerStamp(id: "p", sequence: Int64(code))
      let error = #expect(throws: StreamError.self) {
        try stream.put([row(code, "a")], producer: stamp)
      }
      #expect(error?.description.contains(remedy) == true, "\(String(describing: error))")
      // The log is opened again.
      let deadline = Date().addingTimeInterval(20)
      while Date() < deadline {
        do {
          try stream.put([row(code, "a")], producer: stamp)
          break
        } catch { Thread.sleep(forTimeInterval: 0.05) }
      }
    }
    #expect(try stream.rows() == ["10", "29"])
    stream.close()
  }

  @Test func secretsAreNotRepeated() throws {
    let world = try LogWorld(.kafka)
    var source = try #require(world.broker).source("events")
    source.settings["ssl.key.pem"] = "hush"
    source.settings["sasl.mechanismsss"] = "hush"
    var definition = world.definition()
    definition.log = .kafka(source)
    let error = #expect(throws: StreamError.self) { try world.open(definition) }
    #expect(error?.code == .invalidArgument && error?.description.contains("hush") == false)
  }

  @Test func anotherMachineGoesOn() throws {
    let world = try LogWorld(.kafka)
    let definition = world.definition(keyed: true)
    var environment = world.environment
    for round in 0..<3 {
      environment.folder = "\(world.folder)/machine-\(round)"
      let streams = try Streams([definition], catalog: world.catalog, environment: environment)
      let stream = try streams.streamTable(definition.table)
      #expect(try stream.rows() == texts(0..<round * 10))
      let stamp = ProducerStamp(id: "p", sequence: Int64(round))
      let rows = (0..<10).map { row(round * 10 + $0, "a") }
      try stream.put(rows, producer: stamp)
      try world.broker?.produce("events", ["bad \(round)"])
      if round == 1 { try stream.flush() }
      // Only the topic has what was not flushed.
      _ = streams.close(drains: round == 2)
      if round < 2 {
        environment.folder = "\(world.folder)/other-\(round)"
        let other = try Streams([definition], catalog: world.catalog, environment: environment)
        #expect(try other.streamTable(definition.table).put(rows, producer: stamp).isRepeat)
        _ = other.close(drains: false)
      }
    }
    let streams = try Streams([definition], catalog: world.catalog, environment: environment)
    #expect(try streams.streamTable(definition.table).rows(live: false) == texts(0..<30))
    let letters = try streams.streamTable(DeadLetters.definition(of: definition).table)
    // At least once each: the former machine's log of letters is not here.
    let deadline = Date().addingTimeInterval(20)
    while try Set(letters.rows(["bytes"])).count < 3, Date() < deadline {
      Thread.sleep(forTimeInterval: 0.01)
    }
    #expect(try Set(letters.rows(["bytes"])).count == 3)
    _ = streams.close()
  }

  // MARK: Stamps

  @Test func aBatchThatIsInTheTopicTwiceIsReadOnce() throws {
    let world = try LogWorld(.kafka)
    let broker = try #require(world.broker)
    var stream = try world.open(world.definition())
    func headers(_ sequence: Int) -> [(String, String)] {
      [("weir-producer", "other"), ("weir-sequence", "\(sequence)")]
    }
    let lines = "{\"id\": 0}\n{\"id\": 1}"
    try broker.produce("events", [lines, lines], headers: headers(1))
    try broker.produce("events", ["{\"id\": 2}"], headers: headers(2))
    #expect(try stream.wait(rows: 3) == texts(0..<3))
    // The first copy is in the table, the next one comes later.
    try stream.flush()
    try broker.produce("events", [lines], headers: headers(1))
    try stream.put([row(3, "x")])
    #expect(try stream.rows() == texts(0..<4))
    stream.close()
    stream = try world.open(world.definition())
    #expect(try stream.rows() == texts(0..<4))
    #expect(try stream.tailRows() == (0..<4).map { "\($0)" })
    // Through Weir, too.
    #expect(
      try stream.put([row(0, "x"), row(1, "x")], producer: ProducerStamp(id: "other", sequence: 1))
        .isRepeat)
    stream.close()
  }

  @Test func aBatchOfManyMessagesIsEndedWhenOnlySomeArrived() throws {
    let world = try LogWorld(.kafka)
    let broker = try #require(world.broker)
    var stream = try world.open(world.definition())
    let name = String(repeating: "y", count: 1_000)
    let batch = try stream.batch((0..<3_000).map { row($0, name) })
    let stamp = ProducerStamp(id: "p", sequence: 9)
    let parts = try MessageEncoder(bytesMax: 900_000).encode(
      LogAppend(batch, ingestTime: 5_000_000, producer: stamp), from: 0)
    #expect(parts.count > 3 && parts.reduce(0) { $0 + $1.rowCount } == 3_000)
    #expect(parts.allSatisfy { $0.message.payload.count <= 900_000 })
    // A process that dies in between; messages of others before and behind.
    let producer = try KafkaProducer(
      KafkaLogOptions(broker.source("events"), now: { 0 }), partition: 0)
    _ = try producer.send(parts[..<2].map(\.message))
    try broker.produce("events", [#"{"id": 3000}"#])
    for flushes in [false, true] {
      if flushes { try stream.flush() }
      stream.close()
      stream = try world.open(world.definition())
      #expect(try stream.rows().count == parts[0].rowCount + parts[1].rowCount + 1)
    }
    let receipt = try stream.put([batch], producer: stamp)
    #expect(!receipt.isRepeat)
    #expect(try stream.rows() == texts(0..<3_001))
    #expect(try stream.put([batch], producer: stamp).isRepeat)
    stream.close()
    stream = try world.open(world.definition())
    #expect(try stream.rows() == texts(0..<3_001))
    #expect(try stream.put([batch], producer: stamp).isRepeat)
    stream.close()
  }

  @Test func rowsThatNoMessageHoldsAreRefused() throws {
    let world = try LogWorld(.kafka)
    let stream = try world.open(world.definition())
    let error = #expect(throws: StreamError.self) {
      try stream.put([row(0, String(repeating: "z", count: 2_000_000))])
    }
    #expect(error?.code == .invalidArgument)
    try stream.put([row(1, "a")])
    #expect(try stream.rows() == ["1"])
    stream.close()
  }
}
