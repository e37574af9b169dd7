// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import WeirProject
internal import WeirStreaming
internal import WeirTable

/// The problems of `text`, each as `line:column: message; remedy`.
func problems(_ text: String) -> [String] {
  do {
    _ = try Project(parsing: text, file: "weir.yaml")
    return []
  } catch {
    return error.problems.map { String($0.description.dropFirst("weir.yaml:".count)) }
  }
}

@Suite struct ProjectTests {
  private let full = """
    weir: 1
    data: ./state
    catalog: sqlite:names.db
    warehouse: s3://bucket/warehouse
    server: {host: 0.0.0.0, port: 0}
    streams:
      shop.events:
        doc: What people do in the shop.
        columns:
          id: uuid not null
          user_id: {type: long, required: true, doc: Who.}
          at: timestamptz not null
          kind: {type: string, default: view}
          price: decimal(9, 2)
          place: "struct<x: double not null, y: double>"
          tags: list<string not null>
          extra: map<string, long>
        event_time: at
        shards: 4
        shard_key: user_id
        partition: [day(at), "bucket(16, user_id)"]
        flush: {interval: 30s, bytes: 64MB}
        log: {retention: 1.5h, bytes: 2GiB}
        format: weir
        properties: {write.parquet.compression-codec: zstd, owner: 7}
      shop.profiles:
        columns:
          user_id: long not null
          at: timestamptz
          clicks: long
          last: long
          top: string
          score: double
          people: string
        event_time: at
        primary_key: user_id
        merge:
          engine: aggregation
          columns:
            clicks: sum
            last: last_k(10)
            top: top_k(3, score)
            score: decayed_sum(7d)
            people: distinct_count
      shop.items:
        columns: {id: string not null, a: int, a_at: long, b: int, b_at: long}
        primary_key: [id]
        merge:
          engine: partial_update
          groups:
            - {sequence: a_at, columns: [a]}
            - {sequence: [b_at], columns: [b]}
    """

  @Test func everythingIsRead() throws {
    let project = try Project(parsing: full, file: "weir.yaml")
    #expect(project.data == "./state" && project.catalog == "sqlite:names.db")
    #expect(project.warehouse == "s3://bucket/warehouse")
    #expect(project.server.host == "0.0.0.0" && project.server.port == 0)
    #expect(
      project.streams.map { "\($0.table)" } == ["shop.events", "shop.profiles", "shop.items"])

