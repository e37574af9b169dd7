// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing
internal import WeirColumnar
internal import WeirTable
internal import _WeirTestSupport

/// Damaged metadata, updates and JSON text: what is accepted is consistent and comes back whole, the
/// rest is refused with an error, and nothing crashes. `dev/fuzz` runs this suite for hours.
@Suite(.serialized) struct MetadataFuzzTests {
  private static let environment = ProcessInfo.processInfo.environment
  private static let seconds = environment["WEIR_FUZZ_SECONDS"].flatMap(Double.init)
  private static let firstSeed = environment["WEIR_FUZZ_SEED"].flatMap(UInt64.init) ?? 1

  private let values: [JSONValue] = [
    .null, -1, 0, 1, 3, 1000, 2_147_483_647, 9_223_372_036_854_775_807,
    -9_223_372_036_854_775_808, 1.5, .number("1e400"), "", "x", "main", true, [], .object([:]),
    "bucket[0]", "truncate[4]", "unknown-transform", "void", "decimal(99,1)", "decimal(38,38)",
    "fixed[-1]", "fixed[2147483647]", "timestamp_ns", "variant", "unknown", "tag",
    ["type": "list", "element-id": 1, "element": "int", "element-required": true],
    ["type": "struct", "fields": []],
  ]

  private func run(_ share: Double, _ body: (inout SeededRandom) throws -> Void) rethrows {
    let clock = ContinuousClock()
    let end = clock.now + .seconds((Self.seconds ?? 3) * share)
    var seed = Self.firstSeed
    while clock.now < end {
      var random = SeededRandom(seed: seed)
      let begin = clock.now
      try body(&random)
      #expect(clock.now - begin < .seconds(5), "seed \(seed)")
      seed += 1
    }
  }

  private func damaged(_ json: JSONValue, _ random: inout SeededRandom) -> JSONValue {
    switch json {
    case .object(var members) where !members.isEmpty && random.chance(0.9):
      let (name, value) = members[random.int(0..<members.count)]
      members[name] = random.chance(0.05) ? nil : damaged(value, &random)
      return .object(members)
    case .array(var items) where !items.isEmpty && random.chance(0.9):
      let index = random.int(0..<items.count)
      if random.chance(0.1) {
        items.append(items[index])
      } else {
        items[index] = damaged(items[index], &random)
      }
      return .array(items)
    default: return random.pick(values)
    }
  }

  @Test func damagedMetadata() throws {
    let corpus = try MetadataFiles.own("tables.json").asArray()
    let scripts = try MetadataFiles.own("updates.json").asObject().values
    var updates: [JSONValue] = []
    for script in scripts {
      for step in try script.asObject().array("steps") {
        updates += try step.asObject().array("updates")
      }
    }
    var (accepted, applied) = (0, 0)
    try run(0.5) { random in
      var json = random.pick(corpus)
      for _ in 0..<random.int(0...3) { json = damaged(json, &random) }
      guard let metadata = try? TableMetadata(json: json) else { return }
      accepted += 1
      try use(metadata)
      // A few updates, damaged too.
      let chosen = (0..<random.int(1...4)).compactMap { _ -> TableUpdate? in
        let json = random.pick(updates)
        return try? TableUpdate(json: random.chance(0.6) ? damaged(json, &random) : json)
      }
      let changed = try? metadata.applying(
        chosen, now: Int64(bitPattern: random.next()) >> 20, previousLocation: "x")
      guard let changed else { return }
      applied += 1
      try use(changed)
    }
    #expect(accepted > 50 && applied > 20, "\(accepted) accepted, \(applied) applied")
  }

  /// Everything that is asked of metadata works, and it comes back whole.
  private func use(_ metadata: TableMetadata) throws {
    let read = try TableMetadata(json: metadata.json())
    #expect(read == metadata, "\(metadata.json().differences(from: read.json()))")
    #expect(try TableMetadata(bytes: metadata.bytes(), location: "x") == read)
    _ = metadata.currentSchema.arrowSchema()
    _ = metadata.currentSchema.allPaths
    _ = metadata.defaultSpec.partitionType(metadata.currentSchema)
    _ = metadata.currentSnapshot.map { metadata.ancestors(of: $0.snapshotID) }
    _ = metadata.snapshot(asOfMilliseconds: 0)
    _ = NameMapping(metadata.currentSchema).json()
  }

  @Test func damagedText() throws {
    let corpus = try MetadataFiles.own("tables.json").asArray().map(\.bytes)
    run(0.3) { random in
      var bytes = random.pick(corpus)
      for _ in 0..<random.int(1...3) {
        let position = random.int(0..<bytes.count)
        switch random.int(0..<5) {
        case 0: bytes[position] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes.insert(random.pick(Array("\"\\{}[],:0e-u".utf8)), at: position)
        case 2: bytes.remove(at: position)
        case 3: bytes.removeSubrange(position..<min(bytes.count, position + random.int(1...40)))
        default:
          let nesting = [UInt8](repeating: UInt8(ascii: "["), count: random.int(1...300))
          bytes.insert(contentsOf: nesting, at: position)
        }
        if bytes.isEmpty { return }
      }
      do throws(TableError) {
        _ = try TableMetadata(bytes: bytes, location: "damaged")
      } catch {
        #expect(error.file == "damaged")
      }
    }
  }

  @Test func damagedValues() throws {
    let types = try TableMetadata(json: try MetadataFiles.own("tables.json").asArray()[2])
      .currentSchema.fields.map(\.type)
    let texts = [
      "2017-11-16T22:31:08.123456+00:00", "22:31:08.1", "2017-11-16", "14.20", "2E+20", "-0.0001",
      "f79c3e09-677c-4bbd-a479-3f349cb785e7", "000102ff", "9999-12-31T23:59:59", "+292278-01-01",
    ]
    run(0.2) { random in
      var text = Array(random.pick(texts).utf8)
      for _ in 0..<random.int(0...2) where !text.isEmpty {
        text[random.int(0..<text.count)] = random.pick(Array("0123456789-+:.TZeE".utf8))
      }
      let json: JSONValue =
        random.chance(0.8)
        ? .string(String(decoding: text, as: UTF8.self)) : random.pick(values)
      for type in types {
        guard let value = try? Scalar(json: json, type) else { continue }
        #expect((try? Scalar(json: value.json(type), type)) == value, "\(json) as \(type)")
        for transform in [Transform.bucket(7), .truncate(3), .year, .month, .day, .hour] {
          guard let result = try? transform.apply(value, type) else { continue }
          _ = transform.text(result, source: type)
        }
      }
    }
  }
}