    let events = project.streams[0]
    #expect(
      events.columns.fields.map { "\($0)" } == [
        "id: fixed_size_binary[16] not null", "user_id: int64 not null",
        "at: timestamp[us, tz=UTC] not null", "kind: utf8", "price: decimal128(9, 2)",
        "place: struct<x: float64 not null, y: float64>", "tags: list<element: utf8 not null>",
        "extra: map<key: utf8 not null, value: int64>",
      ])
    #expect(events.columns.fields.map(\.id) == (1...8).map { Int32($0) })
    #expect(events.defaults == ["kind": .string("view")])
    #expect(events.eventTime == "at" && events.shardCount == 4 && events.shardKey == ["user_id"])
    #expect(events.partition == ["day(at)", "bucket(16, user_id)"])
    #expect(events.flush.intervalMilliseconds == 30_000 && events.flush.bytes == 64_000_000)
    #expect(events.logRetentionSeconds == 5_400 && events.logBytesMax == 2 << 30)
    #expect(events.properties["owner"] == "7" && events.format == .weir)
    #expect(!events.isKeyed)

    #expect(project.streams[1].primaryKey == ["user_id"])
    #expect(
      project.streams[1].merge
        == .aggregation([
          "clicks": .sum, "last": .lastK(count: 10), "top": .topK(count: 3, by: "score"),
          "score": .decayedSum(halfLifeSeconds: 7 * 86_400),
          "people": .distinctCount(precision: 12),
        ]))
    #expect(
      project.streams[2].merge
        == .partialUpdate([
          SequenceGroup(sequence: ["a_at"], columns: ["a"]),
          SequenceGroup(sequence: ["b_at"], columns: ["b"]),
        ]))
  }

  @Test func allProblemsAtOnce() {
    let text = """
      weir: 2
      serverr: {port: 1}
      server: {port: 99999}
      streams:
        events:
          columns: {id: long}
        shop.events:
          columns:
            id: int64
            at: string
            user: long
            _shard: int
          event-time: at
          event_time: at
          primary_key: [user, usr]
          shards: 0
          shard_key: at
          partition: [days(at), hour(user), "bucket(x)"]
          flush: {interval: 30, bytes: 1KB}
          merge: {engine: lastwrite, groups: []}
          format: orc
        shop.counts:
          columns: {id: long not null, n: string, t: double}
          primary_key: id
          merge:
            engine: aggregation
            columns: {n: sum, t: last_k(0), id: max, m: avg}
      """
    #expect(
      problems(text) == [
        "1:7: this version of Weir does not know files of form '2'; write 1, or take a newer version "
          + "of Weir",
        "2:1: the file has no key 'serverr'; did you mean 'server'?",
        "3:16: 'port' is 99999; it must be between 0 and 65535",
        "5:3: 'events' is no name of a table; write namespace.table, such as shop.events",
        "9:11: column 'id': there is no type 'int64'; did you mean long?",
        "12:7: '_shard' is a column that Weir adds itself; choose another name",
        "13:5: the stream 'shop.events' has no key 'event-time'; did you mean 'event_time'?",
        "14:17: 'event_time' names 'at', which is a string; declare it as timestamptz",
        "15:19: 'primary_key' names 'user', which may be null; declare it as 'user: long not null'",
        "15:25: 'primary_key' names 'usr', which is no column of 'shop.events'; did you mean 'user'?",
        "16:13: 'shards' is 0; it must be between 1 and 1024",
        "17:16: 'shard_key' names 'at', which is not in the primary key; all versions of a row must "
          + "be in one shard: take columns of the primary key",
        "18:17: day does not take 'at', which is a string; take a date or a timestamp",
        "18:27: hour does not take 'user', which is a long; take a timestamp",
        "18:39: 'partition' holds 'bucket(x)', which is no term; write a column, year(c), month(c), "
          + "day(c), hour(c), bucket(N, c) or truncate(N, c)",
        "19:23: 'interval' is '30'; write a number with its unit, like 500ms, 30s, 5m, 12h or 7d",
        "19:34: 'bytes' is 1000 bytes; it must be between 65536 bytes and 17179869184 bytes",
        "20:21: there is no merge engine 'lastwrite'; did you mean 'last_write'?",
        "21:13: there is no format 'orc' for tables; write parquet or weir",
        "27:20: sum does not take 'n', which is a string; take a number",
        "27:28: 'last_k(0)' does not fit; write last_k(K) with K from 1 to 10000",
        "27:39: 'id' is in the primary key and cannot be aggregated",
        "27:48: 'columns' names 'm', which is no column of 'shop.counts'; did you mean 'n'?",
      ])
  }

  @Test func formatsOfFiles() throws {
    let text = """
      streams:
        a.b:
          columns: {id: long}
          format: weri
          properties: {write.format.default: weir, weir.file.profile: tiny}
        a.c:
          columns: {id: long}
          format: WEIR
      """
    #expect(
      problems(text) == [
        "4:13: there is no format 'weri' for tables; did you mean 'weir'?",
        "5:18: the property 'write.format.default' is what 'format' says; write 'format: weir'",
        "5:65: there is no profile 'tiny' of Weir files; write fast or compact",
        "8:13: there is no format 'WEIR' for tables; did you mean 'weir'?",
      ])
  }

  @Test(arguments: [
    ("", "1:1: the file is empty; declare streams: see docs/project.md"),
    ("a: [", "2:1: this is no YAML: while parsing a flow node, did not find expected node content"),
    (
      "streams: 5",
      "1:10: 'streams' must be a mapping, is '5'; write the name of each stream's table "
        + "as a key: namespace.table"
    ),
    (
      "streams: {a.b: {columns: {}}}",
      "1:26: the stream 'a.b' declares 0 columns; declare 1 to 2000"
    ),
    (
      "streams: {a.b: {}}",
      "1:11: the stream 'a.b' declares no columns; add them under 'columns'"
    ),
    (
      "streams:\n  a.b: {columns: {x: int}}\n  a.b: {columns: {x: int}}",
      "2:3: the mapping has the key 'a.b' twice; take one of them out"
    ),
    (
      "data: 1\nstreams:\n\ta: 1",
      "3:1: this is no YAML: while scanning for the next token, found "
        + "character that cannot start any token; indent with spaces, not with tabs"
    ),
  ])
  func onlyProblem(_ text: String, _ problem: String) {
    #expect(problems(text) == [problem])
  }

  @Test func aListIsNoProject() {
    let found = problems("- a")
    #expect(found.count == 1)
    #expect(
      found.first?.hasPrefix("1:1: the file must be a mapping, is a list; its keys are weir, ")
        == true)
  }

  @Test(arguments: [
    ("decimal(40, 2)", "'decimal(40, 2)' is no type"), ("list<int", "the type ends where '>'"),
    ("map<string>", "'>' where ',' should be"), ("struct<a int>", "'int>' where ':' should be"),
    ("long required", "'required' follows the type"), ("varchar(20)", "there is no type 'varchar'"),
    ("struct<a: int, a: int>", "a struct has two fields called 'a'"), ("", "a type is missing"),
    ("long not nul", "'not nul' follows the type"), ("list<lsit<int>>", "there is no type 'lsit'"),
    ("variant", "there is no type 'variant'"), ("unknown", "there is no type 'unknown'"),
  ])
  func noTypes(_ type: String, _ message: String) {
    let found = problems("streams: {a.b: {columns: {x: \"\(type)\"}}}")
    #expect(found.count == 1)
    #expect(found.first?.contains("column 'x': " + message) == true, "\(found)")
  }

  @Test func defaultsFitTheirTypes() throws {
    let columns: [(String, String, Scalar?)] = [
      ("int", "7", .int(7)), ("int", "3000000000", nil), ("boolean", "true", .bool(true)),
      ("boolean", "maybe", nil), ("double", "1", .float64(1)), ("string", "7", .string("7")),
      ("decimal(9, 2)", "1.50", .decimal(150, scale: 2)), ("decimal(9, 2)", "1.555", nil),
      ("date", "2026-01-31", .int(20_484)), ("list<int>", "1", nil),
    ]
    for (type, value, expected) in columns {
      let text = "streams: {a.b: {columns: {x: {type: \"\(type)\", default: \(value)}}}}"
      if let expected {
        let project = try Project(parsing: text, file: "f")
        #expect(project.streams[0].defaults["x"] == expected)
      } else {
        #expect(problems(text).count == 1, "\(text)")
      }
    }
  }

  /// Whatever somebody writes: an answer, no trap, and not for ever.
  @Test func damagedFiles() {
    var state: UInt64 = 7
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let marks = Array("{}[]:,-&*!|>'\"#%@`\t\n ".utf8)
    for _ in 0..<300 {
      var bytes = Array(full.utf8)
      for _ in 0...random(4) {
        let place = random(bytes.count)
        switch random(4) {
        case 0: bytes[place] = UInt8(random(128))
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(marks[random(marks.count)], at: place)
        default: bytes.removeSubrange(place..<min(bytes.count, place + random(30)))
        }
      }
      _ = problems(String(decoding: bytes, as: UTF8.self))
    }
    #expect(!problems(String(repeating: "[", count: 50_000)).isEmpty)
    #expect(!problems(String(repeating: "{a: ", count: 50_000)).isEmpty)
    var laughs = "a0: &a0 [x, x]\n"
    for level in 1...40 {
      laughs += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n"
    }
    #expect(!problems(laughs + "streams: *a40\n").isEmpty)
    #expect(!problems(laughs + "streams: {a.b: {columns: *a40, primary_key: *a40}}\n").isEmpty)
  }

  @Test func theSchemaIsPublished() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../docs/weir.schema.json").standardizedFileURL
    let published = try String(contentsOf: file, encoding: .utf8)
    #expect(
      published == Project.jsonSchemaText,
      "docs/weir.schema.json is old: weir check --schema > docs/weir.schema.json")
  }
}

@Suite struct ProjectLogTests {
  @Test func aTopicOfKafkaIsTheLog() throws {
    let text = """
      streams:
        shop.events:
          columns: {id: long not null}
          shards: 4
          log:
            kafka:
              brokers: [a:9092, b:9093]
              topic: shop-events
              unknown_fields: ignore
              timestamp_unit: ms
              options: {security.protocol: SASL_SSL, sasl.password: "${PASSWORD}", socket.timeout.ms: 1000}
        shop.others:
          columns: {id: long not null}
          log: {kafka: {brokers: a:9092, topic: t}}
      """
    let project = try Project(parsing: text, file: "weir.yaml")
    var source = KafkaSource(brokers: "a:9092,b:9093", topic: "shop-events")
    source.unknownFields = .ignore
    source.timestampUnit = .millisecond
    source.settings["security.protocol"] = "SASL_SSL"
    source.settings["sasl.password"] = "${PASSWORD}"
    source.settings["socket.timeout.ms"] = "1000"
    #expect(project.streams[0].log == .kafka(source))
    #expect(project.streams[1].log == .kafka(KafkaSource(brokers: "a:9092", topic: "t")))
  }

  @Test func whatIsWrongWithATopic() {
    let text = """
      streams:
        a.b:
          columns: {id: long not null}
          log:
            retention: 1h
            kafka:
              brokers: [a, "b:99999"]
              topic: a b
              unknown_fields: drop
              timestamp_unit: m
              options: {group.id: g}
        a.c:
          columns: {id: long not null}
          log: {kafka: {brokers: [], tpic: t}}
      """
    #expect(
      problems(text) == [
        "5:7: what a topic of Kafka keeps is not said here; take 'retention' out, and set the topic's "
          + "retention.ms and retention.bytes",
        "7:19: 'a' is no address of a broker; write host:9092",
        "7:22: 'b:99999' is no address of a broker; write host:9092",
        "8:16: 'a b' cannot be the name of a topic; names have 1 to 249 letters, digits, dots, "
          + "underscores and hyphens",
        "9:25: 'unknown_fields' cannot be 'drop'; write error or ignore",
        "10:25: there is no unit 'm'; write s, ms, us or ns",
        "11:19: the option 'group.id' is set by Weir itself; take it out",
        "14:11: 'kafka' names no brokers; add 'brokers: [host:9092]'",
        "14:11: 'kafka' names no topic; add 'topic'",
        "14:32: 'kafka' has no key 'tpic'; did you mean 'topic'?",
      ])
  }
}
